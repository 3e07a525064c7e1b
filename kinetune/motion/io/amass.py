"""AMASS .npz files, read and written.

Conventions: ``poses`` (T, 156) SMPL-H, (T, 165) SMPL-X, (T, 72) SMPL or (T, 66) body only,
axis-angle; or ``root_orient`` (T, 3) with ``pose_body`` (T, 63); ``trans`` (T, 3) metres;
``mocap_framerate`` or ``mocap_frame_rate``; z up. The first 22 joints are the body's in all of
them; SMPL alone has our two hand joints as well. Source: Mahmood et al. 2019 and the published
files. What is written here reads back exactly: the hands travel in an extra array ``hands``.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.files import atomic_file
from kinetune.motion import rotations, skeleton, world_axes
from kinetune.motion.clip import MotionClip
from kinetune.motion.frame_rate import check_length
from kinetune.motion.io import smpl
from kinetune.motion.io.npz import load_arrays, shapes_in

BODY_JOINTS = 22
_SMPLH_COLUMNS = 156
# Columns of a pose in the family of SMPL, and how many of its joints are ours.
_SHARED_JOINTS = {156: BODY_JOINTS, 165: BODY_JOINTS, 72: skeleton.JOINT_COUNT, 66: BODY_JOINTS}
_RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")
_POSE_KEYS = ("poses", "root_orient", "pose_body", "trans", "hands")
_UP = "+z"


def read_amass(path: Path, *, fps: float | None = None) -> MotionClip:
    """Read an AMASS file.

    Args:
        path: The file.
        fps: Frames per second, in place of the file's own; None reads them from the file.

    Raises:
        MotionError: The archive is damaged, keys are missing, or a shape is wrong.
    """
    return read_amass_with_joints(path, fps=fps)[0]


def read_amass_with_joints(path: Path, *, fps: float | None = None) -> tuple[MotionClip, int]:
    """Read an AMASS file, and return how many joints its own pose has beside the clip.

    Args:
        path: The file.
        fps: Frames per second, in place of the file's own; None reads them from the file.

    Raises:
        MotionError: As :func:`read_amass`.
    """
    shapes = shapes_in(path)
    if "poses" not in shapes and not {"root_orient", "pose_body"} <= set(shapes):
        raise MotionError(
            f"{path}: expected poses (T, 156), or root_orient and pose_body, found "
            f"{', '.join(sorted(shapes)) or 'no arrays'}"
        )
    if fps is None:
        fps = _rate_hz(path, load_arrays(path, _RATE_KEYS))
    frame_count = max((shapes[key][0] for key in _POSE_KEYS if shapes.get(key)), default=0)
    check_length(frame_count, fps, str(path))
    arrays = load_arrays(path, _POSE_KEYS)
    pose = _pose(path, arrays)
    return _clip(path, arrays, pose, fps), pose.shape[1]


def write_amass(path: Path, clip: MotionClip) -> None:
    """Write a clip in SMPL-H layout, z up, whole or not at all.

    Args:
        path: Where; the name should end in .npz.
        clip: What.

    Raises:
        OutputError: It can't be written.
    """
    z_up = clip.rotations.copy()
    to_z_up = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP[_UP])
    z_up[:, 0] = rotations.quat_multiply(to_z_up, z_up[:, 0])
    axis_angle = rotations.axis_angle_from_quat(z_up)
    poses = np.zeros((clip.frame_count, _SMPLH_COLUMNS))
    poses[:, : BODY_JOINTS * 3] = axis_angle[:, :BODY_JOINTS].reshape(clip.frame_count, -1)
    with atomic_file(path) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            poses=poses,
            trans=world_axes.z_up_from_y_up(clip.root_m),
            mocap_framerate=np.float64(clip.fps),
            betas=np.zeros(16),
            gender="neutral",
            hands=axis_angle[:, BODY_JOINTS:],
        )


def _clip(path: Path, arrays: dict[str, NDArray], pose: NDArray[Any], fps: float) -> MotionClip:
    pose = pose[:, : _SHARED_JOINTS[pose.shape[1] * 3]]
    if "hands" in arrays and pose.shape[1] == BODY_JOINTS:
        hands = smpl.numbers(arrays["hands"], f"{path}: hands")
        if hands.shape == (len(pose), skeleton.JOINT_COUNT - BODY_JOINTS, 3):
            pose = np.concatenate([pose, hands], axis=1)
    if "trans" not in arrays:
        raise MotionError(f"{path}: expected an array trans (T, 3), found none; is this AMASS?")
    root_m = smpl.numbers(arrays["trans"], f"{path}: trans")
    return smpl.clip_from_smpl(path, pose, root_m, fps=fps, source="amass", up=_UP)


def _pose(path: Path, arrays: dict[str, NDArray]) -> NDArray[Any]:
    """Return all joints of the pose, axis-angle, (T, J, 3)."""
    if "poses" in arrays:
        pose = smpl.numbers(arrays["poses"], f"{path}: poses")
    else:
        pose = _joined(path, arrays)
    if pose.ndim > 0 and not len(pose):
        raise MotionError(f"{path}: the motion has no frames")
    columns = int(np.prod(pose.shape[1:])) if pose.ndim in (2, 3) else 0
    if columns not in _SHARED_JOINTS:
        raise MotionError(
            f"{path}: expected 156 (SMPL-H), 165 (SMPL-X), 72 (SMPL) or 66 numbers a frame, "
            f"found poses of shape {pose.shape}"
        )
    return pose.reshape(len(pose), -1, 3)


def _joined(path: Path, arrays: dict[str, NDArray]) -> NDArray[Any]:
    root = smpl.numbers(arrays["root_orient"], f"{path}: root_orient")
    body = smpl.numbers(arrays["pose_body"], f"{path}: pose_body")
    if root.ndim != 2 or body.ndim != 2 or len(root) != len(body):
        raise MotionError(
            f"{path}: expected root_orient (T, 3) and pose_body (T, 63), found {root.shape} and "
            f"{body.shape}"
        )
    return np.concatenate([root, body], axis=1)


def _rate_hz(path: Path, arrays: dict[str, NDArray]) -> float:
    for key in _RATE_KEYS:
        if key in arrays:
            return smpl.positive_number(arrays[key], f"{path}: {key}")
    raise MotionError(
        f"{path}: expected {' or '.join(_RATE_KEYS)}, found neither; give the rate with --fps"
    )
