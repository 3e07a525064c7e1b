"""Control curves from events, with a dancer's timing errors.

Every event becomes a key, shifted by a timing error. Between keys a limb waits, moves with minimum
jerk, and overshoots a little after a snap. Beats for time inside, degrees and metres.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.corpus.choreography import body
from kinetune.corpus.choreography.moves import Event
from kinetune.corpus.choreography.timing import Timing
from kinetune.motion import rotations
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]
# Range of a dancer's timing spread.
_TIMING_S = (0.010, 0.025)
# Shortest duration of a move: a constant, and more per degree.
_SNAP_S = 0.12
_SNAP_S_A_DEGREE = 0.0017
# Targets closer than this are one target.
_NEAREST_BEATS = 0.15
# A move begins at most this long before its target.
_LONGEST_BEATS = 1.5
# Smallest step of a foot, and the range of its lift.
_SMALLEST_STEP_M = 0.025
_MIN_LIFT_M, _MAX_LIFT_M = 0.04, 0.12
# A dancer's arms and head are so much earlier or later than the genre's throughout, at most.
_OWN_LAG_S = 0.025
_WITH_OWN_LAG = ("left", "right", "head")
# Limbs that overshoot, and the frequency of that oscillation.
_SPRINGY = (*_WITH_OWN_LAG, "spine")
_SPRING_HZ = 7.0
# Standard deviation of idle motion by control, degrees (sway in metres).
_IDLE_MOTION = {"left": 9.0, "right": 9.0, "spine": 4.0, "head": 6.0, "hips": 3.0, "sway": 0.015}
# Joints without capture noise, so that planted feet stay in place.
_NOISELESS = (0, 1, 2, 4, 5, 7, 8)


def sample_curves(
    rng: np.random.Generator,
    events: list[Event],
    beats: Array,
    bpm: float,
    fps: float,
    *,
    timing: Timing | None = None,
) -> Array:
    """Sample every control at times ``beats`` (counted in beats): (T, controls).

    Args:
        rng: Of the dancer's timing errors.
        events: What is danced.
        beats: Times of the samples, in beats.
        bpm: Beats a minute.
        fps: Frames a second.
        timing: How late the genre's limbs are; on the beat if None.
    """
    per_s = 1.0 / timebase.beat_period_s(bpm)
    slots = int(np.ceil(beats[-1])) * 4 + 16
    keys = _apply_timing(rng, events, slots, per_s, timing or Timing())
    spring = rng.uniform(0.0, 0.12)
    out = np.zeros((len(beats), len(body.CONTROLS)))
    for side in ("left", "right"):
        x, z = f"{side}_foot_x", f"{side}_foot_z"
        keys[x], keys[z] = _drop_small_steps(keys[x], keys[z])
        out[:, body.COLUMN[f"{side}_foot_y"]] = _step_height(keys[x], keys[z], beats, per_s)
    for name, rows in keys.items():
        longest = 4.0 if name == "heading" else _LONGEST_BEATS
        out[:, body.COLUMN[name]] += _interpolate(rows, beats, per_s, longest=longest)[0]
        if name.startswith(_SPRINGY) and "_foot_" not in name:
            out[:, body.COLUMN[name]] += spring * _overshoot(rows, beats, per_s)
    return gaussian_filter1d(out, 0.016 * fps, axis=0, mode="nearest")


def _apply_timing(
    rng: np.random.Generator, events: list[Event], slots: int, per_s: float, timing: Timing
) -> dict[str, Array]:
    """Each control's keys with the genre's lag and timing errors by limb."""
    sigma = rng.uniform(*_TIMING_S) * per_s
    bias = rng.normal(0.0, 0.008) * per_s
    groups = ("left_foot", "right_foot", "left", "right", "spine", "head", "")
    error = {g: bias + rng.normal(0.0, sigma, slots) for g in groups}
    own = {g: rng.uniform(-_OWN_LAG_S, _OWN_LAG_S) for g in groups}
    lag = {g: (_lag_s(g, timing) + (own[g] if g in _WITH_OWN_LAG else 0.0)) * per_s for g in groups}
    by_name: dict[str, list[Event]] = {}
    for event in events:
        by_name.setdefault(event.control, []).append(event)
    for side, aside in (("left", 0.1), ("right", -0.1)):
        by_name.setdefault(f"{side}_foot_x", [Event("", 0.0, aside)])
        by_name.setdefault(f"{side}_foot_z", [Event("", 0.0, 0.0)])
    keys = {}
    for name, own_events in by_name.items():
        group = next(g for g in groups if name.startswith(g))
        keys[name] = _keys(own_events, error[group], lag[group])
    return keys


def _lag_s(group: str, timing: Timing) -> float:
    """How late a group of controls is in this genre."""
    if group.endswith("_foot"):
        return timing.feet_s
    return timing.arms_s if group else timing.bounce_s


def _drop_small_steps(across: Array, ahead: Array) -> tuple[Array, Array]:
    """A foot's keys (K, 3) in x and z, without shifts smaller than a step."""
    positions = np.stack([across[:, 1], ahead[:, 1]], axis=-1)
    for k in range(1, len(positions)):
        if np.linalg.norm(positions[k] - positions[k - 1]) < _SMALLEST_STEP_M:
            positions[k] = positions[k - 1]
    across, ahead = across.copy(), ahead.copy()
    across[:, 1], ahead[:, 1] = positions.T
    return across, ahead


def _step_height(across: Array, ahead: Array, beats: Array, per_s: float) -> Array:
    """Lift of a foot on its way to the next position, metres, (T,): a parabola over the move."""
    _, progress, leap_x = _interpolate(across, beats, per_s, longest=_LONGEST_BEATS)
    leap = np.hypot(leap_x, _interpolate(ahead, beats, per_s, longest=_LONGEST_BEATS)[2])
    high = np.minimum(_MIN_LIFT_M + 0.35 * leap, _MAX_LIFT_M) * (leap > 0.0)
    return np.asarray(high * 4.0 * progress * (1.0 - progress))


def _keys(events: list[Event], error: Array, lag: float) -> Array:
    """Sorted (beat, value, ease), at least _NEAREST_BEATS apart: (K, 3)."""
    table = {round(e.beat * 4): e for e in events}
    rows: list[tuple[float, float, float]] = []
    for slot, event in sorted(table.items()):
        at = event.beat + lag + error[slot % len(error)]
        if rows and at - rows[-1][0] < _NEAREST_BEATS:
            # Of two targets that crowd each other the later one counts.
            at = max(at, rows.pop()[0])
        rows.append((at, event.value, event.ease))
    return np.array(rows)


def _overshoot(keys: Array, beats: Array, per_s: float) -> Array:
    """Overshoot after a snap: a damped oscillation about the target, (T,)."""
    last = (np.searchsorted(keys[:, 0], beats, side="right") - 1).clip(0, len(keys) - 1)
    since_s = np.maximum(beats - keys[last, 0], 0.0) / per_s
    leap = keys[last, 1] - keys[np.maximum(last - 1, 0), 1]
    sharp = np.clip(2.0 * keys[last, 2] - 0.6, 0.0, 1.0)
    swing = np.sin(2.0 * np.pi * _SPRING_HZ * since_s) * np.exp(-since_s / 0.07)
    return sharp * leap * swing


def _interpolate(
    keys: Array, beats: Array, per_s: float, *, longest: float
) -> tuple[Array, Array, Array]:
    """Values at ``beats``, progress of the move there (0 to 1), and the size of the move."""
    nxt = np.searchsorted(keys[:, 0], beats, side="right").clip(0, len(keys) - 1)
    prev = np.maximum(nxt - 1, 0)
    end, ease = keys[nxt, 0], keys[nxt, 2]
    # A limb waits and moves late: at most ``longest`` beats before its target.
    start = np.maximum(keys[prev, 0], end - longest)
    u = np.clip((beats - start) / np.maximum(end - start, 1e-6), 0.0, 1.0)
    leap = keys[nxt, 1] - keys[prev, 1]
    least_s = _SNAP_S + _SNAP_S_A_DEGREE * np.abs(leap)
    least = least_s * per_s / np.maximum(end - start, 1e-6)
    wait = np.minimum(0.75 * np.clip(ease, 0.0, 1.0), np.clip(1.0 - least, 0.0, 1.0))
    u = np.clip((u - wait) / (1.0 - wait), 0.0, 1.0)
    smooth = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    through = np.clip(-ease, 0.0, 1.0)
    progress = (1.0 - through) * smooth + through * u
    return keys[prev, 1] + progress * leap, progress, np.abs(leap)


def add_idle_motion(rng: np.random.Generator, curves: Array, looseness: float, fps: float) -> Array:
    """Return the curves with idle motion: small smooth movements unrelated to the beat.

    Args:
        rng: Source of the movements.
        curves: (T, controls).
        looseness: Size of the movements, 0 to 1.
        fps: Frames per second.
    """
    out = curves.copy()
    for name, column in body.COLUMN.items():
        largest = next((v for key, v in _IDLE_MOTION.items() if name.startswith(key)), 0.0)
        if largest and "foot" not in name:
            pace = rng.uniform(0.08, 0.25) * fps
            slow_noise = gaussian_filter1d(rng.normal(0.0, 1.0, len(out)), pace, mode="nearest")
            # A smoothed white noise keeps this share of its spread.
            slow_noise *= np.sqrt(2.0 * np.sqrt(np.pi) * pace)
            out[:, column] += looseness * rng.uniform(0.2, 1.0) * largest * slow_noise
    return out


def add_capture_noise(rng: np.random.Generator, clip: MotionClip) -> MotionClip:
    """Return a clip with capture noise: rotations drift by 0.6 degrees, the root by 1 mm."""
    shape = (clip.frame_count, 24, 3)
    drift = gaussian_filter1d(rng.normal(0.0, 1.0, shape), 0.12 * clip.fps, axis=0, mode="nearest")
    drift *= np.deg2rad(0.6) / max(float(drift.std()), 1e-9)
    jitter = gaussian_filter1d(rng.normal(0.0, 0.003, shape), 1.0, axis=0, mode="nearest")
    drift[:, _NOISELESS] = jitter[:, _NOISELESS] = 0.0
    quat = rotations.quat_multiply(clip.rotations, rotations.quat_from_axis_angle(drift + jitter))
    path = gaussian_filter1d(rng.normal(0.0, 0.002, (shape[0], 3)), 3.0, axis=0, mode="nearest")
    return replace(clip, rotations=quat, root_m=clip.root_m + path)
