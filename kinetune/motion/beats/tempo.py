"""Tempo evidence from kinematic events and self-similarity, without any learned part.

Five cues, each a score over tempi, joint by joint and then summed:

- local minima of a joint's speed, weighted by the root of their prominence: their phase sum at
  the beat, and half as much at the half-beat;
- reversals of a joint's direction, weighted and scored likewise;
- autocorrelation of the joints' speeds at 1, 2, 4 and 8 beats;
- the same for velocity vectors, because a step comes back as that step;
- foot contacts, scored as speed minima are.

Each is brought to zero mean and unit deviation over the tempi and weighted. A long dance is
analysed in segments of half a minute whose scores are averaged, so that a slow drift doesn't wash
the evidence out. ``motion/beats/metrical_model.py`` weighs this beside the beat network;
:func:`strongest_tempi` and :func:`track` serve where only rules are wanted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter

from kinetune import timebase
from kinetune.memmap import releasing
from kinetune.motion import kinematics
from kinetune.motion.beats import kinematic_events
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, resample, resampled_count

Array = NDArray[np.float64]

# Tempi that are tried, and the prior over them (FACT's music is 80 to 135 bpm).
SLOWEST_BPM, FASTEST_BPM, _TEMPI = 60.0, 180.0, 500
PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.35
# How many deviations of the cues one unit of log prior is worth.
_PRIOR_WEIGHT = 2.3
# Smoothing before a dance is compared with itself.
_REPEAT_SIGMA_S = 3.0 / 60.0
_HALF_BEAT_SHARE = 0.5
_REPEATS_BEATS = (1.0, 2.0, 4.0, 8.0)
_CUE_WEIGHTS = (0.8, 0.4, 0.8, 1.0, 0.7)
_SEGMENT_S, _SEGMENT_HOP_S = 30.0, 20.0
# Two tempi nearer than this, octaves, are one peak.
_PEAK_WIDTH = 0.06
_MOST_TEMPI = 4
# How wide an event is when beats are laid over it.
_EVENT_SIGMA_S = 0.03
# How hard the tracker holds to the tempo; about that of a slightly rubato drummer.
_TIGHTNESS = 300.0
_SMOOTHED_BEATS = 9


@dataclass(frozen=True, eq=False)
class TempoEvidence:
    """What kinematic events say about the tempo.

    Attributes:
        tempi_bpm: Tempi tried, ascending, (S,).
        scores: Score of each, without a prior, in standard deviations of the cues, (S,).
        salience: Weight of a beat at each analysis frame, from kinematic_events.py, (T,).
        minima_count: Number of speed minima of all joints.
    """

    tempi_bpm: Array
    scores: Array
    salience: Array
    minima_count: int


@dataclass(frozen=True, eq=False)
class _SegmentEvidence:
    """One segment: score of every tempo (S,), kinds of events (K, T), count of speed minima."""

    scores: Array
    kinds: Array
    minima_count: int


def collect_evidence(clip: MotionClip) -> TempoEvidence:
    """Analyse a clip of any length and rate."""
    tempi = np.geomspace(SLOWEST_BPM, FASTEST_BPM, _TEMPI)
    segments = _segments(resampled_count(clip, ANALYSIS_FPS))
    kinds = np.zeros((kinematic_events.KINDS, segments[-1].stop))
    total, minima_count, begin = np.zeros(_TEMPI), 0, 0
    for k, part in enumerate(releasing(segments, clip.rotations)):
        segment = _segment_evidence(resample(clip, ANALYSIS_FPS, frames=part), tempi)
        total += segment.scores / len(segments)
        # Where two segments overlap, each gives the half of which it has context on both sides.
        end = part.stop if k + 1 == len(segments) else (part.stop + segments[k + 1].start) // 2
        kinds[:, begin:end] = segment.kinds[:, begin - part.start : end - part.start]
        begin, minima_count = end, minima_count + segment.minima_count
    return TempoEvidence(tempi, total, kinematic_events.beat_salience(kinds), minima_count)


def _segment_evidence(clip: MotionClip, tempi_bpm: Array) -> _SegmentEvidence:
    positions = kinematics.joint_positions(clip)
    velocity = kinematics.velocity(positions, ANALYSIS_FPS)
    speed = np.linalg.norm(velocity, axis=-1)
    minima = kinematic_events.speed_minima(speed)
    reversals = kinematic_events.direction_reversals(positions)
    contacts = kinematic_events.foot_contacts(speed)
    cues = (
        _event_periodicity(minima, tempi_bpm),
        _event_periodicity(reversals, tempi_bpm),
        _autocorrelation(speed, tempi_bpm),
        _autocorrelation(velocity.reshape(len(velocity), -1), tempi_bpm),
        _event_periodicity(contacts[:, None], tempi_bpm),
    )
    scores = sum(weight * _zscore(cue) for weight, cue in zip(_CUE_WEIGHTS, cues, strict=True))
    sums = (minima.sum(axis=1), reversals.sum(axis=1), contacts)
    kinds = np.stack([*sums, kinematic_events.pelvis_minima(positions)])
    return _SegmentEvidence(np.asarray(scores), kinds, int((minima > 0).sum()))


def log_prior(tempi_bpm: Array) -> Array:
    """Return how likely each tempo is before anything is seen, as a logarithm, 0 at its peak."""
    octaves = np.log2(tempi_bpm / PRIOR_BPM)
    return np.asarray(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)


def strongest_tempi(evidence: TempoEvidence) -> list[tuple[float, float]]:
    """Return the best tempi under the prior, bpm, and their scores, best first; at least one."""
    scores = evidence.scores + _PRIOR_WEIGHT * log_prior(evidence.tempi_bpm)
    inside = scores[1:-1]
    tops = 1 + np.flatnonzero((inside >= scores[:-2]) & (inside > scores[2:]))
    tops = tops if len(tops) else np.array([int(np.argmax(scores))])
    strongest: list[tuple[float, float]] = []
    for index in tops[np.argsort(scores[tops])[::-1]]:
        bpm = float(evidence.tempi_bpm[index])
        if all(abs(np.log2(bpm / other)) > _PEAK_WIDTH for other, _ in strongest):
            strongest.append((bpm, float(scores[index])))
        if len(strongest) == _MOST_TEMPI:
            break
    return strongest


def salience_at(evidence: TempoEvidence, times_s: Array) -> Array:
    """Return the blurred salience at given times, in units of its deviation, same shape."""
    blurred = _blurred(evidence.salience)
    frames = np.arange(len(blurred), dtype=np.float64)
    return np.interp(times_s * ANALYSIS_FPS, frames, blurred) / max(float(blurred.std()), 1e-9)


def track(evidence: TempoEvidence, bpm: float) -> Array:
    """Return beats, seconds, that stay near a tempo but may drift, by the rules' salience."""
    return track_beats(evidence.salience, bpm)


def track_beats(activation: Array, bpm: float) -> Array:
    """Return beats that stay near a tempo but may drift, by dynamic programming (Ellis 2007).

    What is left of the frames' grain in them is smoothed away.

    Args:
        activation: How likely a beat is at each analysis frame, (T,), in any unit.
        bpm: The tempo to stay near.

    Returns:
        Times of the beats, seconds, ascending.
    """
    near = _blurred(activation)
    near = near / max(float(near.std()), 1e-9)
    period = timebase.beat_period_s(bpm) * ANALYSIS_FPS
    steps = np.arange(round(period * 0.8), round(period * 1.25) + 1)
    cost = _TIGHTNESS * np.log(steps / period) ** 2
    best, back = near.copy(), np.full(len(near), -1)
    for frame in range(steps[0], len(near)):
        known = steps <= frame
        before = best[frame - steps[known]] - cost[known]
        choice = int(np.argmax(before))
        if before[choice] > 0:
            best[frame] += before[choice]
            back[frame] = frame - steps[choice]
    frame = int(len(near) - steps[-1] + np.argmax(best[-steps[-1] :]))
    beats = [frame]
    while (frame := int(back[frame])) >= 0:
        beats.append(frame)
    return _smoothed(np.array(beats[::-1]) / ANALYSIS_FPS)


def _smoothed(beats_s: Array) -> Array:
    """Beats on a curve of the second degree through their neighbours, where there are enough."""
    if len(beats_s) < _SMOOTHED_BEATS:
        return beats_s
    return np.asarray(savgol_filter(beats_s, _SMOOTHED_BEATS, 2, mode="interp"))


def _blurred(values: Array) -> Array:
    """Spread values (T,) at analysis frames as wide as an event."""
    return np.asarray(gaussian_filter1d(values, _EVENT_SIGMA_S * ANALYSIS_FPS))


def _event_periodicity(events: Array, tempi_bpm: Array) -> Array:
    """Sum over joints how well weighted events (T, J) fall on beats and half-beats: (S,)."""
    # Padded so that the spectrum is finely sampled, then read at each tempo.
    size = 2 ** int(np.ceil(np.log2(8 * len(events))))
    spectrum = np.abs(np.fft.rfft(events, size, axis=0)).sum(axis=1)
    rates = np.fft.rfftfreq(size, 1.0 / ANALYSIS_FPS)
    beats_hz = 1.0 / np.asarray([timebase.beat_period_s(bpm) for bpm in tempi_bpm])
    half_beats = np.interp(2.0 * beats_hz, rates, spectrum)
    return np.asarray(np.interp(beats_hz, rates, spectrum) + _HALF_BEAT_SHARE * half_beats)


def _autocorrelation(values: Array, tempi_bpm: Array) -> Array:
    """Mean autocorrelation of columns (T, C) at 1, 2, 4 and 8 beats of each tempo: (S,)."""
    smooth = gaussian_filter1d(values, _REPEAT_SIGMA_S * ANALYSIS_FPS, axis=0)
    smooth = smooth - smooth.mean(axis=0)
    count = len(smooth)
    spectrum = np.fft.rfft(smooth, 2 * count, axis=0)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    raw = np.fft.irfft(power)[:count]
    unbiased = raw / np.arange(count, 0, -1) * count / max(float(raw[0]), 1e-12)
    periods = np.asarray([timebase.beat_period_s(bpm) for bpm in tempi_bpm]) * ANALYSIS_FPS
    total, counted = np.zeros(len(tempi_bpm)), np.zeros(len(tempi_bpm))
    for beats in _REPEATS_BEATS:
        # Beyond three quarters of the clip too little overlaps to mean anything.
        inside = beats * periods < 0.75 * count
        total += np.where(inside, np.interp(beats * periods, np.arange(count), unbiased), 0.0)
        counted += inside
    return total / np.maximum(counted, 1.0)


def _segments(count: int) -> list[slice]:
    """Cut ``count`` frames into overlapping segments of about half a minute."""
    size, hop = int(_SEGMENT_S * ANALYSIS_FPS), int(_SEGMENT_HOP_S * ANALYSIS_FPS)
    if count <= size + hop // 2:
        return [slice(0, count)]
    starts = list(range(0, count - size, hop))
    return [slice(start, start + size) for start in starts] + [slice(count - size, count)]


def _zscore(scores: Array) -> Array:
    return (scores - scores.mean()) / max(float(scores.std()), 1e-9)
