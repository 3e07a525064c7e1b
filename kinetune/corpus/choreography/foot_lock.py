"""Feet of real motion that stand still: where each one stands, it is held there.

The lowest joint's floor is evened out; a *stance*, in which the ball of a foot is low and slow, is
held on one spot by turning thigh and shin; between two stances a foot that would slide is lifted.
The foot keeps its own direction, and turns about its ball. Metres, y up. Axes: T frames, J = 24
joints.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, gaussian_filter1d, minimum_filter1d

from kinetune.corpus.choreography.leg_ik import LEGS, led_leg, within_reach
from kinetune.motion import kinematics, rotations

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The floor under a capture drifts no faster than over so long; a jump is shorter.
_FLOOR_S = 1.6
# A foot stands whose ball is this low (metres over the lowest joint's floor) and this slow (m/s).
_LOW_M, _SLOW_M_S = 0.06, 0.35
# Shorter stances are passing by; shorter gaps between them are the sensor's.
_STANCE_S, _GAP_S = 0.1, 0.05
# A ball that creeps further than this from where it first stood has taken another stance.
_CREEP_M = 0.06
# So long a foot takes to its next stance at least, and to get back to its own path at most.
_STEP_S, _EASE_S = 0.14, 0.3
# A step shorter than this is none; a longer one is lifted at least, and at most, so high.
_SMALLEST_STEP_M = 0.015
_LEAST_LIFT_M, _MOST_LIFT_M = 0.04, 0.08
# It rises and falls over so long.
_RISE_S = 0.1
# The ball of a standing foot is held no higher than this over the floor.
_STANDING_M = 0.015
_SMOOTH_S = 0.02


@dataclass(frozen=True, eq=False)
class _Stance:
    """Frames ``first`` to before ``end`` in which a ball of a foot stands on ``spot`` (3,)."""

    first: int
    end: int
    spot: Array


def planted(turns: Array, path: Array, fps: float) -> tuple[Array, Array]:
    """Return a motion whose standing feet stand still.

    Args:
        turns: Local rotations, (T, 24, 4).
        path: The pelvis's, (T, 3), the floor about zero.
        fps: Frames a second.

    Returns:
        Rotations, (T, 24, 4), of which legs and feet differ, and the path, (T, 3), which differs
        in height.
    """
    world, places = kinematics.global_rotations(turns), kinematics.forward_kinematics(turns, path)
    floor = _floor(places, fps)[:, None] * [0.0, 1.0, 0.0]
    path, places = path - floor, places - floor[:, None]
    targets, held = {}, {}
    for side, (_, _, ankle, ball) in LEGS.items():
        stances = _stances(places[:, ball], fps)
        targets[side] = places[:, ankle] + _moves(places[:, ball], stances, fps)
        stands = _standing(stances, len(path))
        held[side] = np.where(stands[:, None], targets[side], np.nan)
    lowered = within_reach(path, turns[:, 0], held)
    out = turns.copy()
    for side, (hip, knee, ankle, _) in LEGS.items():
        start = places[:, hip] + lowered - path
        thigh, shin = led_leg(world, places, start, targets[side], side)
        out[:, hip] = _seen_from(world[:, 0], thigh)
        out[:, knee] = _seen_from(thigh, shin)
        out[:, ankle] = _seen_from(shin, world[:, ankle])
    return out, lowered


def _seen_from(parent: Array, child: Array) -> Array:
    return rotations.quat_multiply(rotations.quat_inverse(parent), child)


def _floor(places: Array, fps: float) -> Array:
    """Height of the floor under the body, as far as it drifts slowly, (T,)."""
    frames = max(1, round(_FLOOR_S * fps))
    lowest = minimum_filter1d(places[..., 1].min(axis=1), frames, mode="nearest")
    return np.asarray(gaussian_filter1d(lowest, frames / 3.0, mode="nearest"))


def _stances(ball: Array, fps: float) -> list[_Stance]:
    """Where and when a ball (T, 3) stands, one after the other."""
    smooth = gaussian_filter1d(ball, _SMOOTH_S * fps, axis=0, mode="nearest")
    slow = np.linalg.norm(kinematics.velocity(smooth, fps), axis=-1) < _SLOW_M_S
    stands = _closed(slow & (ball[:, 1] < _LOW_M), round(_GAP_S * fps))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], stands.astype(int), [0]])))
    out: list[_Stance] = []
    for first, end in edges.reshape(-1, 2):
        for start, stop in _without_creep(ball, first, end):
            if stop - start >= _STANCE_S * fps:
                out.append(_Stance(start, stop, _spot(ball[start:stop])))
    return out


def _closed(flags: Flags, frames: int) -> Flags:
    """Flags with gaps of up to so many frames filled."""
    wide = np.pad(flags, frames)
    return np.asarray(binary_closing(wide, np.ones(frames + 1))[frames : len(wide) - frames])


def _without_creep(ball: Array, first: int, end: int) -> list[tuple[int, int]]:
    """A stretch in parts within which the ball stays near where it first stood."""
    parts, start = [], first
    for frame in range(first, end):
        if np.linalg.norm(ball[frame, [0, 2]] - ball[start, [0, 2]]) > _CREEP_M:
            parts.append((start, frame))
            start = frame
    return [*parts, (start, end)]


def _spot(ball: Array) -> Array:
    middle = np.median(ball, axis=0)
    return np.asarray([middle[0], min(middle[1], _STANDING_M), middle[2]])


def _standing(stances: list[_Stance], frames: int) -> Flags:
    out = np.zeros(frames, dtype=bool)
    for stance in stances:
        out[stance.first : stance.end] = True
    return out


def _moves(ball: Array, stances: list[_Stance], fps: float) -> Array:
    """How far a foot is moved so that its ball stands still in its stances, metres, (T, 3)."""
    out = np.zeros_like(ball)
    for stance in stances:
        out[stance.first : stance.end] = stance.spot - ball[stance.first : stance.end]
    for first, end in _gaps(stances, len(ball), fps):
        _ease(out, first, end, round(_EASE_S * fps))
        _clear(out, ball, (first, end), _RISE_S * fps)
    return gaussian_filter1d(out, _SMOOTH_S * fps, axis=0, mode="nearest")


def _gaps(stances: list[_Stance], frames: int, fps: float) -> list[tuple[int, int]]:
    """Frames between stances, the clip's ends among them, as many as a step takes."""
    ends = [0, *(stance.end for stance in stances)]
    starts = [*(stance.first for stance in stances), frames]
    for k, (one, two) in enumerate(pairwise(stances), start=1):
        short = round(_STEP_S * fps) - (two.first - one.end)
        if short > 0 and np.linalg.norm(two.spot - one.spot) > _SMALLEST_STEP_M:
            ends[k] -= min((short + 1) // 2, (one.end - one.first) // 3)
            starts[k] += min((short + 1) // 2, (two.end - two.first) // 3)
    return [(end, start) for end, start in zip(ends, starts, strict=True) if start > end]


def _ease(moves: Array, first: int, end: int, longest: int) -> None:
    """Fill a gap in moves (T, 3): from the move before it back to none and on to the one after."""
    before = moves[first - 1] if first > 0 else np.zeros(3)
    after = moves[end] if end < len(moves) else np.zeros(3)
    count = end - first
    done = (np.arange(count) + 1.0) / (min(count, longest) + 1.0)
    done = np.clip(done, 0.0, 1.0)[:, None]
    done = done * done * (3.0 - 2.0 * done)
    moves[first:end] = (1.0 - done) * before + done[::-1] * after


def _clear(moves: Array, ball: Array, gap: tuple[int, int], rise: float) -> None:
    """Lift a foot over a gap in which it goes somewhere, where it would slide."""
    first, end = gap
    path = ball[first:end] + moves[first:end]
    across = np.ptp(path[:, [0, 2]], axis=0)
    travel = float(np.hypot(*across))
    if travel > _SMALLEST_STEP_M:
        count = end - first
        # Up at once, over, and down at the last: a parabola would still slide at both its ends.
        up = np.clip((np.arange(count) + 1.0) / min(0.5 * count, rise), 0.0, 1.0)
        up = up * up * (3.0 - 2.0 * up)
        high = min(_LEAST_LIFT_M + 0.2 * travel, _MOST_LIFT_M)
        moves[first:end, 1] += np.maximum(high * np.minimum(up, up[::-1]) - path[:, 1], 0.0)
