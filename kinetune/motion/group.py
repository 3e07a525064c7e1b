"""Groups of dancers with one piece of music.

All clips of a group share one time line: each begins at 0 s. What a group does as a whole is the
mean over the dancers who are still dancing. Axes: T frames, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import ConfigError, MotionError
from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.features import RHYTHM_LOG_COUNT, Features, features_named

Array = NDArray[np.float64]
# Names of more dancers than these are counted.
_NAMED = 3


@dataclass(frozen=True, eq=False, repr=False)
class DanceGroup:
    """Dancers who dance together.

    Attributes:
        clips: Their dances in the order they were given, all beginning at the same moment.

    Raises:
        MotionError: There are fewer than two.
    """

    clips: tuple[MotionClip, ...]

    def __post_init__(self) -> None:
        if len(self.clips) < 2:
            raise MotionError(f"a group has two dancers or more, found {len(self.clips)}")

    def __repr__(self) -> str:
        return f"<DanceGroup {self.name}: {len(self.clips)} dancers, {self.duration_s:.2f} s>"

    @property
    def longest(self) -> MotionClip:
        """The clip that lasts longest, the first of equals."""
        return max(self.clips, key=lambda clip: clip.duration_s)

    @property
    def name(self) -> str:
        """What to call the group: its dancers' names."""
        shown = [clip.name for clip in self.clips[:_NAMED]]
        more = len(self.clips) - len(shown)
        return " + ".join(shown) + (f" + {more} more" if more else "")

    @property
    def duration_s(self) -> float:
        """Length of the longest dance, seconds."""
        return self.longest.duration_s

    @property
    def frame_count(self) -> int:
        """Number of frames of the longest dance."""
        return self.longest.frame_count

    @property
    def fps(self) -> float:
        """Frames per second of the longest dance."""
        return self.longest.fps


#: One dancer, or several who dance together.
Dancers = MotionClip | DanceGroup


def dancers_of(dance: Dancers) -> tuple[MotionClip, ...]:
    """Return the clips of a dance, one a dancer."""
    return dance.clips if isinstance(dance, DanceGroup) else (dance,)


def dance_of(clips: Sequence[MotionClip]) -> Dancers:
    """Return the only clip, or the group of several.

    Raises:
        MotionError: There is none.
    """
    return clips[0] if len(clips) == 1 else DanceGroup(tuple(clips))


def first_bars(dance: Dancers, bars: int, grid: BeatGrid) -> Dancers:
    """Return the beginning of a dance that lasts so many bars, rounded up to whole frames.

    Args:
        dance: One dancer or a group.
        bars: How many.
        grid: Its beats; their mean tempo counts.

    Raises:
        MotionError: The dance is shorter.
    """
    bar_s = grid.metre * timebase.beat_period_s(grid.bpm)
    wanted_s = bars * bar_s
    if wanted_s > dance.duration_s + 1e-6:
        raise MotionError(
            f"{dance.name}: lasts {dance.duration_s:.2f} s, less than {bars} bars of {bar_s:.2f} s "
            f"at {grid.bpm:.1f} bpm; take {int(dance.duration_s / bar_s)} or fewer"
        )
    return dance_of([cut(clip, 0.0, wanted_s + 1.0 / clip.fps) for clip in dancers_of(dance)])


def mean_over_dancers(values: Sequence[NDArray]) -> Array:
    """Return the mean of each frame over the dancers who are still dancing.

    Args:
        values: One array a dancer, (T, ...), of different lengths.

    Returns:
        As long as the longest, (T, ...).
    """
    longest = max(values, key=len)
    total, present = np.zeros(longest.shape), np.zeros(len(longest))
    for value in values:
        total[: len(value)] += value
        present[: len(value)] += 1.0
    return total / present.reshape(-1, *(1,) * (longest.ndim - 1))


def mean_joint_speed(dance: Dancers) -> tuple[Array, float]:
    """Return the mean joint speed of a dance, m/s, (T,), and its frames per second.

    Dancers of a group at other rates are read at the rate of the longest.
    """
    clips = [resample(clip, dance.fps) for clip in dancers_of(dance)]
    return mean_over_dancers([kinematics.joint_speeds(c).mean(axis=1) for c in clips]), dance.fps


def dance_features(dance: Dancers, name: str) -> Features:
    """Return the motion features of a dance at 30 fps, (T, F).

    Of a group they are the mean body: each joint moves at the dancers' mean speed, so that
    :func:`~kinetune.motion.features.mean_speed` of the group is the mean of the dancers'.

    Args:
        dance: One dancer or a group.
        name: ``"paper"`` or ``"rhythm"``.

    Raises:
        ConfigError: No such features, or the paper's for a group: they describe one body's pose.
    """
    compute = features_named(name)
    if not isinstance(dance, DanceGroup):
        return compute(dance)
    if name != "rhythm":
        raise ConfigError(
            f"{dance.name}: this model sees the pose of one body; make music for one dancer, or "
            "name a model with rhythm features"
        )
    return _mean_features([compute(clip) for clip in dance.clips])


def _mean_features(each: Sequence[Features]) -> Features:
    """Mean of rhythm features (T, F) of several dancers; speeds are averaged as speeds."""
    rows = [row.astype(np.float64) for row in each]
    for row in rows:
        row[:, :RHYTHM_LOG_COUNT] = np.expm1(row[:, :RHYTHM_LOG_COUNT])
    mean = mean_over_dancers(rows)
    mean[:, :RHYTHM_LOG_COUNT] = np.log1p(mean[:, :RHYTHM_LOG_COUNT])
    return mean.astype(np.float32)
