"""A stranger's skeleton as our joints see it: who leads whom, and where the bones point.

Conventions: file units and the file's own world; quaternions (w, x, y, z). Axes: T frames, K
source joints, of which our 24 follow some. Source: plain forward kinematics over a tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import rotations, skeleton
from kinetune.motion.retargeting.joint_names import path_to_root, recognise_joints
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation

Array = NDArray[np.float64]

_J = skeleton.joint_index
SIDES = ("left", "right")
_LEG = ("hip", "knee")
# Both bones of both legs: joint and the joint at its far end.
LEG_BONES = [(_J(f"{s}_{a}"), _J(f"{s}_{b}")) for s in SIDES for a, b in (_LEG, ("knee", "ankle"))]
# Limb joints of ours whose bone must keep its direction, and the joint at its far end.
LIMB_BONES: dict[int, int] = {
    _J(f"{side}_{upper}"): _J(f"{side}_{lower}")
    for side in SIDES
    for upper, lower in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
    )
}  # fmt: skip
# Frames looked at where a sample of the motion will do.
MOST_SAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Rig:
    """The part of a file's skeleton that our joints follow.

    Attributes:
        animation: The file.
        joints: Places in the file of the K joints used, parents first.
        parents: Place of each one's parent among the K, -1 for a root.
        offsets: From the parent, file units, (K, 3).
        tips: Where each one's bone ends, in its own axes, zeros if unknown, (K, 3).
        moving: Which of the K carry the body's path: pelvis or above, with position channels.
        target_to_source: For each of our 24 joints its index among the K, -1 where there is none.
    """

    animation: SkeletalAnimation
    joints: tuple[int, ...]
    parents: tuple[int, ...]
    offsets: Array
    tips: Array
    moving: frozenset[int]
    target_to_source: tuple[int, ...]

    def at(self, name: str) -> int:
        """Return the place among the K of our joint ``name``."""
        return self.target_to_source[_J(name)]


@dataclass(frozen=True, eq=False)
class WorldPose:
    """World rotations (T, K, 4) and positions (T, K, 3), file units, of the source joints."""

    rotations: Array
    positions: Array

    def part(self, frames: NDArray) -> "WorldPose":
        """Return the frames asked for."""
        return WorldPose(self.rotations[frames], self.positions[frames])


def build_rig(
    animation: SkeletalAnimation, context: str, target_to_source: Sequence[int] | None = None
) -> Rig:
    """Find the joints our body follows.

    Args:
        animation: The file.
        context: What to call it in errors.
        target_to_source: For each of our 24 joints its index in the file, -1 where there is
            none; None finds them by their names.

    Raises:
        MotionError: It has no recognisable legs and arms.
    """
    parents = animation.parents
    if target_to_source is None:
        target_to_source = recognise_joints(animation.names, parents, context=context)
    used = sorted(
        {up for joint in target_to_source if joint >= 0 for up in path_to_root(parents, joint)}
    )
    place = {joint: k for k, joint in enumerate(used)} | {-1: -1}
    moving = [up for up in path_to_root(parents, target_to_source[0]) if _is_placed(animation, up)]
    return Rig(
        animation,
        tuple(used),
        tuple(place[parents[joint]] for joint in used),
        np.array([_offset(animation, joint) for joint in used]),
        np.array([_tip(animation, joint) for joint in used]),
        frozenset(place[up] for up in moving),
        tuple(place[joint] for joint in target_to_source),
    )


def _is_placed(animation: SkeletalAnimation, joint: int) -> bool:
    """Whether a joint has a path that says something: all zeros say nothing."""
    positions = animation.local_translations(joint)
    return positions is not None and bool(positions.any())


def _offset(animation: SkeletalAnimation, joint: int) -> Array:
    """Return the offset of a joint: its own path stands in for it where there is one."""
    positions = animation.local_translations(joint, slice(0, MOST_SAMPLES))
    if positions is None or not positions.any():
        return animation.offsets[joint]
    return np.median(positions, axis=0)


def _tip(animation: SkeletalAnimation, joint: int) -> Array:
    """Return where a joint's bone ends in its own axes: the mean of its children, thumbs aside."""
    children = [child for child, parent in enumerate(animation.parents) if parent == joint]
    ends = [animation.end_offsets[joint]] if animation.end_offsets[joint].any() else []
    for child in children:
        if "thumb" not in animation.names[child].lower():
            offset = _offset(animation, child)
            ends.append(offset if offset.any() else _tip(animation, child))
    return np.mean(ends, axis=0) if ends else np.zeros(3)


def rest_pose(rig: Rig) -> WorldPose:
    """Return the rest pose, T = 1."""
    quat = rig.animation.rest_rotations[list(rig.joints)][None]
    return _chained(rig, quat, rig.offsets[None])


def pose_at(rig: Rig, frames: NDArray) -> WorldPose:
    """Return the source's pose in the frames asked for."""
    quat = np.stack([rig.animation.local_rotations(joint, frames) for joint in rig.joints], axis=1)
    steps = np.tile(rig.offsets, (len(frames), 1, 1))
    for k in rig.moving:
        positions = rig.animation.local_translations(rig.joints[k], frames)
        if positions is not None:
            steps[:, k] = positions
    return _chained(rig, quat, steps)


def _chained(rig: Rig, local: Array, steps: Array) -> WorldPose:
    world, positions = np.empty_like(local), np.empty_like(local[..., 1:])
    for k, parent in enumerate(rig.parents):
        if parent < 0:
            world[:, k], positions[:, k] = local[:, k], steps[:, k]
        else:
            world[:, k] = rotations.quat_multiply(world[:, parent], local[:, k])
            step = rotations.rotate(world[:, parent], steps[:, k])
            positions[:, k] = positions[:, parent] + step
    return WorldPose(world, positions)


def midpoint(rig: Rig, posed: WorldPose, part: str) -> Array:
    """Return the middle between the left and the right joint ``part``, file units, (T, 3)."""
    sides = [rig.at(f"{side}_{part}") for side in SIDES]
    return posed.positions[:, sides].mean(axis=1)


def left_axis(rig: Rig, posed: WorldPose, part: str) -> Array:
    """Return the direction from the right joint ``part`` to the left one, (T, 3)."""
    left, right = rig.at(f"left_{part}"), rig.at(f"right_{part}")
    return unit(posed.positions[:, left] - posed.positions[:, right])


def trunk_axis(rig: Rig, posed: WorldPose) -> Array:
    """Return the direction from hips to shoulders, (T, 3)."""
    return unit(midpoint(rig, posed, "shoulder") - midpoint(rig, posed, "hip"))


def bone_direction(rig: Rig, posed: WorldPose, joint: int) -> Array:
    """Return the direction of our limb bone ``joint`` in the rig, (T, 3); zeros if unknown."""
    k, end = rig.target_to_source[joint], rig.target_to_source[LIMB_BONES[joint]]
    if k < 0:
        return np.zeros((len(posed.positions), 3))
    if end >= 0:
        step = posed.positions[:, end] - posed.positions[:, k]
        if step.any():
            return unit(step)
    return unit(rotations.rotate(posed.rotations[:, k], rig.tips[k]))


def is_plausible_rest_pose(rig: Rig, pose: WorldPose) -> bool:
    """Whether a person could stand as in the pose (T = 1): legs down, no limb reversed."""
    left, up = left_axis(rig, pose, "hip")[0], trunk_axis(rig, pose)[0]
    shoulders = left_axis(rig, pose, "shoulder")[0]
    forward = np.cross(left, up)
    legs = [bone_direction(rig, pose, _J(f"{side}_{part}"))[0] for side in SIDES for part in _LEG]
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


def upright_deviation(rig: Rig, posed: WorldPose) -> Array:
    """Return how far each frame is from standing straight, arms wherever they like, (T,)."""
    up = trunk_axis(rig, posed)
    left = left_axis(rig, posed, "hip")
    strain = 1.0 - np.sum(left * left_axis(rig, posed, "shoulder"), axis=-1)
    for side in SIDES:
        for part in _LEG:
            strain += 1.0 + np.sum(up * bone_direction(rig, posed, _J(f"{side}_{part}")), axis=-1)
        upper, lower = (
            bone_direction(rig, posed, _J(f"{side}_{p}")) for p in ("shoulder", "elbow")
        )
        strain += 0.5 * (1.0 - np.sum(upper * lower, axis=-1))
    return strain


def leg_length(rig: Rig, rest: WorldPose, context: str) -> float:
    """Return the mean length of the two legs from hip to ankle, file units.

    Raises:
        MotionError: A leg bone has no length.
    """
    lengths = [
        np.linalg.norm(
            rest.positions[0, rig.target_to_source[lower]]
            - rest.positions[0, rig.target_to_source[upper]]
        )
        for upper, lower in LEG_BONES
    ]
    if min(lengths) <= 0.0:
        raise MotionError(f"{context}: expected legs of some length, found an offset of zero")
    return float(sum(lengths)) / len(SIDES)


def unit(vector: Array) -> Array:
    """Scale vectors (..., 3) to length 1; zeros stay zeros."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0.0, length, 1.0)
