"""Kinematic beats, speed and accents of one dance, computed once for all metrics.

Conventions: 60 frames a second, seconds, metres. Kinematic beats are local minima of the mean joint
speed smoothed by a Gaussian of five frames at 60 fps (Bailando, Siyao et al. 2022), with the
joints on the mean skeleton. Accents are sudden stops, half-way between the strongest deceleration
and the speed minimum that follows.
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
# Accents: smoothing of the speed; of two closer than the gap only the stronger counts.
_ACCENT_SIGMA_S = 4.0 / 60.0
_ACCENT_MIN_GAP_S = 0.15


@dataclass(frozen=True, eq=False)
class MotionAnalysis:
    """Kinematic beats, speed and accents of a dance.

    Attributes:
        duration_s: Its length.
        beats_s: Kinematic beats, (K,).
        beat_frames_published: Kinematic beats as the paper's script counts them, frames at 60 fps,
            (K,).
        speed: Mean joint speed, m/s, (T,) at 60 fps.
        accents_s: Times of sudden stops, (K,).
    """

    duration_s: float
    beats_s: Array
    beat_frames_published: NDArray[np.int64]
    speed: Array
    accents_s: Array


def analyse_motion(clip: MotionClip) -> MotionAnalysis:
    """Return the analysis of a dance."""
    resampled = resample(clip, ANALYSIS_FPS)
    positions = kinematics.joint_positions(resampled)
    speed = np.linalg.norm(kinematics.velocity(positions, ANALYSIS_FPS), axis=-1).mean(axis=1)
    return MotionAnalysis(
        clip.duration_s,
        motion_beats(clip),
        published_beat_frames(positions),
        speed,
        find_accents(speed),
    )


def published_beat_frames(positions: Array) -> NDArray[np.int64]:
    """Return kinematic beats as the paper's script finds them, in frames at 60 fps.

    Args:
        positions: Joint positions, metres, (T, 24, 3) at 60 fps.

    Returns:
        Frames (K,). Speed is a difference of neighbouring frames, so beats stand half a frame
        early, and a plateau is no minimum.
    """
    if len(positions) < 2:
        return np.empty(0, dtype=np.int64)
    speed = np.linalg.norm(np.diff(positions, axis=0), axis=-1).mean(axis=1)
    smooth = gaussian_filter(speed, _PUBLISHED_SIGMA_FRAMES)
    return np.asarray(argrelextrema(smooth, np.less)[0], dtype=np.int64)


def find_accents(speed: Array) -> Array:
    """Return the times of sudden stops in mean joint speed (T,) at 60 fps, seconds, ascending."""
    if len(speed) < 2:
        return np.empty(0)
    smooth = gaussian_filter1d(speed, _ACCENT_SIGMA_S * ANALYSIS_FPS)
    deceleration = -np.gradient(smooth)
    gap = max(1, int(_ACCENT_MIN_GAP_S * ANALYSIS_FPS))
    # A peak must stand out by the usual spread of the deceleration; a still body has none.
    prominence = max(float(deceleration.std()), 1e-9)
    peaks = find_peaks(deceleration, prominence=prominence, distance=gap)[0]
    minima = find_peaks(-smooth)[0]
    next_minimum = np.searchsorted(minima, peaks)
    stops = next_minimum < len(minima)
    middle = 0.5 * (peaks[stops] + minima[next_minimum[stops]])
    return np.asarray(middle / ANALYSIS_FPS, dtype=np.float64)
