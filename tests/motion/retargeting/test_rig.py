import numpy as np
import pytest

from kinetune.motion import kinematics, skeleton
from kinetune.motion.io.bvh import read_bvh, write_bvh
from kinetune.motion.retargeting.posture import (
    bone_direction,
    is_plausible_rest_pose,
    leg_length,
    upright_deviation,
)
from kinetune.motion.retargeting.rig import build_rig, pose_at, rest_pose
from kinetune.motion.rotations import unit
from kinetune.motion.skeleton import LIMB_BONES


@pytest.fixture
def rig(tmp_path, dance):
    write_bvh(tmp_path / "dance.bvh", dance)
    return build_rig(read_bvh(tmp_path / "dance.bvh"), "dance.bvh")


def test_posed_joints_are_where_kinematics_puts_them(rig, dance):
    posed = pose_at(rig, np.arange(dance.frame_count))
    ours = 100.0 * kinematics.joint_positions(dance)
    np.testing.assert_allclose(posed.positions[:, list(rig.target_to_source)], ours, atol=1e-4)


def test_bones_at_rest_point_along_our_offsets(rig):
    for joint, end in LIMB_BONES.items():
        want = unit(skeleton.OFFSETS_M[end])
        np.testing.assert_allclose(bone_direction(rig, rest_pose(rig), joint)[0], want, atol=1e-5)


def test_legs_are_measured_from_hip_to_ankle(rig):
    left_cm = 100.0 * skeleton.leg_length_m()
    assert leg_length(rig, rest_pose(rig), "a") == pytest.approx(left_cm, rel=0.01)


def test_t_pose_is_a_plausible_rest_pose(rig):
    rest = rest_pose(rig)
    assert is_plausible_rest_pose(rig, rest)
    assert (
        upright_deviation(rig, rest)[0] < upright_deviation(rig, pose_at(rig, np.arange(120))).min()
    )


def test_a_pose_with_its_legs_up_is_not_a_plausible_rest_pose(rig, dance):
    pose = pose_at(rig, np.arange(1))
    pose.positions[:, [rig.source_index("left_knee"), rig.source_index("right_knee")], 1] += 100.0
    assert not is_plausible_rest_pose(rig, pose)
