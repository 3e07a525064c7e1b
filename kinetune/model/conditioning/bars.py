"""Bar lines of a beat grid, and the nearest one to a time. Seconds."""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.motion.beats.beat_grid import BeatGrid

Times = NDArray[np.float64]
# Nearer than this a time is taken to be on a bar line.
_ON_LINE_S = 1e-3


def extrapolate_beats(grid: BeatGrid, duration_s: float) -> Times:
    """Return the grid's beats carried on at the pace of its ends: from 0 or before to the end."""
    beats = np.asarray(grid.beats_s, dtype=np.float64)
    if len(beats) < 2:
        return timebase.beat_times(grid.bpm, grid.first_beat_s, duration_s + 2.0)
    first_s, last_s = beats[1] - beats[0], beats[-1] - beats[-2]
    before = np.arange(beats[0] - first_s, -first_s, -first_s)[::-1]
    after = np.arange(beats[-1] + last_s, duration_s + last_s, last_s)
    return np.concatenate([before, beats, after])


def bar_lines(grid: BeatGrid, duration_s: float) -> Times:
    """Return the first beats of all bars within [0, duration_s], ascending."""
    beats = extrapolate_beats(grid, duration_s)
    opens = int(np.argmin(np.abs(beats - grid.bar_start_s))) % grid.metre
    lines = beats[opens :: grid.metre]
    return lines[(lines >= 0.0) & (lines <= duration_s)]


def nearest_bar(grid: BeatGrid, time_s: float, duration_s: float) -> float:
    """Return the bar line nearest to a time; the music's two ends count as lines."""
    lines = _lines_and_ends(grid, duration_s)
    return float(lines[np.argmin(np.abs(lines - time_s))])


def enclosing_bars(
    grid: BeatGrid, start_s: float, end_s: float, duration_s: float
) -> tuple[float, float]:
    """Return the nearest bar lines at or before the start and at or after the end of a stretch.

    Times within 1 ms of a line count as on it.
    """
    lines = _lines_and_ends(grid, duration_s)
    start = int(np.searchsorted(lines, start_s + _ON_LINE_S, side="right")) - 1
    end = int(np.searchsorted(lines, end_s - _ON_LINE_S, side="left"))
    start = min(max(start, 0), len(lines) - 2)
    return float(lines[start]), float(lines[min(max(end, start + 1), len(lines) - 1)])


def _lines_and_ends(grid: BeatGrid, duration_s: float) -> Times:
    return np.unique(np.concatenate([[0.0], bar_lines(grid, duration_s), [duration_s]]))
