"""One probabilistic model of tempo, beat, bar and metre: a bar-pointer state space.

A hidden state is a tempo and a position in a bar of three or four beats (Whiteley, Cemgil and
Godsill 2006; Krebs, Böck and Widmer 2015). Observations are the beat network's phasors and the
salience and tempo scores of the rules. The position is kept relative to a pointer that turns
steadily at the state's tempo, so that a steady dance is one state and its likelihood the Fourier
sum of the phasors. From second to second the tempo may move to a neighbour and the position by one
bin: the same code reads three seconds and an hour. Forward and backward messages give the
posterior; its modes are the *readings* of the dance. Where a long dance drifts, its beats are
tracked from the reading's tempo (Ellis 2007).

The weights below were fitted by maximum likelihood on dancers left out of the network's training,
so that a reading's probability comes near the share of such readings that are right
(docs/beat-network.md has the reliability table).

Axes: T frames at 15 a second, B blocks of one second, K tempi, P positions in the bar, H harmonics.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kinetune import timebase
from kinetune.motion.beats.beat_network import HARMONICS, OUTPUT_FPS
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.tempo import track_beats

Array = NDArray[np.float64]

#: Beats to the bar that are tried, and how likely each is beforehand.
METRES = {4: 0.97, 3: 0.03}
SLOWEST_BPM, FASTEST_BPM = 56.0, 204.0
_TEMPI = 88
BINS_PER_BEAT = 24
_BLOCK = int(OUTPUT_FPS)
# Chance a second that the tempo moves by one step of 1.5 %, and the position by one bin.
_TEMPO_CHANGE, _PHASE_CHANGE = 0.06, 0.04
# Two hypotheses nearer than this in tempo (octaves) and position (seconds) are one reading.
_SAME_TEMPO, _SAME_POSITION_S = 0.057, 0.07
MOST_READINGS = 5
# Two modes are taken for two readings only if they are this many times as far apart.
_APART = 1.8
_LEAST_PROBABILITY = 1e-3
# From this length on a tempo has time to drift; a drifting grid must gather so much more.
_DRIFT_FROM_S, _DRIFT_GAIN = 20.0, 1.1
# Beyond this length of a dance a second counts no less.
_LONGEST_S = 60.0
# No phasor is taken to be longer than this.
_SUREST = 0.95
_REFINED_RANGE, _REFINED_STEPS = 0.012, 49


@dataclass(frozen=True)
class ModelWeights:
    """How much each observation counts, in natural logarithms of likelihood.

    Attributes:
        phasors: Of each harmonic of the network's phasors, (H,).
        salience: Of the first three harmonics of the rules' salience.
        tempo_scores: Of one deviation of the rules' tempo scores.
        prior_bpm: Centre of the log-normal prior over the tempo.
        prior_octaves: Its deviation.
        full_s: From this duration on evidence grows with its square root only.
        platt: Slope and offset of the final scaling of a reading's log odds.
    """

    phasors: tuple[float, ...]
    salience: tuple[float, float, float]
    tempo_scores: float
    prior_bpm: float
    prior_octaves: float
    full_s: float = 10.0
    platt: tuple[float, float] = (1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Observations:
    """What the model explains, 15 frames a second.

    Attributes:
        phasors: The network's expected phasors, cosine and sine a harmonic, (T, 2 H).
        salience: The rules' salience, unit deviation, (T,).
        tempi_bpm: Tempi of ``tempo_scores``, ascending, (S,).
        tempo_scores: The rules' score of each tempo, (S,).
        duration_s: Length of the dance.
        reliability: Share of the evidence that is believed, 0 to 1.
    """

    phasors: Array
    salience: Array
    tempi_bpm: Array
    tempo_scores: Array
    duration_s: float
    reliability: float = 1.0

    @property
    def times_s(self) -> Array:
        """Time of each frame, (T,): midway between two frames at 30 fps."""
        return timebase.frame_times(len(self.phasors), OUTPUT_FPS) + 0.25 / OUTPUT_FPS


@dataclass(frozen=True)
class Constraints:
    """What the caller knows.

    Attributes:
        bpm: The tempo, held steadily.
        first_beat_s: Time of a beat that opens a bar.
        metre: Beats to the bar.
    """

    bpm: float | None = None
    first_beat_s: float | None = None
    metre: int | None = None


@dataclass(frozen=True)
class Reading:
    """One way to count a dance.

    Attributes:
        bpm: Beats a minute; the mean where the tempo drifts.
        first_beat_s: Time of the first beat, in [0, period).
        bar_start_s: Time of a beat that opens a bar, the first within the dance.
        metre: Beats to the bar.
        probability: That tempo (within 4 %) and beats (within 70 ms) are right.
    """

    bpm: float
    first_beat_s: float
    bar_start_s: float
    metre: int
    probability: float


@dataclass(frozen=True, eq=False)
class _Posterior:
    """What one metre's states tell.

    Attributes:
        metre: Beats to the bar.
        tempi_bpm: (K,).
        block_logs: Log likelihood of each block and state, (B, K, P).
        forward: Scaled forward messages, (B, K, P).
        middle: Posterior of tempo and position at the middle of the dance, (K, P).
        log_evidence: Log probability of all observations and of the metre.
    """

    metre: int
    tempi_bpm: Array
    block_logs: NDArray[np.float32]
    forward: NDArray[np.float32]
    middle: Array
    log_evidence: float

    @property
    def bars(self) -> Array:
        """``middle`` by beat of the bar and position in the beat, (K, metre, P / metre)."""
        return self.middle.reshape(len(self.tempi_bpm), self.metre, BINS_PER_BEAT)


class MetricalModel:
    """The model fitted to one dance.

    Args:
        observations: What is seen of the dance.
        constraints: What is known; it restricts the states.
        weights: Other weights than the bundled ones.
    """

    def __init__(
        self,
        observations: Observations,
        constraints: Constraints | None = None,
        weights: ModelWeights | None = None,
    ) -> None:
        self._seen = observations
        self._known = constraints or Constraints()
        self._weights = weights or BUNDLED_WEIGHTS
        metres = [self._known.metre] if self._known.metre else list(METRES)
        self._times_s = self._seen.times_s
        self._block_times_s = self._block_middles()
        self._tempi = self._tempi_tried()
        posteriors = [self._posterior(metre) for metre in metres]
        total = np.logaddexp.reduce([each.log_evidence for each in posteriors])
        self._posteriors = [
            replace(each, middle=each.middle * np.exp(each.log_evidence - total))
            for each in posteriors
        ]
        self._beats = np.sum([each.bars.sum(axis=1) for each in self._posteriors], axis=0)

    def readings(self) -> tuple[Reading, ...]:
        """Return the best readings, most likely first.

        The same tempo half a beat off, and half and double time, are always among them (unless the
        constraints exclude them), however unlikely.
        """
        readings: list[Reading] = []
        left = self._beats.copy()
        for _ in range(MOST_READINGS):
            if readings and left.sum() < _LEAST_PROBABILITY:
                break
            peak = np.unravel_index(int(np.argmax(_pooled(left))), left.shape)
            tempo, position = int(peak[0]), int(peak[1])
            mode = self._mode(tempo, position)
            if not any(_same(mode, known) for known in readings):
                readings.append(mode)
            # What lies just outside a reading is still the same reading, less exactly.
            left = np.where(_near(self._tempi, tempo, position, wide=_APART), 0.0, left)
        best = max(readings, key=lambda reading: reading.probability)
        for rival in self._rivals(best):
            if not any(_same(rival, known) for known in readings):
                readings.append(rival)
        readings = self._calibrated(readings)
        return tuple(sorted(readings, key=lambda reading: -reading.probability))

    def _calibrated(self, readings: list[Reading]) -> list[Reading]:
        """Scale the log odds of each reading; together they stay at most 1."""
        slope, offset = self._weights.platt
        odds = np.clip([reading.probability for reading in readings], 1e-9, 1.0 - 1e-9)
        scaled = expit(slope * logit(odds) + offset)
        scaled = scaled / max(1.0, float(scaled.sum()))
        return [
            replace(reading, probability=float(value))
            for reading, value in zip(readings, scaled, strict=True)
        ]

    def beats(self, reading: Reading) -> tuple[Array, bool]:
        """Return the beats of a reading within the dance, and whether they are steady.

        In dances long enough to drift, beats are tracked from the reading's tempo through the beat
        activation; they are taken where they gather clearly more of it than steady ones.
        """
        duration_s = self._seen.duration_s
        steady = timebase.beat_times(reading.bpm, reading.first_beat_s, duration_s)
        constrained = self._known.bpm is not None or self._known.first_beat_s is not None
        if constrained or duration_s < _DRIFT_FROM_S:
            return steady, True
        activation = self.activation
        frames_s = timebase.frame_times(len(activation), ANALYSIS_FPS)
        tracked = track_beats(activation, reading.bpm)
        if len(tracked) < 3:
            return steady, True
        gathered = [np.interp(times, frames_s, activation).mean() for times in (steady, tracked)]
        if gathered[1] < _DRIFT_GAIN * gathered[0]:
            return steady, True
        return tracked, False

    @property
    def activation(self) -> Array:
        """How much the network believes in a beat at each analysis frame (60 a second), (T,)."""
        beat = np.array([h >= 1.0 for h in HARMONICS])
        weights = np.array(self._weights.phasors)[beat]
        cosines = self._seen.phasors[:, 0::2][:, beat] @ (weights / weights.max())
        count = timebase.frames_in(self._seen.duration_s, ANALYSIS_FPS)
        times_s = timebase.frame_times(count, ANALYSIS_FPS)
        return np.interp(times_s, self._times_s, np.maximum(cosines, 0.0))

    # The posterior

    @property
    def _middle_s(self) -> float:
        return float(self._times_s.mean())

    @property
    def _block_starts(self) -> NDArray[np.int64]:
        return np.arange(0, max(len(self._seen.phasors) - _BLOCK // 2, 1), _BLOCK)

    def _block_middles(self) -> Array:
        starts = self._block_starts
        stops = np.append(starts[1:], len(self._times_s))
        return np.array([self._times_s[a:b].mean() for a, b in zip(starts, stops, strict=True)])

    def _posterior(self, metre: int) -> _Posterior:
        tempi = self._tempi
        logs = self._block_likelihoods(tempi, metre)
        prior = self._log_prior(tempi, metre)
        forward, log_evidence = self._forward(logs, prior)
        middle = self._at_middle(forward, logs)
        log_metre = 0.0 if self._known.metre else float(np.log(METRES[metre]))
        return _Posterior(metre, tempi, logs, forward, middle, log_evidence + log_metre)

    @property
    def _scale(self) -> float:
        """How much a second counts: less in long dances, whose errors are alike."""
        full_s = self._weights.full_s
        long = np.sqrt(full_s / np.clip(self._seen.duration_s, full_s, _LONGEST_S))
        return float(self._seen.reliability * long)

    def _tempi_tried(self) -> Array:
        if self._known.bpm is not None:
            return np.array([self._known.bpm])
        return np.geomspace(SLOWEST_BPM, FASTEST_BPM, _TEMPI)

    def _log_prior(self, tempi_bpm: Array, metre: int) -> Array:
        """Log prior of tempo and position, the rules' tempo scores included: (K, P)."""
        weights, seen = self._weights, self._seen
        octaves = np.log2(tempi_bpm / weights.prior_bpm) / weights.prior_octaves
        scores = np.interp(np.log(tempi_bpm), np.log(seen.tempi_bpm), seen.tempo_scores)
        logs = seen.reliability * weights.tempo_scores * scores - 0.5 * octaves**2
        logs = logs - np.logaddexp.reduce(logs)
        positions = metre * BINS_PER_BEAT
        out = np.repeat(logs[:, None], positions, axis=1) - np.log(positions)
        if self._known.first_beat_s is not None:
            out = out + self._known_position(tempi_bpm, metre)
        return out

    def _known_position(self, tempi_bpm: Array, metre: int) -> Array:
        """Log weights that allow only states that open a bar at the named time: (K, P)."""
        position = np.arange(metre * BINS_PER_BEAT) / BINS_PER_BEAT
        count = tempi_bpm[:, None] / 60.0 * (self._known.first_beat_s or 0.0) + position
        away = np.abs((count + metre / 2.0) % metre - metre / 2.0) * BINS_PER_BEAT
        return np.where(away <= 0.51, 0.0, -np.inf)

    def _block_likelihoods(self, tempi_bpm: Array, metre: int) -> NDArray[np.float32]:
        """Log likelihood of every block for every state, (B, K, P)."""
        turning = 2.0 * np.pi * np.outer(self._times_s, tempi_bpm / 60.0)
        position = 2.0 * np.pi * np.arange(metre * BINS_PER_BEAT) / BINS_PER_BEAT
        sums, shapes = [], []
        for harmonic, phasor in self._weighted_phasors(metre):
            wave = np.exp(-1j * harmonic * turning)
            summed = np.add.reduceat(phasor[:, None] * wave, self._block_starts, axis=0)
            sums += [summed.real, summed.imag]
            shapes += [np.cos(harmonic * position), np.sin(harmonic * position)]
        return (self._scale * np.stack(sums, axis=-1) @ np.stack(shapes)).astype(np.float32)

    def _weighted_phasors(self, metre: int) -> list[tuple[float, NDArray[np.complex128]]]:
        """Weighted phasor at each frame of every harmonic of the beat, (T,) each.

        A bar of three has no phasors of its own: what the network believes of a downbeat is counted
        in threes instead.
        """
        weights, seen = self._weights, self._seen
        weighted = concentrations(seen.phasors) * np.array(weights.phasors)
        beat = [h >= 1.0 for h in HARMONICS]
        out = [(h, weighted[:, k]) for k, h in enumerate(HARMONICS) if beat[k]]
        out = [
            (h, phasor + weight * seen.salience)
            for (h, phasor), weight in zip(out, weights.salience, strict=True)
        ]
        if metre == 4:
            return out + [(h, weighted[:, k]) for k, h in enumerate(HARMONICS) if not beat[k]]
        downbeat = sum(weighted[:, k].real for k in range(len(HARMONICS)) if not beat[k])
        return [*out, *((step / metre, downbeat + 0j) for step in range(1, metre))]

    def _forward(
        self, logs: NDArray[np.float32], prior: Array
    ) -> tuple[NDArray[np.float32], float]:
        """Return normalised forward messages (B, K, P) and the log evidence."""
        messages = np.empty(logs.shape, dtype=np.float32)
        start = prior.max()
        belief = np.exp(prior - start)
        evidence = float(start)
        for block, block_logs in enumerate(logs):
            if block:
                belief = self._moved(belief, self._block_times_s[block])
            peak = float(block_logs.max())
            belief = belief * np.exp(block_logs - peak)
            total = float(belief.sum())
            evidence += peak + float(np.log(max(total, 1e-300)))
            belief = belief / max(total, 1e-300)
            messages[block] = belief
        return messages, evidence

    def _at_middle(self, forward: NDArray[np.float32], logs: NDArray[np.float32]) -> Array:
        """Posterior of tempo and position *at the middle of the dance*, (K, P)."""
        middle = len(logs) // 2
        behind = np.ones(logs.shape[1:])
        for block in range(len(logs) - 1, middle, -1):
            behind = behind * np.exp(logs[block] - logs[block].max())
            # Moves are symmetric: going back is going forward.
            behind = self._moved(behind, self._block_times_s[block])
            behind = behind / max(float(behind.sum()), 1e-300)
        belief = forward[middle] * behind
        shift = np.round(self._tempi / 60.0 * self._middle_s * BINS_PER_BEAT).astype(int)
        belief = _rolled(belief, shift)
        return np.asarray(belief / max(float(belief.sum()), 1e-300))

    def _moved(self, belief: Array, time_s: float) -> Array:
        """Let tempo and position move between two blocks, (K, P) -> (K, P)."""
        tempi_bpm = self._tempi
        side = 0.5 * _PHASE_CHANGE
        out = (1.0 - _PHASE_CHANGE) * belief
        out += side * (np.roll(belief, 1, axis=1) + np.roll(belief, -1, axis=1))
        if len(tempi_bpm) == 1:
            return out
        half = 0.5 * _TEMPO_CHANGE
        moved = (1.0 - _TEMPO_CHANGE) * out
        # At the moment of change the position in the bar stays; relative to the pointer it jumps.
        jump = np.diff(tempi_bpm) / 60.0 * time_s * BINS_PER_BEAT
        bins = np.round(jump).astype(np.int64)
        moved[1:] += half * _rolled(out[:-1], -bins)
        moved[:-1] += half * _rolled(out[1:], bins)
        return moved

    # Readings

    def _rivals(self, best: Reading) -> list[Reading]:
        """Half a beat off, and half and double time: always worth saying, exactly so."""
        out = []
        for factor, shift in ((1.0, 0.5), (0.5, 0.0), (2.0, 0.0)):
            bpm = best.bpm * factor
            if self._known.bpm is not None and factor != 1.0:
                continue
            period_s = timebase.beat_period_s(bpm)
            start_s = (best.bar_start_s + shift * period_s) % (best.metre * period_s)
            rival = Reading(bpm, start_s % period_s, start_s, best.metre, 0.0)
            if self._tempi[0] * 0.99 <= bpm <= self._tempi[-1] * 1.01:
                tempo = int(np.argmin(np.abs(np.log(self._tempi / bpm))))
                middle = (self._middle_s - rival.first_beat_s) / period_s
                near = _near(self._tempi, tempo, round(middle * BINS_PER_BEAT) % BINS_PER_BEAT)
                rival = replace(rival, probability=float((self._beats * near).sum()))
            out.append(rival)
        return [reading for reading in out if self._opens_at_known(reading)]

    def _opens_at_known(self, reading: Reading) -> bool:
        if self._known.first_beat_s is None:
            return True
        period_s = timebase.beat_period_s(reading.bpm)
        beats = (self._known.first_beat_s - reading.first_beat_s) / period_s
        return abs(beats - round(beats)) < 0.1

    def _mode(self, tempo: int, position: int) -> Reading:
        """Return the reading around a tempo and a position of the beat at the middle."""
        near = _near(self._tempi, tempo, position)
        bars = [(each.bars * near[:, None]).sum(axis=(0, 2)) for each in self._posteriors]
        best = int(np.argmax([mass.sum() for mass in bars]))
        metre, number = self._posteriors[best].metre, int(np.argmax(bars[best]))
        bpm, at_middle = self._refined(self._tempi, tempo, position)
        period_s = timebase.beat_period_s(bpm)
        bar_s = metre * period_s
        start_s = (self._middle_s - (number + at_middle) * period_s) % bar_s
        if self._known.first_beat_s is not None:
            start_s = self._known.first_beat_s % bar_s
        start_s = 0.0 if bar_s - start_s < 1e-6 else start_s
        first_s = start_s % period_s
        first_s = 0.0 if period_s - first_s < 1e-6 else first_s
        return Reading(bpm, first_s, start_s, metre, float((self._beats * near).sum()))

    def _refined(self, tempi_bpm: Array, tempo: int, position: int) -> tuple[float, float]:
        """Return the tempo next to a state's, and the beat's position at the middle, in beats.

        The steady grid of the highest likelihood within 1.2 % and 70 ms.
        """
        bpm = float(tempi_bpm[tempo])
        if self._known.bpm is not None:
            near = np.array([self._known.bpm])
        else:
            near = bpm * np.linspace(1.0 - _REFINED_RANGE, 1.0 + _REFINED_RANGE, _REFINED_STEPS)
        reach = _SAME_POSITION_S * bpm / 60.0
        at = position / BINS_PER_BEAT + np.linspace(-reach, reach, 29)
        angles = 2.0 * np.pi * np.outer(self._times_s - self._middle_s, near / 60.0)
        total = np.zeros((len(near), len(at)))
        for harmonic, phasor in self._weighted_phasors(4)[:3]:
            summed = phasor @ np.exp(-1j * harmonic * angles)
            total += (summed[:, None] * np.exp(-2j * np.pi * harmonic * at)).real
        best, where = np.unravel_index(int(np.argmax(total)), total.shape)
        return float(near[best]), float(at[where])


def concentrations(phasors: Array) -> NDArray[np.complex128]:
    """Turn expected phasors into von Mises concentrations of the same angle: (T, 2 H) -> (T, H).

    A mean resultant length R belongs to the concentration R (2 - R^2) / (1 - R^2) (Banerjee et al.
    2005), so that a network that is nearly sure counts for far more than one that wavers.
    """
    phasor = phasors[:, 0::2] + 1j * phasors[:, 1::2]
    length = np.minimum(np.abs(phasor), _SUREST)
    return np.asarray(
        np.exp(1j * np.angle(phasor)) * length * (2.0 - length**2) / (1.0 - length**2)
    )


def uncalibrated(probability: float) -> float:
    """Return the log odds a reading had before the bundled scaling."""
    slope, offset = BUNDLED_WEIGHTS.platt
    return float((logit(probability) - offset) / slope)


def _rolled(values: Array, shift: NDArray[np.int64]) -> Array:
    """Roll each row (K, P) by its own number of bins, to the right."""
    index = (np.arange(values.shape[1]) - np.asarray(shift)[:, None]) % values.shape[1]
    return np.take_along_axis(values, index, axis=1)


def _pooled(beats: Array) -> Array:
    """Sum each state (K, P) with its neighbours in tempo and position."""
    wide = np.pad(beats, ((1, 1), (0, 0)))
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray(sum(np.roll(rows, shift, axis=1) for shift in (-1, 0, 1)))


def _near(tempi_bpm: Array, tempo: int, position: int, *, wide: float = 1.0) -> NDArray[np.bool_]:
    """Which tempi and positions in the beat, (K, P), count as the same reading."""
    same = np.abs(np.log2(tempi_bpm / tempi_bpm[tempo])) < wide * _SAME_TEMPO
    away = np.abs((np.arange(BINS_PER_BEAT) - position + 0.5 * BINS_PER_BEAT) % BINS_PER_BEAT)
    away_s = np.abs(away - 0.5 * BINS_PER_BEAT) / BINS_PER_BEAT * 60.0 / tempi_bpm[tempo]
    return same[:, None] & (away_s <= wide * _SAME_POSITION_S)[None]


def _same(reading: Reading, other: Reading) -> bool:
    if abs(np.log2(reading.bpm / other.bpm)) >= _SAME_TEMPO:
        return False
    period_s = timebase.beat_period_s(other.bpm)
    away = (reading.first_beat_s - other.first_beat_s) / period_s
    return abs(away - round(away)) * period_s < _SAME_POSITION_S


# As benchmarks/beat_calibration.py prints them; but the prior is kept wider than its 0.24 octaves,
# because dances are not only danced at the tempi of AIST's music (80 to 135 bpm).
BUNDLED_WEIGHTS = ModelWeights(
    phasors=(0.0061, 0.0043, 0.0018, 0.0069, 0.0069, 0.0035),
    salience=(0.0023, 0.0011, 0.0),
    tempo_scores=0.61,
    prior_bpm=102.0,
    prior_octaves=0.3,
    platt=(0.75, 0.47),
)
