"""Learning curve of the beat network over the number of dancers it is trained on.

    python benchmarks/beat_learning_curve.py runs/beat-curve [--dancers 3 6 9 12 15]

For every fold of ``benchmarks/beat_folds.py`` (the dancers of the fold are left out) one network is
trained on so many of the other dancers, drawn at random; the draws are nested, so that more dancers
always include the fewer ones. Steps, synthetic dances and all other settings stay the same. Judged
on whole labelled dances of the dancers left out, with their true tempo given, so that only the
network is evaluated and not the model of tempo and bar:

- error: the training loss on their own (1 for a network that is never sure);
- phase: share of dances whose summed phasor lies within 70 ms of the beat (chance: about 25 %);
- clear: mean length of the phasor that is right, 0 to 1.

Intervals are 95 % by bootstrap over dancers. Prints Markdown.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from beat_folds import CONFIG, dancer_folds, trained
from beat_grid import intervals

from kinetune import timebase
from kinetune.corpus.choreography.labelled_dances import LabelledDance, labelled_dances
from kinetune.motion.beats.beat_network import HARMONICS, OUTPUT_FPS, body_features
from kinetune.training.beat_module import BeatModule
from kinetune.training.beats import phasor_loss, phasors_of, read_beat_config

COLUMNS = ("error", "phase within 70 ms", "clear")


def evaluated(module: BeatModule, dance: LabelledDance) -> tuple[float, float, float]:
    """Error, phase and clearness of a network on a dance of known beats."""
    features = torch.from_numpy(body_features(dance.clip))[None]
    with torch.inference_mode():
        output = module.eval()(features)
    times_s = timebase.frame_times(output.shape[1], OUTPUT_FPS) + 0.25 / OUTPUT_FPS
    period_s = timebase.beat_period_s(dance.bpm)
    true = torch.from_numpy(phasors_of((times_s - dance.downbeat_s) / period_s))[None]
    column = 2 * HARMONICS.index(1.0)
    beat, right = (each[0, :, column : column + 2].numpy() @ [1.0, 1.0j] for each in (output, true))
    turned = (beat * right.conj()).mean()
    away_s = abs(float(np.angle(turned))) / (2.0 * np.pi) * period_s
    return float(phasor_loss(output, true)), float(away_s < 0.07), float(turned.real)


def main() -> None:
    """Train and judge every size; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dancers", type=int, nargs="+", default=[3, 6, 9, 12, 15])
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--config", type=Path, default=CONFIG)
    options = parser.parse_args()
    training = read_beat_config(options.config)
    options.out.mkdir(parents=True, exist_ok=True)
    dances = [dance for dance in labelled_dances() if dance.downbeat_s is not None]
    everyone = sorted({dance.dancer for dance in dances})
    order = list(np.random.default_rng(0).permutation(everyone))
    print("| dancers | dances, mean | " + " | ".join(COLUMNS) + " |\n|---|---|---|---|---|")
    for count in options.dancers:
        scores, dancers, sizes = [], [], []
        for number, fold in enumerate(dancer_folds(options.folds)):
            seen = [dancer for dancer in order if dancer not in fold][:count]
            left_out = tuple(dancer for dancer in everyone if dancer not in seen)
            out = options.out / f"dancers-{count}-fold-{number}"
            settings = replace(training, loop=replace(training.loop, seed=number))
            module = trained(settings, left_out, out, range(1), quiet=True)[0]
            sizes.append(sum(dance.dancer in seen for dance in dances))
            for dance in dances:
                if dance.dancer in fold:
                    scores.append(evaluated(module, dance))
                    dancers.append(dance.dancer)
        means = np.array(scores).mean(axis=0)
        low, high = intervals(np.array(scores), np.array(dancers))
        cells = [f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(means, low, high, strict=True)]
        print(f"| {count} | {np.mean(sizes):.0f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
