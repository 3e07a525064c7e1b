"""Forward kinematics, velocities and accelerations of joints.

Metres, y up, seconds. Axes: T frames, J = 24 joints. Central differences inside, one-sided at
both ends.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.memmap import CHUNK_FRAMES, slices
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]


def global_rotations(local: Array) -> Array:
    """Chain local quaternions (T, 24, 4) down the tree to world quaternions (T, 24, 4)."""
    world = np.empty_like(local)
    for joint, parent in enumerate(skeleton.PARENTS):
        world[:, joint] = (
            local[:, joint]
            if parent < 0
            else rotations.quat_multiply(world[:, parent], local[:, joint])
        )
    return world


def local_rotations(world: Array) -> Array:
    """Turn world quaternions (T, 24, 4) into local ones of length 1: undoes the chaining."""
    local = world.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            to_parent = rotations.quat_inverse(world[:, parent])
            local[:, joint] = rotations.quat_multiply(to_parent, world[:, joint])
    return local / np.linalg.norm(local, axis=-1, keepdims=True)


def forward_kinematics(local: Array, root_m: Array, offsets_m: Array = skeleton.OFFSETS_M) -> Array:
    """Return joint positions (T, 24, 3), metres, for local quaternions and a root path.

    Args:
        local: (T, 24, 4).
        root_m: (T, 3), metres.
        offsets_m: Bone offsets in the rest pose, (24, 3), metres.
    """
    world = global_rotations(local)
    out = np.empty((*local.shape[:2], 3))
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent < 0:
            out[:, joint] = root_m
        else:
            out[:, joint] = out[:, parent] + rotations.rotate(world[:, parent], offsets_m[joint])
    return out


def joint_positions(clip: MotionClip) -> Array:
    """Return the clip's joint positions in the world on the mean skeleton, metres, (T, 24, 3)."""
    return forward_kinematics(clip.rotations, clip.root_m)


def velocity(values: Array, fps: float) -> Array:
    """Differentiate along axis 0; units a second, same shape; zeros for a single frame."""
    if len(values) < 2:
        return np.zeros_like(values)
    return np.gradient(values, axis=0) * fps


def joint_velocities(clip: MotionClip) -> Array:
    """Return the clip's joint velocities in the world, m/s, (T, 24, 3)."""
    return velocity(joint_positions(clip), clip.fps)


def joint_speeds(clip: MotionClip) -> Array:
    """Return the clip's joint speeds in the world, m/s, (T, 24)."""
    speeds = np.empty(clip.rotations.shape[:2])
    for part in slices(len(speeds), CHUNK_FRAMES):
        # With a frame to either side the central differences are those of the whole clip.
        first = max(0, part.start - 1)
        there = slice(first, part.stop + 1)
        positions_m = forward_kinematics(clip.rotations[there], clip.root_m[there])
        norms = np.linalg.norm(velocity(positions_m, clip.fps), axis=-1)
        speeds[part] = norms[part.start - first :][: part.stop - part.start]
    return speeds


def angular_velocities(clip: MotionClip) -> Array:
    """Return local angular velocities, rad/s in the joint's own axes, (T, 24, 3).

    The rotation from the frame before to the frame after, by the quaternion product, over two
    frame times; one-sided over one frame time at both ends.
    """
    quat = clip.rotations
    if len(quat) < 2:
        return np.zeros((*quat.shape[:2], 3))
    before = np.concatenate([quat[:1], quat[:-2], quat[-2:-1]])
    after = np.concatenate([quat[1:2], quat[2:], quat[-1:]])
    step = rotations.quat_multiply(rotations.quat_inverse(before), after)
    span_frames = np.full(len(quat), 2.0)
    span_frames[[0, -1]] = 1.0
    return rotations.axis_angle_from_quat(step) * (clip.fps / span_frames)[:, None, None]
