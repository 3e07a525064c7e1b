"""What the learned similarity of motion and music is worth beside beats, energy and accents.

    python benchmarks/similarity.py --corpus runs/other-corpus [--dances 60]
    python benchmarks/similarity.py --engine composer diffusion [--dances 50] [--save out/music]

``--corpus`` takes pairs of a corpus that the network was not trained on (another seed);
``--engine`` music made for real dances (labelled, AIST++), 8 s each, with their true tempo and
downbeat. Each dance looks for its own music among that of the others; its beats are the grid that
the music was made for, estimated from the body for a corpus.

Prints Markdown: how often the own music is the most similar of 50 (chance 2 %), among the first
five (chance 10 %), and how often it is more similar than another piece (chance 50 %): than any
piece, and than pieces of the same tempo and downbeat, where beats say nothing (AIST++ has tempi in
steps of ten and begins on a beat). That is what ranking the variations of one dance needs.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import kinetune
from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.metrics.beats import f_measure
from kinetune.metrics.body import accents_hit, energy_correlation
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from kinetune.metrics.evaluation.runner import pad_or_crop
from kinetune.metrics.networks.similarity_network import load_similarity
from kinetune.metrics.ranking import MotionFit
from kinetune.metrics.similarity import (
    BUNDLED,
    motion_vectors,
    music_vectors,
    retrieval,
    similarity,
)
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import MotionClip, cut
from kinetune.motion.io.formats import read_motion

CORPUS_S, LABELLED_S = 10.0, 8.0
# AIST++ tempi are ten apart.
SAME_BPM = 0.6
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """A dance and its music, the beats that it keeps, and the dance's tempo if it is known."""

    clip: MotionClip
    sound: Sound
    beats_s: NDArray[np.float64]
    bpm: float


def corpus_pairs(folder: Path, count: int) -> Iterator[Pair]:
    """Yield the beginnings of pairs of a corpus."""
    for path in sorted((folder / "audio").iterdir())[:count]:
        motion = next((folder / "motion").glob(f"{path.stem}.*"))
        clip = cut(read_motion(motion), 0.0, CORPUS_S)
        yield Pair(clip, pad_or_crop(read_sound(path), CORPUS_S), beat_grid(clip).beats_s, np.nan)


def labelled_pairs(engine: str, count: int, save: Path | None) -> Iterator[Pair]:
    """Yield real dances with music made for them."""
    known = [
        dance
        for dance in labelled_dances()
        if dance.downbeat_s is not None and dance.clip.duration_s >= LABELLED_S
    ]
    for seed, dance in enumerate(known[::2][:count]):
        clip = cut(dance.clip, 0.0, LABELLED_S)
        music = kinetune.generate(
            clip, genre=dance.genre, bpm=dance.bpm, first_beat_s=dance.downbeat_s, engine=engine,
            seed=seed,
        )  # fmt: skip
        if save is not None:
            write_sound(save / f"{engine}-{seed:02d}.wav", music.sound)
        yield Pair(clip, music.sound, music.beats.beats_s, dance.bpm)


def score_pairs(pairs: list[Pair], network_folder: Path) -> dict[str, Scores]:
    """Return the scores of every dance and every music, (n, n), by measure; NaN as 0."""
    network = load_similarity(network_folder)
    sounds = [analyse_audio(pair.sound) for pair in pairs]
    bodies = [analyse_motion(pair.clip) for pair in pairs]
    music = [music_vectors(pair.sound, network=network) for pair in pairs]
    dances = [motion_vectors(pair.clip, network=network) for pair in pairs]
    fits = [
        [
            MotionFit(
                f_measure(pair.beats_s, sound.beats_s),
                energy_correlation(body.speed, sound.power),
                accents_hit(body.accents_s, sound.strength),
                similarity(dance, vectors),
            )
            for sound, vectors in zip(sounds, music, strict=True)
        ]
        for pair, body, dance in zip(pairs, bodies, dances, strict=True)
    ]
    measures = {
        "beats": lambda fit: fit.beats,
        "energy": lambda fit: fit.energy,
        "accents": lambda fit: fit.accents,
        "these three": lambda fit: MotionFit(fit.beats, fit.energy, fit.accents).total,
        "similarity": lambda fit: fit.similarity,
        "all (the ranking)": lambda fit: fit.total,
    }
    return {
        name: np.nan_to_num([[measure(fit) for fit in row] for row in fits])
        for name, measure in measures.items()
    }


def wins(scores: Scores, rivals: NDArray[np.bool_]) -> float:
    """Share of rival pieces that the own music beats, ties half; NaN without rivals."""
    own = np.diag(scores)[:, None]
    won = (own > scores) + 0.5 * (own == scores)
    return float(won[rivals].mean()) if rivals.any() else float("nan")


def print_table(title: str, pairs: list[Pair], network: Path) -> None:
    """Print the rows of all measures."""
    bpm = np.array([pair.bpm for pair in pairs])
    others = ~np.eye(len(pairs), dtype=bool)
    same = (np.abs(bpm[:, None] - bpm[None]) < SAME_BPM) & others
    print(f"\n{title}, {len(pairs)} dances, {same.sum()} pairs of the same tempo\n")
    print("| measure | first of 50 | among 5 | above another | above one of the same tempo |")
    print("|---|---|---|---|---|")
    for name, scores in score_pairs(pairs, network).items():
        recalls = [retrieval(scores, k).mean() for k in (1, 5)]
        shares = (*recalls, wins(scores, others), wins(scores, same))
        print(f"| {name} | {' | '.join(f'{100 * share:.0f} %' for share in shares)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--engine", nargs="+", choices=["composer", "diffusion"], default=[])
    parser.add_argument("--dances", type=int, default=50)
    parser.add_argument("--network", type=Path, default=BUNDLED)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    if options.save is not None:
        options.save.mkdir(parents=True, exist_ok=True)
    if options.corpus:
        pairs = list(corpus_pairs(options.corpus, options.dances))
        print_table(str(options.corpus.name), pairs, options.network)
    for engine in options.engine:
        pairs = list(labelled_pairs(engine, options.dances, options.save))
        print_table(f"real dances, {engine}", pairs, options.network)


if __name__ == "__main__":
    main()
