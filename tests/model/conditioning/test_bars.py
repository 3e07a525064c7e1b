from dataclasses import replace

import numpy as np
import pytest

from kinetune.model.conditioning.bars import (
    bar_lines,
    enclosing_bars,
    extrapolate_beats,
    nearest_bar,
)
from kinetune.motion.beats.beat_grid import fixed_grid, grid_of_beats

GRID = fixed_grid(120.0, 0.5, 10.0)


def test_bar_lines_are_four_beats_apart():
    np.testing.assert_allclose(bar_lines(GRID, 10.0), [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(bar_lines(replace(GRID, bar_start_s=1.0), 7.0), [1.0, 3.0, 5.0, 7.0])


def test_beats_continue_beyond_what_is_known_at_the_pace_of_the_end():
    drifting = grid_of_beats(np.array([0.0, 0.5, 1.0, 1.4, 1.8]), 2.0)
    beats = extrapolate_beats(drifting, 3.0)
    assert beats[-1] >= 3.0
    np.testing.assert_allclose(np.diff(beats[beats > 1.3]), 0.4)
    assert len(extrapolate_beats(replace(GRID, beats_s=np.empty(0)), 5.0)) >= 10


@pytest.mark.parametrize(("time_s", "bar_s"), [(0.1, 0.0), (0.4, 0.5), (3.4, 2.5), (9.6, 10.0)])
def test_the_nearest_bar_may_be_an_end_of_the_music(time_s, bar_s):
    assert nearest_bar(GRID, time_s, 10.0) == pytest.approx(bar_s)


def test_a_span_is_moved_to_bars_and_never_vanishes():
    assert enclosing_bars(GRID, 2.3, 6.1, 10.0) == pytest.approx((0.5, 6.5))
    assert enclosing_bars(GRID, 2.6, 4.4, 10.0) == pytest.approx((2.5, 4.5))
    assert enclosing_bars(GRID, 2.5, 4.5, 10.0) == pytest.approx((2.5, 4.5))
    assert enclosing_bars(GRID, 3.0, 3.1, 10.0) == pytest.approx((2.5, 4.5))
    assert enclosing_bars(GRID, 9.7, 9.9, 10.0) == pytest.approx((8.5, 10.0))
    assert enclosing_bars(GRID, 0.0, 10.0, 10.0) == pytest.approx((0.0, 10.0))
