"""Songs fitted to dances."""

from collections.abc import Sequence
from pathlib import Path

from kinetune.api.inputs import Dance, sound_of
from kinetune.audio.sound import Sound
from kinetune.fitting.time_map import LARGEST_STRETCH
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion
from kinetune.tasks.fitting import FittedSong, fit_in_memory
from kinetune.tasks.fitting.request import check_limit
from kinetune.tasks.music import Music
from kinetune.tasks.requests.beat_options import BeatOptions

Song = Music | Sound | str | Path


def fit(
    song: Song,
    dance: Dance,
    *,
    limit: float = LARGEST_STRETCH,
    from_start: bool = False,
    per_beat: bool = False,
    bpm: float | str = "auto",
    first_beat_s: float | None = None,
    reading: int = 1,
) -> FittedSong:
    """Fit a song to a dance: the offset and stretch that bring the beats of both together.

    Args:
        song: A sound or a sound file.
        dance: A motion file or a clip.
        limit: Largest stretch, above 0 to 0.1.
        from_start: Begin the song with the dance; otherwise where energy and accents agree best.
        per_beat: Map beat by beat, for songs or dances that drift; otherwise by one ratio.
        bpm: Tempo of the dance; or ``auto``, ``half`` or ``double`` of the estimated tempo.
        first_beat_s: Time of a downbeat of the dance, seconds.
        reading: Which reading of the dance to use, 1 for the most likely.

    Returns:
        The fitted song, with ``.fit`` (offset, stretch, score, readings), ``.sound``, ``.retimed``
        (the dance retimed to the song instead) and ``.save``.

    Raises:
        KinetuneError: A file can't be used, or a number is out of range.
    """
    beats = BeatOptions(bpm, first_beat_s, None, None, reading)
    return _ranked(
        [song], dance, beats, limit=limit, from_start=from_start, per_beat=per_beat
    )[0]  # fmt: skip


def rank_songs(
    songs: Sequence[Song],
    dance: Dance,
    *,
    limit: float = LARGEST_STRETCH,
    from_start: bool = False,
    per_beat: bool = False,
) -> list[FittedSong]:
    """Fit songs to a dance and return them, best first; see :func:`fit`.

    Args:
        songs: Sounds or sound files, one or more.
        dance: A motion file or a clip.
        limit: Largest stretch, above 0 to 0.1.
        from_start: Begin the songs with the dance.
        per_beat: Map beat by beat.

    Raises:
        KinetuneError: A file can't be used, or a number is out of range.
    """
    return _ranked(
        songs, dance, BeatOptions(), limit=limit, from_start=from_start, per_beat=per_beat
    )


def _ranked(
    songs: Sequence[Song],
    dance: Dance,
    beats: BeatOptions,
    *,
    limit: float,
    from_start: bool,
    per_beat: bool,
) -> list[FittedSong]:
    check_limit(limit)
    clip = dance if isinstance(dance, MotionClip) else read_motion(dance)
    named = [
        (str(song) if isinstance(song, str | Path) else f"song {number}", sound_of(song))
        for number, song in enumerate(songs, start=1)
    ]
    return fit_in_memory(
        named, clip, beats=beats, limit=limit, from_start=from_start, per_beat=per_beat
    )
