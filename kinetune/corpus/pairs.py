"""Pairs of a dance and its music.

Three dances in ten are real motion warped to the beat (``corpus/choreography/time_warp.py``), most
of it labelled dances whose own beats are known (``labelled_dances.py``); the
others are choreographed. Of those a quarter use the vocabulary of another genre than the music's,
because users combine any dance with any genre. Seconds, Hz.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.choreography import motion_library as motions
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import Dance, DanceRequest
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import ChordSpan
from kinetune.corpus.prompts.attributes import attributes_of, played_score
from kinetune.corpus.rendering.mixer import render
from kinetune.corpus.styles.style import style_of
from kinetune.errors import ConfigError
from kinetune.motion.beats.beat_grid import BeatGrid, fixed_grid
from kinetune.motion.clip import MotionClip

SLOWEST_BPM, FASTEST_BPM = 70.0, 150.0
# Raised when the same seed makes another pair than before, so that corpora are never mixed.
EDITION = 3
_ANY_TEMPO_PROBABILITY = 0.2
# Share of dances that are real motion warped to the beat.
_WARPED_SHARE = 0.3
# Share of choreographed dances that use another genre's vocabulary.
_BORROWED_SHARE = 0.25
# Sources of a dance.
PHRASES, LIBRARY, CLIPS = "phrases", "library", "clips"


@dataclass(frozen=True, eq=False)
class Pair:
    """A dance and its music; ``tonic`` is the key's pitch class, 0 is C.

    ``attributes`` are those of corpus/prompts/vocabulary.toml that the music has, by name.
    """

    id: str
    genre: str
    bpm: float
    seed: int
    dance: Dance
    sound: Sound
    source: str = PHRASES
    tonic: int = 0
    chords: tuple[ChordSpan, ...] = ()
    attributes: tuple[str, ...] = ()

    @property
    def clip(self) -> MotionClip:
        """The motion."""
        return self.dance.clip

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """Times of the beats, seconds."""
        return self.dance.beats_s

    @property
    def downbeats_s(self) -> NDArray[np.float64]:
        """Times of the downbeats, seconds."""
        return self.dance.downbeats_s

    @property
    def metre(self) -> Literal[3, 4]:
        """Beats to the bar."""
        return 3 if self.dance.metre == 3 else 4

    @property
    def grid(self) -> BeatGrid:
        """The beats and bars of the dance, as a grid for the model."""
        # A clip shorter than a bar may hold no downbeat.
        bar_s = float(self.downbeats_s[0]) if len(self.downbeats_s) else 0.0
        grid = fixed_grid(self.bpm, bar_s, self.clip.duration_s)
        return replace(grid, metre=self.metre)


def make_pair(  # noqa: PLR0913 - settings of a pair, by name
    seed: int,
    *,
    genre: str | None = None,
    bpm: float | None = None,
    duration_s: float = 12.0,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    channels: int = 1,
    fps: float = 60.0,
    clips: Path | None = None,
    metre: int | None = None,
) -> Pair:
    """Return a dance and its music.

    Args:
        seed: Not negative; same arguments, same pair, bit for bit.
        genre: Name or code; drawn when None.
        bpm: Beats per minute; drawn from the genre's range, or from 70 to 150 in one pair
            of five, when None.
        duration_s: Length of both, seconds.
        rate_hz: Samples per second of the sound.
        channels: 1 or 2.
        fps: Frames per second of the motion.
        clips: Folder of motions to warp to the beat; the bundled ones when None.
        metre: Beats to the bar, 3 or 4; drawn from the genre's style when None.

    Raises:
        ConfigError: The genre is unknown or has no bars of that metre, a number is out of range, or
            a clip can't be used.
    """
    if seed < 0:
        raise ConfigError(f"the seed must not be negative, found {seed}")
    rng = np.random.default_rng([seed, 303])
    drawn = genres.CODES[int(rng.integers(len(genres.CODES)))]
    code = drawn if genre is None else genres.genre_code(genre)
    tempo = _draw_bpm(rng, code) if bpm is None else float(bpm)
    metre = _draw_metre(seed, code) if metre is None else metre
    # The real dances are danced in four.
    if rng.random() < _WARPED_SHARE and metre == 4:
        source = LIBRARY if clips is None else CLIPS
        known = real_dances() if clips is None else motions.read_clip_folder(clips)
        request = DanceRequest(code, tempo, duration_s, fps=fps)
        dance = warp_to_beats(seed, known, request)
    else:
        source = PHRASES
        vocabulary = _draw_vocabulary(rng, code)
        request = DanceRequest(vocabulary, tempo, duration_s, fps=fps, metre=metre)
        dance = choreograph(seed, request)
        dance = replace(dance, genre=code)
    score = compose(dance, seed)
    sound = render(score, rate_hz, channels=channels)
    return Pair(
        f"{code.lower()}-{seed:08d}", code, tempo, seed, dance, sound, source, score.key,
        score.chords, attributes_of(played_score(score)),
    )  # fmt: skip


@cache
def real_dances() -> tuple[MotionClip, ...]:
    """Return the real dances that are warped: the labelled ones, and the library.

    The beats of the first are known; the dancers of the second also travel over the floor.
    """
    known = (dance.clip for dance in labelled_dances() if dance.downbeat_s is not None)
    return (*known, *motions.library())


def _draw_metre(seed: int, code: str) -> int:
    """Beats to the bar; drawn apart, so that songs in four stay as they are."""
    waltz = style_of(code).waltz
    drawn = np.random.default_rng([seed, 404]).random()
    return 3 if waltz is not None and drawn < waltz.share else 4


def _draw_vocabulary(rng: np.random.Generator, code: str) -> str:
    """The genre whose moves are danced."""
    if rng.random() >= _BORROWED_SHARE:
        return code
    return str(rng.choice([other for other in genres.CODES if other != code]))


def _draw_bpm(rng: np.random.Generator, code: str) -> float:
    low, high = genres.TEMPO_RANGE_BPM[code]
    if rng.random() < _ANY_TEMPO_PROBABILITY:
        low, high = int(SLOWEST_BPM), int(FASTEST_BPM)
    return round(float(rng.uniform(low, high)), 2)
