"""What the learned similarity as a condition does to a model's music.

    python benchmarks/similarity_condition.py --model runs/sim/model [--start runs/start/model]
        [--dances 50] [--bpm 120]

Dances of 10 s of the corpus's kinds, from seeds no model was trained on. The model makes music for
each of them, with beats, harmony and attributes as its user gets them (the true beat grid given),
once with the condition and once with it dropped, same seed; ``--start`` adds the music of the model
that it began from. Each dance then looks for its own music among that of 50 dances: at ``--bpm``
all have one tempo, so that beats say less. Prints Markdown, means with 95 % bootstrap intervals:

- similarity of the dance and its music, -1 to 1;
- first: how often its own music is the most similar of 50 (chance 2 %), among 5: of the first five;
- beats F and energy (``kinetune.metrics``): measures that don't know the similarity's network, and
  first by the mean of the two with the accents.

The condition is the motion tower of the network that measures the similarity; the last columns say
whether the music follows the dance by other measures too.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from model_scores import interval
from similarity import Pair, score_pairs
from user_pipeline import UserPipeline, load_model, pair_for

from kinetune import genres
from kinetune.audio.sound import Sound
from kinetune.corpus import pairs as corpus
from kinetune.metrics.similarity import BUNDLED, retrieval

DURATION_S = 10.0
SEED = 980_000
COLUMNS = (
    "music", "similarity", "first of 50", "among 5", "beats F", "energy", "first by these",
)  # fmt: skip


def generated(pipeline: UserPipeline, dances: Sequence[corpus.Pair]) -> list[Sound]:
    """Return a model's music for every dance, on the dance's own beat grid."""
    return [
        pipeline(dance.clip, genre=dance.genre, seed=number, grid=dance.grid).sound
        for number, dance in enumerate(dances)
    ]


def print_row(name: str, dances: Sequence[corpus.Pair], sounds: Sequence[Sound]) -> None:
    """Print the scores of every dance's music."""
    made = [
        Pair(dance.clip, sound, dance.beats_s, dance.bpm)
        for dance, sound in zip(dances, sounds, strict=True)
    ]
    scores = score_pairs(made, BUNDLED)
    first, among_five = (retrieval(scores["similarity"], k) for k in (1, 5))
    cells = [
        np.diag(scores["similarity"]), first, among_five, np.diag(scores["beats"]),
        np.diag(scores["energy"]), retrieval(scores["these three"], 1),
    ]  # fmt: skip
    print(f"| {name} | {' | '.join(interval(list(cell)) for cell in cells)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--start")
    parser.add_argument("--dances", type=int, default=50)
    parser.add_argument("--bpm", type=float)
    options = parser.parse_args()
    pipeline = load_model(options.model)
    if pipeline.similarity is None:
        parser.error(f"{options.model}: the similarity is no condition of this model")
    dances = [
        pair_for(
            pipeline, SEED + k, genre=genres.CODES[k % 10], duration_s=DURATION_S, bpm=options.bpm
        )
        for k in range(options.dances)
    ]  # fmt: skip
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    print_row("the corpus's", dances, [dance.sound for dance in dances])
    print_row("the model's", dances, generated(pipeline, dances))
    pipeline.register_modules(similarity=None)
    print_row("the same, condition dropped", dances, generated(pipeline, dances))
    if options.start:
        print_row("of its start", dances, generated(load_model(options.start), dances))


if __name__ == "__main__":
    main()
