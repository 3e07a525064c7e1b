"""The time of a score against the time of a dance, beat by beat.

A score is written at one steady tempo; its beats are then put where the dance has them, and what
lies between two beats is moved along. Seconds on both sides.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.model.conditioning.bars import extrapolate_beats
from kinetune.motion.beats.beat_grid import BeatGrid

Times = NDArray[np.float64]
# Beats by which a grid is carried on at both ends, for notes before the first and after the last.
_MARGIN_BEATS = 16
# A tempo estimated from the motion may be changed so far, as a ratio, that whole bars fill a loop.
_MAX_TEMPO_CHANGE = 1.06


@dataclass(frozen=True, eq=False)
class TimeMap:
    """Beats of a steady score and where the dance has them.

    Attributes:
        bpm: Tempo of the score.
        downbeat_s: A bar line of the score, in its own time.
        duration_s: Length of the score, in its own time.
        score_s: Beats in the score's time, ascending.
        dance_s: The same beats in the dance's time.
    """

    bpm: float
    downbeat_s: float
    duration_s: float
    score_s: Times
    dance_s: Times

    def to_dance(self, score_s: NDArray[Any] | float) -> Times:
        """Return times of the score in the dance's time."""
        return np.asarray(np.interp(score_s, self.score_s, self.dance_s))

    def to_score(self, dance_s: NDArray[Any] | float) -> Times:
        """Return times of the dance in the score's time."""
        return np.asarray(np.interp(dance_s, self.dance_s, self.score_s))


def time_map(grid: BeatGrid, duration_s: float) -> TimeMap:
    """Return the map of a grid's beats.

    Args:
        grid: The beats.
        duration_s: Length of the dance.
    """
    beats = extrapolate_beats(grid, duration_s)
    period_s = float(np.mean(np.diff(beats)))
    steps = np.arange(1, _MARGIN_BEATS + 1)
    whole = np.concatenate(
        [
            beats[0] - steps[::-1] * (beats[1] - beats[0]),
            beats,
            beats[-1] + steps * (beats[-1] - beats[-2]),
        ]
    )
    score = np.asarray(period_s * np.arange(len(whole)), dtype=np.float64)
    score -= np.interp(0.0, whole, score)
    opens = int(np.argmin(np.abs(whole - grid.bar_start_s)))
    length = float(np.interp(duration_s, whole, score))
    return TimeMap(timebase.bpm_of(period_s), float(score[opens]), length, score, whole)


def loop_grid(grid: BeatGrid, duration_s: float, *, hold_tempo: bool) -> tuple[BeatGrid, float]:
    """Return evenly spaced beats of whole bars for a loop, and its length.

    Args:
        grid: Beats of the dance; their mean tempo counts.
        duration_s: Length of the dance.
        hold_tempo: Keep the tempo and end with the last whole bar; otherwise the tempo moves to
            the nearest with whole bars (or beats, in a short dance).

    Raises:
        MotionError: The dance is shorter than a bar of the tempo that is kept.
    """
    period_s = timebase.beat_period_s(grid.bpm)
    bar_s = grid.metre * period_s
    beats = grid.metre * max(1, round(duration_s / bar_s))
    length_s = duration_s
    if hold_tempo:
        beats = grid.metre * int(duration_s / bar_s + 1e-6)
        length_s = beats * period_s
        if beats == 0:
            raise MotionError(
                f"the dance lasts {duration_s:.2f} s, less than a bar of {bar_s:.2f} s at "
                f"{grid.bpm:g} bpm; leave the tempo to the loop, or name a faster one"
            )
    elif not 1.0 / _MAX_TEMPO_CHANGE < duration_s / beats / period_s < _MAX_TEMPO_CHANGE:
        beats = max(1, round(duration_s / period_s))
    spacing_s = length_s / beats
    first_s = grid.bar_start_s % (grid.metre * spacing_s)
    if length_s - first_s < 1e-6:
        first_s = 0.0
    times = timebase.beat_times(timebase.bpm_of(spacing_s), first_s, length_s)
    even = replace(
        grid, bpm=timebase.bpm_of(spacing_s), first_beat_s=first_s % spacing_s, beats_s=times,
        steady=True, bar_start_s=first_s,
    )  # fmt: skip
    return even, length_s
