"""Rotations in bulk: axis-angle, quaternions, matrices, 6D; all arrays, NumPy only.

Quaternions are (w, x, y, z), unit length. Matrices act on column vectors. 6D (Zhou et al. 2019)
is the first two rows of the matrix, one after the other, as PyTorch3D and the paper's code have
it. Every function takes any leading shape. SciPy's ``Rotation`` is the oracle in the tests.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.memmap import CHUNK_FRAMES, chunks, copy

Array = NDArray[np.float64]


def quat_from_axis_angle(axis_angle: Array) -> Array:
    """Turn rotation vectors (..., 3), radians, into quaternions (..., 4)."""
    angle = np.linalg.norm(axis_angle, axis=-1, keepdims=True)
    # sin(a/2)/a, written with sinc so that it is exact at zero.
    scale = 0.5 * np.sinc(angle / (2.0 * np.pi))
    return np.concatenate([np.cos(0.5 * angle), scale * axis_angle], axis=-1)


def axis_angle_from_quat(quat: Array) -> Array:
    """Turn quaternions (..., 4) into rotation vectors (..., 3) of at most half a turn."""
    quat = np.where(quat[..., :1] < 0.0, -quat, quat)
    sine = np.linalg.norm(quat[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quat[..., :1])
    small = sine < 1e-9
    scale = np.where(small, 2.0, angle / np.where(small, 1.0, sine))
    return scale * quat[..., 1:]


def matrix_from_quat(quat: Array) -> Array:
    """Turn quaternions (..., 4) into matrices (..., 3, 3)."""
    w, x, y, z = np.moveaxis(quat, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quat_from_matrix(matrix: Array) -> Array:
    """Turn matrices (..., 3, 3) into quaternions (..., 4) with w >= 0.

    Source: the largest of the four squared components is found first (Shepperd 1978), so that
    no division by a small number happens.
    """
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    diagonal = np.stack([trace, m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], axis=-1)
    # Row i is 4 * q_i * q for each of the four choices of the component to divide by.
    wx, wy, wz = (
        m[..., 2, 1] - m[..., 1, 2],
        m[..., 0, 2] - m[..., 2, 0],
        m[..., 1, 0] - m[..., 0, 1],
    )
    xy, xz, yz = (
        m[..., 1, 0] + m[..., 0, 1],
        m[..., 0, 2] + m[..., 2, 0],
        m[..., 2, 1] + m[..., 1, 2],
    )
    choices = [
        [1 + trace, wx, wy, wz],
        [wx, 1 + 2 * m[..., 0, 0] - trace, xy, xz],
        [wy, xy, 1 + 2 * m[..., 1, 1] - trace, yz],
        [wz, xz, yz, 1 + 2 * m[..., 2, 2] - trace],
    ]
    table = np.stack([np.stack(row, axis=-1) for row in choices], axis=-2)
    best = np.argmax(diagonal, axis=-1)[..., None, None]
    quat = np.take_along_axis(table, best, axis=-2)[..., 0, :]
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    return np.where(quat[..., :1] < 0.0, -quat, quat)


def quat_multiply(left: Array, right: Array) -> Array:
    """Return the quaternion product: ``right`` first, then ``left``; shapes broadcast."""
    w1, x1, y1, z1 = np.moveaxis(left, -1, 0)
    w2, x2, y2, z2 = np.moveaxis(right, -1, 0)
    return np.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        axis=-1,
    )


def quat_inverse(quat: Array) -> Array:
    """Return the inverse of unit quaternions (..., 4)."""
    return quat * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(quat: Array, vector: Array) -> Array:
    """Rotate vectors (..., 3) by quaternions (..., 4); shapes broadcast."""
    imaginary = quat[..., 1:]
    cross = 2.0 * np.cross(imaginary, vector)
    return vector + quat[..., :1] * cross + np.cross(imaginary, cross)


def sixd_from_quat(quat: Array) -> Array:
    """Turn quaternions (..., 4) into the 6D representation (..., 6)."""
    matrix = matrix_from_quat(quat)
    return np.concatenate([matrix[..., 0, :], matrix[..., 1, :]], axis=-1)


def matrix_from_sixd(sixd: Array) -> Array:
    """Turn 6D (..., 6) into matrices (..., 3, 3) by Gram-Schmidt."""
    first = sixd[..., :3] / np.linalg.norm(sixd[..., :3], axis=-1, keepdims=True)
    second = sixd[..., 3:] - first * np.sum(first * sixd[..., 3:], axis=-1, keepdims=True)
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def make_continuous(quat: Array) -> Array:
    """Flip signs along axis 0 (time) so that neighbouring quaternions lie close together.

    Long ones come back in a file, see :mod:`kinetune.memmap`.
    """
    out = copy(quat)
    make_continuous_in_place(out)
    return out


def make_continuous_in_place(quat: Array) -> None:
    """Do in place what :func:`make_continuous` does, long ones in pieces to spare memory."""
    for part in chunks(quat, size=CHUNK_FRAMES):
        # One before the piece, whose signs are right already.
        window = quat[max(0, part.start - 1) : part.stop]
        flips = np.einsum("...i,...i->...", window[1:], window[:-1]) < 0.0
        window[1:] *= np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0)[..., None]


def slerp(start: Array, end: Array, fraction: Array) -> Array:
    """Interpolate unit quaternions along the shorter great arc (Shoemake 1985).

    Args:
        start: (..., 4).
        end: (..., 4).
        fraction: (...,) in 0 to 1.
    """
    dot = np.sum(start * end, axis=-1, keepdims=True)
    end = np.where(dot < 0.0, -end, end)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    t = np.asarray(fraction)[..., None]
    a = np.where(near, 1.0 - t, np.sin((1.0 - t) * angle) / safe)
    b = np.where(near, t, np.sin(t * angle) / safe)
    out = a * start + b * end
    return out / np.linalg.norm(out, axis=-1, keepdims=True)


def mean_rotation(quat: Array) -> Array:
    """Return the mean (4,) of quaternions (T, 4), whatever their signs (Markley et al. 2007)."""
    if len(quat) == 1:
        return quat[0]
    return np.linalg.eigh(quat.T @ quat)[1][:, -1]


def unit(vector: Array) -> Array:
    """Scale vectors (..., 3) to length 1; zeros stay zeros."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0.0, length, 1.0)


def shortest_rotation(source: Array, target: Array) -> Array:
    """Return the shortest rotation (..., 4) that turns unit vectors ``source`` to ``target``."""
    dot = np.sum(source * target, axis=-1, keepdims=True)
    cross = np.cross(source, target)
    quat = np.concatenate([1.0 + dot, cross], axis=-1)
    # Opposite vectors: half a turn about any axis at right angles to the source.
    helper = np.where(np.abs(source[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    half_turn = np.concatenate([np.zeros_like(dot), np.cross(source, helper)], axis=-1)
    quat = np.where(dot < -1.0 + 1e-9, half_turn, quat)
    return quat / np.linalg.norm(quat, axis=-1, keepdims=True)
