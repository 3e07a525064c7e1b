"""The evidence a body gives for a tempo, and what follows from it.

Six witnesses, each a score over tempi, joint by joint and then summed:

- *rests*: local minima of a joint's speed, weighted by the root of their prominence; how well do
  they fall on beats, and half as much on half-beats?
- *turns*: moments at which a joint turns back along an axis, weighted and judged likewise;
- *repetition of effort*: autocorrelation of the joints' speeds at 1, 2, 4 and 8 beats;
- *repetition of movement*: the same for velocity vectors, because a step comes back as that step;
- *landings*: the moments feet come to stand, judged as rests are;
- *learned*: how likely a small network finds a beat at each moment, judged likewise.

Each is brought to zero mean and unit deviation over the tempi and weighted, and the logarithm of a
log-normal prior around 105 bpm is added. A long dance is heard in stretches of half a minute whose
scores are added, so that a slow drift doesn't wash the evidence out.

Where the beats lie at that tempo is read off the pulses of ``motion/beats/kinematic_events.py``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter
from scipy.special import expit

from kinetune import timebase
from kinetune.memmap import releasing
from kinetune.motion import kinematics
from kinetune.motion.beats import kinematic_events
from kinetune.motion.beats.beat_network import body_rows, bundled_network
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, resample, resampled_count

Array = NDArray[np.float64]

# Tempi that are tried, and the prior over them (FACT's music is 80 to 135 bpm).
SLOWEST_BPM, FASTEST_BPM, _TEMPI = 60.0, 180.0, 500
PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.35
# How many deviations of the witnesses one unit of log prior is worth.
_PRIOR_WEIGHT = 2.3
# Smoothing before a dance is compared with itself.
_REPEAT_SIGMA_S = 3.0 / 60.0
_HALF_BEAT_SHARE = 0.5
_REPEATS_BEATS = (1.0, 2.0, 4.0, 8.0)
_WEIGHTS = (0.8, 0.4, 0.8, 1.0, 0.7, 0.7)
_STRETCH_S, _STRETCH_HOP_S = 30.0, 20.0
# Two tempi nearer than this, octaves, are one peak.
_PEAK_WIDTH = 0.06
_RIVALS = 4
# The tempo is refined by the pulses within this share of the witnesses' peak, in such steps.
_REFINED_SHARE, _REFINED_STEPS = 0.012, 97
# How wide a pulse is when beats are laid over it.
_PULSE_SIGMA_S = 0.03
# No single moment speaks for or against a bar with more than these log odds.
_SUREST = 5.0
# How hard the tracker holds to the tempo; about that of a slightly rubato drummer.
_TIGHTNESS = 300.0
_SMOOTHED_BEATS = 9


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a body says about its tempo.

    Attributes:
        tempi_bpm: Tempi tried, ascending, (S,).
        scores: Score of each, the prior included, in deviations of the witnesses, (S,).
        pulses: Weight of a beat at each analysis frame, see motion/beats/kinematic_events.py, (T,).
        bars: How much the network believes in a bar's first beat at each analysis frame, log odds,
            (T,).
        rests: Number of rests.
    """

    tempi_bpm: Array
    scores: Array
    pulses: Array
    bars: Array
    rests: int


def gather(clip: MotionClip, *, network: bool = True) -> Evidence:
    """Hear all witnesses on a clip of any length and rate.

    Args:
        clip: Any dance.
        network: Whether the network is one of them; else only the rules are heard.
    """
    tempi = np.geomspace(SLOWEST_BPM, FASTEST_BPM, _TEMPI)
    stretches = _stretches(resampled_count(clip, ANALYSIS_FPS))
    kinds = np.zeros((kinematic_events.KINDS, stretches[-1].stop))
    bars = np.zeros(stretches[-1].stop)
    total, rests = np.zeros(_TEMPI), 0
    begin = 0
    for k, part in enumerate(releasing(stretches, clip.rotations)):
        heard = _hear(resample(clip, ANALYSIS_FPS, frames=part), tempi, network)
        total += heard.score / len(stretches)
        # Where two stretches overlap, each speaks for the half it sees both sides of.
        end = part.stop if k + 1 == len(stretches) else (part.stop + stretches[k + 1].start) // 2
        mine = slice(begin - part.start, end - part.start)
        kinds[:, begin:end], bars[begin:end] = heard.kinds[:, mine], heard.bars[mine]
        begin, rests = end, rests + heard.rests
    scores = total + _PRIOR_WEIGHT * log_prior(tempi)
    return Evidence(tempi, scores, kinematic_events.pulses(kinds), bars, rests)


@dataclass(frozen=True, eq=False)
class _Heard:
    """One stretch: score of every tempo (S,), kinds of moments (K, T), bars (T,), rests."""

    score: Array
    kinds: Array
    bars: Array
    rests: int


def _hear(clip: MotionClip, tempi: Array, network: bool) -> _Heard:
    places = kinematics.joint_positions(clip)
    moving = kinematics.velocity(places, ANALYSIS_FPS)
    speed = np.linalg.norm(moving, axis=-1)
    rests, turns = kinematic_events.rests(speed), kinematic_events.local_rotations(places)
    landings = kinematic_events.landings(speed)
    likely, bars = _believed(clip) if network else np.zeros((2, clip.frame_count))
    witnesses = (
        _comb(rests, tempi),
        _comb(turns, tempi),
        _repetition(speed, tempi),
        _repetition(moving.reshape(len(moving), -1), tempi),
        _comb(landings[:, None], tempi),
        _comb((likely - likely.mean())[:, None], tempi),
    )
    score = sum(w * _standard(s) for w, s in zip(_WEIGHTS, witnesses, strict=True))
    marks = (rests.sum(axis=1), turns.sum(axis=1), landings, kinematic_events.sinks(places))
    kinds = np.stack([*marks, kinematic_events.learned(likely)])
    return _Heard(np.asarray(score), kinds, bars, int((rests > 0).sum()))


def _believed(clip: MotionClip) -> tuple[Array, Array]:
    """How likely each frame is a beat, and the log odds of a bar's first: (T,) each."""
    logits = bundled_network()(body_rows(clip)).astype(np.float64)
    rows = np.arange(clip.frame_count) * timebase.MOTION_FPS / clip.fps
    known = np.arange(len(logits), dtype=np.float64)
    beat, bar = (np.interp(rows, known, column) for column in logits.T)
    return expit(beat), np.clip(bar, -_SUREST, _SUREST)


def log_prior(tempi_bpm: Array) -> Array:
    """Return how likely each tempo is before anything is seen, as a logarithm, 0 at its peak."""
    octaves = np.log2(tempi_bpm / PRIOR_BPM)
    return np.asarray(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)


def peaks(evidence: Evidence) -> list[tuple[float, float]]:
    """Return the tempi that stand out with their scores, best first; at least one."""
    inside = evidence.scores[1:-1]
    tops = 1 + np.flatnonzero((inside >= evidence.scores[:-2]) & (inside > evidence.scores[2:]))
    tops = tops if len(tops) else np.array([int(np.argmax(evidence.scores))])
    found: list[tuple[float, float]] = []
    for index in tops[np.argsort(evidence.scores[tops])[::-1]]:
        bpm = _refined(evidence, int(index))
        if all(abs(np.log2(bpm / other)) > _PEAK_WIDTH for other, _ in found):
            found.append((bpm, float(evidence.scores[index])))
        if len(found) == _RIVALS:
            break
    return found


def score_at(evidence: Evidence, bpm: float) -> float:
    """Return the score of any tempo; beyond those tried, that of the nearest with its own prior."""
    value = float(np.interp(bpm, evidence.tempi_bpm, evidence.scores))
    nearest = np.clip(bpm, evidence.tempi_bpm[0], evidence.tempi_bpm[-1])
    return value + _PRIOR_WEIGHT * float(log_prior(np.array(bpm)) - log_prior(nearest))


def phase_s(evidence: Evidence, bpm: float) -> float:
    """Return the time of the first beat, in [0, period): where the pulses gather."""
    turns = np.angle(_gathered(evidence, np.array([bpm])))[0] / (2.0 * np.pi)
    period_s = timebase.beat_period_s(bpm)
    return float(turns * period_s % period_s)


def sharpened(evidence: Evidence, bpm: float) -> float:
    """Return the tempo next to ``bpm`` on whose beats and half-beats the pulses gather best."""
    near = bpm * np.linspace(1.0 - _REFINED_SHARE, 1.0 + _REFINED_SHARE, _REFINED_STEPS)
    half_beats = _HALF_BEAT_SHARE * np.abs(_gathered(evidence, 2.0 * near))
    return float(near[np.argmax(np.abs(_gathered(evidence, near)) + half_beats)])


def evidence_at(evidence: Evidence, times_s: Array) -> float:
    """Return the mean weight of pulses near the given times."""
    near = _blurred(evidence.pulses)
    return float(np.interp(times_s * ANALYSIS_FPS, np.arange(len(near)), near).mean())


def bar_start(evidence: Evidence, beats_s: Array, beats_in_bar: int) -> int:
    """Return which of the first beats opens a bar, as the network believes: 0 to one less."""
    if len(beats_s) < beats_in_bar:
        return 0
    near = _blurred(evidence.bars)
    told = np.interp(beats_s * ANALYSIS_FPS, np.arange(len(near)), near)
    return int(np.argmax([told[first::beats_in_bar].mean() for first in range(beats_in_bar)]))


def track(evidence: Evidence, bpm: float) -> Array:
    """Return beats that stay near a tempo but may drift, by dynamic programming (Ellis 2007).

    What is left of the frames' grain in them is smoothed away.
    """
    near = _blurred(evidence.pulses)
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


def _gathered(evidence: Evidence, tempi_bpm: Array) -> Array:
    """Sum the pulses as turns of a wheel, once round a beat: complex, (S,)."""
    frames = np.flatnonzero(evidence.pulses)
    weights, turning = evidence.pulses[frames], 2j * np.pi * frames / ANALYSIS_FPS
    # One tempo at a time: an hour's pulses by all tempi at once would fill the memory.
    periods_s = (timebase.beat_period_s(bpm) for bpm in tempi_bpm)
    return np.array([np.exp(turning / period_s) @ weights for period_s in periods_s])


def _blurred(values: Array) -> Array:
    """Spread values (T,) at analysis frames as wide as a pulse."""
    return np.asarray(gaussian_filter1d(values, _PULSE_SIGMA_S * ANALYSIS_FPS))


def _comb(events: Array, tempi_bpm: Array) -> Array:
    """Sum over joints how well weighted events (T, J) fall on beats and half-beats: (S,)."""
    # Padded so that the spectrum is finely sampled, then read at each tempo.
    size = 2 ** int(np.ceil(np.log2(8 * len(events))))
    spectrum = np.abs(np.fft.rfft(events, size, axis=0)).sum(axis=1)
    rates = np.fft.rfftfreq(size, 1.0 / ANALYSIS_FPS)
    beats_hz = 1.0 / np.asarray([timebase.beat_period_s(bpm) for bpm in tempi_bpm])
    half_beats = np.interp(2.0 * beats_hz, rates, spectrum)
    return np.asarray(np.interp(beats_hz, rates, spectrum) + _HALF_BEAT_SHARE * half_beats)


def _repetition(values: Array, tempi_bpm: Array) -> Array:
    """Mean autocorrelation of columns (T, C) at 1, 2, 4 and 8 beats of each tempo: (S,)."""
    smooth = gaussian_filter1d(values, _REPEAT_SIGMA_S * ANALYSIS_FPS, axis=0)
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
