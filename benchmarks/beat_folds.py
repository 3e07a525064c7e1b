"""Trains the beat network once for every group of dancers, without that group.

    python benchmarks/beat_folds.py runs/beat-folds [--folds 6] [--members 3]

Writes ``fold-N/beats/model`` and ``folds.json`` (which dancers fold N leaves out) into the folder;
``benchmarks/beat_grid.py --of aist --folds runs/beat-folds`` judges every dance by the network that
never saw its dancer. Dancers of one genre are spread over the folds, so that a network has usually
seen others dance the genre, but never the person.
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

from kinetune import files
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.training.beats import open_dances, read_beat_config, train_beats

CONFIG = Path(__file__).parents[1] / "configs" / "beats.toml"


def dancer_folds(count: int) -> list[list[str]]:
    """Spread the dancers over ``count`` folds: genres apart, dances evenly."""
    dances = Counter(dance.dancer for dance in labelled_dances())
    genres: dict[str, list[str]] = {}
    for dance in labelled_dances():
        if dance.dancer not in genres.setdefault(dance.genre, []):
            genres[dance.genre].append(dance.dancer)
    folds: list[list[str]] = [[] for _ in range(count)]
    loads = [0] * count
    for genre in sorted(genres, key=lambda g: -sum(dances[d] for d in genres[g])):
        order = sorted(range(count), key=loads.__getitem__)
        for dancer, fold in zip(
            sorted(genres[genre], key=lambda d: -dances[d]), order, strict=False
        ):
            folds[fold].append(dancer)
            loads[fold] += dances[dancer]
    return folds


def main() -> None:
    """Train all folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--members", type=int, help="networks averaged a fold")
    parser.add_argument("--config", type=Path, default=CONFIG)
    options = parser.parse_args()
    training = read_beat_config(options.config)
    if options.members:
        network = replace(training.network, members=options.members)
        training = replace(training, network=network)
    folds = dancer_folds(options.folds)
    options.out.mkdir(parents=True, exist_ok=True)
    files.write_json(options.out / "folds.json", folds)
    for number, left_out in enumerate(folds):
        out = options.out / f"fold-{number}"
        # The made-up dances are the same for all folds.
        for kept in options.out.glob("fold-0/dances-*"):
            out.mkdir(exist_ok=True)
            if not (out / kept.name).exists():
                (out / kept.name).symlink_to(kept.resolve())
        dances = replace(training.dances, left_out=tuple(left_out))
        open_dances(dances, out)
        result = train_beats(replace(training, dances=dances), out, restart=True)
        print(f"fold {number}: {' '.join(left_out)}, loss {result.loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
