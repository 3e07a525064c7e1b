import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from tests.conftest import swaying_clip


def matrix_chain(pose, root):
    """Forward kinematics by 4 x 4 matrices, one joint after the other: the slow, plain way."""
    out = np.zeros((24, 3))
    world = []
    for joint, parent in enumerate(skeleton.PARENTS):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_rotvec(pose[joint]).as_matrix()
        local[:3, 3] = root if parent < 0 else skeleton.OFFSETS_M[joint]
        world.append(local if parent < 0 else world[parent] @ local)
        out[joint] = world[joint][:3, 3]
    return out


def test_forward_kinematics_is_the_matrix_chain():
    rng = np.random.default_rng(0)
    pose, root = rng.normal(size=(4, 24, 3)), rng.normal(size=(4, 3))
    clip = clip_from_axis_angle(pose, root, fps=30)
    expected = np.stack([matrix_chain(p, r) for p, r in zip(pose, root, strict=True)])
    np.testing.assert_allclose(kinematics.joint_positions(clip), expected, atol=1e-9)


def test_the_rest_pose_is_the_mean_skeleton():
    clip = clip_from_axis_angle(np.zeros((1, 72)), np.zeros((1, 3)), fps=30)
    positions = kinematics.joint_positions(clip)[0]
    assert positions[15, 1] > 0.5  # The head is up,
    assert positions[10, 1] < -0.8  # the foot is down,
    assert positions[20, 0] > 0.6  # the left hand is at +x,
    assert positions[10, 2] > 0.0  # and the toes point to +z.


def test_velocity_of_an_even_walk_is_its_speed():
    root = np.arange(50)[:, None] * [0.02, 0.0, 0.0]
    clip = clip_from_axis_angle(np.zeros((50, 72)), root, fps=50)
    np.testing.assert_allclose(kinematics.joint_speeds(clip), 1.0)


def test_a_single_frame_does_not_move():
    clip = clip_from_axis_angle(np.zeros((1, 72)), np.zeros((1, 3)), fps=50)
    assert (kinematics.joint_speeds(clip) == 0).all()
    assert (kinematics.angular_velocities(clip) == 0).all()


def test_angular_velocity_of_an_even_turn_is_its_rate():
    axis = np.array([0.6, 0.0, 0.8])
    pose = np.zeros((40, 24, 3))
    pose[:, 5] = np.arange(40)[:, None] * axis * 0.11
    clip = clip_from_axis_angle(pose, np.zeros((40, 3)), fps=30)
    spin = kinematics.angular_velocities(clip)
    np.testing.assert_allclose(spin[:, 5], np.tile(axis * 0.11 * 30, (40, 1)), atol=1e-9)
    np.testing.assert_allclose(np.delete(spin, 5, axis=1), 0.0, atol=1e-12)


def test_angular_velocity_is_local_and_uses_the_quaternion_product():
    clip = swaying_clip()
    quat = Rotation.from_quat(clip.rotations[:, 3], scalar_first=True)
    expected = (quat[9].inv() * quat[11]).as_rotvec() * 60.0 / 2.0
    np.testing.assert_allclose(kinematics.angular_velocities(clip)[10, 3], expected, atol=1e-9)


def test_global_rotations_of_leaves_are_products_down_the_tree():
    clip = swaying_clip()
    world = kinematics.global_rotations(clip.rotations)
    expected = rotations.quat_multiply(
        rotations.quat_multiply(clip.rotations[:, 0], clip.rotations[:, 1]), clip.rotations[:, 4]
    )
    np.testing.assert_allclose(world[:, 4], expected, atol=1e-12)


@pytest.mark.parametrize("fps", [20.0, 30.0, 120.0])
def test_velocity_is_a_central_difference_in_units_a_second(fps):
    time_s = np.arange(30) / fps
    values = np.stack([time_s**2, np.sin(time_s), 0 * time_s + 4.0], axis=1)
    got = kinematics.velocity(values, fps)
    np.testing.assert_allclose(got[1:-1], (values[2:] - values[:-2]) * fps / 2.0, atol=1e-12)
    np.testing.assert_allclose(got[0], (values[1] - values[0]) * fps, atol=1e-12)
    np.testing.assert_allclose(got[-1], (values[-1] - values[-2]) * fps, atol=1e-12)
    # The central difference of a square is exact: 2 t.
    np.testing.assert_allclose(got[1:-1, 0], 2.0 * time_s[1:-1], atol=1e-9)


def test_angular_velocity_at_the_ends_is_that_of_one_step():
    pose = np.zeros((4, 24, 3))
    pose[:, 3, 1] = [0.0, 0.1, 0.3, 0.6]
    clip = clip_from_axis_angle(pose, np.zeros((4, 3)), fps=30)
    spin = kinematics.angular_velocities(clip)[:, 3, 1]
    np.testing.assert_allclose(spin, [3.0, 4.5, 7.5, 9.0], atol=1e-9)


def test_local_rotations_undo_the_chain():
    clip = swaying_clip()
    world = kinematics.global_rotations(clip.rotations)
    got = kinematics.local_rotations(world)
    assert np.abs(np.sum(got * clip.rotations, axis=-1)).min() > 1.0 - 1e-12


def test_a_raised_left_arm_is_a_raised_left_hand():
    pose = np.zeros((1, 24, 3))
    pose[0, skeleton.joint_index("left_shoulder"), 2] = np.pi / 2
    clip = clip_from_axis_angle(pose, np.zeros((1, 3)), fps=30)
    hands = kinematics.joint_positions(clip)[0, [22, 23]]
    assert hands[0, 1] > 0.7
    assert hands[0, 0] > 0.0
    assert hands[1, 1] < 0.5
    assert hands[1, 0] < -0.6


def test_leg_length_is_the_mean_thigh_and_shin():
    thighs = np.linalg.norm(skeleton.OFFSETS_M[[4, 5]], axis=1)
    shins = np.linalg.norm(skeleton.OFFSETS_M[[7, 8]], axis=1)
    assert skeleton.leg_length_m() == pytest.approx((thighs + shins).mean())
    rest = skeleton.rest_positions_m()
    np.testing.assert_allclose(rest[7], skeleton.OFFSETS_M[[1, 4, 7]].sum(axis=0))


@pytest.mark.parametrize("frames", [1, 2, 4096, 4097, 8193])
def test_speeds_computed_in_chunks_are_those_of_the_whole_clip(frames):
    rng = np.random.default_rng(frames)
    quat = rng.standard_normal((frames, 24, 4))
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    clip = MotionClip(quat, rng.standard_normal((frames, 3)), 30.0, "made up")
    whole = np.linalg.norm(kinematics.joint_velocities(clip), axis=-1)
    np.testing.assert_array_equal(kinematics.joint_speeds(clip), whole)
