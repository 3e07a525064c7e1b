"""Measures of a source skeleton's pose: directions of trunk and limbs, and whether it is upright.

Conventions: file units and the file's own world; unit vectors; left is the dancer's own left.
Axes: T frames, K source joints.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import rotations, skeleton
from kinetune.motion.retargeting.rig import Rig, WorldPose
from kinetune.motion.rotations import unit
from kinetune.motion.skeleton import LEG_BONES, LIMB_BONES, SIDES

Array = NDArray[np.float64]

_J = skeleton.joint_index


def midpoint(rig: Rig, pose: WorldPose, part: str) -> Array:
    """Return the midpoint of the left and the right joint ``part``, file units, (T, 3)."""
    pair = [rig.source_index(f"{side}_{part}") for side in SIDES]
    return pose.positions[:, pair].mean(axis=1)


def left_axis(rig: Rig, pose: WorldPose, part: str) -> Array:
    """Return the direction from the right joint ``part`` to the left one, (T, 3)."""
    left, right = rig.source_index(f"left_{part}"), rig.source_index(f"right_{part}")
    return unit(pose.positions[:, left] - pose.positions[:, right])


def trunk_axis(rig: Rig, pose: WorldPose) -> Array:
    """Return the direction from hips to shoulders, (T, 3)."""
    return unit(midpoint(rig, pose, "shoulder") - midpoint(rig, pose, "hip"))


def upright_axis(rig: Rig, pose: WorldPose) -> Array:
    """Return the direction from ankles to shoulders, (T, 3)."""
    return unit(midpoint(rig, pose, "shoulder") - midpoint(rig, pose, "ankle"))


def bone_direction(rig: Rig, pose: WorldPose, joint: int) -> Array:
    """Return the direction of our limb bone ``joint`` in the source, (T, 3); zeros if unknown."""
    k, end = rig.target_to_source[joint], rig.target_to_source[LIMB_BONES[joint]]
    if k < 0:
        return np.zeros((len(pose.positions), 3))
    if end >= 0:
        step = pose.positions[:, end] - pose.positions[:, k]
        if step.any():
            return unit(step)
    return unit(rotations.rotate(pose.rotations[:, k], rig.tips[k]))


def is_plausible_rest_pose(rig: Rig, pose: WorldPose) -> bool:
    """Whether a person could stand as in the pose (T = 1): legs down, no limb reversed."""
    left, up = left_axis(rig, pose, "hip")[0], trunk_axis(rig, pose)[0]
    shoulders = left_axis(rig, pose, "shoulder")[0]
    forward = np.cross(left, up)
    leg_joints = [joint for joint, _ in LEG_BONES]
    legs = [bone_direction(rig, pose, joint)[0] for joint in leg_joints]
    feet = [bone_direction(rig, pose, _J(f"{side}_ankle"))[0] for side in SIDES]
    arms = [bone_direction(rig, pose, _J(f"{side}_shoulder"))[0] for side in SIDES]
    return bool(
        abs(left @ up) < 0.5
        and shoulders @ left > 0.5
        and all(leg @ up < -0.5 for leg in legs)
        and sum(foot @ forward for foot in feet) >= 0.0
        and arms[0] @ left > -0.5
        and arms[1] @ left < 0.5
    )


def upright_deviation(rig: Rig, pose: WorldPose) -> Array:
    """Return how far each frame is from standing straight with straight arms, (T,), 0 or more."""
    up = trunk_axis(rig, pose)
    left = left_axis(rig, pose, "hip")
    deviation = 1.0 - np.sum(left * left_axis(rig, pose, "shoulder"), axis=-1)
    for joint, _ in LEG_BONES:
        deviation += 1.0 + np.sum(up * bone_direction(rig, pose, joint), axis=-1)
    for side in SIDES:
        upper, lower = (
            bone_direction(rig, pose, _J(f"{side}_{part}")) for part in ("shoulder", "elbow")
        )
        deviation += 0.5 * (1.0 - np.sum(upper * lower, axis=-1))
    return deviation


def leg_length(rig: Rig, rest: WorldPose, context: str) -> float:
    """Return the mean length of the two legs from hip to ankle, file units.

    Raises:
        MotionError: A leg bone has no length.
    """
    index = rig.target_to_source
    lengths = [
        np.linalg.norm(rest.positions[0, index[lower]] - rest.positions[0, index[upper]])
        for upper, lower in LEG_BONES
    ]
    if min(lengths) <= 0.0:
        raise MotionError(f"{context}: expected legs of some length, found an offset of zero")
    return float(sum(lengths)) / len(SIDES)
