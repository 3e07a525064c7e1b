"""Any human skeleton to our 24 joints, so that the bones keep their directions in the world.

Every joint of ours follows one of theirs: its rotation in the world is theirs times a constant.
The constants come from a reference in which both bodies are put into the same posture: the file's
rest pose if a person could stand like that, else the frames of the motion in which the dancer
stands most upright. There the trunk is lined up by the axes of hips and shoulders and by the line
from hips to shoulders, and each limb of ours is swung, without twist, to where theirs points. So
limbs keep their directions exactly whatever the rest pose. Twist is that of the rest pose; where
there is none to trust, knees and elbows tell it: they bend one way only.
Metres, y up; the path is scaled so that the legs have our length. Axes: T frames, K source joints.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.io import smpl
from kinetune.motion.retargeting.rig import (
    LEG_BONES,
    LIMB_BONES,
    MOST_SAMPLES,
    SIDES,
    Rig,
    WorldPose,
    bone_direction,
    build_rig,
    is_plausible_rest_pose,
    left_axis,
    leg_length,
    midpoint,
    pose_at,
    rest_pose,
    trunk_axis,
    unit,
    upright_deviation,
)
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation

Array = NDArray[np.float64]

_J = skeleton.joint_index
# A hand or foot that points further than this from where a body's would is no bone but a marker.
_TIP_LIMIT = np.radians(75.0)
# Frame 0 is a reference pose when the jump out of it is this many times the largest after it
# (CMU's files: 5 to 16 times; files that begin with the motion: below 1).
_REFERENCE_JUMP = 3.0
_REFERENCE_LEAST = np.radians(2.0)
# A step is judged by the upper quartile of the joints' turns: the two or three joints that flip
# over in the middle of a take (CMU's ankles do) are not the body jumping.
_STEP_QUARTILE = 0.75
# Fewer frames than this don't show what an ordinary step is.
_REFERENCE_FRAMES = 10
# Share of the frames, the most upright ones, that serve as reference when the rest pose can't.
_UPRIGHT_SHARE = 0.05
# How much the rest pose and custom (y) count beside the motion when the up axis is sought.
_REST_VOTE, _Y_VOTE = 0.6, 0.1


def retarget_animation(
    animation: SkeletalAnimation,
    *,
    name: str = "clip",
    context: str = "the take",
    source: str = "memory",
    joints: Sequence[int] | None = None,
) -> MotionClip:
    """Bring the motion of any human skeleton to our 24 joints.

    Args:
        animation: The file as parsed. A reference pose in frame 0 is dropped.
        name: What to call the clip.
        context: What to call the file in errors.
        source: The clip's ``source``.
        joints: For each of our 24 joints its place in the file, -1 where there is none; None finds
            them by their names.

    Raises:
        MotionError: The skeleton has no recognisable legs and arms, or legs of no length.
    """
    rig = build_rig(animation, context, joints)
    skip = _has_reference_frame(rig)
    total = animation.frame_count
    sample = np.unique(np.linspace(int(skip), total - 1, MOST_SAMPLES).astype(int))
    rest, sampled = rest_pose(rig), pose_at(rig, sample)
    lead = pose_at(rig, np.zeros(1, dtype=int)) if skip else None
    reference = _reference(rig, rest, lead, sampled)
    follow = _alignment(rig, reference, sampled)
    turn = _upright_turn(rig, rest, sampled)
    scale = _OUR_LEG_M / leg_length(rig, rest, context)
    count = total - int(skip)
    quat = zeros_or_memmap((count, skeleton.JOINT_COUNT, 4), np.float64)
    root_m = np.empty((count, 3))
    for part in chunks(quat, size=CHUNK_FRAMES):
        frames = np.arange(part.start, part.stop) + int(skip)
        quat[part], root_m[part] = _retargeted(rig, frames, follow, turn, scale)
    rotations.make_continuous_in_place(quat)
    return MotionClip(quat, root_m, animation.fps, name, source)


def _has_reference_frame(rig: Rig) -> bool:
    """Whether frame 0 is a pose set before the motion (as in CMU's files), not part of it."""
    count = min(rig.animation.frame_count, MOST_SAMPLES)
    if count < _REFERENCE_FRAMES:
        return False
    followed = sorted({rig.joints[k] for k in rig.target_to_source if k >= 0})
    quat = np.stack([rig.animation.local_rotations(j, slice(0, count)) for j in followed])
    dot = np.abs(np.sum(quat[:, 1:] * quat[:, :-1], axis=-1))
    turns = 2.0 * np.arccos(np.minimum(dot, 1.0))
    steps = np.quantile(turns, _STEP_QUARTILE, axis=0)
    return bool(steps[0] > max(_REFERENCE_JUMP * steps[1:].max(), _REFERENCE_LEAST))


def _retargeted(
    rig: Rig, frames: NDArray, follow: Array, turn: Array, scale: float
) -> tuple[Array, Array]:
    posed = pose_at(rig, frames)
    world = np.empty((len(frames), skeleton.JOINT_COUNT, 4))
    local = np.empty_like(world)
    for joint, (k, parent) in enumerate(zip(rig.target_to_source, skeleton.PARENTS, strict=True)):
        if k >= 0:
            led = rotations.quat_multiply(posed.rotations[:, k], follow[joint])
            world[:, joint] = rotations.quat_multiply(turn, led)
        else:
            world[:, joint] = world[:, parent]
        above = rotations.quat_inverse(world[:, parent])
        local[:, joint] = (
            rotations.quat_multiply(above, world[:, joint]) if parent >= 0 else world[:, joint]
        )
    hips = scale * rotations.rotate(turn, midpoint(rig, posed, "hip"))
    root_m = hips - rotations.rotate(world[:, 0], _OUR_HIPS)
    return local / np.linalg.norm(local, axis=-1, keepdims=True), root_m


def _alignment(rig: Rig, reference: WorldPose, sampled: WorldPose) -> Array:
    """Return the constant from each source joint to ours, (24, 4).

    Args:
        rig: The skeleton.
        reference: Poses to compare in; the constants are averaged over them.
        sampled: The motion, which shows where knees and elbows bend. Asked only where the
            reference is the motion itself: a rest pose knows better.
    """
    up = trunk_axis(rig, reference)
    pelvis = _trunk_rotation(left_axis(rig, reference, "hip"), up, "hip")
    chest = _trunk_rotation(left_axis(rig, reference, "shoulder"), up, "shoulder")
    world = np.empty((len(up), skeleton.JOINT_COUNT, 4))
    follow = np.zeros((skeleton.JOINT_COUNT, 4))
    for joint, parent in enumerate(skeleton.PARENTS):
        world[:, joint] = pelvis if parent < 0 else world[:, parent]
        if joint in LIMB_BONES:
            world[:, joint] = _swung(rig, reference, joint, world[:, parent])
        elif joint in _SPINE_SHARE:
            share = np.full(len(up), _SPINE_SHARE[joint])
            world[:, joint] = rotations.slerp(pelvis, chest, share)
        k = rig.target_to_source[joint]
        if k >= 0:
            theirs = reference.rotations[:, k]
            between = rotations.quat_multiply(rotations.quat_inverse(theirs), world[:, joint])
            follow[joint] = _mean_rotation(between)
            if joint in _BENDS and len(up) > 1:
                follow[joint] = _hinged(rig, sampled, joint, follow[joint])
            world[:, joint] = rotations.quat_multiply(theirs, follow[joint])
    return follow


# How much of the way from the pelvis's rotation to the chest's each spine joint has turned.
_SPINE_SHARE = {_J("spine1"): 1 / 3, _J("spine2"): 2 / 3, _J("spine3"): 1.0}
# Where the lower bone goes when the joint bends, in the axes of the upper bone at rest: knees
# bend backwards, elbows (palms down in a T-pose) forwards.
_BENDS: dict[int, Array] = {
    _J(f"{side}_{part}"): np.array([0.0, 0.0, way])
    for side in SIDES
    for part, way in (("hip", -1.0), ("shoulder", 1.0))
}
# A mean sideways reach of the lower bone below this doesn't show which way the joint bends.
_LEAST_BEND = 0.15


def _hinged(rig: Rig, sampled: WorldPose, joint: int, follow: Array) -> Array:
    """Twist ``follow`` (4,) so that knee or elbow bend the way a body's do on average."""
    bone = unit(skeleton.OFFSETS_M[LIMB_BONES[joint]])
    lower = bone_direction(rig, sampled, LIMB_BONES[joint])
    source = rotations.quat_multiply(sampled.rotations[:, rig.target_to_source[joint]], follow)
    bend = rotations.rotate(rotations.quat_inverse(source), lower).mean(axis=0)
    bend -= bone * (bend @ bone)
    wanted = _BENDS[joint] - bone * (_BENDS[joint] @ bone)
    if np.linalg.norm(bend) < _LEAST_BEND:
        return follow
    twist = np.arctan2(np.cross(wanted, bend) @ bone, wanted @ bend)
    return rotations.quat_multiply(follow, rotations.quat_from_axis_angle(twist * bone))


def _swung(rig: Rig, posed: WorldPose, joint: int, above: Array) -> Array:
    """Swing our bone from where ``above`` (T, 4) leaves it to where the source's points."""
    target = rotations.rotate(above, unit(skeleton.OFFSETS_M[LIMB_BONES[joint]]))
    source = bone_direction(rig, posed, joint)
    angle = np.arccos(np.clip(np.sum(target * source, axis=-1), -1.0, 1.0))
    is_last = LIMB_BONES[joint] not in LIMB_BONES
    unknown = not source.any() or (is_last and np.median(angle) > _TIP_LIMIT)
    return (
        above
        if unknown
        else rotations.quat_multiply(rotations.shortest_rotation(target, source), above)
    )


def _trunk_rotation(left: Array, up: Array, part: str) -> Array:
    """Return the world rotation (T, 4) that brings our trunk at rest to these axes, (T, 3)."""
    rest = skeleton.OFFSETS_M if part == "hip" else _REST_POSITIONS
    our_left = unit(rest[_J(f"left_{part}")] - rest[_J(f"right_{part}")])
    matrix = _axes(left, up) @ np.swapaxes(_axes(our_left, _OUR_TRUNK), -1, -2)
    return rotations.quat_from_matrix(matrix)


def _axes(left: Array, up: Array) -> Array:
    """Return the frame (..., 3, 3) with ``left`` as x and y as near to ``up`` as may be."""
    y = unit(up - left * np.sum(left * up, axis=-1, keepdims=True))
    return np.stack([left, y, np.cross(left, y)], axis=-1)


def _reference(rig: Rig, rest: WorldPose, lead: WorldPose | None, sampled: WorldPose) -> WorldPose:
    """Choose the pose or poses in which the two bodies are compared."""
    for pose in (rest, lead):
        if pose is not None and is_plausible_rest_pose(rig, pose):
            return pose
    count = max(1, round(_UPRIGHT_SHARE * len(sampled.positions)))
    return sampled.part(np.argsort(upright_deviation(rig, sampled))[:count])


def _upright_turn(rig: Rig, rest: WorldPose, sampled: WorldPose) -> Array:
    """Return the turn (4,) that brings the file's up axis, y or z, to y."""

    def standing(posed: WorldPose) -> Array:
        return unit(midpoint(rig, posed, "shoulder") - midpoint(rig, posed, "ankle"))

    votes = standing(sampled).mean(axis=0)
    if is_plausible_rest_pose(rig, rest):
        votes = votes + _REST_VOTE * standing(rest)[0]
    is_z_up = votes[2] > votes[1] + _Y_VOTE
    return smpl.Y_UP_FROM_Z_UP if is_z_up else np.array([1.0, 0.0, 0.0, 0.0])


def _mean_rotation(quat: Array) -> Array:
    """Return the mean (4,) of quaternions (T, 4), whatever their signs (Markley et al. 2007)."""
    if len(quat) == 1:
        return quat[0]
    return np.linalg.eigh(quat.T @ quat)[1][:, -1]


def _rest_positions() -> Array:
    positions = skeleton.OFFSETS_M.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            positions[joint] += positions[parent]
    return positions


_REST_POSITIONS = _rest_positions()
_OUR_HIPS = _REST_POSITIONS[[_J("left_hip"), _J("right_hip")]].mean(axis=0)
_OUR_LEG_M = sum(float(np.linalg.norm(skeleton.OFFSETS_M[lower])) for _, lower in LEG_BONES) / 2
_OUR_TRUNK = unit(
    _REST_POSITIONS[[_J("left_shoulder"), _J("right_shoulder")]].mean(axis=0) - _OUR_HIPS
)
