"""Lags of a body's events against known beats."""

import numpy as np
import pytest

from kinetune.motion.beats.event_lags import EVENT_KINDS, EventLags, event_lags, pooled
from kinetune.motion.clip import clip_from_axis_angle
from tests.conftest import swaying_clip


def lags(values, weights=None, period_s=0.5):
    values = np.array(values, float)
    weights = np.ones(len(values)) if weights is None else np.array(weights, float)
    return EventLags(values, weights, np.full(len(values), period_s))


def test_median_and_quartiles_are_weighted():
    even = lags([-0.2, -0.1, 0.0, 0.1, 0.2])
    assert even.median_s == 0.0
    assert even.quartiles_s == pytest.approx((-0.125, 0.125))
    heavy = lags([-0.2, 0.1], [1.0, 1e6])
    assert heavy.median_s == pytest.approx(0.1, abs=1e-3)


def test_events_without_a_tie_to_the_beat_are_on_it_by_chance():
    uniform = lags(np.linspace(-0.25, 0.25, 5001))
    assert uniform.on_beat == pytest.approx(0.28, abs=1e-3)
    assert uniform.on_beat_by_chance == pytest.approx(0.28)
    assert uniform.median_s == pytest.approx(0.0, abs=1e-9)
    low, high = uniform.quartiles_s
    assert high - low == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("late_s", [-0.06, 0.0, 0.05])
def test_a_body_that_turns_late_is_measured_late(late_s):
    """Every joint of this body turns back, and rests, on each beat of 120 bpm."""
    clip = swaying_clip(duration_s=8.0, bpm=120.0)
    found = event_lags(clip, np.arange(0.0, 8.0, 0.5) - late_s)
    for kind in ("rests of arms", "rests of legs", "turns"):
        assert found[kind].median_s == pytest.approx(late_s, abs=0.02)
        assert found[kind].on_beat > 0.6


def test_the_lowest_point_of_the_hips_is_measured():
    times = np.arange(480) / 60.0
    root = np.zeros((480, 3))
    # Lowest 40 ms after each half second.
    root[:, 1] = 0.9 - 0.05 * np.cos(2.0 * np.pi * (times - 0.04) / 0.5)
    clip = clip_from_axis_angle(np.zeros((480, 24, 3)), root, fps=60.0)
    found = event_lags(clip, np.arange(0.0, 8.0, 0.5))
    assert found["sinks"].median_s == pytest.approx(0.04, abs=0.01)


def test_lags_of_several_dances_are_pooled():
    both = pooled([lags([0.1], [1.0]), lags([-0.1, 0.0], [2.0, 3.0])])
    np.testing.assert_array_equal(both.lags_s, [0.1, -0.1, 0.0])
    np.testing.assert_array_equal(both.weights, [1.0, 2.0, 3.0])
    assert np.isnan(pooled([]).median_s)
    assert len(EVENT_KINDS) == 5
