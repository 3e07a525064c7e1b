"""Joint positions without rotations, read from .npy and .npz files.

Conventions: (T, 22, 3) as HumanML3D has them or (T, 24, 3) as EDGE and SMPL do, joints in our
order; any unit, any axis up. Source: Guo et al. 2022 for HumanML3D's layout and its 20 frames a
second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.memmap import CHUNK_FRAMES, chunks
from kinetune.motion import skeleton
from kinetune.motion.frame_rate import check_length
from kinetune.motion.io import smpl
from kinetune.motion.io.npz import load_array, load_arrays, shape_of, shapes_in

# HumanML3D's rate, which its bare arrays can't hold.
DEFAULT_FPS = 20.0
JOINT_COUNTS = (22, skeleton.JOINT_COUNT)
# What archives call their positions and their rate, likeliest first.
KEYS = ("positions", "joints", "joint_positions", "joints3d", "keypoints3d", "full_pose", "motion")
_RATE_KEYS = ("fps", "frame_rate", "framerate", "mocap_framerate", "mocap_frame_rate")
# Beyond any unit a body is measured in.
_MAX_VALUE = 1e9


@dataclass(frozen=True, eq=False)
class JointPositions:
    """Joint positions as a file contains them.

    Attributes:
        positions: Any unit, any axis up, of the stored type, (T, 22 or 24, 3).
        fps: Frames per second.
        rate_is_known: Whether the file or the caller gave the rate; if not it is HumanML3D's.
    """

    positions: NDArray[Any]
    fps: float
    rate_is_known: bool


def contains_positions(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Return whether an archive of arrays of these shapes holds joint positions."""
    return any(name in KEYS for name in shapes) or any(map(_fits, shapes.values()))


def read_positions(path: Path, *, archive: bool, fps: float | None = None) -> JointPositions:
    """Read a .npy file or a .npz archive of joint positions.

    Args:
        path: The file.
        archive: Whether it is a .npz.
        fps: Frames per second, in place of the file's own.

    Raises:
        MotionError: The file is damaged, contains no array of the right shape or one too long, or a
            value isn't finite.
    """
    if not archive:
        shape = shape_of(path)
        _check_shape(path, shape, "an array")
        check_length(shape[0], fps or DEFAULT_FPS, str(path))
        positions = smpl.numbers(load_array(path), str(path))
        return _checked(path, JointPositions(positions, fps or DEFAULT_FPS, fps is not None))
    shapes = shapes_in(path)
    name = next((key for key in KEYS if key in shapes and _fits(shapes[key])), None)
    name = name or next((key for key, shape in shapes.items() if _fits(shape)), None)
    if name is None:
        name = next(key for key in (*KEYS, *shapes) if key in shapes)
        _check_shape(path, shapes[name], name)
    rate_hz = fps or _rate_hz(path, load_arrays(path, _RATE_KEYS))
    check_length(shapes[name][0], rate_hz or DEFAULT_FPS, str(path))
    positions = smpl.numbers(load_arrays(path, [name])[name], f"{path}: {name}")
    return _checked(path, JointPositions(positions, rate_hz or DEFAULT_FPS, rate_hz is not None))


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] in JOINT_COUNTS and shape[2] == 3


def _check_shape(path: Path, shape: tuple[int, ...], name: str) -> None:
    if not _fits(shape):
        raise MotionError(
            f"{path}: expected joint positions (T, 22, 3) or (T, 24, 3), found {name} of shape "
            f"{shape}; save x, y, z of each joint"
        )


def _rate_hz(path: Path, arrays: dict[str, NDArray]) -> float | None:
    key = next((key for key in _RATE_KEYS if key in arrays), None)
    return None if key is None else smpl.positive_number(arrays[key], f"{path}: {key}")


def _checked(path: Path, data: JointPositions) -> JointPositions:
    positions = data.positions
    bad = np.zeros(len(positions), dtype=bool)
    for piece in chunks(positions, size=CHUNK_FRAMES):
        inside = (positions[piece] < _MAX_VALUE) & (positions[piece] > -_MAX_VALUE)
        bad[piece] = ~inside.all(axis=(1, 2))
    if bad.any():
        raise MotionError(
            f"{path}: frame {int(np.argmax(bad))} holds NaN, infinite or absurdly large values "
            f"({int(bad.sum())} of {len(bad)} frames do); clean the clip and try again"
        )
    return data
