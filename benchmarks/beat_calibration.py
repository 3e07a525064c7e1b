"""Fits the weights of the metrical model on held-out dancers.

    python benchmarks/beat_calibration.py runs/beat-folds [--cuts 1] [--probabilities]

Needs the folds of ``benchmarks/beat_folds.py``. Random cuts of 7 to 12 s of the labelled dances are
read by the network that left their dancer out; eight numbers (how much phasors, salience and tempo
scores count, and the prior over tempi) are fitted by maximum likelihood of the true tempo and place
in the bar. Prints them as they stand in ``motion/beats/observations.py``. With ``--probabilities``
fits only what makes the probability p of the likeliest reading calibrated, of the weights there:
its odds are exp(offset) p^slope. Also prints the calibration error with every dancer left out of
that fit.
"""

import argparse
from pathlib import Path

import numpy as np
from beat_grid import Danced, fold_networks, labelled_cuts, print_calibration, score
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from kinetune import timebase
from kinetune.motion.beats.bar_pointer import BINS_PER_BEAT
from kinetune.motion.beats.beat_grid import beat_grid, observations
from kinetune.motion.beats.beat_network import HARMONICS, BeatNetwork
from kinetune.motion.beats.metrical_model import FASTEST_BPM, SLOWEST_BPM
from kinetune.motion.beats.observations import BUNDLED_WEIGHTS, concentrations
from kinetune.motion.beats.readings import uncalibrated
from kinetune.motion.beats.tempo import collect_evidence

TEMPI = np.geomspace(SLOWEST_BPM, FASTEST_BPM, 66)
# Relative weights of a kind's harmonics, held; the kinds' weights are fitted.
SHAPE = np.array([1.0, 0.7, 0.3, 1.0, 1.0, 0.5])
BEAT = np.array([1, 1, 1, 0, 0, 0], dtype=bool)
POSITIONS = np.arange(4 * BINS_PER_BEAT) / BINS_PER_BEAT
START = np.array([np.log(0.015), np.log(0.015), 0.0, np.log(0.6), np.log2(102.0), np.log(0.24)])


def harmonic_sums(signal: np.ndarray, times_s: np.ndarray, harmonics: np.ndarray) -> np.ndarray:
    """Fourier sums of complex signals (T, H) at every tempo's harmonics, (K, H)."""
    angles = 2.0 * np.pi * times_s[:, None, None] * TEMPI[None, :, None] / 60.0 * harmonics
    return (signal[:, None, :] * np.exp(-1j * angles)).sum(axis=0)


def scores_of(sums: np.ndarray, harmonics: np.ndarray) -> np.ndarray:
    """Score of tempo and position in the bar, (K, P), from sums (K, H)."""
    waves = np.exp(-2j * np.pi * harmonics[:, None] * POSITIONS)
    return (sums @ waves).real


class Example:
    """What one cut gives: score tables of beat, bar and salience (K, P), and the truth."""

    def __init__(self, danced, network) -> None:  # noqa: ANN001
        seen = observations(danced.clip, collect_evidence(danced.clip), network)
        phasors = concentrations(seen.phasors) * SHAPE
        harmonics = np.array(HARMONICS)
        sums = harmonic_sums(phasors, seen.times_s, harmonics)
        self.beat = scores_of(sums[:, BEAT], harmonics[BEAT])
        self.bar = scores_of(sums[:, ~BEAT], harmonics[~BEAT])
        salience = seen.salience[:, None] * np.array([1.0, 0.5])
        two = np.array([1.0, 2.0])
        self.salience = scores_of(harmonic_sums(salience + 0j, seen.times_s, two), two)
        self.tempo = np.interp(np.log(TEMPI), np.log(seen.tempi_bpm), seen.tempo_scores)
        self.truth = self._truth(danced)

    def _truth(self, danced) -> np.ndarray:  # noqa: ANN001
        """Log weights of the states that are right, (K, P): a bell around the truth."""
        middle_s = 0.5 * danced.clip.duration_s
        true = (middle_s - danced.bar_start_s) * danced.bpm / 60.0
        positions = middle_s * TEMPI[:, None] / 60.0 + POSITIONS
        away_s = np.abs((positions - true + 2.0) % 4.0 - 2.0) * timebase.beat_period_s(danced.bpm)
        octaves = np.log2(TEMPI / danced.bpm)[:, None]
        logs = -0.5 * (away_s / 0.03) ** 2 - 0.5 * (octaves / 0.017) ** 2
        return np.exp(logs - logsumexp(logs))

    def log_posterior(self, numbers: np.ndarray) -> np.ndarray:
        """Log probability of every state for fitted numbers as in ``START``, (K, P)."""
        beat, bar, salience, scores, centre, width = numbers
        prior = -0.5 * ((np.log2(TEMPI) - centre) / np.exp(width)) ** 2
        logs = np.exp(beat) * self.beat + np.exp(bar) * self.bar + 0.1 * salience * self.salience
        logs = logs + (np.exp(scores) * self.tempo + prior)[:, None]
        return logs - logsumexp(logs)


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folds", type=Path)
    parser.add_argument("--cuts", type=int, default=1)
    parser.add_argument("--probabilities", action="store_true")
    options = parser.parse_args()
    networks = fold_networks(options.folds)
    cuts = [each for each in labelled_cuts(options.cuts, seed=1) if each.bar_start_s is not None]
    if options.probabilities:
        fit_probabilities(cuts, networks)
    else:
        fit_weights(cuts, networks)


def fit_probabilities(cuts: list[Danced], networks: dict[str, BeatNetwork]) -> None:
    """Fit slope and offset; print them, and the calibration error with dancers left out of them."""
    grids = [beat_grid(each.clip, network=networks[each.dancer]) for each in cuts]
    right = np.array([score(*pair)[2] == 1.0 for pair in zip(grids, cuts, strict=True)], float)
    scaling = BUNDLED_WEIGHTS.calibration
    logs = np.array([np.log(uncalibrated(max(g.confidence, 1e-6), scaling)) for g in grids])
    # A dance's cuts follow one another and have its name.
    groups = {
        "dance": np.array([each.clip.name for each in cuts]),
        "dancer": np.array([each.dancer for each in cuts]),
    }

    def fitted(chosen: np.ndarray) -> np.ndarray:
        def loss(numbers: np.ndarray) -> float:
            z = numbers[0] * logs[chosen] + numbers[1]
            return float(np.mean(np.logaddexp(0.0, z) - right[chosen] * z))

        return minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x

    slope, offset = fitted(np.ones(len(cuts), dtype=bool))
    print(f"{len(cuts)} cuts\ncalibration=({slope:.2f}, {offset:.2f}),")
    apart = np.zeros(len(cuts))
    for dancer in sorted(set(groups["dancer"])):
        out = groups["dancer"] == dancer
        slope, offset = fitted(~out)
        apart[out] = expit(slope * logs[out] + offset)
    print_calibration(apart, right, groups, None)


def fit_weights(cuts: list[Danced], networks: dict[str, BeatNetwork]) -> None:
    """Fit the weights and print them."""
    examples = [Example(danced, networks[danced.dancer]) for danced in cuts]

    def loss(numbers: np.ndarray) -> float:
        return -float(np.mean([(e.truth * e.log_posterior(numbers)).sum() for e in examples]))

    fit = minimize(loss, START, method="Powell", options={"maxiter": 6, "xtol": 0.02})
    beat, bar, salience, scores, centre, width = fit.x
    phasors = np.where(BEAT, np.exp(beat), np.exp(bar)) * SHAPE
    print(f"{len(examples)} cuts, loss {loss(START):.3f} -> {fit.fun:.3f} nats")
    print(f"phasors=({', '.join(f'{value:.4f}' for value in phasors)}),")
    print(f"salience=({0.1 * salience:.4f}, {0.05 * salience:.4f}, 0.0),")
    print(f"tempo_scores={np.exp(scores):.3f},")
    print(f"prior_bpm={2.0**centre:.1f},")
    print(f"prior_octaves={np.exp(width):.3f},")


if __name__ == "__main__":
    main()
