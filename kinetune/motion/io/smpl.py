"""Conversion between SMPL parameters and clips: shape checks, y up.

Conventions: axis-angle in radians, local to the parent joint; metres. AIST++ documents y up;
AMASS and EDGE's generated dances z up, and (x, y, z) there is (x, z, -y) here. Files of other
tools in the same layout often have another up axis, so it is detected from the body.
Source: the formats' own descriptions (Loper et al. 2015; Li et al. 2021; Mahmood et al. 2019).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.clip import MotionClip
from kinetune.motion.frame_rate import check_length

Array = NDArray[np.float64]

# Far beyond any angle in radians; such a number is damage, or another unit.
_MAX_ANGLE = 1e6
# A stage, a town: nobody dances further than this from the origin.
MAX_DISTANCE_M = 1e4
# Number of frames looked at to decide the up axis.
_MAX_SAMPLES = 1000
_SHOULDERS_AND_ANKLES = ("left_shoulder", "right_shoulder"), ("left_ankle", "right_ankle")


def numbers(value: object, context: str) -> NDArray[Any]:
    """Return ``value`` as an array of real numbers of its own type.

    Args:
        value: From a file.
        context: File and key, for the error.

    Raises:
        MotionError: It isn't numbers in a regular shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{array.dtype} values")
    except (TypeError, ValueError, OverflowError) as error:
        raise MotionError(f"{context}: expected an array of numbers, found {error}") from error
    return array


def positive_number(value: object, context: str) -> float:
    """Return ``value`` as one positive number.

    Args:
        value: From a file: a number, or an array of one.
        context: File and key, for the error.

    Raises:
        MotionError: It is something else.
    """
    array = numbers(value, context)
    if array.size == 1:
        number = float(array.reshape(-1)[0])
        if np.isfinite(number) and number > 0.0:
            return number
        raise MotionError(f"{context}: expected a positive number, found {number:g}")
    raise MotionError(f"{context}: expected one positive number, found an array {array.shape}")


def clip_from_smpl(
    path: object, pose: NDArray[Any], root_m: NDArray[Any], *, fps: float, source: str, up: str
) -> MotionClip:
    """Make a clip from a checked pose and path.

    Args:
        path: The file, for errors; its stem names the clip.
        pose: Axis-angle, radians, (T, J, 3) with J of at most 24; missing joints stay at rest.
        root_m: Pelvis path, metres, (T, 3).
        fps: Frames per second.
        source: Name of the format.
        up: The up axis the format documents, such as ``"+z"``; the body may contradict it.

    Raises:
        MotionError: Lengths differ, a value isn't finite or absurd, or the rate is impossible.
    """
    if root_m.shape != (len(pose), 3):
        raise MotionError(
            f"{path}: expected a root path of shape ({len(pose)}, 3) for {len(pose)} frames of "
            f"pose, found {root_m.shape}"
        )
    check_length(len(pose), fps, str(path))
    _check_values(path, pose, root_m)
    root_m = root_m.astype(np.float64)
    quat = zeros_or_memmap((len(pose), skeleton.JOINT_COUNT, 4), np.float64)
    for piece in chunks(quat, size=CHUNK_FRAMES):
        quat[piece] = _quaternions(pose[piece])
    axis = _up_axis(quat, expected=up, context=str(path))
    if axis != "+y":
        _turn_roots(quat, world_axes.ROTATION_TO_Y_UP[axis])
        root_m = world_axes.y_up_from(root_m, axis)
    rotations.make_continuous_in_place(quat)
    name = str(getattr(path, "stem", path))
    return MotionClip(quat, root_m, float(fps), name=name, source=source)


def _quaternions(pose: NDArray[Any]) -> Array:
    """Turn axis-angle (T, J, 3) into quaternions (T, 24, 4), missing joints at rest."""
    quat = np.zeros((len(pose), skeleton.JOINT_COUNT, 4))
    quat[..., 0] = 1.0
    quat[:, : pose.shape[1]] = rotations.quat_from_axis_angle(pose.astype(np.float64))
    return quat


def _turn_roots(quat: Array, turn: Array) -> None:
    for piece in chunks(quat, size=CHUNK_FRAMES):
        quat[piece, 0] = rotations.quat_multiply(turn, quat[piece, 0])


def _up_axis(quat: Array, *, expected: str, context: str) -> str:
    sample = quat[:: -(-len(quat) // _MAX_SAMPLES)]
    positions = kinematics.forward_kinematics(sample, np.zeros((len(sample), 3)))
    shoulders, ankles = (
        positions[:, [skeleton.joint_index(name) for name in pair]].mean(axis=1)
        for pair in _SHOULDERS_AND_ANKLES
    )
    upright = rotations.unit(shoulders - ankles).mean(axis=0)
    return world_axes.up_axis(
        upright, expected=expected, margin=world_axes.DOCUMENTED_MARGIN, context=context
    )


def _check_values(path: object, pose: NDArray[Any], root_m: NDArray[Any]) -> None:
    # Compared twice instead of abs(), a chunk at a time: little memory; NaN fails both.
    bad = np.zeros(len(pose), dtype=bool)
    for piece in chunks(pose, size=CHUNK_FRAMES):
        angles, position = pose[piece].reshape(len(bad[piece]), -1), root_m[piece]
        bad[piece] = ~(
            ((angles < _MAX_ANGLE) & (angles > -_MAX_ANGLE)).all(axis=1)
            & ((position < MAX_DISTANCE_M) & (position > -MAX_DISTANCE_M)).all(axis=1)
        )
    if bad.any():
        raise MotionError(
            f"{path}: frame {int(np.argmax(bad))} holds NaN, infinite or absurdly large values "
            f"({int(bad.sum())} of {len(bad)} frames do; angles are radians, positions metres, at "
            f"most {MAX_DISTANCE_M:g} from the origin); clean the clip and try again"
        )
