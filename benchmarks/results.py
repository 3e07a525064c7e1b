"""The table of docs/results.md: our models, the corpus and all baselines, scored in one run.

    python benchmarks/results.py [--pairs 40] [--models default paper=runs/paper/model]
        [--seconds 10] [--variations 2] [--embeddings genre mfcc] [--work runs/results]
        [--page docs/results.md] [--append HEADING]

Dances and music are made from held-out seeds, all ten genres in turn. Every model makes several
variations for each dance, with estimated beats (``LABEL``) and, if it accepts beats, with the true
ones (``LABEL_beats_given``); ``--models composer`` is the other engine. ``reference`` is the
corpus's own music; true beats are the corpus's. Existing files in the work folder are kept, so an
interrupted run resumes. ``kinetune evaluate`` can score that folder again.
"""

import argparse
import os
import shutil
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import kinetune.tasks  # noqa: F401 - sleeping threads, before torch is loaded
from kinetune import files, genres
from kinetune.audio.sound import Sound, write_sound
from kinetune.cli.terminal.progress import stage_bars
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.metrics.evaluation import report
from kinetune.metrics.evaluation.embedding_scores import NetworkOptions
from kinetune.metrics.evaluation.pairing import Folders
from kinetune.metrics.evaluation.protocol import Evaluation, Settings, evaluate
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.io.amass import write_amass

FIRST_SEED = 910_000
GIVEN = "_beats_given"
# The engine that is no model.
COMPOSER = "composer"


def main() -> None:
    """Make what is missing, score it, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--variations", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--embeddings", nargs="*", default=["genre", "mfcc"])
    parser.add_argument("--work", type=Path, default=Path("runs/results"))
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--append", metavar="HEADING", help="Add a table to the page, no more.")
    options = parser.parse_args()
    work = options.work / f"{options.pairs}x{options.seconds:g}s"
    with stage_bars() as progress:
        pairs = [
            made(work, number, options.seconds, progress=progress, total=options.pairs)
            for number in range(options.pairs)
        ]
        files.write_text(work / "genres.csv", "".join(f"{name_of(p)},{p.genre}\n" for p in pairs))
        systems = {}
        for text in options.models:
            label, _, model = text.partition("=")
            for given in (False, True) if takes_beats(model or label) else (False,):
                row = label + (GIVEN if given else "")
                systems[row] = work / row
                generate_all(
                    systems[row], model or label, pairs, given, options.variations, progress
                )
        folders = Folders(
            systems, work / "reference", work / "motions", work / "genres.csv", work / "beats"
        )
        networks = NetworkOptions(tuple(options.embeddings))
        evaluation = evaluate(folders, Settings(networks=networks), progress=progress)
    report.write_report(evaluation, work / "report")
    if options.append:
        append_table(options.page, options.append, evaluation)
    else:
        write_page(options.page, work / "report", evaluation)


def takes_beats(model: str) -> bool:
    """Whether a model accepts a beat grid; the paper's doesn't."""
    from kinetune.model.checkpoint import resolve

    if model == COMPOSER:
        return True
    index = Path(resolve(model)) / "model_index.json"
    return "DanceCondition" in index.read_text(encoding="utf-8")


def name_of(pair: Pair) -> str:
    """What a pair's files are called."""
    return f"{pair.genre.lower()}-{pair.seed}"


def made(work: Path, number: int, seconds: float, *, progress, total: int) -> Pair:  # noqa: ANN001
    """A pair, its dance, music and beats written."""
    genre = genres.CODES[number % len(genres.CODES)]
    pair = make_pair(FIRST_SEED + number, genre=genre, duration_s=seconds)
    name = name_of(pair)
    write_amass(work / "motions" / f"{name}.npz", pair.clip)
    write_sound(work / "reference" / f"{name}.wav", pair.sound)
    beats = "".join(f"{beat:.6f}\n" for beat in pair.beats_s if beat < seconds)
    files.write_text(work / "beats" / f"{name}.txt", beats)
    progress("making pairs", number + 1, total)
    return pair


def generate_all(
    folder: Path, model: str, pairs: list[Pair], given: bool, variations: int, progress,  # noqa: ANN001
) -> None:  # fmt: skip
    """Generate the requested number of variations for every dance."""
    music_of = composed if model == COMPOSER else generated(model)
    jobs = [(pair, variation) for pair in pairs for variation in range(variations)]
    for done, (pair, variation) in enumerate(jobs, start=1):
        path = folder / str(variation) / f"{name_of(pair)}.wav"
        if not path.is_file():
            seed = zlib.crc32(path.stem.encode()) % 2**31 + variation
            write_sound(path, music_of(pair, seed, pair.grid if given else None))
        progress(f"music: {folder.name}", done, len(jobs))


def generated(model: str) -> Callable[[Pair, int, BeatGrid | None], Sound]:
    """Return what makes music with a model, loaded when it is first called."""
    from user_pipeline import load_model

    load = cache(lambda: load_model(model))
    return lambda pair, seed, grid: load()(pair.clip, genre=pair.genre, seed=seed, grid=grid).sound


def composed(pair: Pair, seed: int, grid: BeatGrid | None) -> Sound:
    """Return the composer's music for a pair's dance."""
    from kinetune.tasks.composing.engine import compose_music
    from kinetune.tasks.requests.music_options import MusicOptions

    options = MusicOptions(engine="composer", seed=seed)
    return compose_music(pair.clip, options, genre=pair.genre, grid=grid).sound


def append_table(page: Path, heading: str, evaluation: Evaluation) -> None:
    """Add a section with a table to a page; one of that heading is replaced, if it is the last."""
    before = page.read_text(encoding="utf-8").split(f"## {heading}\n")[0].rstrip()
    command = " ".join(["python", *sys.argv[:-1], f'"{sys.argv[-1]}"'])
    parts = [
        before,
        f"## {heading}",
        f"Made by `{command}`.",
        report.reading_notes(evaluation),
        report.markdown_table(evaluation),
    ]
    files.write_text(page, "\n\n".join(parts) + "\n")


def write_page(page: Path, made: Path, evaluation: Evaluation) -> None:
    """Write the page and its pictures."""
    pictures = page.parent / page.stem
    pictures.mkdir(parents=True, exist_ok=True)
    for name in ("beats.png", "distributions.png"):
        shutil.copyfile(made / name, pictures / name)
    command = " ".join(["python", *sys.argv])
    metrics = os.path.relpath(Path(__file__).parent.parent / "docs" / "metrics.md", page.parent)
    parts = [
        "# Results",
        f"Made by `{command}`, in one run; see [what each metric is]({metrics}). "
        f"Systems: our models with estimated beats and, if a model accepts beats, with the true "
        f"ones (`…{GIVEN}`). `reference` is the corpus's own music; the other columns are "
        "baselines. The test music and the training music come from the same corpus. So these "
        "figures measure how well the model reproduces the corpus, not how people like it.",
        report.reading_notes(evaluation),
        report.markdown_table(evaluation),
        f"![beats of dance and music]({page.stem}/beats.png)",
        f"![distributions]({page.stem}/distributions.png)",
        report.limits_section(evaluation),
        report.problems_section(evaluation),
    ]
    files.write_text(page, "\n\n".join(part for part in parts if part) + "\n")


if __name__ == "__main__":
    main()
