"""What the metrical model observes of a dance, and how much each observation counts.

The beat network's phasors and the salience and tempo scores of the rules. Axes: T frames at 15 a
second, H harmonics of the beat network, S tempi of the rules.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.motion.beats.beat_network import HARMONICS, OUTPUT_FPS

Array = NDArray[np.float64]

# No phasor is taken to be longer than this.
_MAX_RESULTANT_LENGTH = 0.95
# Beyond this length of a dance a second counts no less.
_LONGEST_S = 60.0
# Which harmonics are the beat's; the others are the bar's.
_OF_BEAT = np.array([h >= 1.0 for h in HARMONICS])


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
        calibration: Slope and offset of a reading's log odds over its log probability.
    """

    phasors: tuple[float, ...]
    salience: tuple[float, float, float]
    tempo_scores: float
    prior_bpm: float
    prior_octaves: float
    full_s: float = 10.0
    calibration: tuple[float, float] = (1.0, 0.0)


# As benchmarks/beat_calibration.py prints them; but the prior is kept wider than its 0.24 octaves,
# because dances are not only danced at the tempi of AIST's music (80 to 135 bpm).
BUNDLED_WEIGHTS = ModelWeights(
    phasors=(0.0061, 0.0043, 0.0018, 0.0069, 0.0069, 0.0035),
    salience=(0.0023, 0.0011, 0.0),
    tempo_scores=0.61,
    prior_bpm=102.0,
    prior_octaves=0.3,
    calibration=(1.08, 1.44),
)


@dataclass(frozen=True, eq=False)
class Observations:
    """What the model explains, 15 frames a second.

    Attributes:
        phasors: The network's expected phasors, cosine and sine a harmonic, (T, 2 H).
        salience: The rules' salience, unit deviation, (T,).
        tempi_bpm: Tempi of ``tempo_scores``, ascending, (S,).
        tempo_scores: The rules' score of each tempo, (S,).
        duration_s: Length of the dance.
        reliability: Weight of the evidence, 0 to 1.
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


@dataclass(frozen=True, eq=False)
class Harmonic:
    """Evidence for the phase of one harmonic: ``order`` turns a beat, phasors (T,)."""

    order: float
    phasors: NDArray[np.complex128]


def beat_harmonics(seen: Observations, weights: ModelWeights) -> list[Harmonic]:
    """Return the weighted evidence for the beat's phase, network and rules together."""
    weighted = concentrations(seen.phasors) * np.array(weights.phasors)
    return [
        Harmonic(HARMONICS[k], weighted[:, k] + weight * seen.salience)
        for k, weight in zip(np.flatnonzero(_OF_BEAT), weights.salience, strict=True)
    ]


def bar_harmonics(seen: Observations, weights: ModelWeights, metre: int) -> list[Harmonic]:
    """Return the weighted evidence for the position in the bar.

    A bar of three has no phasors of its own: the network's probability of a downbeat is counted in
    threes instead.
    """
    weighted = concentrations(seen.phasors) * np.array(weights.phasors)
    bar = np.flatnonzero(~_OF_BEAT)
    if metre == 4:
        return [Harmonic(HARMONICS[k], weighted[:, k]) for k in bar]
    downbeat = weighted[:, bar].real.sum(axis=1)
    return [Harmonic(step / metre, downbeat + 0j) for step in range(1, metre)]


def evidence_scale(seen: Observations, weights: ModelWeights) -> float:
    """Return how much a second counts: less in long dances, whose errors are alike."""
    full_s = weights.full_s
    long = np.sqrt(full_s / np.clip(seen.duration_s, full_s, _LONGEST_S))
    return float(seen.reliability * long)


def log_tempo_prior(seen: Observations, weights: ModelWeights, tempi_bpm: Array) -> Array:
    """Return the log prior of each tempo (K,), the rules' tempo scores included; sums to 1."""
    octaves = np.log2(tempi_bpm / weights.prior_bpm) / weights.prior_octaves
    scores = np.interp(np.log(tempi_bpm), np.log(seen.tempi_bpm), seen.tempo_scores)
    logs = seen.reliability * weights.tempo_scores * scores - 0.5 * octaves**2
    return np.asarray(logs - np.logaddexp.reduce(logs))


def concentrations(phasors: Array) -> NDArray[np.complex128]:
    """Turn expected phasors into von Mises concentrations of the same angle: (T, 2 H) -> (T, H).

    A mean resultant length R belongs to the concentration R (2 - R^2) / (1 - R^2) (Banerjee et al.
    2005), so that a confident network counts for far more than an uncertain one.
    """
    phasor = phasors[:, 0::2] + 1j * phasors[:, 1::2]
    length = np.minimum(np.abs(phasor), _MAX_RESULTANT_LENGTH)
    return np.asarray(
        np.exp(1j * np.angle(phasor)) * length * (2.0 - length**2) / (1.0 - length**2)
    )
