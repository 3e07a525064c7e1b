"""Retargeting of any humanoid skeleton to the 24 SMPL joints; bones keep their world directions.

Every joint of ours follows one of the source's: its world rotation is the source's times a
constant, see :mod:`kinetune.motion.retargeting.alignment`. The world is turned so that y is up, and
scaled so that the legs have the length of ours.
Metres, y up. Axes: T frames, K source joints.
"""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.clip import MotionClip
from kinetune.motion.retargeting.alignment import align, reference_pose
from kinetune.motion.retargeting.posture import (
    is_plausible_rest_pose,
    leg_length,
    midpoint,
    upright_axis,
)
from kinetune.motion.retargeting.rig import (
    MAX_SAMPLES,
    Rig,
    WorldPose,
    build_rig,
    pose_at,
    rest_pose,
)
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation

Array = NDArray[np.float64]

logger = logging.getLogger("kinetune.motion")

# Frame 0 is a reference pose when the jump out of it is this many times the largest after it
# (CMU's files: 5 to 16 times; files that begin with the motion: below 1).
_REFERENCE_JUMP = 3.0
_REFERENCE_MIN_ANGLE = np.radians(2.0)
# A step is measured by the upper quartile of the joints' rotations: the two or three joints that
# flip over within the motion (CMU's ankles do) are not the body jumping.
_STEP_QUANTILE = 0.75
# Fewer frames than this don't show what an ordinary step is.
_REFERENCE_MIN_FRAMES = 10
# Weight of the rest pose's upright direction beside the motion's in the choice of the up axis.
_REST_WEIGHT = 0.6
_HIPS = [skeleton.joint_index(f"{side}_hip") for side in skeleton.SIDES]


def retarget_animation(
    animation: SkeletalAnimation,
    *,
    name: str = "clip",
    context: str = "the animation",
    source: str = "memory",
    joints: Sequence[int] | None = None,
) -> MotionClip:
    """Bring the motion of any human skeleton to our 24 joints.

    Args:
        animation: The file as parsed. A reference pose in frame 0 is dropped.
        name: What to call the clip.
        context: What to call the file in errors.
        source: The clip's ``source``.
        joints: For each of our 24 joints its index in the file, -1 for none; None recognises them
            by their names.

    Raises:
        MotionError: The skeleton has no recognisable legs and arms, or legs of no length.
    """
    rig = build_rig(animation, context, joints)
    _log_rig(rig, context)
    first = int(_has_reference_frame(rig))
    total = animation.frame_count
    sample = np.unique(np.linspace(first, total - 1, MAX_SAMPLES).astype(int))
    rest, sampled = rest_pose(rig), pose_at(rig, sample)
    scale = skeleton.leg_length_m() / leg_length(rig, rest, context)
    reference = reference_pose(
        rig, rest, pose_at(rig, np.zeros(1, dtype=int)) if first else None, sampled
    )
    constant = align(rig, reference, sampled)
    to_y_up = world_axes.ROTATION_TO_Y_UP[_up_axis(rig, rest, sampled, context)]
    quat = zeros_or_memmap((total - first, skeleton.JOINT_COUNT, 4), np.float64)
    root_m = np.empty((total - first, 3))
    for part in chunks(quat, size=CHUNK_FRAMES):
        frames = np.arange(part.start, part.stop) + first
        quat[part], root_m[part] = _follow(rig, pose_at(rig, frames), constant, to_y_up, scale)
    rotations.make_continuous_in_place(quat)
    return MotionClip(quat, root_m, animation.fps, name, source)


def _has_reference_frame(rig: Rig) -> bool:
    """Whether frame 0 is a pose set before the motion (as in CMU's files), not part of it."""
    count = min(rig.animation.frame_count, MAX_SAMPLES)
    if count < _REFERENCE_MIN_FRAMES:
        return False
    followed = sorted({rig.joints[k] for k in rig.target_to_source if k >= 0})
    quat = np.stack([rig.animation.local_rotations(j, slice(0, count)) for j in followed])
    dot = np.abs(np.sum(quat[:, 1:] * quat[:, :-1], axis=-1))
    angles = 2.0 * np.arccos(np.minimum(dot, 1.0))
    steps = np.quantile(angles, _STEP_QUANTILE, axis=0)
    return bool(steps[0] > max(_REFERENCE_JUMP * steps[1:].max(), _REFERENCE_MIN_ANGLE))


def _follow(
    rig: Rig, pose: WorldPose, constant: Array, to_y_up: Array, scale: float
) -> tuple[Array, Array]:
    """Return our local rotations (T, 24, 4) and pelvis path (T, 3), metres, for source poses."""
    world = np.empty((len(pose.positions), skeleton.JOINT_COUNT, 4))
    for joint, (k, parent) in enumerate(zip(rig.target_to_source, skeleton.PARENTS, strict=True)):
        if k >= 0:
            followed = rotations.quat_multiply(pose.rotations[:, k], constant[joint])
            world[:, joint] = rotations.quat_multiply(to_y_up, followed)
        else:
            world[:, joint] = world[:, parent]
    hips = scale * rotations.rotate(to_y_up, midpoint(rig, pose, "hip"))
    rest_hips = skeleton.OFFSETS_M[_HIPS].mean(axis=0)
    root_m = hips - rotations.rotate(world[:, 0], rest_hips)
    return kinematics.local_rotations(world), root_m


def _up_axis(rig: Rig, rest: WorldPose, sampled: WorldPose, context: str) -> str:
    upright = upright_axis(rig, sampled).mean(axis=0)
    if is_plausible_rest_pose(rig, rest):
        upright = upright + _REST_WEIGHT * upright_axis(rig, rest)[0]
    return world_axes.up_axis(
        upright, expected="+y", margin=world_axes.GUESSED_MARGIN, context=context
    )


def _log_rig(rig: Rig, context: str) -> None:
    names = rig.animation.names
    pairs = zip(skeleton.JOINT_NAMES, rig.target_to_source, strict=True)
    followed = ", ".join(f"{target}={names[rig.joints[k]]}" for target, k in pairs if k >= 0)
    logger.info("%s: rig of %d joints: %s", context, len(names), followed)
