"""Inverse kinematics of the legs: targets are reached, and a leg at its target stays."""

import numpy as np
import pytest

from kinetune.corpus.choreography import leg_ik, motion_library
from kinetune.motion import kinematics, rotations, skeleton


@pytest.mark.parametrize("side", ["left", "right"])
def test_two_bones_move_the_ankle_to_its_target(side):
    rng = np.random.default_rng(0)
    start = rng.normal(0.0, 0.1, (50, 3)) + [0.0, 0.9, 0.0]
    along = rng.normal(0.0, 1.0, (50, 3))
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    target = start + along * rng.uniform(0.35, 0.75, (50, 1))
    thigh, shin = leg_ik.two_bone_ik(start, target, rng.normal(0.0, 1.0, (50, 3)), side)
    _, knee, ankle, _ = leg_ik.LEGS[side]
    reached = start + rotations.rotate(thigh, skeleton.OFFSETS_M[knee])
    reached += rotations.rotate(shin, skeleton.OFFSETS_M[ankle])
    np.testing.assert_allclose(reached, target, atol=1e-9)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_leg_follows_its_ankle_and_stays_where_its_target_is(side):
    clip = motion_library.library()[1]
    world = kinematics.global_rotations(clip.rotations)
    positions = kinematics.joint_positions(clip)
    hip, knee, ankle, _ = leg_ik.LEGS[side]
    bent = np.linalg.norm(positions[:, ankle] - positions[:, hip], axis=-1) < 0.7
    world, positions = world[bent], positions[bent]
    same = leg_ik.solve_leg_ik(world, positions, positions[:, hip], positions[:, ankle], side)
    for before, after in zip((world[:, hip], world[:, knee]), same, strict=True):
        np.testing.assert_allclose(np.abs(np.sum(before * after, axis=-1)), 1.0, atol=1e-9)
    target = positions[:, ankle] + [0.02, 0.01, -0.02]
    thigh, shin = leg_ik.solve_leg_ik(world, positions, positions[:, hip], target, side)
    reached = positions[:, hip] + rotations.rotate(thigh, skeleton.OFFSETS_M[knee])
    reached += rotations.rotate(shin, skeleton.OFFSETS_M[ankle])
    np.testing.assert_allclose(reached, target, atol=1e-9)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("facing", [0.0, 90.0, 180.0])
def test_a_straight_leg_bends_its_knee_to_the_front(side, facing):
    hip, knee, ankle, _ = leg_ik.LEGS[side]
    down = np.array([0.0, -1.0, 0.0])
    turn = rotations.quat_from_axis_angle(np.radians([0.0, facing, 0.0]))
    world = np.tile([1.0, 0.0, 0.0, 0.0], (1, skeleton.JOINT_COUNT, 1))
    for joint, bone in ((hip, knee), (knee, ankle)):
        rest = rotations.unit(skeleton.OFFSETS_M[bone])
        world[:, joint] = rotations.quat_multiply(turn, rotations.shortest_rotation(rest, down))
    positions = np.zeros((1, skeleton.JOINT_COUNT, 3))
    positions[:, knee] = down * leg_ik.BONES_M[side][0]
    positions[:, ankle] = down * sum(leg_ik.BONES_M[side])
    target = positions[:, ankle] + [0.0, 0.1, 0.0]
    thigh, shin = leg_ik.solve_leg_ik(world, positions, positions[:, hip], target, side)
    bent = rotations.rotate(thigh, skeleton.OFFSETS_M[knee])
    reached = bent + rotations.rotate(shin, skeleton.OFFSETS_M[ankle])
    np.testing.assert_allclose(reached, target, atol=1e-9)
    front = rotations.rotate(turn, np.array([0.0, 0.0, 1.0]))
    # The law of cosines says how far; the rest pose's hinge is a few degrees off the side.
    upper, lower = leg_ik.BONES_M[side]
    reach = upper + lower - 0.1
    along = (reach**2 + upper**2 - lower**2) / (2.0 * reach)
    assert bent[0] @ front == pytest.approx(np.sqrt(upper**2 - along**2), rel=0.02)


def test_a_pelvis_is_lowered_only_into_reach():
    frames = 60
    pelvis = np.tile([1.0, 0.0, 0.0, 0.0], (frames, 1))
    root = np.tile([0.0, 0.9, 0.0], (frames, 1))
    ankles = {"left": np.full((frames, 3), np.nan), "right": np.full((frames, 3), np.nan)}
    np.testing.assert_array_equal(leg_ik.lower_into_reach(root, pelvis, ankles), root)
    ankles["left"][20:40] = [0.45, 0.08, 0.0]
    lowered = leg_ik.lower_into_reach(root, pelvis, ankles)
    hip = lowered[20:40] + skeleton.OFFSETS_M[leg_ik.LEGS["left"][0]]
    away = np.linalg.norm(hip - ankles["left"][20:40], axis=-1)
    assert away.max() <= leg_ik.STRAIGHTEST * sum(leg_ik.BONES_M["left"]) + 1e-9
    np.testing.assert_array_equal(lowered[:10], root[:10])
    np.testing.assert_array_equal(lowered[:, [0, 2]], root[:, [0, 2]])
