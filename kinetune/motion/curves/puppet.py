"""A body that dances curves, so that everything made for dances works for curves.

All joints swing between two poses. They turn back, and so rest for a moment, at every event and on
every beat; the way between is as long as energy and time ask for, so that the mean joint speed
follows the energy. Metres, radians, 60 frames per second.
"""

import bisect
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from kinetune.motion.curves.events import CurveAnalysis, analyse_curves
from kinetune.motion.curves.reading import Curves
from kinetune.motion.skeleton import JOINT_COUNT, joint_index

Array = NDArray[np.float64]

# Keys nearer than this to a stronger one are left out.
_KEY_GAP_S = 0.15
# Angle a joint travels per second at full energy, and the smallest and largest swing.
_PACE_RAD_S, _LEAST_RAD, _MOST_RAD = 1.6, 0.04, 0.9
_BEAT_WEIGHT = 0.3
_HIP_HEIGHT_M, _BOB_M = 0.93, 0.05
# How far each joint swings about which axis (x, y, z), as part of the whole.
_SWINGS = {
    "left_shoulder": (0.3, 0.4, -1.0), "right_shoulder": (0.3, -0.4, 1.0),
    "left_elbow": (0.0, -0.9, 0.0), "right_elbow": (0.0, 0.9, 0.0),
    "left_hip": (-0.5, 0.0, 0.1), "right_hip": (-0.5, 0.0, -0.1),
    "left_knee": (0.9, 0.0, 0.0), "right_knee": (0.9, 0.0, 0.0),
    "left_ankle": (-0.4, 0.0, 0.0), "right_ankle": (-0.4, 0.0, 0.0),
    "spine1": (0.15, 0.25, 0.0), "spine3": (0.1, 0.2, 0.1), "neck": (0.2, 0.0, 0.0),
}  # fmt: skip


def clip_from_curves(curves: Curves, *, name: str = "curves") -> MotionClip:
    """Return the body that dances curves; its beats are those of the curves.

    Args:
        curves: The curves.
        name: What to call the clip.
    """
    analysis = analyse_curves(curves)
    return _puppet(analysis, name)


def _puppet(analysis: CurveAnalysis, name: str) -> MotionClip:
    count = len(analysis.energy)
    times_s = timebase.frame_times(count, ANALYSIS_FPS)
    swing = _swing(analysis, times_s)
    pose = np.zeros((count, JOINT_COUNT, 3))
    for joint, axis in _SWINGS.items():
        pose[:, joint_index(joint)] = swing[:, None] * np.array(axis)
    height_m = _HIP_HEIGHT_M - _BOB_M * np.abs(swing)
    root_m = np.stack([np.zeros(count), height_m, np.zeros(count)], axis=1)
    clip = clip_from_axis_angle(pose, root_m, fps=ANALYSIS_FPS, name=name, source="curves")
    return replace(clip, known_beats=analysis.beats)


def _swing(analysis: CurveAnalysis, times_s: Array) -> Array:
    """Angle of the swing at each frame, (T,)."""
    keys_s = _keys(analysis, float(times_s[-1]))
    frames = np.minimum((keys_s * ANALYSIS_FPS).astype(int), len(times_s) - 1)
    ends = np.append(frames[1:], len(times_s))
    energy = np.array(
        [analysis.energy[a:b].mean() if b > a else 0.0 for a, b in zip(frames, ends, strict=True)]
    )
    gaps_s = np.diff(keys_s, append=keys_s[-1] + 0.5)
    half_rad = (0.5 * _PACE_RAD_S * energy * gaps_s).clip(_LEAST_RAD, _MOST_RAD)
    angles = half_rad * np.where(np.arange(len(keys_s)) % 2, -1.0, 1.0)
    index = np.searchsorted(keys_s, times_s, side="right").clip(1, len(keys_s) - 1) - 1
    share = ((times_s - keys_s[index]) / (keys_s[index + 1] - keys_s[index])).clip(0.0, 1.0)
    # At rest at both ends.
    share = share * share * (3.0 - 2.0 * share)
    return np.asarray(angles[index] + share * (angles[index + 1] - angles[index]))


def _keys(analysis: CurveAnalysis, end_s: float) -> Array:
    """Times at which the body rests: events and beats, the stronger of those that are near."""
    beats_s = np.array(analysis.beats.beats_s)
    times_s = np.concatenate([analysis.events_s, beats_s, [0.0, end_s]])
    weights = np.concatenate([analysis.weights, np.full(len(beats_s), _BEAT_WEIGHT), [2.0, 2.0]])
    keys: list[float] = []
    for time_s in times_s[np.argsort(-weights, kind="stable")]:
        at = bisect.bisect(keys, time_s)
        if all(abs(time_s - key_s) >= _KEY_GAP_S for key_s in keys[max(0, at - 1) : at + 1]):
            keys.insert(at, float(time_s))
    return np.array(keys)
