"""Detection of the up axis from the body, and rotation to y up.

Conventions: axes are named with their sign, ``"+y"`` or ``"-z"``; our world is ``"+y"``, metres.
People are upright most of the time, so the mean direction from ankles to shoulders is up. Formats
with a documented axis keep it unless the body clearly contradicts: camera worlds (y down) and
exporters that skip the conversion are common, dancers who lie throughout are not.
"""

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinetune.motion import rotations

Array = NDArray[np.float64]

logger = logging.getLogger("kinetune.motion")

_HALF = float(np.sqrt(0.5))
#: The rotation that turns each axis to +y, (w, x, y, z). Where there is a choice x is kept.
ROTATION_TO_Y_UP: dict[str, Array] = {
    "+y": np.array([1.0, 0.0, 0.0, 0.0]),
    "+z": np.array([_HALF, -_HALF, 0.0, 0.0]),
    "-y": np.array([0.0, 1.0, 0.0, 0.0]),
    "-z": np.array([_HALF, _HALF, 0.0, 0.0]),
    "+x": np.array([_HALF, 0.0, 0.0, _HALF]),
    "-x": np.array([_HALF, 0.0, 0.0, -_HALF]),
}
# How much longer the mean upright direction must be along another axis than along the expected
# one; 1 for its opposite, so that a dancer must be upside down half of the way on average.
GUESSED_MARGIN, DOCUMENTED_MARGIN = 0.1, 0.3
_OPPOSITE_MARGIN = 1.0


def up_axis(upright: Array, *, expected: str, margin: float, context: str) -> str:
    """Return the up axis of a world, by the body in it.

    Args:
        upright: Direction from feet to shoulders, averaged over the motion, at most 1 long, (3,).
        expected: The axis the format documents, or the likeliest.
        margin: By how much another axis must exceed the expected one.
        context: The file, for the log.
    """
    along = {axis: float(vertical @ upright) for axis, vertical in _VERTICALS.items()}
    best = max(along, key=lambda axis: along[axis])
    needed = _OPPOSITE_MARGIN if best[1] == expected[1] else margin
    chosen = best if along[best] > along[expected] + needed else expected
    logger.info("%s: up axis %s (expected %s)", context, chosen, expected)
    return chosen


def y_up_from(points: ArrayLike, axis: str) -> Array:
    """Turn points (..., 3) of a world whose up is ``axis`` into one with y up."""
    points = np.asarray(points, dtype=np.float64)
    return np.asarray(points @ _MATRICES[axis].T)


def z_up_from_y_up(points: ArrayLike) -> Array:
    """Turn points (..., 3) of a world with y up into one with z up: (x, y, z) to (x, -z, y)."""
    points = np.asarray(points, dtype=np.float64)
    return np.asarray(points @ _MATRICES["+z"])


# Whole numbers, so that nothing is lost in turning.
_MATRICES = {
    axis: np.rint(rotations.matrix_from_quat(quat)) for axis, quat in ROTATION_TO_Y_UP.items()
}
_VERTICALS = {axis: matrix[1] for axis, matrix in _MATRICES.items()}
