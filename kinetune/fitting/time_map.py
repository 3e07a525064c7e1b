"""Time maps from a song to a dance: one ratio, or beat by beat.

Seconds. A *ratio* is dance seconds over song seconds: 1.05 plays the song 5 % slower. Axis: K
markers, ascending in both times.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError

Array = NDArray[np.float64]

# Stretchers keep the sound well within this; also what the issue of a fit may ask for at most.
LARGEST_STRETCH = 0.1


@dataclass(frozen=True, eq=False)
class TimeMap:
    """A piecewise linear map; beyond its ends it goes on with the ratio there.

    Attributes:
        song_s: Times in the song, seconds, (K,), two or more.
        dance_s: The same moments in the dance, (K,).

    Raises:
        ConfigError: There are fewer than two markers, or they don't ascend.
    """

    song_s: Array
    dance_s: Array

    def __post_init__(self) -> None:
        if len(self.song_s) < 2 or len(self.song_s) != len(self.dance_s):
            raise ConfigError(
                f"a time map has two markers or more, found {len(self.song_s)} and "
                f"{len(self.dance_s)}"
            )
        if (np.diff(self.song_s) <= 0).any() or (np.diff(self.dance_s) <= 0).any():
            raise ConfigError("the markers of a time map must ascend in song and dance")

    @property
    def ratios(self) -> Array:
        """Dance seconds over song seconds between markers, (K - 1,)."""
        return np.diff(self.dance_s) / np.diff(self.song_s)

    def in_dance(self, song_s: Array) -> Array:
        """Return times of the song in the dance, same shape."""
        return _extended(np.asarray(song_s, np.float64), self.song_s, self.dance_s)

    def in_song(self, dance_s: Array) -> Array:
        """Return times of the dance in the song, same shape."""
        return _extended(np.asarray(dance_s, np.float64), self.dance_s, self.song_s)


def _extended(times: Array, source: Array, target: Array) -> Array:
    first, last = ((target[k + 1] - target[k]) / (source[k + 1] - source[k]) for k in (0, -2))
    inside = np.interp(times, source, target)
    before, after = np.minimum(times - source[0], 0.0), np.maximum(times - source[-1], 0.0)
    return np.asarray(inside + first * before + last * after)


def steady_map(offset_s: float, stretch: float, song_duration_s: float) -> TimeMap:
    """Return the map of one ratio: song time t is at ``offset_s + stretch * t`` of the dance."""
    ends = np.array([0.0, song_duration_s])
    return TimeMap(ends, offset_s + stretch * ends)


def warp_map(song_beats_s: Array, dance_beats_s: Array, limit: float = LARGEST_STRETCH) -> TimeMap:
    """Return the map that brings each beat of the song to its beat of the dance.

    No ratio leaves 1 - ``limit`` to 1 + ``limit``: within these, the sum of the squared distances
    from the dance's beats is the least possible (bounded least squares).

    Args:
        song_beats_s: Beats of the song, (K,), two or more.
        dance_beats_s: The beat of the dance for each of them, (K,).
        limit: Largest stretch.
    """
    from scipy.optimize import lsq_linear

    steps = np.diff(song_beats_s)
    ratios = np.diff(dance_beats_s) / steps
    if (np.abs(ratios - 1.0) <= limit).all():
        return TimeMap(song_beats_s, dance_beats_s)
    # Unknowns: the first time, then the ratio of each step.
    design = np.concatenate(
        [
            np.ones((len(song_beats_s), 1)),
            np.tril(np.ones((len(song_beats_s), len(steps))), -1) * steps,
        ],
        axis=1,
    )
    low = np.full(design.shape[1], 1.0 - limit)
    high = np.full(design.shape[1], 1.0 + limit)
    low[0], high[0] = -np.inf, np.inf
    solved = lsq_linear(design, dance_beats_s, bounds=(low, high)).x
    return TimeMap(song_beats_s, solved[0] + np.concatenate([[0.0], np.cumsum(solved[1:] * steps)]))
