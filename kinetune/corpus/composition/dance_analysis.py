"""Dance analysis for the composer: energy per beat, impacts, contrast.

Seconds; energies and impacts 0 to 1. Beats are the dance's own; every beat has two halves.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kinetune import timebase
from kinetune.corpus.choreography.dance import Dance
from kinetune.corpus.composition.music_score import DanceProfile
from kinetune.motion.clip import MotionClip
from kinetune.motion.kinematics import joint_speeds

Array = NDArray[np.float64]
HALVES_A_BEAT = 2
# An impact this near to a half-beat belongs to it.
_REACH_S = 0.07
_SMOOTHING_S = 0.025
# Weight of starting against stopping: a lock is a stop.
_START_WEIGHT = 0.5
# Energies that spread less than this to either side are expanded, by this factor at most.
_TARGET_SPREAD, _MAX_CONTRAST = 0.3, 2.0


def dance_profile(dance: Dance) -> DanceProfile:
    """Return what a composer needs to know of ``dance``."""
    times = dance.downbeats_s if len(dance.downbeats_s) else dance.beats_s
    start = float(times[0]) if len(times) else 0.0
    impacts = impact_strengths(dance.clip, dance.beats_s, timebase.beat_period_s(dance.bpm))
    duration_s = dance.clip.duration_s
    return DanceProfile(
        dance.genre, dance.bpm, duration_s, start, dance.energy, impacts, dance.metre
    )


def impact_strengths(clip: MotionClip, beats_s: Array, beat_s: float) -> Array:
    """Return how suddenly the body stops or starts at each half-beat: its change of mean speed.

    Args:
        clip: The dance.
        beats_s: Its beats, shape (n,).
        beat_s: Time from beat to beat.

    Returns:
        0 to 1 against the 95th percentile of the dance, shape (2 n,).
    """
    if not len(beats_s):
        return np.zeros(0)
    speed = joint_speeds(clip).mean(axis=1)
    speed = ndimage.gaussian_filter1d(speed, _SMOOTHING_S * clip.fps, mode="nearest")
    change = np.gradient(speed)
    impact = np.maximum(-change, 0.0) + _START_WEIGHT * np.maximum(change, 0.0)
    size = 2 * timebase.frames_in(_REACH_S, clip.fps) + 1
    impact = ndimage.maximum_filter1d(impact, size, mode="nearest")
    halves = (beats_s[:, None] + beat_s / HALVES_A_BEAT * np.arange(HALVES_A_BEAT)).ravel()
    frames = np.round(halves * clip.fps).astype(int).clip(0, len(impact) - 1)
    at = impact[frames]
    return np.asarray(np.clip(at / max(float(np.quantile(at, 0.95)), 1e-9), 0.0, 1.0))


def expand_contrast(energy: Array) -> Array:
    """Return energies of a flat dance spread about their middle; order is kept."""
    if not len(energy):
        return energy
    low, high = np.quantile(energy, [0.1, 0.9])
    middle, spread = 0.5 * (low + high), 0.5 * (high - low)
    gain = np.clip(_TARGET_SPREAD / max(float(spread), 1e-9), 1.0, _MAX_CONTRAST)
    return np.asarray(np.clip(middle + gain * (energy - middle), np.minimum(energy, 0.08), 1.0))
