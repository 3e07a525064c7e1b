"""Keys to curves: arrival on the key, easing, steps, overshoot, idle motion and capture noise."""

import numpy as np
import pytest

from kinetune.corpus.choreography import body, curves
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.moves import Event

PER_S = 2.0
BEATS = np.linspace(0.0, 4.0, 401)


def values(ease, *, leap=1.0, longest=1.5):
    keys = np.array([[1.0, 0.0, 0.0], [3.0, leap, ease]])
    return curves._interpolate(keys, BEATS, PER_S, longest=longest)


def at(curve, beat):
    return float(np.interp(beat, BEATS, curve))


@pytest.mark.parametrize("ease", [-1.0, 0.0, 0.5, 1.0])
def test_a_limb_arrives_on_its_key_and_stays(ease):
    curve, progress, size = values(ease, leap=20.0)
    assert at(curve, 1.0) == 0.0
    assert at(curve, 2.99) == pytest.approx(20.0, rel=0.02)
    assert at(curve, 3.5) == 20.0
    assert at(progress, 2.99) == pytest.approx(1.0, abs=0.02)
    assert size.max() == 20.0


def test_a_snap_waits_a_flow_is_even():
    # Moves begin 1.5 beats before their key, so the middle is at 2.25.
    assert at(values(-1.0)[0], 2.25) == pytest.approx(0.5, abs=0.01)
    assert at(values(0.0)[0], 2.25) == pytest.approx(0.5, abs=0.01)
    assert at(values(1.0)[0], 2.25) == 0.0
    assert at(values(0.0)[0], 1.4) == 0.0
    # Minimum jerk is slower than even at first.
    assert at(values(0.0)[0], 1.8) < 0.7 * at(values(-1.0)[0], 1.8)


def test_a_long_way_takes_longer_than_a_short_one():
    # A snap of 200 degrees takes 0.12 + 0.34 s: 0.92 beats at two a second.
    short, far = (values(1.0, leap=leap)[1] for leap in (1.0, 200.0))
    assert at(short, 2.3) == 0.0
    assert at(far, 2.3) > 0.0
    assert at(far, 3.0 - 0.95) == 0.0


def test_a_step_is_a_parabola_whose_height_grows_with_its_length():
    def height(length):
        x = np.array([[1.0, 0.0, 0.0], [2.0, length, 0.0]])
        return curves._step_height(x, np.zeros((2, 3)) + [[1, 0, 0], [2, 0, 0]], BEATS, PER_S)

    short, long, far = height(0.05), height(0.1), height(0.9)
    assert short.max() == pytest.approx(0.04 + 0.35 * 0.05, abs=1e-3)
    assert long.max() == pytest.approx(0.04 + 0.35 * 0.1, abs=1e-3)
    assert far.max() == pytest.approx(0.12, abs=1e-3)
    assert at(long, 1.0) == at(long, 2.0) == 0.0
    assert height(0.0).max() == 0.0


def test_shifts_smaller_than_a_step_are_dropped():
    x = np.array([[0, 0.0, 0], [1, 0.01, 0], [2, 0.2, 0], [3, 0.21, 0.0]])
    z = np.array([[0, 0.0, 0], [1, 0.02, 0], [2, 0.0, 0], [3, 0.03, 0.0]])
    across, ahead = curves._drop_small_steps(x, z)
    np.testing.assert_allclose(across[:, 1], [0.0, 0.0, 0.2, 0.21])
    np.testing.assert_allclose(ahead[:, 1], [0.0, 0.0, 0.0, 0.03])


def test_of_two_crowded_keys_the_later_counts():
    events = [Event("head_yaw", 1.0, 10.0), Event("head_yaw", 1.1, 20.0), Event("head_yaw", 2.0, 0)]
    keys = curves._keys(events, np.zeros(8), 0.0)
    assert [value for _, value, _ in keys] == [20.0, 0.0]
    lagging = curves._keys(events, np.zeros(8), 0.25)
    np.testing.assert_allclose(lagging[:, 0] - keys[:, 0], 0.25)


def test_a_snap_overshoots_at_seven_hertz_and_dies_down():
    keys = np.array([[0.0, 0.0, 0.0], [1.0, 10.0, 0.9]])
    swing = curves._overshoot(keys, BEATS, PER_S)
    since_s = np.maximum(BEATS - 1.0, 0.0) / PER_S
    expected = 10.0 * np.sin(2 * np.pi * 7.0 * since_s) * np.exp(-since_s / 0.07)
    np.testing.assert_allclose(swing, np.where(BEATS >= 1.0, expected, 0.0), atol=1e-9)
    assert not curves._overshoot(np.array([[0, 0, 0], [1, 10, 0.2]]), BEATS, PER_S).any()


def test_idle_motion_grows_with_looseness_and_leaves_the_feet():
    flat = np.zeros((6000, len(body.CONTROLS)))
    none, some = (
        curves.add_idle_motion(np.random.default_rng(3), flat, looseness, 60.0)
        for looseness in (0.0, 1.0)
    )
    np.testing.assert_array_equal(none, flat)
    half = curves.add_idle_motion(np.random.default_rng(3), flat, 0.5, 60.0)
    np.testing.assert_allclose(half, 0.5 * some)
    spread = some.std(axis=0)
    assert 0.5 < spread[body.COLUMN["left_elbow"]] < 11.0
    assert not some[:, [c for n, c in body.COLUMN.items() if "foot" in n or n == "drop"]].any()
    # Smooth: no more than a few degrees a frame.
    assert np.abs(np.diff(some, axis=0)).max() < 5.0


def test_capture_noise_has_its_size_and_leaves_the_legs():
    clip = choreograph(1, DanceRequest("PO", 100.0, 20.0)).clip
    noisy = curves.add_capture_noise(np.random.default_rng(0), clip)
    legs = list(curves._NOISELESS)
    np.testing.assert_allclose(noisy.rotations[:, legs], clip.rotations[:, legs], atol=1e-12)
    dot = np.abs(np.sum(noisy.rotations * clip.rotations, axis=-1)).clip(0.0, 1.0)
    degrees = np.rad2deg(2.0 * np.arccos(dot))[:, 20]
    assert 0.5 < np.sqrt(np.mean(degrees**2)) < 1.6
    assert 2e-4 < (noisy.root_m - clip.root_m).std() < 2e-3
