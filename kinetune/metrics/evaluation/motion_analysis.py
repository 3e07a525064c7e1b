"""What is seen in one dance, gathered once for all metrics.

Conventions: 60 frames a second, seconds, metres. Kinematic beats are local minima of the mean joint
speed smoothed by a Gaussian of five frames at 60 fps (Bailando, Siyao et al. 2022), with the
joints on the mean skeleton. Accents are sudden stops, half-way between the hardest braking and the
rest that follows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.signal import argrelextrema, find_peaks

from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import motion_beats
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, resample

Array = NDArray[np.float64]
# The published script's smoothing, in frames at 60 fps.
_PUBLISHED_SIGMA_FRAMES = 5
# Accents: smoothing of the speed, and two closer than this are one.
_ACCENT_SIGMA_S = 4.0 / 60.0
_ACCENT_MIN_GAP_S = 0.15


@dataclass(frozen=True, eq=False)
class MotionAnalysis:
    """What is seen in a dance.

    Attributes:
        duration_s: Its length.
        beats_s: Kinematic beats.
        beats_published: The same as the paper's script counts them: frames at 60 fps.
        speed: Mean joint speed, m/s, (T,) at 60 fps.
        accents_s: Times of sudden stops.
    """

    duration_s: float
    beats_s: Array
    beat_frames_published: NDArray[np.int64]
    speed: Array
    accents_s: Array


def analyse_motion(clip: MotionClip) -> MotionAnalysis:
    """Return what is seen in a dance."""
    fine = resample(clip, ANALYSIS_FPS)
    places = kinematics.joint_positions(fine)
    speed = np.linalg.norm(kinematics.velocity(places, ANALYSIS_FPS), axis=-1).mean(axis=1)
    return MotionAnalysis(
        clip.duration_s, motion_beats(clip), published_beat_frames(places), speed, accents(speed)
    )


def published_beat_frames(places: Array) -> NDArray[np.int64]:
    """Return kinematic beats as the paper's script finds them, in frames at 60 fps.

    Args:
        places: Joint positions, metres, (T, 24, 3) at 60 fps.

    Returns:
        Frames (K,). Speed is a difference of neighbouring frames, so beats stand half a frame
        early, and a plateau is no minimum.
    """
    if len(places) < 2:
        return np.empty(0, dtype=np.int64)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=-1).mean(axis=1)
    smooth = gaussian_filter(speed, _PUBLISHED_SIGMA_FRAMES)
    return np.asarray(argrelextrema(smooth, np.less)[0], dtype=np.int64)


def accents(speed: Array) -> Array:
    """Return the times of sudden stops in mean joint speed (T,) at 60 fps, seconds, ascending."""
    if len(speed) < 2:
        return np.empty(0)
    smooth = gaussian_filter1d(speed, _ACCENT_SIGMA_S * ANALYSIS_FPS)
    braking = -np.gradient(smooth)
    apart = max(1, int(_ACCENT_MIN_GAP_S * ANALYSIS_FPS))
    # A braking must stand out by as much as brakings usually differ; a still body has none.
    spread = max(float(braking.std()), 1e-9)
    hardest = find_peaks(braking, prominence=spread, distance=apart)[0]
    rests = find_peaks(-smooth)[0]
    motion_fit = np.searchsorted(rests, hardest)
    told = motion_fit < len(rests)
    middle = 0.5 * (hardest[told] + rests[motion_fit[told]])
    return np.asarray(middle / ANALYSIS_FPS, dtype=np.float64)
