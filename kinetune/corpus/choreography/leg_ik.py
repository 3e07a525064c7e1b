"""Two-bone inverse kinematics of the legs from targets of the ankles, and the legs' reach.

Bones are the mean skeleton's. Metres, y up; quaternions (w, x, y, z). Axes: T frames.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from kinetune.motion import rotations, skeleton

Array = NDArray[np.float64]

#: Hip, knee, ankle and ball of the foot.
LEGS: dict[str, tuple[int, int, int, int]] = {"left": (1, 4, 7, 10), "right": (2, 5, 8, 11)}
#: Lengths of thigh and shin, metres.
BONES_M: dict[str, tuple[float, float]] = {
    side: (
        float(np.linalg.norm(skeleton.OFFSETS_M[knee])),
        float(np.linalg.norm(skeleton.OFFSETS_M[ankle])),
    )
    for side, (_, knee, ankle, _) in LEGS.items()
}
#: Longest reach, as a share of the leg's length.
STRAIGHTEST = 0.992
#: Shortest distance from hip to ankle.
SHORTEST_M = 0.28
# Standard deviation and radius of the smoothing of the lowered pelvis, frames.
_SMOOTH, _SMOOTH_REACH = 1.5, 5
# Least height of the hips over the ankles, however wide the legs.
_MIN_RISE_M = 0.22
# A knee nearer than this to the line from hip to ankle belongs to a straight leg, metres.
_STRAIGHT_M = 0.04
_X = np.array([1.0, 0.0, 0.0])


def lower_into_reach(root: Array, pelvis: Array, ankles: Mapping[str, Array]) -> Array:
    """Return the path of the pelvis, lowered where a leg would not reach its ankle: (T, 3).

    Args:
        root: (T, 3).
        pelvis: Its rotations, (T, 4).
        ankles: Target of each ankle, (T, 3); NaN where it is free.
    """
    excess = np.zeros(len(root))
    for side, ankle in ankles.items():
        hip = root + rotations.rotate(pelvis, skeleton.OFFSETS_M[LEGS[side][0]])
        across = np.linalg.norm((hip - ankle)[:, [0, 2]], axis=-1)
        longest = STRAIGHTEST * sum(BONES_M[side])
        rise = np.sqrt(np.maximum(longest**2 - across**2, _MIN_RISE_M**2))
        excess = np.fmax(excess, hip[:, 1] - ankle[:, 1] - rise)
    # Spread first, a smoothed excess is nowhere less than it was.
    spread = maximum_filter1d(excess, 2 * _SMOOTH_REACH + 1, mode="nearest")
    out = root.copy()
    out[:, 1] -= gaussian_filter1d(spread, _SMOOTH, mode="nearest", radius=_SMOOTH_REACH)
    return out


def two_bone_ik(start: Array, target: Array, pole: Array, side: str) -> tuple[Array, Array]:
    """Return world rotations of thigh and shin that bring the ankle to ``target``: two of (T, 4).

    Args:
        start: Position of the hip, (T, 3).
        target: Position of the ankle to reach, (T, 3); a target out of reach is approached.
        pole: Direction the knee points to, (T, 3).
        side: ``left`` or ``right``.
    """
    _, knee, ankle, _ = LEGS[side]
    thigh, shin = _bones(target - start, pole, side, shortest_m=SHORTEST_M)
    hinge = np.cross(thigh + shin, pole)
    hinge = hinge / np.maximum(np.linalg.norm(hinge, axis=-1, keepdims=True), 1e-6)
    return _align_bone(knee, thigh, hinge), _align_bone(ankle, shin, hinge)


def solve_leg_ik(
    world: Array, positions: Array, start: Array, target: Array, side: str
) -> tuple[Array, Array]:
    """Return world rotations of a leg moved to another target, changed least: two of (T, 4).

    Thigh and shin are rotated by the smallest angle that brings the ankle to its target; the knee
    keeps its direction.

    Args:
        world: World rotations of all joints, (T, 24, 4).
        positions: Positions of all joints, (T, 24, 3).
        start: Position of the hip, (T, 3).
        target: Position of the ankle to reach, (T, 3); a target out of reach is approached.
        side: ``left`` or ``right``.
    """
    hip, knee, ankle, _ = LEGS[side]
    line = positions[:, ankle] - positions[:, hip]
    thigh, shin = positions[:, knee] - positions[:, hip], positions[:, ankle] - positions[:, knee]
    pole = thigh - line * (_dot(thigh, line) / _dot(line, line))
    # The knee of a straight leg has no direction; that of its hinge is used then.
    straight = np.clip(1.0 - np.sqrt(_dot(pole, pole)) / _STRAIGHT_M, 0.0, 1.0)
    hinge = rotations.rotate(world[:, hip], _X)
    pole = pole + 0.5 * _STRAIGHT_M * straight * _unit(np.cross(line, hinge))
    new_thigh, new_shin = _bones(target - start, pole, side, shortest_m=0.5 * SHORTEST_M)
    return (
        rotations.quat_multiply(
            rotations.shortest_rotation(_unit(thigh), _unit(new_thigh)), world[:, hip]
        ),
        rotations.quat_multiply(
            rotations.shortest_rotation(_unit(shin), _unit(new_shin)), world[:, knee]
        ),
    )


def _bones(line: Array, pole: Array, side: str, *, shortest_m: float) -> tuple[Array, Array]:
    """Thigh and shin, (T, 3) each, that span a line from hip to ankle as far as they reach."""
    upper, lower = BONES_M[side]
    along = _unit(line)
    reach = np.linalg.norm(line, axis=-1, keepdims=True)
    reach = np.clip(reach, shortest_m, STRAIGHTEST * (upper + lower))
    # Law of cosines: how far down the line, and how far out along the pole, the knee lies.
    down = (reach**2 + upper**2 - lower**2) / (2.0 * reach)
    out = np.sqrt(np.maximum(upper**2 - down**2, 1e-9))
    thigh = down * along + out * _unit(pole - along * _dot(pole, along))
    return thigh, reach * along - thigh


def _dot(left: Array, right: Array) -> Array:
    return np.asarray(np.sum(left * right, axis=-1, keepdims=True))


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))


def _align_bone(joint: int, bone: Array, hinge: Array) -> Array:
    """The rotation that brings a rest bone along ``bone`` with its hinge along ``hinge``."""
    rest = skeleton.OFFSETS_M[joint]
    return rotations.quat_from_matrix(
        _frame(bone, hinge) @ np.swapaxes(_frame(rest[None], -_X[None]), -1, -2)
    )


def _frame(bone: Array, hinge: Array) -> Array:
    first = _unit(bone)
    second = _unit(hinge - first * _dot(hinge, first))
    return np.stack([first, second, np.cross(first, second)], axis=-1)
