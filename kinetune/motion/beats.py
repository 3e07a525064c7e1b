"""Where the beat of a dance is: kinematic beats, tempo and phase from the body alone.

Seconds, beats a minute. Method: every joint's moments of rest (local minima of its smoothed
speed), weighted by the root of their prominence, vote for the tempi and phases they fit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import kinematics
from kinetune.motion.clip import MotionClip, resample

Times = NDArray[np.float64]

_ANALYSIS_FPS = 60.0
# Bailando's smoothing for kinematic beats: five frames at 60 fps.
_BEAT_SIGMA_S = 5.0 / 60.0
_JOINT_SIGMA_S = 2.5 / 60.0
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0
_PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.35


@dataclass(frozen=True)
class Tempo:
    """A tempo the dance could have: beats a minute, a beat's time, share of the evidence."""

    bpm: float
    first_beat_s: float
    score: float


@dataclass(frozen=True, eq=False)
class BeatGrid:
    """The beats of a dance.

    Attributes:
        bpm: Tempo.
        first_beat_s: Time of the first beat, in [0, period).
        beats_s: All beats inside the clip, ascending.
        confidence: How clearly the evidence speaks for this tempo, 0 to 1.
        alternatives: Other tempi, best first.
    """

    bpm: float
    first_beat_s: float
    beats_s: Times
    confidence: float
    alternatives: tuple[Tempo, ...] = ()


def motion_beats(clip: MotionClip) -> Times:
    """Return the kinematic beats: local minima of the smoothed mean joint speed, seconds."""
    fine = resample(clip, _ANALYSIS_FPS)
    speed = kinematics.joint_speeds(fine).mean(axis=1)
    smooth = gaussian_filter1d(speed, _BEAT_SIGMA_S * _ANALYSIS_FPS)
    return find_peaks(-smooth)[0] / _ANALYSIS_FPS


def fixed_grid(bpm: float, first_beat_s: float, duration_s: float) -> BeatGrid:
    """Return a steady grid given by a person."""
    beats = timebase.beat_times(bpm, first_beat_s, duration_s)
    return BeatGrid(bpm, first_beat_s % timebase.beat_period_s(bpm), beats, 1.0)


def beat_grid(
    clip: MotionClip, *, bpm: float | None = None, first_beat_s: float | None = None
) -> BeatGrid:
    """Find tempo and phase of a dance; what the caller gives is held.

    Raises:
        MotionError: ``bpm`` is outside 30 to 300.
    """
    if bpm is not None and not 30.0 <= bpm <= 300.0:
        raise MotionError(f"bpm must be 30 to 300, found {bpm:g}")
    times, weights, joints = _evidence(clip)
    tempi = np.geomspace(SLOWEST_BPM, FASTEST_BPM, 400) if bpm is None else np.array([bpm])
    if len(times) < 4:
        chosen = _PRIOR_BPM if bpm is None else bpm
        grid = fixed_grid(chosen, first_beat_s or 0.0, clip.duration_s)
        return BeatGrid(grid.bpm, grid.first_beat_s, grid.beats_s, 0.0)
    scores = np.array([_score(tempo, times, weights, joints) for tempo in tempi])
    prior = np.exp(-0.5 * (np.log2(tempi / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    scores = scores * prior if bpm is None else scores
    order = np.argsort(scores)[::-1]
    peaks = [i for i in order if scores[i] == scores[max(0, i - 12) : i + 13].max()]
    ranked = [
        Tempo(float(tempi[i]), _phase(tempi[i], times, weights), float(scores[i])) for i in peaks
    ]
    best = ranked[0]
    start = best.first_beat_s if first_beat_s is None else first_beat_s
    beats = timebase.beat_times(best.bpm, start, clip.duration_s)
    rival = ranked[1].score if len(ranked) > 1 else 0.0
    confidence = float(np.clip(1.0 - rival / max(best.score, 1e-9), 0.0, 1.0))
    first = start % timebase.beat_period_s(best.bpm)
    return BeatGrid(best.bpm, float(first), beats, confidence, tuple(ranked[1:4]))


def _evidence(clip: MotionClip) -> tuple[Times, Times, NDArray[np.int64]]:
    fine = resample(clip, _ANALYSIS_FPS)
    speeds = gaussian_filter1d(
        kinematics.joint_speeds(fine), _JOINT_SIGMA_S * _ANALYSIS_FPS, axis=0
    )
    times, weights, joints = [], [], []
    for joint, speed in enumerate(speeds.T):
        found, about = find_peaks(-speed, prominence=0.02)
        times.append(found / _ANALYSIS_FPS)
        weights.append(np.sqrt(about["prominences"]))
        joints.append(np.full(len(found), joint))
    return np.concatenate(times), np.concatenate(weights), np.concatenate(joints)


def _score(bpm: float, times: Times, weights: Times, joints: NDArray[np.int64]) -> float:
    total = 0.0
    for harmonic, share in ((1.0, 1.0), (2.0, 0.5)):
        turn = weights * np.exp(-2j * np.pi * harmonic * times * bpm / 60.0)
        real = np.bincount(joints, turn.real, 24)
        imag = np.bincount(joints, turn.imag, 24)
        total += share * float(np.hypot(real, imag).sum())
    return total


def _phase(bpm: float, times: Times, weights: Times) -> float:
    turn = np.angle((weights * np.exp(2j * np.pi * times * bpm / 60.0)).sum())
    return float((turn / (2 * np.pi)) % 1.0 * timebase.beat_period_s(bpm))
