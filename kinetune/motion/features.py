"""Motion features, the model's condition: the paper's 360 columns, and our own rhythm columns.

Both are float32 arrays (T, F) at 30 frames per second. The paper's (Tan et al. 2023, section 3.2)
describe the pose in the world, z up; ours describe only how the body moves, so they are invariant
to heading, position and the rig's rest pose.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.errors import ConfigError
from kinetune.memmap import releasing
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import MotionClip, resample, resampled_count

Features = NDArray[np.float32]

# A quarter turn about x: y up becomes z up.
_Y_UP_TO_Z_UP = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])
PAPER_FEATURE_COUNT = 15 * skeleton.JOINT_COUNT
RHYTHM_FEATURE_COUNT = 2 * skeleton.JOINT_COUNT + 10
# The first of these are logarithms of speeds and accelerations.
RHYTHM_LOG_COUNT = 2 * skeleton.JOINT_COUNT + 2
_CHUNK_FRAMES, _CHUNK_MARGIN = 1800, 4


def paper_features(clip: MotionClip) -> Features:
    """Return the paper's motion features, (T, 360) at 30 fps, z up.

    Per joint, joints in SMPL's order: 6D rotation (6), world position (3, metres), world linear
    velocity (3, m/s), local angular velocity (3, rad/s). The angular velocity uses the quaternion
    product that the paper's text defines; its published code multiplies element by element.
    """
    return _in_chunks(clip, _paper_features)


def _paper_features(clip: MotionClip) -> Features:
    clip = _z_up(clip)
    positions = kinematics.joint_positions(clip)
    columns = [
        rotations.sixd_from_quat(clip.rotations),
        positions,
        kinematics.velocity(positions, clip.fps),
        kinematics.angular_velocities(clip),
    ]
    joined = np.concatenate(columns, axis=-1)  # 4 x (T, J, .) -> (T, J, 15)
    return joined.reshape(len(joined), PAPER_FEATURE_COUNT).astype(np.float32)


def rhythm_features(clip: MotionClip) -> Features:
    """Return rhythm and effort of the body's movement, (T, 58) at 30 fps.

    Columns: log speed of each joint (24, log(1 + m/s)), log angular speed of each joint (24,
    log(1 + rad/s)), then ten of the whole body: mean log speed, mean log acceleration, pelvis
    height above the lowest joint (m), its vertical velocity (m/s), reach of the hands and of the
    feet from the pelvis (m), height of the left and right foot above the lowest joint (m), forward
    pitch and sideways lean of the trunk (rad-like, sine).
    """
    return _in_chunks(clip, _rhythm_features)


def _rhythm_features(clip: MotionClip) -> Features:
    positions = kinematics.joint_positions(clip)
    velocities = kinematics.velocity(positions, clip.fps)
    speed = np.log1p(np.linalg.norm(velocities, axis=-1))
    spin = np.log1p(np.linalg.norm(kinematics.angular_velocities(clip), axis=-1))
    whole = _whole_body(positions, velocities, clip.fps)
    return np.concatenate([speed, spin, whole], axis=-1).astype(np.float32)


def scale_effort(rows: Features, factor: NDArray[np.float64], name: str) -> Features:
    """Return the features of the same dance, speeds and accelerations so many times as large.

    Args:
        rows: Features (T, F).
        factor: One number a row, (T,), above 0; 1 changes nothing.
        name: Which features they are, ``"paper"`` or ``"rhythm"``.
    """
    out = rows.astype(np.float64)
    if name == "paper":
        joints = out.reshape(len(out), skeleton.JOINT_COUNT, -1)
        joints[..., 9:] *= factor[:, None, None]
    else:
        logs = RHYTHM_LOG_COUNT
        out[:, :logs] = np.log1p(np.expm1(out[:, :logs]) * factor[:, None])
        out[:, logs + 1] *= factor
    return out.astype(np.float32)


def mean_speed(rows: Features, name: str) -> NDArray[np.float64]:
    """Return how much the body moves: mean joint speed, m/s, (T,).

    Args:
        rows: Features (T, F).
        name: Which features they are, ``"paper"`` or ``"rhythm"``.
    """
    if name == "paper":
        joints = rows.reshape(len(rows), skeleton.JOINT_COUNT, -1)
        speed = np.linalg.norm(joints[..., 9:12], axis=-1)
    else:
        speed = np.expm1(rows[:, : skeleton.JOINT_COUNT])
    return speed.mean(axis=1, dtype=np.float64)


def genre_one_hot(code: str, n_frames: int) -> Features:
    """Return the genre as the paper gives it to its model: one-hot on every frame, (T, 10)."""
    out = np.zeros((n_frames, len(genres.CODES)), dtype=np.float32)
    out[:, genres.genre_index(code)] = 1.0
    return out


def features_named(name: str) -> Callable[[MotionClip], Features]:
    """Return the feature function of that name: ``"paper"`` or ``"rhythm"``.

    Raises:
        ConfigError: No such features.
    """
    table: dict[str, Callable[[MotionClip], Features]] = {
        "paper": paper_features,
        "rhythm": rhythm_features,
    }
    if name not in table:
        raise ConfigError(f"unknown features {name!r}; choose one of {', '.join(table)}")
    return table[name]


def _in_chunks(clip: MotionClip, compute_rows: Callable[[MotionClip], Features]) -> Features:
    """Rows of the whole clip at the features' rate, computed in chunks to spare memory."""
    count = resampled_count(clip, timebase.MOTION_FPS)
    parts = []
    for first in releasing(range(0, count, _CHUNK_FRAMES), clip.rotations):
        # Derivatives need neighbours, so every chunk extends a little beyond its ends.
        start = max(0, first - _CHUNK_MARGIN)
        frames = slice(start, min(count, first + _CHUNK_FRAMES + _CHUNK_MARGIN))
        rows = compute_rows(resample(clip, timebase.MOTION_FPS, frames=frames))
        parts.append(rows[first - start :][:_CHUNK_FRAMES])
    return np.concatenate(parts)


def _z_up(clip: MotionClip) -> MotionClip:
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(_Y_UP_TO_Z_UP, quat[:, 0])
    return replace(clip, rotations=quat, root_m=rotations.rotate(_Y_UP_TO_Z_UP, clip.root_m))


def _whole_body(positions: NDArray[Any], velocities: NDArray[Any], fps: float) -> NDArray[Any]:
    """Ten columns (T, 10) from joint positions and velocities (T, 24, 3)."""
    pelvis = positions[:, 0]
    floor = positions[..., 1].min(axis=1)
    relative = positions - pelvis[:, None]
    reach = np.linalg.norm(relative, axis=-1)
    acceleration = np.linalg.norm(kinematics.velocity(velocities, fps), axis=-1)
    trunk = relative[:, skeleton.joint_index("neck")]
    trunk = trunk / np.maximum(np.linalg.norm(trunk, axis=-1, keepdims=True), 1e-6)
    side = relative[:, 1] - relative[:, 2]
    side = side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)
    forward = np.cross(side, [0.0, 1.0, 0.0])
    columns = [
        np.log1p(np.linalg.norm(velocities, axis=-1)).mean(axis=1),
        np.log1p(acceleration).mean(axis=1),
        pelvis[:, 1] - floor,
        velocities[:, 0, 1],
        reach[:, [20, 21]].mean(axis=1),
        reach[:, [7, 8]].mean(axis=1),
        positions[:, 10, 1] - floor,
        positions[:, 11, 1] - floor,
        (trunk * forward).sum(axis=-1),
        (trunk * side).sum(axis=-1),
    ]
    return np.stack(columns, axis=-1)
