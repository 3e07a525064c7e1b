"""Rotations fitted to joint positions.

Pelvis and chest are fitted to their three child joints (Kabsch 1976); every other bone is rotated
to its direction. The twist of a thigh or upper arm is read from the bent knee or elbow; while the
limb is straight it comes to rest at that of the trunk. The path is scaled so that the legs have our
length. Any unit; the up axis is decided by the body.
Axes: T frames, J joints, 22 or 24 in our order.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune.errors import MotionError
from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.clip import MotionClip
from kinetune.motion.rotations import unit
from kinetune.motion.skeleton import BEND_DIRECTIONS, LEG_BONES, OFFSETS_M, SIDES, SPINE_FRACTIONS

Array = NDArray[np.float64]

_J = skeleton.joint_index
_HIPS, _ANKLES = ([_J(f"{side}_{part}") for side in SIDES] for part in ("hip", "ankle"))
_PELVIS, _CHEST, _NECK = _J("pelvis"), _J("spine3"), _J("neck")
# Joints whose rotation is fitted to the three joints that hang from them.
_FITTED = {
    _PELVIS: [*_HIPS, _J("spine1")],
    _CHEST: [_NECK, _J("left_collar"), _J("right_collar")],
}
# The joint at the far end of the bone that each other joint swings.
_BONES = {
    parent: joint
    for joint, parent in enumerate(skeleton.PARENTS)
    if parent >= 0 and parent not in _FITTED
}
# A lower bone that reaches less far to the side than this share of its length shows little of
# the twist. Measured on real dances: less lets straight limbs spin, more hides what is bent.
_MIN_BEND = 0.25
# Twist is smoothed over this time: it is read from a small reach, and noise there turns it fast.
_TWIST_SIGMA_S = 0.05
# Standard deviations to which the smoothing reaches.
_TWIST_TRUNCATE = 4.0


def clip_from_positions(
    positions: Array, *, fps: float, name: str = "clip", context: str = "positions"
) -> MotionClip:
    """Fit our skeleton's rotations to joint positions.

    Args:
        positions: Any unit, any axis up, finite, (T, 22 or 24, 3), T of 1 or more.
        fps: Frames per second.
        name: What to call the clip.
        context: What to call the file in errors.

    Raises:
        MotionError: The legs have no length.
    """
    axis = _up_axis(positions, context)
    scale = skeleton.leg_length_m() / _leg_length(positions, context)
    local = zeros_or_memmap((len(positions), skeleton.JOINT_COUNT, 4), np.float64)
    root_m = np.empty((len(positions), 3))
    # A chunk sees as far beyond its ends as the smoothing reaches.
    margin = int(_TWIST_TRUNCATE * _TWIST_SIGMA_S * fps + 0.5)
    for part in chunks(local, size=CHUNK_FRAMES):
        first = max(0, part.start - margin)
        points = scale * world_axes.y_up_from(positions[first : part.stop + margin], axis)
        inside = slice(part.start - first, part.stop - first)
        world = _world_rotations(points, fps)[inside]
        local[part] = kinematics.local_rotations(world)
        hips = rotations.rotate(world[:, _PELVIS], OFFSETS_M[_HIPS].mean(axis=0))
        root_m[part] = points[inside][:, _HIPS].mean(axis=1) - hips
    rotations.make_continuous_in_place(local)
    return MotionClip(local, root_m, float(fps), name, "positions")


def _up_axis(positions: Array, context: str) -> str:
    upright = unit(positions[:, _NECK] - positions[:, _ANKLES].mean(axis=1)).mean(axis=0)
    return world_axes.up_axis(
        upright, expected="+y", margin=world_axes.GUESSED_MARGIN, context=context
    )


def _leg_length(positions: Array, context: str) -> float:
    """Return the mean length of the legs from hip to ankle, medians over time, in their unit."""
    lengths = [
        float(np.median(np.linalg.norm(positions[:, lower] - positions[:, upper], axis=-1)))
        for upper, lower in LEG_BONES
    ]
    if min(lengths) <= 0.0:
        raise MotionError(f"{context}: expected legs of some length, found joints in one point")
    return sum(lengths) / len(SIDES)


def _world_rotations(points: Array, fps: float) -> Array:
    """Return world rotations (T, 24, 4) of our joints, parents first."""
    world = np.zeros((len(points), skeleton.JOINT_COUNT, 4))
    fitted = {joint: _fit_to_children(points, joint) for joint in _FITTED}
    for joint, parent in enumerate(skeleton.PARENTS):
        if joint in fitted:
            world[:, joint] = fitted[joint]
            continue
        base = world[:, parent]
        if joint in SPINE_FRACTIONS:
            fraction = np.full(len(points), SPINE_FRACTIONS[joint])
            base = rotations.slerp(fitted[_PELVIS], fitted[_CHEST], fraction)
        end = _BONES.get(joint)
        if end is None or end >= points.shape[1]:
            world[:, joint] = base
            continue
        world[:, joint] = _swing_to_bone(base, joint, end, points)
        if joint in BEND_DIRECTIONS:
            world[:, joint] = _twist_to_bend(world[:, joint], joint, points, fps)
    return world


def _fit_to_children(points: Array, joint: int) -> Array:
    """Return the rotation (T, 4) that best brings a joint's children to where they are.

    Kabsch's method on the directions, with the triangle the children span beside the three bones,
    so that a body of other proportions than ours doesn't tilt.
    """
    children = _FITTED[joint]
    target, source = OFFSETS_M[children], points[:, children] - points[:, [joint]]
    target, source = (unit(_with_triangle(bones)) for bones in (target, source))
    left, _, right = np.linalg.svd(np.swapaxes(source, -1, -2) @ target)
    proper = np.tile(np.eye(3), (len(points), 1, 1))
    proper[:, 2, 2] = np.linalg.det(left @ right)
    return rotations.quat_from_matrix(left @ proper @ right)


def _with_triangle(bones: Array) -> Array:
    return np.concatenate([bones, bones - np.roll(bones, 1, axis=-2)], axis=-2)


def _swing_to_bone(base: Array, joint: int, end: int, points: Array) -> Array:
    """Swing our bone, without twist, from its direction in ``base`` (T, 4) to the points'."""
    target = rotations.rotate(base, unit(OFFSETS_M[end]))
    source = unit(points[:, end] - points[:, joint])
    swung = rotations.quat_multiply(rotations.shortest_rotation(target, source), base)
    return np.where(source.any(axis=-1, keepdims=True), swung, base)


def _twist_to_bend(world: Array, joint: int, points: Array, fps: float) -> Array:
    """Twist a limb's upper bone (T, 4) so that its lower bone bends the way a body's does."""
    middle = _BONES[joint]
    bone = unit(OFFSETS_M[middle])
    lower = unit(points[:, _BONES[middle]] - points[:, middle])
    bend = rotations.rotate(rotations.quat_inverse(world), lower)
    wanted = unit(BEND_DIRECTIONS[joint] - bone * (BEND_DIRECTIONS[joint] @ bone))
    across = np.cross(bone, wanted)
    # A point in the plane across the bone: far out where the limb is bent and the twist is clear.
    reach = np.stack([bend @ wanted + _MIN_BEND, bend @ across], axis=-1)
    sigma = _TWIST_SIGMA_S * fps
    smooth = gaussian_filter1d(reach, sigma, axis=0, mode="nearest", truncate=_TWIST_TRUNCATE)
    twist = np.arctan2(smooth[:, 1], smooth[:, 0])
    return rotations.quat_multiply(world, rotations.quat_from_axis_angle(twist[:, None] * bone))
