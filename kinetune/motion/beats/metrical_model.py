"""One probabilistic model of tempo, beat, bar and metre, whatever the length of the dance.

Its states are a bar pointer's (``bar_pointer.py``), its observations the beat network's phasors and
the rules' salience and tempo scores (``observations.py``). The modes of the posterior at the middle
of the dance are its *readings* (``readings.py``); the most likely path through a reading is where
its beats lie, steady or drifting.

The weights were fitted by maximum likelihood on dancers left out of the network's training, so that
a reading's probability comes near the share of such readings that are right
(docs/beat-network.md has the reliability table).

Axes: T frames at 15 a second, B blocks of one second, K tempi, P positions in the bar.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter

from kinetune import timebase
from kinetune.motion.beats import bar_pointer
from kinetune.motion.beats.bar_pointer import BINS_PER_BEAT, BarPointer, Path
from kinetune.motion.beats.beat_network import HARMONICS, OUTPUT_FPS
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.observations import (
    BUNDLED_WEIGHTS,
    ModelWeights,
    Observations,
    bar_harmonics,
    beat_harmonics,
    evidence_scale,
    log_tempo_prior,
)
from kinetune.motion.beats.readings import (
    SAME_POSITION_S,
    Constraints,
    Reading,
    calibrated,
    pooled,
    reading_at,
    same_reading,
    states_near,
)

Array = NDArray[np.float64]

#: Beats to the bar that are tried, and how likely each is beforehand.
METRES = {4: 0.97, 3: 0.03}
SLOWEST_BPM, FASTEST_BPM = 56.0, 204.0
_TEMPI = 88
MOST_READINGS = 5
# Two modes are taken for two readings only if they are this many times as far apart.
_APART = 1.8
_LEAST_PROBABILITY = 1e-3
_REFINED_RANGE, _REFINED_STEPS = 0.012, 49
# Errors of phase are mostly a dance's own and constant, so evidence of how the phase moves counts
# for more than evidence of where it lies.
_PATH_SHARPNESS = 24.0
# A path that drifts must gather this share more evidence than the reading's steady grid; more in
# dances shorter than this, where a path can bend to a few events.
_DRIFT_GAIN, _DRIFT_SURE_S = 0.1, 20.0
# Blocks over which a path is smoothed, and how far the phase is averaged around each frame.
_SMOOTHED_BLOCKS, _PHASE_SIGMA_S = 7, 1.0
# How far the averaged phase may move the path, beats.
_MOST_MOVED = 0.12


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Posterior of one metre's states at the middle: (K, metre, 24), and the log evidence."""

    metre: int
    bars: Array
    log_evidence: float


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
        self._middle_s = float(self._times_s.mean())
        self._of_beat = beat_harmonics(self._seen, self._weights)
        self._tempi = self._tempi_tried()
        posteriors = [self._posterior(metre) for metre in metres]
        total = np.logaddexp.reduce([each.log_evidence for each in posteriors])
        self._posteriors = [
            replace(each, bars=each.bars * np.exp(each.log_evidence - total)) for each in posteriors
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
            peak = np.unravel_index(int(np.argmax(pooled(left))), left.shape)
            tempo, position = int(peak[0]), int(peak[1])
            mode = self._mode(tempo, position)
            if not any(same_reading(mode, known) for known in readings):
                readings.append(mode)
            # What lies just outside a reading is still the same reading, less exactly.
            left = np.where(states_near(self._tempi, tempo, position, wide=_APART), 0.0, left)
        best = max(readings, key=lambda reading: reading.probability)
        for rival in self._rivals(best):
            if not any(same_reading(rival, known) for known in readings):
                readings.append(rival)
        readings = calibrated(readings, self._weights.calibration)
        return tuple(sorted(readings, key=lambda reading: -reading.probability))

    def beats(self, reading: Reading) -> tuple[Array, bool]:
        """Return the beats of a reading within the dance, and whether they are steady.

        They lie on the most likely path through the reading; where it never leaves the reading's
        steady grid for long they are that grid.
        """
        duration_s = self._seen.duration_s
        steady = timebase.beat_times(reading.bpm, reading.first_beat_s, duration_s)
        constrained = self._known.bpm is not None or self._known.first_beat_s is not None
        if constrained or len(self._times_s) < 2 * OUTPUT_FPS:
            return steady, True
        counts = self._counts(reading)
        fixed, moving = self._gathered(self._steady_counts(reading)), self._gathered(counts)
        needed = 1.0 + _DRIFT_GAIN * max(1.0, _DRIFT_SURE_S / duration_s) ** 2
        # In a short dance a path that gathers twice as much is another reading's.
        leaves = duration_s < _DRIFT_SURE_S and moving > 2.0 * fixed
        if moving < needed * fixed or leaves:
            return steady, True
        return self._times_of(counts), False

    @property
    def activation(self) -> Array:
        """The network's probability of a beat at each analysis frame (60 a second), (T,)."""
        beat = np.array([h >= 1.0 for h in HARMONICS])
        weights = np.array(self._weights.phasors)[beat]
        cosines = self._seen.phasors[:, 0::2][:, beat] @ (weights / weights.max())
        count = timebase.frames_in(self._seen.duration_s, ANALYSIS_FPS)
        times_s = timebase.frame_times(count, ANALYSIS_FPS)
        return np.interp(times_s, self._times_s, np.maximum(cosines, 0.0))

    # The posterior

    def _tempi_tried(self) -> Array:
        if self._known.bpm is not None:
            return np.array([self._known.bpm])
        return np.geomspace(SLOWEST_BPM, FASTEST_BPM, _TEMPI)

    def _posterior(self, metre: int) -> _Posterior:
        harmonics = [*self._of_beat, *bar_harmonics(self._seen, self._weights, metre)]
        pointer = BarPointer(
            harmonics,
            self._times_s,
            self._tempi,
            beats=metre,
            scale=evidence_scale(self._seen, self._weights),
        )
        posterior, log_evidence = pointer.posterior(self._log_prior(metre))
        log_metre = 0.0 if self._known.metre else float(np.log(METRES[metre]))
        bars = bar_pointer.at_time(posterior, self._tempi, self._middle_s)
        bars = bars.reshape(len(self._tempi), metre, BINS_PER_BEAT)
        return _Posterior(metre, bars, log_evidence + log_metre)

    def _log_prior(self, metre: int) -> Array:
        """Log prior of tempo and position, (K, P)."""
        logs = log_tempo_prior(self._seen, self._weights, self._tempi)
        positions = metre * BINS_PER_BEAT
        out = np.repeat(logs[:, None], positions, axis=1) - np.log(positions)
        if self._known.first_beat_s is not None:
            out = out + self._known_position(self._known.first_beat_s, metre)
        return out

    def _known_position(self, first_beat_s: float, metre: int) -> Array:
        """Log weights that allow only states that open a bar at the named time: (K, P)."""
        position = np.arange(metre * BINS_PER_BEAT) / BINS_PER_BEAT
        count = self._tempi[:, None] / 60.0 * first_beat_s + position
        away = np.abs((count + metre / 2.0) % metre - metre / 2.0) * BINS_PER_BEAT
        return np.where(away <= 0.51, 0.0, -np.inf)

    # Readings

    def _mode(self, tempo: int, position: int) -> Reading:
        """Return the reading around a tempo and a position of the beat at the middle."""
        near = states_near(self._tempi, tempo, position)
        bars = [(each.bars * near[:, None]).sum(axis=(0, 2)) for each in self._posteriors]
        best = int(np.argmax([mass.sum() for mass in bars]))
        metre, number = self._posteriors[best].metre, int(np.argmax(bars[best]))
        bpm, at_middle = self._refined(tempo, position)
        start_s = self._known.first_beat_s
        if start_s is None:
            start_s = self._middle_s - (number + at_middle) * timebase.beat_period_s(bpm)
        return reading_at(bpm, start_s, metre, float((self._beats * near).sum()))

    def _refined(self, tempo: int, position: int) -> tuple[float, float]:
        """Return the tempo next to a state's, and the beat's position at the middle, in beats.

        The steady grid of the highest likelihood within 1.2 % and 70 ms.
        """
        bpm = float(self._tempi[tempo])
        near = bpm * np.linspace(1.0 - _REFINED_RANGE, 1.0 + _REFINED_RANGE, _REFINED_STEPS)
        if self._known.bpm is not None:
            near = np.array([self._known.bpm])
        reach = SAME_POSITION_S / timebase.beat_period_s(bpm)
        at = position / BINS_PER_BEAT + np.linspace(-reach, reach, 29)
        angles = 2.0 * np.pi * np.outer(self._times_s - self._middle_s, near / 60.0)
        total = np.zeros((len(near), len(at)))
        for each in self._of_beat:
            summed = each.phasors @ np.exp(-1j * each.order * angles)
            total += (summed[:, None] * np.exp(-2j * np.pi * each.order * at)).real
        best, where = np.unravel_index(int(np.argmax(total)), total.shape)
        return float(near[best]), float(at[where])

    def _rivals(self, best: Reading) -> list[Reading]:
        """Half a beat off, and half and double time: always worth saying, exactly so."""
        out = []
        for factor, shift in ((1.0, 0.5), (0.5, 0.0), (2.0, 0.0)):
            bpm = best.bpm * factor
            if self._known.bpm is not None and factor != 1.0:
                continue
            start_s = best.bar_start_s + shift * timebase.beat_period_s(bpm)
            rival = reading_at(bpm, start_s, best.metre, 0.0)
            if self._tempi[0] * 0.99 <= bpm <= self._tempi[-1] * 1.01:
                near = states_near(self._tempi, *self._state_of(rival))
                rival = replace(rival, probability=float((self._beats * near).sum()))
            out.append(rival)
        return [reading for reading in out if self._opens_at_known(reading)]

    def _state_of(self, reading: Reading) -> tuple[int, int]:
        """Index of a reading's tempo, and its position in the beat at the middle, in bins."""
        tempo = int(np.argmin(np.abs(np.log(self._tempi / reading.bpm))))
        middle = (self._middle_s - reading.first_beat_s) / timebase.beat_period_s(reading.bpm)
        return tempo, round(middle * BINS_PER_BEAT) % BINS_PER_BEAT

    def _opens_at_known(self, reading: Reading) -> bool:
        if self._known.first_beat_s is None:
            return True
        period_s = timebase.beat_period_s(reading.bpm)
        beats = (self._known.first_beat_s - reading.first_beat_s) / period_s
        return abs(beats - round(beats)) < 0.1

    # Beats

    def _counts(self, reading: Reading) -> Array:
        """Beats counted at each frame along the most likely path through a reading, (T,)."""
        pointer = BarPointer(
            self._of_beat,
            self._times_s,
            self._tempi,
            beats=1,
            scale=_PATH_SHARPNESS * self._seen.reliability,
        )
        near = states_near(self._tempi, *self._state_of(reading))
        with np.errstate(divide="ignore"):
            start = np.log(bar_pointer.from_time(near.astype(float), self._tempi, self._middle_s))
        path = pointer.best_path(start)
        counts = _smoothed(path, self._times_s)
        turned = self._of_beat[0].phasors * np.exp(-2j * np.pi * counts)
        around = gaussian_filter1d(turned, _PHASE_SIGMA_S * OUTPUT_FPS, mode="nearest")
        moved = np.angle(around) / (2.0 * np.pi)
        return np.asarray(counts + np.clip(moved, -_MOST_MOVED, _MOST_MOVED))

    def _steady_counts(self, reading: Reading) -> Array:
        period_s = timebase.beat_period_s(reading.bpm)
        return np.asarray((self._times_s - reading.first_beat_s) / period_s)

    def _gathered(self, counts: Array) -> float:
        """How much evidence beats gather that are counted so, (T,)."""
        turns = [np.exp(-2j * np.pi * each.order * counts) for each in self._of_beat]
        pairs = zip(self._of_beat, turns, strict=True)
        return float(sum((each.phasors * turn).real.sum() for each, turn in pairs))

    def _times_of(self, counts: Array) -> Array:
        """Times of the whole beats within the dance, of counts at every frame."""
        rate = np.gradient(counts, self._times_s)
        ends_s = np.array([0.0, self._seen.duration_s])
        ends = counts[[0, -1]] + rate[[0, -1]] * (ends_s - self._times_s[[0, -1]])
        counts = np.array([ends[0], *counts, ends[1]])
        times_s = np.array([ends_s[0], *self._times_s, ends_s[1]])
        beats = np.arange(np.ceil(counts[0]), counts[-1])
        return np.interp(beats, np.maximum.accumulate(counts), times_s)


def _smoothed(path: Path, times_s: Array) -> Array:
    """Beats counted at each frame (T,) along a path, the grain of its bins smoothed away."""
    line = np.polynomial.Polynomial.fit(path.times_s, path.counts, min(1, len(path.counts) - 1))
    rest = path.counts - line(path.times_s)
    if len(rest) >= _SMOOTHED_BLOCKS:
        rest = savgol_filter(rest, _SMOOTHED_BLOCKS, 2, mode="interp")
    between = make_interp_spline(path.times_s, rest, k=min(3, len(rest) - 1))
    return np.asarray(line(times_s) + between(np.clip(times_s, path.times_s[0], path.times_s[-1])))
