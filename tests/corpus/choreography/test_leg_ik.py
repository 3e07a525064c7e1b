"""Legs reach what they are asked to, and change nothing when asked nothing."""

import numpy as np
import pytest

from kinetune.corpus.choreography import leg_ik, motion_library
from kinetune.motion import kinematics, rotations, skeleton


@pytest.mark.parametrize("side", ["left", "right"])
def test_two_bones_bring_the_ankle_to_its_target(side):
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
def test_a_led_leg_follows_its_ankle_and_else_stays_as_it_was(side):
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
