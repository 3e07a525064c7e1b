"""The source joints that the 24 SMPL joints follow, and their poses in the world.

Conventions: file units and the file's own world; quaternions (w, x, y, z). Axes: T frames, K
source joints: those our joints follow and everything between them and the root. Source: forward
kinematics over a tree.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.motion import rotations, skeleton
from kinetune.motion.retargeting.joint_names import path_to_root, recognise_joints
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation
from kinetune.motion.skeleton import LIMB_BONES

Array = NDArray[np.float64]

# Number of frames looked at where a sample of the motion is enough.
MAX_SAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Rig:
    """The joints of an animation that our joints follow.

    Attributes:
        animation: The file.
        joints: Indices in the file of the K joints used, parents first.
        parents: Index of each one's parent among the K, -1 for a root.
        offsets: From the parent, file units, (K, 3).
        tips: Where each one's bone ends, in its own axes, zeros if unknown, (K, 3).
        translated: Which of the K carry the body's path: pelvis or above, with translations.
        target_to_source: For each of our 24 joints its index among the K, -1 for none.
    """

    animation: SkeletalAnimation
    joints: tuple[int, ...]
    parents: tuple[int, ...]
    offsets: Array
    tips: Array
    translated: frozenset[int]
    target_to_source: tuple[int, ...]

    def source_index(self, name: str) -> int:
        """Return the index among the K of our joint ``name``."""
        return self.target_to_source[skeleton.joint_index(name)]


@dataclass(frozen=True, eq=False)
class WorldPose:
    """World rotations (T, K, 4) and positions (T, K, 3), file units, of the source joints."""

    rotations: Array
    positions: Array

    def frames(self, selection: NDArray) -> "WorldPose":
        """Return the selected frames."""
        return WorldPose(self.rotations[selection], self.positions[selection])


def build_rig(
    animation: SkeletalAnimation, context: str, joints: Sequence[int] | None = None
) -> Rig:
    """Select the joints our skeleton follows.

    Args:
        animation: The file.
        context: What to call it in errors.
        joints: For each of our 24 joints its index in the file, -1 for none; None recognises them
            by their names.

    Raises:
        MotionError: It has no recognisable legs and arms.
    """
    parents = animation.parents
    if joints is None:
        joints = recognise_joints(animation.names, parents, context=context)
    used = sorted({up for j in joints if j >= 0 for up in path_to_root(parents, j)})
    index = {joint: k for k, joint in enumerate(used)} | {-1: -1}
    translated = [up for up in path_to_root(parents, joints[0]) if _is_translated(animation, up)]
    return Rig(
        animation,
        tuple(used),
        tuple(index[parents[joint]] for joint in used),
        np.array([_offset(animation, joint) for joint in used]),
        _tips(animation, joints, used),
        frozenset(index[up] for up in translated),
        tuple(index[joint] for joint in joints),
    )


def rest_pose(rig: Rig) -> WorldPose:
    """Return the rest pose, T = 1."""
    local = rig.animation.rest_rotations[list(rig.joints)][None]
    return _forward_kinematics(rig, local, rig.offsets[None])


def pose_at(rig: Rig, frames: NDArray) -> WorldPose:
    """Return the source's pose in the given frames."""
    local = np.stack([rig.animation.local_rotations(j, frames) for j in rig.joints], axis=1)
    steps = np.tile(rig.offsets, (len(frames), 1, 1))
    for k in rig.translated:
        translations = rig.animation.local_translations(rig.joints[k], frames)
        if translations is not None:
            steps[:, k] = translations
    return _forward_kinematics(rig, local, steps)


def _forward_kinematics(rig: Rig, local: Array, steps: Array) -> WorldPose:
    """Chain local rotations (T, K, 4) and steps from the parent (T, K, 3) down the tree."""
    world, positions = np.empty_like(local), np.empty_like(local[..., 1:])
    for k, parent in enumerate(rig.parents):
        if parent < 0:
            world[:, k], positions[:, k] = local[:, k], steps[:, k]
        else:
            world[:, k] = rotations.quat_multiply(world[:, parent], local[:, k])
            step = rotations.rotate(world[:, parent], steps[:, k])
            positions[:, k] = positions[:, parent] + step
    return WorldPose(world, positions)


def _is_translated(animation: SkeletalAnimation, joint: int) -> bool:
    """Whether a joint has translations that mean something: all zeros don't."""
    translations = animation.local_translations(joint)
    return translations is not None and bool(translations.any())


def _offset(animation: SkeletalAnimation, joint: int) -> Array:
    """Return the offset of a joint, the median of its translations where it has any, (3,)."""
    translations = animation.local_translations(joint, slice(0, MAX_SAMPLES))
    if translations is None or not translations.any():
        return animation.offsets[joint]
    return np.median(translations, axis=0)


def _tips(animation: SkeletalAnimation, joints: Sequence[int], used: Sequence[int]) -> Array:
    """Return where the bones of the joints used end in their own axes, (K, 3), zeros if unknown.

    Only limb joints have a bone whose end may have to be estimated.
    """
    limbs = {joints[joint] for joint in LIMB_BONES}
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(animation.parents):
        children.setdefault(parent, []).append(child)
    tips = [_tip(animation, children, j) if j in limbs else np.zeros(3) for j in used]
    return np.array(tips)


def _tip(animation: SkeletalAnimation, children: dict[int, list[int]], joint: int) -> Array:
    """Return the mean of a joint's end site and children, (3,).

    Thumbs don't count. A child at no distance is replaced by its own children.
    """
    ends, pending = [], [joint]
    while pending:
        current = pending.pop()
        if animation.end_offsets[current].any():
            ends.append(animation.end_offsets[current])
        for child in children.get(current, []):
            if "thumb" in animation.names[child].lower():
                continue
            offset = _offset(animation, child)
            if offset.any():
                ends.append(offset)
            else:
                pending.append(child)
    return np.mean(ends, axis=0) if ends else np.zeros(3)
