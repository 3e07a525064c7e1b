"""Constant rotation offsets from source joints to the SMPL joints, from a shared reference pose.

In the reference pose the trunk is aligned by the axes of hips and shoulders and by the line from
hips to shoulders, and each limb bone is rotated, without twist, to the direction of the
source's. Limbs so keep their directions exactly whatever the rest pose. Twist is that of the rest
pose; where no rest pose is reliable, the bend of knees and elbows gives it.
Conventions: the file's world; quaternions (w, x, y, z). Axes: T frames, K source joints.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.motion import rotations, skeleton
from kinetune.motion.retargeting.posture import (
    bone_direction,
    is_plausible_rest_pose,
    left_axis,
    trunk_axis,
    upright_deviation,
)
from kinetune.motion.retargeting.rig import Rig, WorldPose
from kinetune.motion.rotations import unit
from kinetune.motion.skeleton import BEND_DIRECTIONS, LIMB_BONES, SPINE_FRACTIONS

Array = NDArray[np.float64]

_J = skeleton.joint_index
# A hand or foot that points further than this from where a body's would is a marker, not a bone.
_MAX_TIP_ANGLE = np.radians(75.0)
# A mean sideways reach of the lower bone below this doesn't show which way the joint bends.
_MIN_BEND = 0.15
# Share of the frames, the most upright ones, that serve as reference when the rest pose can't.
_REFERENCE_SHARE = 0.05


def reference_pose(
    rig: Rig, rest: WorldPose, first: WorldPose | None, sampled: WorldPose
) -> WorldPose:
    """Choose the pose or poses in which the two skeletons are compared.

    Args:
        rig: The source.
        rest: Its rest pose, T = 1.
        first: A reference pose kept in frame 0, T = 1, None if there is none.
        sampled: Frames of the motion; the most upright are taken when no rest pose is plausible.
    """
    for pose in (rest, first):
        if pose is not None and is_plausible_rest_pose(rig, pose):
            return pose
    count = max(1, round(_REFERENCE_SHARE * len(sampled.positions)))
    return sampled.frames(np.argsort(upright_deviation(rig, sampled))[:count])


def align(rig: Rig, reference: WorldPose, sampled: WorldPose) -> Array:
    """Return the constant rotation from each source joint to ours, (24, 4).

    Args:
        rig: The source.
        reference: Poses to compare in; the constants are averaged over them.
        sampled: Frames of the motion, which show where knees and elbows bend. Used only where the
            reference is the motion itself: a rest pose is the better evidence.
    """
    up = trunk_axis(rig, reference)
    pelvis = _trunk_rotation(left_axis(rig, reference, "hip"), up, "hip")
    chest = _trunk_rotation(left_axis(rig, reference, "shoulder"), up, "shoulder")
    world = np.empty((len(up), skeleton.JOINT_COUNT, 4))
    constant = np.zeros((skeleton.JOINT_COUNT, 4))
    for joint, parent in enumerate(skeleton.PARENTS):
        world[:, joint] = pelvis if parent < 0 else world[:, parent]
        if joint in LIMB_BONES:
            world[:, joint] = _swing_to_source(rig, reference, joint, world[:, parent])
        elif joint in SPINE_FRACTIONS:
            fraction = np.full(len(up), SPINE_FRACTIONS[joint])
            world[:, joint] = rotations.slerp(pelvis, chest, fraction)
        k = rig.target_to_source[joint]
        if k >= 0:
            source = reference.rotations[:, k]
            offset = rotations.quat_multiply(rotations.quat_inverse(source), world[:, joint])
            constant[joint] = rotations.mean_rotation(offset)
            if joint in BEND_DIRECTIONS and len(up) > 1:
                constant[joint] = _twist_to_bend(rig, sampled, joint, constant[joint])
            world[:, joint] = rotations.quat_multiply(source, constant[joint])
    return constant


def _twist_to_bend(rig: Rig, sampled: WorldPose, joint: int, constant: Array) -> Array:
    """Twist ``constant`` (4,) so that knee or elbow bend, on average, as a body's do."""
    bone = unit(skeleton.OFFSETS_M[LIMB_BONES[joint]])
    lower = bone_direction(rig, sampled, LIMB_BONES[joint])
    upper = rotations.quat_multiply(sampled.rotations[:, rig.target_to_source[joint]], constant)
    bend = rotations.rotate(rotations.quat_inverse(upper), lower).mean(axis=0)
    bend -= bone * (bend @ bone)
    wanted = BEND_DIRECTIONS[joint] - bone * (BEND_DIRECTIONS[joint] @ bone)
    if np.linalg.norm(bend) < _MIN_BEND:
        return constant
    twist = np.arctan2(np.cross(wanted, bend) @ bone, wanted @ bend)
    return rotations.quat_multiply(constant, rotations.quat_from_axis_angle(twist * bone))


def _swing_to_source(rig: Rig, pose: WorldPose, joint: int, parent: Array) -> Array:
    """Swing our bone, at rest in ``parent`` (T, 4), to the direction of the source's, (T, 4)."""
    target = rotations.rotate(parent, unit(skeleton.OFFSETS_M[LIMB_BONES[joint]]))
    source = bone_direction(rig, pose, joint)
    angle = np.arccos(np.clip(np.sum(target * source, axis=-1), -1.0, 1.0))
    is_last = LIMB_BONES[joint] not in LIMB_BONES
    if not source.any() or (is_last and np.median(angle) > _MAX_TIP_ANGLE):
        return parent
    return rotations.quat_multiply(rotations.shortest_rotation(target, source), parent)


def _trunk_rotation(left: Array, up: Array, part: str) -> Array:
    """Return the world rotation (T, 4) that brings our trunk at rest to these axes, (T, 3)."""
    rest = skeleton.rest_positions_m()
    hips = rest[[_J("left_hip"), _J("right_hip")]].mean(axis=0)
    trunk = unit(rest[[_J("left_shoulder"), _J("right_shoulder")]].mean(axis=0) - hips)
    target_left = unit(rest[_J(f"left_{part}")] - rest[_J(f"right_{part}")])
    matrix = _frame(left, up) @ np.swapaxes(_frame(target_left, trunk), -1, -2)
    return rotations.quat_from_matrix(matrix)


def _frame(left: Array, up: Array) -> Array:
    """Return axes (..., 3, 3) with ``left`` as x and y as near to ``up`` as possible."""
    y = unit(up - left * np.sum(left * up, axis=-1, keepdims=True))
    return np.stack([left, y, np.cross(left, y)], axis=-1)
