"""The evidence a body gives for a tempo, and what follows from it.

Four witnesses, each a score over tempi, joint by joint and then summed:

- *rests*: local minima of a joint's speed, weighted by the root of their prominence; how well do
  they fall on beats, and half as much on half-beats?
- *turns*: moments at which a joint turns back along an axis, weighted and judged likewise;
- *repetition of effort*: autocorrelation of the joints' speeds at 1, 2, 4 and 8 beats;
- *repetition of movement*: the same for velocity vectors, because a step comes back as that step.

Each is brought to zero mean and unit deviation over the tempi and weighted, and the logarithm of a
log-normal prior around 105 bpm is added. A long dance is heard in stretches of half a minute whose
scores are added, so that a slow drift doesn't wash the evidence out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import timebase
from kinetune.motion import kinematics
from kinetune.motion.clip import MotionClip, resample

Array = NDArray[np.float64]

ANALYSIS_FPS = 60.0
# Tempi that are tried, and the prior over them (FACT's music is 80 to 135 bpm).
SLOWEST_BPM, FASTEST_BPM, _TEMPI = 60.0, 180.0, 500
PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.35
# How many deviations of the witnesses one unit of log prior is worth.
_PRIOR_WEIGHT = 2.0
# Smoothing of speed and position before their extremes are looked for.
_SPEED_SIGMA_S, _PLACE_SIGMA_S, _REPEAT_SIGMA_S = 2.5 / 60.0, 2.0 / 60.0, 3.0 / 60.0
# Smaller changes than these are the sensor's: metres a second, and metres.
_LEAST_REST, _LEAST_TURN = 0.02, 0.01
_HALF_BEAT_SHARE = 0.5
_REPEATS_BEATS = (1.0, 2.0, 4.0, 8.0)
_WEIGHTS = (1.0, 0.5, 0.5, 1.0)
_STRETCH_S, _STRETCH_HOP_S = 30.0, 20.0
# Two tempi nearer than this, octaves, are one peak.
_PEAK_WIDTH = 0.06
# Phases tried: 6 ms apart at 100 bpm.
_PHASES = 96
# A body comes to rest a moment after the beat it aims at: 40 ms (median) in made-up dances, 90 to
# 170 ms in the two real ones with known beats.
_REST_LAG_S = 0.04
# How wide a moment is when beats are laid over it.
_MOMENT_SIGMA_S = 0.03
# How hard the tracker holds to the tempo; about that of a slightly rubato drummer.
_TIGHTNESS = 300.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a body says about its tempo.

    Attributes:
        tempi_bpm: Tempi tried, ascending, (S,).
        scores: Score of each, the prior included, in deviations of the witnesses, (S,).
        pulses: Weight of rests and turns at each analysis frame, (T,).
        moments: Number of rests.
    """

    tempi_bpm: Array
    scores: Array
    pulses: Array
    moments: int


def gather(clip: MotionClip) -> Evidence:
    """Hear all witnesses on a clip of any length and rate."""
    fine = resample(clip, ANALYSIS_FPS)
    places = kinematics.joint_positions(fine)
    moving = kinematics.velocity(places, ANALYSIS_FPS)
    speed = np.linalg.norm(moving, axis=-1)
    rests = _moments(-_smooth(speed, _SPEED_SIGMA_S), _LEAST_REST)
    turns = _turns(places)
    tempi = np.geomspace(SLOWEST_BPM, FASTEST_BPM, _TEMPI)
    total = np.zeros(_TEMPI)
    for part in _stretches(len(speed)):
        witnesses = (
            _comb(rests[part], tempi),
            _comb(turns[part], tempi),
            _repetition(speed[part], tempi),
            _repetition(moving[part].reshape(part.stop - part.start, -1), tempi),
        )
        total += sum(w * _standard(s) for w, s in zip(_WEIGHTS, witnesses, strict=True))
    total /= len(_stretches(len(speed)))
    scores = total + _PRIOR_WEIGHT * log_prior(tempi)
    pulses = rests.sum(axis=1) + 0.5 * turns.sum(axis=1)
    return Evidence(tempi, scores, pulses, int((rests > 0).sum()))


def log_prior(tempi_bpm: Array) -> Array:
    """Return how likely each tempo is before anything is seen, as a logarithm, 0 at its peak."""
    octaves = np.log2(tempi_bpm / PRIOR_BPM)
    return np.asarray(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)


def peaks(evidence: Evidence) -> list[tuple[float, float]]:
    """Return the tempi that stand out with their scores, best first; at least one."""
    order = np.argsort(evidence.scores)[::-1]
    found: list[tuple[float, float]] = []
    for index in order:
        bpm = evidence.tempi_bpm[index]
        if all(abs(np.log2(bpm / other)) > _PEAK_WIDTH for other, _ in found):
            found.append((_refined(evidence, int(index)), float(evidence.scores[index])))
        if len(found) == 4:
            break
    return found


def score_at(evidence: Evidence, bpm: float) -> float:
    """Return the score of any tempo; beyond those tried, that of the nearest with its own prior."""
    value = float(np.interp(bpm, evidence.tempi_bpm, evidence.scores))
    nearest = np.clip(bpm, evidence.tempi_bpm[0], evidence.tempi_bpm[-1])
    return value + _PRIOR_WEIGHT * float(log_prior(np.array(bpm)) - log_prior(nearest))


def phase_s(evidence: Evidence, bpm: float) -> float:
    """Return the time of the first beat, in [0, period): just before most rests and turns."""
    near = gaussian_filter1d(evidence.pulses, _MOMENT_SIGMA_S * ANALYSIS_FPS)
    period_s = timebase.beat_period_s(bpm)
    firsts = np.arange(_PHASES) * period_s / _PHASES
    duration_s = timebase.duration_of(len(near), ANALYSIS_FPS)
    beats = firsts[:, None] + period_s * np.arange(max(1, int(duration_s / period_s)))
    collected = np.interp(beats * ANALYSIS_FPS, np.arange(len(near)), near).sum(axis=1)
    return float((firsts[int(np.argmax(collected))] - _REST_LAG_S) % period_s)


def evidence_at(evidence: Evidence, times_s: Array) -> float:
    """Return the mean weight of moments near the given times."""
    near = gaussian_filter1d(evidence.pulses, _MOMENT_SIGMA_S * ANALYSIS_FPS)
    rests = (times_s + _REST_LAG_S) * ANALYSIS_FPS
    return float(np.interp(rests, np.arange(len(near)), near).mean())


def track(evidence: Evidence, bpm: float) -> Array:
    """Return beats that stay near a tempo but may drift, by dynamic programming (Ellis 2007)."""
    near = gaussian_filter1d(evidence.pulses, _MOMENT_SIGMA_S * ANALYSIS_FPS)
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
    times = np.array(beats[::-1]) / ANALYSIS_FPS - _REST_LAG_S
    return times[times >= 0]


def _moments(values: Array, prominence: float) -> Array:
    """Weigh the local maxima of every column by the root of their prominence: (T, C) -> (T, C)."""
    out = np.zeros_like(values)
    for column, value in enumerate(values.T):
        found, about = find_peaks(value, prominence=prominence)
        out[found, column] = np.sqrt(about["prominences"])
    return out


def _turns(places: Array) -> Array:
    """Weigh the moments each joint turns back along an axis: (T, J, 3) -> (T, J).

    Joints are seen from the pelvis, the pelvis from the world.
    """
    seen = places - places[:, :1]
    seen[:, 0] = places[:, 0]
    flat = _smooth(seen.reshape(len(seen), -1), _PLACE_SIGMA_S)
    both = _moments(flat, _LEAST_TURN) + _moments(-flat, _LEAST_TURN)
    return both.reshape(places.shape).sum(axis=-1)


def _comb(moments: Array, tempi_bpm: Array) -> Array:
    """Sum over joints how well weighted moments (T, J) fall on beats and half-beats: (S,)."""
    # Padded so that the spectrum is finely sampled, then read at each tempo.
    size = 2 ** int(np.ceil(np.log2(8 * len(moments))))
    spectrum = np.abs(np.fft.rfft(moments, size, axis=0)).sum(axis=1)
    rates = np.fft.rfftfreq(size, 1.0 / ANALYSIS_FPS)
    beats_hz = 1.0 / np.asarray([timebase.beat_period_s(bpm) for bpm in tempi_bpm])
    half_beats = np.interp(2.0 * beats_hz, rates, spectrum)
    return np.asarray(np.interp(beats_hz, rates, spectrum) + _HALF_BEAT_SHARE * half_beats)


def _repetition(values: Array, tempi_bpm: Array) -> Array:
    """Mean autocorrelation of columns (T, C) at 1, 2, 4 and 8 beats of each tempo: (S,)."""
    smooth = _smooth(values, _REPEAT_SIGMA_S)
    smooth = smooth - smooth.mean(axis=0)
    count = len(smooth)
    spectrum = np.fft.rfft(smooth, 2 * count, axis=0)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
    raw = np.fft.irfft(power)[:count]
    unbiased = raw / np.arange(count, 0, -1) * count / max(float(raw[0]), 1e-12)
    periods = np.asarray([timebase.beat_period_s(bpm) for bpm in tempi_bpm]) * ANALYSIS_FPS
    total, heard = np.zeros(len(tempi_bpm)), np.zeros(len(tempi_bpm))
    for beats in _REPEATS_BEATS:
        # Beyond three quarters of the clip too little overlaps to mean anything.
        inside = beats * periods < 0.75 * count
        total += np.where(inside, np.interp(beats * periods, np.arange(count), unbiased), 0.0)
        heard += inside
    return total / np.maximum(heard, 1.0)


def _stretches(count: int) -> list[slice]:
    """Cut ``count`` frames into overlapping stretches of about half a minute."""
    size, hop = int(_STRETCH_S * ANALYSIS_FPS), int(_STRETCH_HOP_S * ANALYSIS_FPS)
    if count <= size + hop // 2:
        return [slice(0, count)]
    starts = list(range(0, count - size, hop))
    return [slice(start, start + size) for start in starts] + [slice(count - size, count)]


def _refined(evidence: Evidence, index: int) -> float:
    """Return the tempo of a peak to a fraction of the tried tempi's spacing (a parabola)."""
    if not 0 < index < len(evidence.scores) - 1:
        return float(evidence.tempi_bpm[index])
    below, here, above = evidence.scores[index - 1 : index + 2]
    bend = below - 2.0 * here + above
    shift = 0.5 * (below - above) / bend if bend < 0 else 0.0
    step = np.log(evidence.tempi_bpm[1] / evidence.tempi_bpm[0])
    return float(evidence.tempi_bpm[index] * np.exp(shift * step))


def _standard(scores: Array) -> Array:
    return (scores - scores.mean()) / max(float(scores.std()), 1e-9)


def _smooth(values: Array, sigma_s: float) -> Array:
    return np.asarray(gaussian_filter1d(values, sigma_s * ANALYSIS_FPS, axis=0))
