"""From SMPL's numbers to a clip and back: shapes checked, the world turned so that y is up.

Conventions: axis-angle in radians, local to the parent joint; metres. AIST++ has y up already;
AMASS and EDGE's generated dances have z up, and (x, y, z) there is (x, z, -y) here.
Source: the formats' own descriptions (Loper et al. 2015; Li et al. 2021; Mahmood et al. 2019).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetune.errors import MotionError
from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]

# A quarter turn about x, backwards: what stands along z then stands along y.
Y_UP_FROM_Z_UP: Array = np.array([np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0])
Y_UP_FROM_Z_UP.flags.writeable = False

# Far beyond any angle in radians or place in metres; such a number is damage, or another unit.
_LARGEST = 1e6


def numbers(value: object, context: str) -> Array:
    """Return ``value`` as an array of floats.

    Args:
        value: What a file held.
        context: File and key, for the error.

    Raises:
        MotionError: It isn't numbers in a regular shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{array.dtype} values")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise MotionError(f"{context}: expected an array of numbers, found {error}") from error


def clip_from_smpl(
    path: object, pose: Array, root_m: Array, *, fps: float, source: str, z_up: bool
) -> MotionClip:
    """Make a clip from a checked pose and path.

    Args:
        path: The file, for errors; its stem names the clip.
        pose: Axis-angle, radians, (T, J, 3) with J of at most 24; missing joints stay at rest.
        root_m: Pelvis path, metres, (T, 3).
        fps: Frames a second.
        source: Name of the format.
        z_up: Whether the file's world has z up; it is turned.

    Raises:
        MotionError: Lengths differ, or a value isn't finite.
    """
    if root_m.shape != (len(pose), 3):
        raise MotionError(
            f"{path}: expected a root path of shape ({len(pose)}, 3) for {len(pose)} frames of "
            f"pose, found {root_m.shape}"
        )
    if len(pose) == 0:
        raise MotionError(f"{path}: the motion has no frames")
    _check_finite(path, pose, root_m)
    quat = zeros_or_memmap((len(pose), skeleton.JOINT_COUNT, 4), np.float64)
    for piece in chunks(quat, size=CHUNK_FRAMES):
        quat[piece, :, 0] = 1.0
        quat[piece, : pose.shape[1]] = rotations.quat_from_axis_angle(pose[piece])
        if z_up:
            quat[piece, 0] = rotations.quat_multiply(Y_UP_FROM_Z_UP, quat[piece, 0])
    rotations.make_continuous_in_place(quat)
    root_m = y_up(root_m) if z_up else root_m
    name = str(getattr(path, "stem", path))
    return MotionClip(quat, root_m, float(fps), name=name, source=source)


def y_up(points: ArrayLike) -> Array:
    """Turn points (..., 3) of a world with z up into one with y up, facing kept."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    return np.stack([x, z, -y], axis=-1)


def z_up(points: ArrayLike) -> Array:
    """Turn points (..., 3) of a world with y up into one with z up: undoes :func:`y_up`."""
    x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def _check_finite(path: object, pose: Array, root_m: Array) -> None:
    # Compared twice instead of abs(): long dances in little memory; NaN fails both.
    fine = [
        ((values < _LARGEST) & (values > -_LARGEST)).all(axis=1)
        for values in (pose.reshape(len(pose), -1), root_m)
    ]
    bad = np.atleast_1d(~(fine[0] & fine[1]))
    if bad.any():
        raise MotionError(
            f"{path}: frame {int(np.argmax(bad))} holds NaN, infinite or absurdly large values "
            f"({int(bad.sum())} of {len(bad)} frames do); clean the clip and try again"
        )
