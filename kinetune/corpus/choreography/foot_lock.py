"""Foot locking: removal of foot sliding from real motion.

The drift of the floor under the lowest joint is removed. During a *stance*, in which the ball of a
foot is low and slow, the ball is kept in one position by leg inverse kinematics. Between two
stances a foot that would slide is lifted. A foot keeps its own orientation and pivots about its
ball. Metres, y up. Axes: T frames, J = 24 joints.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, gaussian_filter1d, minimum_filter1d

from kinetune.corpus.choreography.leg_ik import LEGS, lower_into_reach, solve_leg_ik
from kinetune.motion import kinematics, rotations

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The floor under a capture drifts no faster than over so long; a jump is shorter.
_FLOOR_S = 1.6
# A foot is planted whose ball is this low (metres over the floor) and this slow (m/s).
_LOW_M, _SLOW_M_S = 0.06, 0.35
# Shorter stances are passing by; shorter gaps between them are the sensor's.
_STANCE_S, _GAP_S = 0.1, 0.05
# A ball that creeps further than this from where it first stood has taken another stance.
_CREEP_M = 0.06
# Shortest time between two stances, and longest time to ease back to the foot's own path.
_STEP_S, _EASE_S = 0.14, 0.3
# A step shorter than this is none; a longer one is lifted at least, and at most, so high.
_SMALLEST_STEP_M = 0.015
_MIN_LIFT_M, _MAX_LIFT_M = 0.04, 0.08
# It rises and falls over so long.
_RISE_S = 0.1
# The ball of a standing foot is held no higher than this over the floor.
_STANDING_M = 0.015
_SMOOTH_S = 0.02


@dataclass(frozen=True, eq=False)
class _Stance:
    """Frames ``first`` to before ``end`` in which the ball of a foot is at ``position`` (3,)."""

    first: int
    end: int
    position: Array


def lock_feet(quats: Array, root_m: Array, fps: float) -> tuple[Array, Array]:
    """Return a motion whose feet don't slide during stances.

    Args:
        quats: Local rotations, (T, 24, 4).
        root_m: Path of the pelvis, (T, 3), the floor about zero.
        fps: Frames per second.

    Returns:
        Rotations, (T, 24, 4), changed in legs and feet, and the root, (T, 3), changed in height.
    """
    world, positions = (
        kinematics.global_rotations(quats),
        kinematics.forward_kinematics(quats, root_m),
    )
    floor = _floor(positions, fps)[:, None] * [0.0, 1.0, 0.0]
    root_m, positions = root_m - floor, positions - floor[:, None]
    targets, fixed = {}, {}
    for side, (_, _, ankle, ball) in LEGS.items():
        stances = _find_stances(positions[:, ball], fps)
        targets[side] = positions[:, ankle] + _corrections(positions[:, ball], stances, fps)
        planted = _stance_mask(stances, len(root_m))
        fixed[side] = np.where(planted[:, None], targets[side], np.nan)
    lowered = lower_into_reach(root_m, quats[:, 0], fixed)
    out = quats.copy()
    for side, (hip, knee, ankle, _) in LEGS.items():
        start = positions[:, hip] + lowered - root_m
        thigh, shin = solve_leg_ik(world, positions, start, targets[side], side)
        out[:, hip] = _local_rotation(world[:, 0], thigh)
        out[:, knee] = _local_rotation(thigh, shin)
        out[:, ankle] = _local_rotation(shin, world[:, ankle])
    return out, lowered


def _local_rotation(parent: Array, child: Array) -> Array:
    return rotations.quat_multiply(rotations.quat_inverse(parent), child)


def _floor(positions: Array, fps: float) -> Array:
    """Slowly drifting height of the floor under the body, (T,)."""
    frames = max(1, round(_FLOOR_S * fps))
    lowest = minimum_filter1d(positions[..., 1].min(axis=1), frames, mode="nearest")
    return np.asarray(gaussian_filter1d(lowest, frames / 3.0, mode="nearest"))


def _find_stances(ball: Array, fps: float) -> list[_Stance]:
    """The stances of a ball (T, 3), in order."""
    smooth = gaussian_filter1d(ball, _SMOOTH_S * fps, axis=0, mode="nearest")
    slow = np.linalg.norm(kinematics.velocity(smooth, fps), axis=-1) < _SLOW_M_S
    planted = _close_gaps(slow & (ball[:, 1] < _LOW_M), round(_GAP_S * fps))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], planted.astype(int), [0]])))
    out: list[_Stance] = []
    for first, end in edges.reshape(-1, 2):
        for start, stop in _split_creep(ball, first, end):
            if stop - start >= _STANCE_S * fps:
                out.append(_Stance(start, stop, _stance_position(ball[start:stop])))
    return out


def _close_gaps(flags: Flags, frames: int) -> Flags:
    """Flags with gaps of up to so many frames filled."""
    wide = np.pad(flags, frames)
    return np.asarray(binary_closing(wide, np.ones(frames + 1))[frames : len(wide) - frames])


def _split_creep(ball: Array, first: int, end: int) -> list[tuple[int, int]]:
    """A span in parts within which the ball stays near its first position."""
    parts, start = [], first
    for frame in range(first, end):
        if np.linalg.norm(ball[frame, [0, 2]] - ball[start, [0, 2]]) > _CREEP_M:
            parts.append((start, frame))
            start = frame
    return [*parts, (start, end)]


def _stance_position(ball: Array) -> Array:
    middle = np.median(ball, axis=0)
    return np.asarray([middle[0], min(middle[1], _STANDING_M), middle[2]])


def _stance_mask(stances: list[_Stance], frames: int) -> Flags:
    out = np.zeros(frames, dtype=bool)
    for stance in stances:
        out[stance.first : stance.end] = True
    return out


def _corrections(ball: Array, stances: list[_Stance], fps: float) -> Array:
    """Shift of a foot that keeps its ball still in its stances, metres, (T, 3)."""
    out = np.zeros_like(ball)
    for stance in stances:
        out[stance.first : stance.end] = stance.position - ball[stance.first : stance.end]
    for first, end in _gaps(stances, len(ball), fps):
        _ease_gap(out, first, end, round(_EASE_S * fps))
        _lift_over_gap(out, ball, (first, end), _RISE_S * fps)
    return gaussian_filter1d(out, _SMOOTH_S * fps, axis=0, mode="nearest")


def _gaps(stances: list[_Stance], frames: int, fps: float) -> list[tuple[int, int]]:
    """Gaps between stances and at the clip's ends, widened to the length of a step."""
    ends = [0, *(stance.end for stance in stances)]
    starts = [*(stance.first for stance in stances), frames]
    for k, (before, after) in enumerate(pairwise(stances), start=1):
        short = round(_STEP_S * fps) - (after.first - before.end)
        if short > 0 and np.linalg.norm(after.position - before.position) > _SMALLEST_STEP_M:
            ends[k] -= min((short + 1) // 2, (before.end - before.first) // 3)
            starts[k] += min((short + 1) // 2, (after.end - after.first) // 3)
    return [(end, start) for end, start in zip(ends, starts, strict=True) if start > end]


def _ease_gap(corrections: Array, first: int, end: int, longest: int) -> None:
    """Fill a gap in corrections (T, 3): ease out of the one before it, and into the one after."""
    before = corrections[first - 1] if first > 0 else np.zeros(3)
    after = corrections[end] if end < len(corrections) else np.zeros(3)
    count = end - first
    done = (np.arange(count) + 1.0) / (min(count, longest) + 1.0)
    done = np.clip(done, 0.0, 1.0)[:, None]
    done = done * done * (3.0 - 2.0 * done)
    corrections[first:end] = (1.0 - done) * before + done[::-1] * after


def _lift_over_gap(corrections: Array, ball: Array, gap: tuple[int, int], rise: float) -> None:
    """Lift a foot over a gap in which it would slide."""
    first, end = gap
    path = ball[first:end] + corrections[first:end]
    across = np.ptp(path[:, [0, 2]], axis=0)
    travel = float(np.hypot(*across))
    if travel > _SMALLEST_STEP_M:
        count = end - first
        # Up at once, over, and down at the last: a parabola would still slide at both its ends.
        up = np.clip((np.arange(count) + 1.0) / min(0.5 * count, rise), 0.0, 1.0)
        up = up * up * (3.0 - 2.0 * up)
        high = min(_MIN_LIFT_M + 0.2 * travel, _MAX_LIFT_M)
        corrections[first:end, 1] += np.maximum(high * np.minimum(up, up[::-1]) - path[:, 1], 0.0)
