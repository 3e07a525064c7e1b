"""What music can hear in a dance: the strength of its beats, its sudden moments, its contrasts.

Seconds; energies and impacts 0 to 1. Beats are the dance's own; every beat has two halves.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kinetune import timebase
from kinetune.corpus.choreography.choreographer import Dance
from kinetune.corpus.composition.music_score import Plan
from kinetune.motion.clip import MotionClip
from kinetune.motion.kinematics import joint_speeds

Array = NDArray[np.float64]
HALVES_A_BEAT = 2
# A move that stops within this of a half-beat belongs to it.
_REACH_S = 0.07
_SMOOTHING_S = 0.025
# Starting is heard as half as sudden as stopping: a lock is a stop.
_START_WEIGHT = 0.5
# Dances whose energy varies less than this to either side are brought out up to so many times.
_WANTED_SPREAD, _MOST_CONTRAST = 0.3, 2.0


def plan_of(dance: Dance) -> Plan:
    """Return what a composer needs to know of ``dance``."""
    marks = dance.downbeats_s if len(dance.downbeats_s) else dance.beats_s
    start = float(marks[0]) if len(marks) else 0.0
    impacts = impacts_of(dance.clip, dance.beats_s, timebase.beat_period_s(dance.bpm))
    duration_s = dance.clip.duration_s
    return Plan(dance.genre, dance.bpm, duration_s, start, dance.energy, impacts)


def impacts_of(clip: MotionClip, beats_s: Array, beat_s: float) -> Array:
    """Return how suddenly the body stops or starts at each half-beat.

    Args:
        clip: The dance.
        beats_s: Its beats, shape (n,).
        beat_s: Time from beat to beat.

    Returns:
        0 to 1 against the dance's most sudden moments, shape (2 n,).
    """
    if not len(beats_s):
        return np.zeros(0)
    speed = joint_speeds(clip).mean(axis=1)
    speed = ndimage.gaussian_filter1d(speed, _SMOOTHING_S * clip.fps, mode="nearest")
    change = np.gradient(speed)
    sudden = np.maximum(-change, 0.0) + _START_WEIGHT * np.maximum(change, 0.0)
    size = 2 * timebase.frames_in(_REACH_S, clip.fps) + 1
    sudden = ndimage.maximum_filter1d(sudden, size, mode="nearest")
    halves = (beats_s[:, None] + beat_s / HALVES_A_BEAT * np.arange(HALVES_A_BEAT)).ravel()
    frames = np.round(halves * clip.fps).astype(int).clip(0, len(sudden) - 1)
    at = sudden[frames]
    return np.asarray(np.clip(at / max(float(np.quantile(at, 0.95)), 1e-9), 0.0, 1.0))


def contrasted(energy: Array) -> Array:
    """Return energies spread about their middle, so that a music of degrees can answer them."""
    if not len(energy):
        return energy
    low, high = np.quantile(energy, [0.1, 0.9])
    middle, spread = 0.5 * (low + high), 0.5 * (high - low)
    gain = np.clip(_WANTED_SPREAD / max(float(spread), 1e-9), 1.0, _MOST_CONTRAST)
    return np.asarray(np.clip(middle + gain * (energy - middle), np.minimum(energy, 0.08), 1.0))
