"""Events, energy and beats of curves.

Conventions: curves at 60 frames per second, seconds; axes: T frames, C columns. Every column is
divided by the deviation of its own velocity, so that units don't matter. *Salience* is how much the
velocity changes within 80 ms: a bounce, a cut, a stop or a turn. *Energy* is the mean speed over
half a second. The beat is found as in a dance: phase sums of the events at each tempo and at its
half-beat, under a prior around 105 bpm; where the events drift the beats follow them (dynamic
programming, Ellis 2007). A column of beats a minute is integrated instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import timebase
from kinetune.motion.beats import tempo
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import KnownBeats
from kinetune.motion.curves.reading import Curves

Array = NDArray[np.float64]

# Half the span over which a change of velocity is one event.
_CHANGE_S = 0.04
_ENERGY_SIGMA_S = 0.25
# Smaller events than this part of the largest are noise; nearer ones than the gap are one.
_LEAST_EVENT, _EVENT_GAP_S = 0.12, 0.12
_TEMPI, _HALF_BEAT, _PRIOR_WEIGHT = 600, 0.5, 0.25
_PHASES, _WIDTH_S = 96, 0.05
# The beats follow the events where that brings so much more of them onto a beat.
_DRIFT_GAIN = 1.25
_MOST_READINGS = 3
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class CurveAnalysis:
    """What the music follows in curves.

    Attributes:
        energy: 0 to 1, (T,).
        salience: How much the velocity changes, 0 or more, (T,).
        events_s: Times of the events, ascending, (K,).
        weights: How strong each is, above 0 to 1, (K,).
        beats: Tempo and beats.
    """

    energy: Array
    salience: Array
    events_s: Array
    weights: Array
    beats: KnownBeats


def analyse_curves(curves: Curves) -> CurveAnalysis:
    """Return energy, events and beats of curves."""
    velocity = _velocity(curves)
    speed = np.linalg.norm(velocity, axis=1)
    energy = gaussian_filter1d(speed, _ENERGY_SIGMA_S * ANALYSIS_FPS)
    energy = energy / max(float(energy.max()), _NOTHING)
    salience = _velocity_change(velocity, curves)
    events_s, weights = _events(salience)
    beats = _beats(curves, events_s, weights, salience)
    return CurveAnalysis(energy, salience, events_s, weights, beats)


def _velocity(curves: Curves) -> Array:
    """Velocity of each column in its own deviations, (T, C)."""
    count = timebase.frames_in(curves.duration_s, ANALYSIS_FPS) + 1
    times_s = timebase.frame_times(count, ANALYSIS_FPS)
    even = np.stack([np.interp(times_s, curves.times_s, c) for c in curves.values.T], axis=1)
    # Between the rows of a slow recording nothing is known: no change is sharper than a row.
    row_s = float(np.median(np.diff(curves.times_s)))
    even = gaussian_filter1d(even, max(0.5, 0.3 * row_s * ANALYSIS_FPS), axis=0)
    velocity = np.gradient(even, axis=0)
    return np.asarray(velocity / np.maximum(velocity.std(axis=0), _NOTHING))


def _velocity_change(velocity: Array, curves: Curves) -> Array:
    """How much the velocity (T, C) changes around each frame, (T,)."""
    row_s = float(np.median(np.diff(curves.times_s)))
    reach = max(1, timebase.frames_in(max(_CHANGE_S, row_s), ANALYSIS_FPS))
    wide = np.pad(velocity, ((reach, reach), (0, 0)), mode="edge")
    return np.asarray(np.linalg.norm(wide[2 * reach :] - wide[: -2 * reach], axis=1))


def _events(salience: Array) -> tuple[Array, Array]:
    """Times and weights of the peaks of the salience."""
    top = float(salience.max())
    if top <= _NOTHING:
        return np.zeros(0), np.zeros(0)
    distance = max(1, timebase.frames_in(_EVENT_GAP_S, ANALYSIS_FPS))
    peaks = find_peaks(salience, prominence=_LEAST_EVENT * top, distance=distance)[0]
    return peaks / ANALYSIS_FPS, salience[peaks] / top


def _beats(curves: Curves, events_s: Array, weights: Array, salience: Array) -> KnownBeats:
    duration_s = curves.duration_s
    if (column := curves.tempo_column) is not None:
        return _integrated(curves.times_s, curves.values[:, column])
    if len(events_s) < 2:
        beats_s = timebase.beat_times(tempo.PRIOR_BPM, 0.0, duration_s)
        return KnownBeats(tempo.PRIOR_BPM, tuple(beats_s.tolist()), 0.0, 0.0)
    tempi = _ranked_tempi(events_s, weights)
    readings = tuple((bpm, _phase_s(bpm, events_s, weights), share) for bpm, share in tempi)
    bpm, first_s, _ = readings[0]
    beats_s = timebase.beat_times(bpm, first_s, duration_s)
    tracked_s = tempo.track_beats(salience**2, bpm)
    if len(tracked_s) > 2 and _on_beat(events_s, weights, tracked_s) > _DRIFT_GAIN * _on_beat(
        events_s, weights, beats_s
    ):
        beats_s = tracked_s[tracked_s < duration_s]
        bpm = timebase.bpm_of(float(np.mean(np.diff(beats_s))))
    confidence = _on_beat(events_s, weights, beats_s)
    bar_s = _bar_start(events_s, weights, beats_s)
    return KnownBeats(bpm, tuple(beats_s.tolist()), bar_s, confidence, readings)


def _integrated(times_s: Array, bpm: Array) -> KnownBeats:
    """Beats where the integral of a tempo curve is whole."""
    fine_s = np.arange(0.0, times_s[-1], 0.01)
    per_s = np.interp(fine_s, times_s, bpm) / 60.0
    count = np.concatenate([[0.0], np.cumsum(0.5 * (per_s[1:] + per_s[:-1]) * np.diff(fine_s))])
    beats_s = np.interp(np.arange(0.0, count[-1]), count, fine_s)
    mean = timebase.bpm_of(float(np.mean(np.diff(beats_s)))) if len(beats_s) > 1 else float(bpm[0])
    return KnownBeats(mean, tuple(beats_s.tolist()), 0.0, 1.0, ((mean, 0.0, 1.0),))


def _ranked_tempi(events_s: Array, weights: Array) -> list[tuple[float, float]]:
    """Best tempi with their share of all scores, best first."""
    tempi = np.geomspace(tempo.SLOWEST_BPM, tempo.FASTEST_BPM, _TEMPI)

    def gathered(bpm: Array, harmonic: float) -> Array:
        beats = np.outer(harmonic * bpm / 60.0, events_s)
        return np.abs(np.exp(2j * np.pi * beats) @ weights) / weights.sum()

    scores = gathered(tempi, 1.0) + _HALF_BEAT * gathered(tempi, 2.0)
    scores = scores + _PRIOR_WEIGHT * tempo.log_prior(tempi)
    order = [int(k) for k in find_peaks(np.pad(scores, 1, constant_values=-np.inf))[0] - 1]
    best: list[int] = []
    for index in sorted(order, key=lambda k: -scores[k]):
        if all(abs(np.log2(tempi[index] / tempi[other])) > 0.06 for other in best):
            best.append(index)
    best = best[:_MOST_READINGS]
    odds = np.exp(8.0 * (scores[best] - scores[best[0]]))
    refined = [_refined(float(tempi[index]), events_s, weights) for index in best]
    return [(bpm, float(odd / odds.sum())) for bpm, odd in zip(refined, odds, strict=True)]


def _refined(bpm: float, events_s: Array, weights: Array) -> float:
    """The tempo within half a percent that gathers most."""
    near = bpm * np.linspace(0.995, 1.005, 201)
    phases = np.outer(near / 60.0, events_s)
    sums = np.abs(np.exp(2j * np.pi * phases) @ weights)
    sums = sums + _HALF_BEAT * np.abs(np.exp(4j * np.pi * phases) @ weights)
    return float(near[int(np.argmax(sums))])


def _phase_s(bpm: float, events_s: Array, weights: Array) -> float:
    """Time of the first beat that brings most events onto beats."""
    period_s = timebase.beat_period_s(bpm)
    firsts_s = np.arange(_PHASES) * period_s / _PHASES
    away_s = (events_s - firsts_s[:, None] + 0.5 * period_s) % period_s - 0.5 * period_s
    score = np.exp(-(away_s**2) / (2.0 * _WIDTH_S**2)) @ weights
    best = int(np.argmax(score))
    near = np.abs(away_s[best]) < 2.0 * _WIDTH_S
    shift_s = np.average(away_s[best][near], weights=weights[near]) if near.any() else 0.0
    first_s = (firsts_s[best] + shift_s) % period_s
    return 0.0 if period_s - first_s < 1e-3 else float(first_s)


def _on_beat(events_s: Array, weights: Array, beats_s: Array) -> float:
    """Share of the events' weight on beats, each event within 50 ms or so."""
    away_s = np.abs(events_s[:, None] - beats_s).min(axis=1)
    near = np.exp(-(away_s**2) / (2.0 * _WIDTH_S**2))
    return float(near @ weights / weights.sum())


def _bar_start(events_s: Array, weights: Array, beats_s: Array) -> float:
    """The first of four beats whose every fourth carries most weight."""
    nearest = np.abs(events_s[:, None] - beats_s).argmin(axis=1)
    on_beat = np.abs(events_s - beats_s[nearest]) < 2.0 * _WIDTH_S
    sums = np.bincount(nearest[on_beat] % timebase.BEATS_IN_BAR, weights[on_beat], minlength=4)
    best = int(np.argmax(np.round(sums, 6)))
    return float(beats_s[min(best, len(beats_s) - 1)])
