"""Dance requests, and dances with beats, bars and energy.

Seconds; beats per minute; energies 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import genres, timebase
from kinetune.corpus.choreography import body
from kinetune.errors import ConfigError
from kinetune.motion.clip import MotionClip
from kinetune.timebase import BEATS_IN_BAR

Array = NDArray[np.float64]
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
#: A body whose joints move at this mean speed has energy 1.
FULL_SPEED_M_S = 1.1
# Weight of the planned strength of a bar in the energy of its beats, where there is a plan.
_PLAN_WEIGHT = 0.2
# Beats this much before a bar's start, in bars, still belong to it.
_BAR_TOLERANCE = 1e-6
# Standard deviation of the smoothing of the body's speed, frames.
_SPEED_SMOOTHING = 2.0


@dataclass(frozen=True)
class DanceRequest:
    """Properties of a dance to make.

    Attributes:
        genre: Name or code, see kinetune/genres.py.
        bpm: Beats per minute, 60 to 180.
        duration_s: Length in seconds, positive.
        first_beat_s: Time of a downbeat; the beat grid extends both ways. Drawn within the first
            bar when None.
        fps: Frames per second of the clip.
        metre: Beats to the bar, 3 or 4.

    Raises:
        ConfigError: The genre is unknown or a number is out of range.
    """

    genre: str
    bpm: float
    duration_s: float
    first_beat_s: float | None = None
    fps: float = 60.0
    metre: int = BEATS_IN_BAR

    def __post_init__(self) -> None:
        genres.genre_code(self.genre)
        if not SLOWEST_BPM <= self.bpm <= FASTEST_BPM:
            raise ConfigError(f"bpm must be {SLOWEST_BPM:g} to {FASTEST_BPM:g}, found {self.bpm}")
        if not (np.isfinite(self.duration_s) and self.duration_s > 0):
            raise ConfigError(f"the duration must be positive, found {self.duration_s} s")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ConfigError(f"the frame rate must be positive, found {self.fps}")
        if self.metre not in (3, 4):
            raise ConfigError(f"the metre must be 3 or 4 beats to the bar, found {self.metre}")
        if timebase.frames_in(self.duration_s, self.fps) < 1:
            raise ConfigError(
                f"{self.duration_s} s at {self.fps} fps holds no frame; ask for a longer dance"
            )

    @property
    def code(self) -> str:
        """Two-letter code of the genre."""
        return genres.genre_code(self.genre)

    @property
    def period_s(self) -> float:
        """Time from beat to beat."""
        return timebase.beat_period_s(self.bpm)

    @property
    def frame_times_s(self) -> Array:
        """Times of the frames, shape (T,)."""
        return timebase.frame_times(timebase.frames_in(self.duration_s, self.fps), self.fps)

    def draw_first_beat_s(self, rng: np.random.Generator) -> float:
        """Return ``first_beat_s``, drawn within the first bar when it is None."""
        if self.first_beat_s is not None:
            return self.first_beat_s
        return float(rng.uniform(0.0, self.metre * self.period_s))


@dataclass(frozen=True, eq=False)
class Dance:
    """A dance on a steady beat.

    Attributes:
        clip: The motion.
        beats_s: Times of the beats inside the clip, seconds.
        downbeats_s: Those beats that open a bar.
        bpm: Beats per minute.
        genre: Two-letter code.
        energy: How strongly the body moves in each beat, 0 to 1, shape (n_beats,).
        metre: Beats to the bar.
    """

    clip: MotionClip
    beats_s: Array
    downbeats_s: Array
    bpm: float
    genre: str
    energy: Array
    metre: int = BEATS_IN_BAR


def annotate(
    clip: MotionClip,
    first_beat_s: float,
    bpm: float,
    code: str,
    *,
    planned: Array | None = None,
    metre: int = BEATS_IN_BAR,
) -> Dance:
    """Return a clip danced to a steady beat as a :class:`Dance`: its beats, bars and energy.

    Args:
        clip: The motion.
        first_beat_s: Time of any downbeat, seconds.
        bpm: Beats per minute.
        code: Two-letter genre.
        planned: Intended strength of the bars from the one before the clip on, (bars,); it counts
            for a fifth of the energy. Measured from the body alone when None.
        metre: Beats to the bar.
    """
    period_s = timebase.beat_period_s(bpm)
    beats = timebase.beat_times(bpm, first_beat_s, clip.duration_s)
    index = np.round((beats - first_beat_s) / period_s).astype(int)
    energy = _mean_speeds(clip, beats) / FULL_SPEED_M_S
    if planned is not None:
        bar_s = metre * period_s
        bar = np.floor((beats - (first_beat_s % bar_s - bar_s)) / bar_s + _BAR_TOLERANCE)
        plan = planned[bar.astype(int).clip(0, len(planned) - 1)]
        energy = (1.0 - _PLAN_WEIGHT) * energy + _PLAN_WEIGHT * plan
    bars = beats[index % metre == 0]
    return Dance(clip, beats, bars, float(bpm), code, np.clip(energy, 0.0, 1.0), metre)


def beat_energy(clip: MotionClip, beats: Array) -> Array:
    """Return how strongly the body moves from each beat to the next, 0 to 1, shape (n_beats,)."""
    return np.asarray(np.clip(_mean_speeds(clip, beats) / FULL_SPEED_M_S, 0.0, 1.0))


def _mean_speeds(clip: MotionClip, beats: Array) -> Array:
    """Mean speed of the joints from each beat to the next or the end, m/s, shape (n_beats,)."""
    if not len(beats):
        return np.zeros(0)
    speed = gaussian_filter1d(body.mean_speed_m_s(clip), _SPEED_SMOOTHING, mode="nearest")
    times = timebase.frame_times(clip.frame_count, clip.fps)
    frames = np.searchsorted(times, beats).clip(0, clip.frame_count - 1)
    counts = np.diff(np.append(frames, clip.frame_count)).clip(1)
    return np.asarray(np.add.reduceat(speed, frames) / counts)
