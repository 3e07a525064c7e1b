"""A song fitted to a dance, in memory. Seconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound, check_suffix, write_sound
from kinetune.errors import ConfigError
from kinetune.fitting.body import BodyAnalysis, analyse_body
from kinetune.fitting.markers import WarpMarkers, warp_markers
from kinetune.fitting.retime import TimeFunction, retime_clip, smooth_times
from kinetune.fitting.search import Fit, find_fit
from kinetune.fitting.song import SongAnalysis, analyse_song
from kinetune.fitting.time_map import TimeMap, steady_map
from kinetune.fitting.time_stretch import stretch_song, stretcher_name
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.output_paths import check_absent

_VERDICTS = ("fits", "unsure", "no fit")


@dataclass(frozen=True, eq=False, repr=False)
class FittedSong:
    """A song and a dance that were fitted to each other.

    Attributes:
        fit: Offset, stretch, score and readings.
        original: The song as it was.
        clip: The dance as it was.
        song: What was measured of the song.
        body: What was measured of the dance.
    """

    fit: Fit
    original: Sound
    clip: MotionClip
    song: SongAnalysis
    body: BodyAnalysis

    def __repr__(self) -> str:
        return (
            f"<FittedSong: {self.fit.song} and {self.fit.dance}, {self.fit.verdict}"
            + ("" if self.fit.stretch is None else
               f", offset {self.fit.offset_s:.2f} s, stretch {self.fit.stretch:.4f}")
            + ">"
        )  # fmt: skip

    @property
    def time_map(self) -> TimeMap:
        """Song time to dance time.

        Raises:
            ConfigError: There is none: no stretch within the limit brings the beats together.
        """
        if self.fit.time_map is None:
            raise ConfigError(f"{self.fit.song}: no fit to {self.fit.dance}: {self.fit.reason}")
        return self.fit.time_map

    @property
    def sound(self) -> Sound:
        """The song, stretched and shifted, as long as the dance."""
        return stretch_song(self.original, self.time_map, self.clip.duration_s)

    @property
    def stretcher(self) -> str:
        """What stretches it: ``none``, ``signalsmith`` or ``phase vocoder``."""
        return stretcher_name(self.time_map)

    @property
    def song_start_s(self) -> float:
        """Time in the song at which the dance begins; negative where the song begins later."""
        return float(self.time_map.in_song(np.zeros(1))[0])

    @property
    def retimed_duration_s(self) -> float:
        """Length of the dance at the song's own speed, seconds."""
        ends_s = self.time_map.in_song(np.array([0.0, self.clip.duration_s]))
        return float(np.ptp(ends_s))

    @property
    def old_times(self) -> TimeFunction:
        """Time in the retimed dance to time in the dance as it was."""
        return smooth_times(self.time_map, self.song_start_s)

    @property
    def retimed(self) -> MotionClip:
        """The dance retimed to the song; it begins with :attr:`unstretched`."""
        return retime_clip(self.clip, self.old_times, self.retimed_duration_s)

    @property
    def unstretched(self) -> Sound:
        """The part of the song at its own speed that the retimed dance is danced to."""
        plain = steady_map(-self.song_start_s, 1.0, self.original.duration_s)
        return stretch_song(self.original, plain, self.retimed_duration_s)

    def markers(self, song: Path) -> WarpMarkers:
        """Return the warp markers of the song's file."""
        return warp_markers(
            song, self.song.beats_s, self.time_map, bpm=self.body.grid.bpm,
            duration_s=self.clip.duration_s,
        )  # fmt: skip

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the fitted song as .wav, .flac, .ogg or .mp3, and return its path.

        Raises:
            OutputError: The file exists, or can't be written.
            KinetuneError: There is no fit, or the suffix is unknown.
        """
        target = Path(path)
        check_suffix(target, rate_hz=self.original.rate_hz)
        if not overwrite:
            check_absent([target])
        write_sound(target, self.sound)
        return target


def fit_in_memory(
    songs: Iterable[tuple[str, Sound]],
    clip: MotionClip,
    *,
    beats: BeatOptions | None = None,
    limit: float,
    from_start: bool = False,
    per_beat: bool = False,
) -> list[FittedSong]:
    """Return how songs fit a dance, best first.

    Args:
        songs: Names and sounds.
        clip: The dance.
        beats: Beats of the dance that a person names.
        limit: Largest stretch.
        from_start: Whether the songs begin with the dance.
        per_beat: Whether to map beat by beat.

    Raises:
        KinetuneError: A song is too short, or the beats don't fit the dance.
    """
    body = analyse_body(clip, _named_grid(clip, beats))
    made = []
    for name, sound in songs:
        song = analyse_song(sound, name)
        fit = find_fit(song, body, limit=limit, from_start=from_start, per_beat=per_beat)
        made.append(FittedSong(fit, sound, clip, song, body))
    return sorted(made, key=rank_key)


def rank_key(fitted: FittedSong) -> tuple[int, float, float]:
    """Sort key: verdict, then the mean of gain and similarity, then the smaller stretch."""
    fit = fitted.fit
    stretch = np.inf if fit.stretch is None else abs(fit.stretch - 1.0)
    merit = 0.5 * (fit.gain + max(0.0, fit.similarity or 0.0))
    return _VERDICTS.index(fit.verdict), -round(merit, 3), float(stretch)


def _named_grid(clip: MotionClip, beats: BeatOptions | None) -> BeatGrid | None:
    return None if beats is None or beats == BeatOptions() else beats.grid_for(clip)


def beat_times_in_dance(fitted: FittedSong) -> NDArray[np.float64]:
    """Return the song's beats that play within the dance, seconds, ascending."""
    times_s = fitted.time_map.in_dance(fitted.song.beats_s)
    return times_s[(times_s >= 0.0) & (times_s < fitted.clip.duration_s)]
