"""Readings of a dance: ways to count it, each a mode of the metrical model's posterior.

Axes: K tempi, P positions in the beat (24).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kinetune import timebase
from kinetune.motion.beats.bar_pointer import BINS_PER_BEAT

Array = NDArray[np.float64]

# Two hypotheses nearer than this in tempo (octaves) and position (seconds) are one reading.
SAME_TEMPO, SAME_POSITION_S = 0.057, 0.07


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


def reading_at(bpm: float, bar_start_s: float, metre: int, probability: float) -> Reading:
    """Return the reading of a tempo and of any beat that opens a bar, wrapped into the dance."""
    period_s = timebase.beat_period_s(bpm)
    start_s = _wrapped(bar_start_s, metre * period_s)
    return Reading(bpm, _wrapped(start_s, period_s), start_s, metre, probability)


def _wrapped(time_s: float, length_s: float) -> float:
    rest = time_s % length_s
    return 0.0 if length_s - rest < 1e-6 else rest


def same_reading(reading: Reading, other: Reading) -> bool:
    """Return whether two readings count the same beats; their bars may differ."""
    if abs(np.log2(reading.bpm / other.bpm)) >= SAME_TEMPO:
        return False
    period_s = timebase.beat_period_s(other.bpm)
    away = (reading.first_beat_s - other.first_beat_s) / period_s
    return bool(abs(away - round(away)) * period_s < SAME_POSITION_S)


def calibrated(readings: list[Reading], scaling: tuple[float, float]) -> list[Reading]:
    """Make the probabilities of readings those that were found on dancers left out.

    The odds of a reading become exp(offset) p^slope (beta calibration without its second slope,
    Kull et al. 2017), so that little stays little, and nothing is surer than exp(offset) to one.
    The likeliest reading keeps that; the others are scaled down until all are at most 1.

    Args:
        readings: With the probabilities of the posterior.
        scaling: Slope and offset.
    """
    slope, offset = scaling
    logs = np.log(np.clip([reading.probability for reading in readings], 1e-12, 1.0))
    scaled = expit(slope * logs + offset)
    best = int(np.argmax(scaled))
    others = float(scaled.sum() - scaled[best])
    share = min(1.0, float(1.0 - scaled[best]) / max(others, 1e-12))
    return [
        replace(reading, probability=float(value if number == best else share * value))
        for number, (reading, value) in enumerate(zip(readings, scaled, strict=True))
    ]


def uncalibrated(probability: float, scaling: tuple[float, float]) -> float:
    """Return the probability that the likeliest reading had before :func:`calibrated`."""
    slope, offset = scaling
    return float(np.exp((logit(probability) - offset) / slope))


def pooled(beats: Array) -> Array:
    """Sum each state (K, P) with its neighbours in tempo and position."""
    wide = np.pad(beats, ((1, 1), (0, 0)))
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray(sum(np.roll(rows, shift, axis=1) for shift in (-1, 0, 1)))


def states_near(
    tempi_bpm: Array, tempo: int, position: int, *, wide: float = 1.0
) -> NDArray[np.bool_]:
    """Which tempi and positions in the beat, (K, P), count as the same reading.

    Args:
        tempi_bpm: Tempi of the states, (K,).
        tempo: Index of the reading's tempo.
        position: Its position in the beat, in bins.
        wide: How many times as far away they may be.
    """
    same = np.abs(np.log2(tempi_bpm / tempi_bpm[tempo])) < wide * SAME_TEMPO
    away = np.abs((np.arange(BINS_PER_BEAT) - position + 0.5 * BINS_PER_BEAT) % BINS_PER_BEAT)
    beats = np.abs(away - 0.5 * BINS_PER_BEAT) / BINS_PER_BEAT
    away_s = beats * timebase.beat_period_s(float(tempi_bpm[tempo]))
    return np.asarray(same[:, None] & (away_s <= wide * SAME_POSITION_S)[None])
