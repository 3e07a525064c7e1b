"""Rotations fitted to joint positions reproduce them, for any unit, axis or size."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.retargeting.position_fit import clip_from_positions
from tests.motion.retargeting.test_retarget import degrees_between, directions, turned_degrees


@pytest.fixture
def points(dance):
    return kinematics.joint_positions(dance)


@pytest.mark.parametrize("joints", [22, 24])
def test_the_joints_are_where_they_were_given(points, joints):
    clip = clip_from_positions(points[:, :joints], fps=30.0)
    off_m = kinematics.joint_positions(clip)[:, :joints] - points[:, :joints]
    assert np.abs(off_m).max() < 1e-6
    assert (clip.fps, clip.source) == (30.0, "positions")


@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_the_unit_does_not_matter(points, unit):
    clip = clip_from_positions(unit * points, fps=30.0)
    assert np.abs(kinematics.joint_positions(clip) - points).max() < 1e-6


def test_a_world_with_z_up_is_turned_upright(points):
    clip = clip_from_positions(world_axes.z_up_from_y_up(points), fps=30.0)
    assert np.abs(kinematics.joint_positions(clip) - points).max() < 1e-6


def test_the_heading_changes_only_the_rotation_of_the_pelvis(points, dance):
    quarter = rotations.quat_from_axis_angle(np.array([0.0, 1.2, 0.0]))
    plain = clip_from_positions(points, fps=30.0)
    turned = clip_from_positions(rotations.rotate(quarter, points), fps=30.0)
    assert turned_degrees(turned.rotations[:, 1:], plain.rotations[:, 1:]).max() < 1e-3
    whole = rotations.quat_multiply(quarter, plain.rotations[:, 0])
    assert turned_degrees(turned.rotations[:, 0], whole).max() < 1e-3


def test_world_rotations_are_near_those_of_the_dance(points, dance):
    clip = clip_from_positions(points, fps=30.0)
    ours, theirs = (kinematics.global_rotations(c.rotations) for c in (clip, dance))
    off = np.median(turned_degrees(ours, theirs), axis=0)
    joint = skeleton.joint_index
    assert off[[joint("pelvis"), joint("spine3")]].max() < 1e-3
    for part in ("hip", "knee", "shoulder", "elbow"):
        for side in ("left", "right"):
            assert off[joint(f"{side}_{part}")] < 35.0, (side, part)


def test_the_twist_of_a_limb_is_read_from_its_bend(dance):
    """A thigh turned about its own axis, the knee bent: only the shin shows it."""
    hip, knee = skeleton.joint_index("left_hip"), skeleton.joint_index("left_knee")
    bone = skeleton.OFFSETS_M[knee] / np.linalg.norm(skeleton.OFFSETS_M[knee])
    quat = np.tile([1.0, 0, 0, 0], (60, 24, 1))
    quat[:, hip] = rotations.quat_from_axis_angle(np.radians(30.0) * bone)
    quat[:, knee] = rotations.quat_from_axis_angle(np.array([np.radians(80.0), 0.0, 0.0]))
    bent = replace(dance, rotations=quat, root_m=np.zeros((60, 3)))
    clip = clip_from_positions(kinematics.joint_positions(bent), fps=30.0)
    assert turned_degrees(clip.rotations[:, hip], quat[:, hip]).max() < 10.0


def test_other_proportions_keep_the_directions_of_the_bones(dance):
    offsets = skeleton.OFFSETS_M * np.random.default_rng(0).uniform(0.8, 1.25, (24, 1))
    theirs = kinematics.forward_kinematics(dance.rotations, dance.root_m, offsets)
    clip = clip_from_positions(theirs, fps=30.0)
    assert degrees_between(directions(clip), directions(dance)).max() < 1e-3
    world = [kinematics.global_rotations(c.rotations)[:, 0] for c in (clip, dance)]
    assert turned_degrees(*world).max() < 8.0


def test_feet_stay_on_the_floor_whatever_the_size(points):
    small = clip_from_positions(0.6 * points, fps=30.0)
    lowest_m = kinematics.joint_positions(small)[..., 1].min()
    assert lowest_m == pytest.approx(points[..., 1].min(), abs=1e-6)


def test_straight_limbs_do_not_spin():
    """Straight, trembling arms and legs: the twist is unobservable, so it stays at rest."""
    offsets, joint = skeleton.OFFSETS_M.copy(), skeleton.joint_index
    for upper, lower in (("left_knee", "left_ankle"), ("left_elbow", "left_wrist")):
        offsets[joint(lower)] = offsets[joint(upper)]
    still = np.tile([1.0, 0, 0, 0], (90, 24, 1))
    rest = kinematics.forward_kinematics(still, np.zeros((90, 3)), offsets)
    trembling = rest + np.random.default_rng(1).normal(0.0, 0.002, rest.shape)
    world = kinematics.global_rotations(clip_from_positions(trembling, fps=30.0).rotations)
    limbs = [joint(f"left_{part}") for part in ("hip", "knee", "shoulder", "elbow")]
    assert turned_degrees(world[1:], world[:-1])[:, limbs].max() < 10.0


def test_a_long_dance_is_fitted_in_chunks_without_seams(points, monkeypatch):
    whole = clip_from_positions(points, fps=30.0)
    monkeypatch.setattr("kinetune.motion.retargeting.position_fit.CHUNK_FRAMES", 17)
    parts = clip_from_positions(points, fps=30.0)
    assert turned_degrees(parts.rotations, whole.rotations).max() < 1e-4
    np.testing.assert_allclose(parts.root_m, whole.root_m, atol=1e-12)
