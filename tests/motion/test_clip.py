import tracemalloc

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from kinetune.errors import MotionError
from kinetune.motion.clip import MotionClip, clip_from_axis_angle, cut, resample
from kinetune.motion.kinematics import joint_positions
from tests.conftest import swaying_clip


def test_axis_angle_goes_in_and_comes_out():
    pose = np.random.default_rng(0).normal(size=(5, 24, 3)) * 0.5
    made = clip_from_axis_angle(pose.reshape(5, 72), np.zeros((5, 3)), fps=30)
    np.testing.assert_allclose(made.axis_angle, pose, atol=1e-9)


def test_halving_the_rate_takes_every_second_frame(clip):
    half = resample(clip, 30.0)
    np.testing.assert_allclose(half.rotations, clip.rotations[::2], atol=1e-12)
    np.testing.assert_allclose(half.root_m, clip.root_m[::2], atol=1e-12)


def test_resampling_up_and_down_again_is_the_same(clip):
    again = resample(resample(clip, 240.0), 60.0)
    np.testing.assert_allclose(again.rotations, clip.rotations, atol=1e-9)


@pytest.mark.parametrize("fps", [5.0, 24.0, 29.97, 100.0, 1000.0])
def test_resampling_keeps_time(fps):
    fine = swaying_clip(fps=1000.0)
    other = resample(fine, fps)
    assert other.duration_s == pytest.approx(fine.duration_s, abs=0.5 / fps)
    times = np.arange(other.frame_count) / fps
    expected = joint_positions(fine)[np.minimum(np.round(times * 1000).astype(int), 3999)]
    np.testing.assert_allclose(joint_positions(other), expected, atol=5e-3)


def test_a_long_clip_is_resampled_in_little_memory():
    rng = np.random.default_rng(3)
    knots = Rotation.from_rotvec(rng.normal(0.0, 0.6, (24 * 60, 3))).as_quat(scalar_first=True)
    few = knots.reshape(60, 24, 4)
    long = MotionClip(np.tile(few, (200, 1, 1)), rng.normal(size=(12_000, 3)), 60.0)
    tracemalloc.start()
    other = resample(long, 90.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert other.frame_count == 18_000
    # The result and what one chunk needs; all frames at once would need six times the result.
    assert peak < 4 * other.rotations.nbytes
    times_s = np.minimum(np.arange(18_000) / 90.0, 11_999 / 60.0)
    for joint in (0, 17):
        keys = Rotation.from_quat(long.rotations[:, joint], scalar_first=True)
        expected = Slerp(np.arange(12_000) / 60.0, keys)(times_s)
        apart = Rotation.from_quat(other.rotations[:, joint], scalar_first=True) * expected.inv()
        assert apart.magnitude().max() < 1e-6
    neighbours = np.sum(other.rotations[1:] * other.rotations[:-1], axis=-1)
    assert neighbours.min() >= 0.0


def test_cut_takes_the_part(clip):
    part = cut(clip, 1.0, 0.5)
    assert part.frame_count == 30
    np.testing.assert_array_equal(part.root_m, clip.root_m[60:90])
    with pytest.raises(MotionError, match="lies outside"):
        cut(clip, 10.0, 1.0)


def test_bad_numbers_are_reported_with_the_frame(clip):
    root = clip.root_m.copy()
    root[7, 1] = np.nan
    with pytest.raises(MotionError, match="frame 7 holds NaN"):
        MotionClip(clip.rotations, root, 60.0)
    with pytest.raises(MotionError, match="no frames"):
        MotionClip(clip.rotations[:0], clip.root_m[:0], 60.0)
    with pytest.raises(MotionError, match="frame rate must be positive"):
        MotionClip(clip.rotations, clip.root_m, 0.0)
    with pytest.raises(MotionError, match="expected rotations"):
        MotionClip(clip.rotations[:, :22], clip.root_m, 60.0)
    with pytest.raises(MotionError, match="frame rate must be positive"):
        resample(clip, -1.0)


@pytest.mark.parametrize("fps", [60.0, 48.0, 25.0])
def test_some_frames_of_a_resampling_are_those_of_all(clip, fps):
    part, whole = resample(clip, fps, frames=slice(7, 19)), resample(clip, fps)
    np.testing.assert_array_equal(part.root_m, whole.root_m[7:19])
    turned = np.abs((part.rotations * whole.rotations[7:19]).sum(axis=-1))
    np.testing.assert_allclose(turned, 1.0)
