"""Cross-validation of the beat network by dancer.

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
from kinetune.model.checkpoint import atomic_folder
from kinetune.training.beat_module import BeatModule, save_beat_modules
from kinetune.training.beats import BeatTraining, open_dances, read_beat_config, train_members

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
    members = options.members or training.network.members
    folds = dancer_folds(options.folds)
    options.out.mkdir(parents=True, exist_ok=True)
    files.write_json(options.out / "folds.json", folds)
    half = (options.folds + 1) // 2
    for group in (range(half), range(half, options.folds)):
        # One specialist serves several folds: it knows none of their dancers.
        left_out = tuple(dancer for number in group for dancer in folds[number])
        out = options.out / f"specialists-{group.start}"
        specialists = trained(training.of_specialists(), left_out, out, range(members, members + 1))
        for number in group:
            out = options.out / f"fold-{number}"
            modules = trained(training, tuple(folds[number]), out, range(members))
            with atomic_folder(out / "beats" / "model") as temporary:
                save_beat_modules([*modules, *specialists], temporary, specialists=1)
            print(f"fold {number}: {' '.join(folds[number])}", flush=True)


def trained(
    training: BeatTraining,
    left_out: tuple[str, ...],
    out: Path,
    numbers: range,
    *,
    quiet: bool = False,
) -> list[BeatModule]:
    """Train members without some dancers; specialists are those above the first fold's members."""
    # The made-up dances are the same for all folds.
    for kept in out.parent.glob("*/dances-*"):
        out.mkdir(exist_ok=True)
        if not (out / kept.name).exists():
            (out / kept.name).symlink_to(kept.resolve())
    dances = open_dances(replace(training.dances, left_out=left_out), out)
    dances = dances.silent() if numbers.start else dances
    modules, result = train_members(training, dances, out, numbers, restart=True)
    if not quiet:
        print(f"{out.name}: loss {result.loss:.3f}", flush=True)
    return modules


if __name__ == "__main__":
    main()
