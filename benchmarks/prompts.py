"""How often music has what a prompt requests, by its notes and by its sound.

    python benchmarks/prompts.py --picture docs/guide/prompt.png    # by the notes only: a minute
    python benchmarks/attribute_probe.py --corpus runs/corpus --out out/probe
    python benchmarks/prompts.py --probe out/probe
    python benchmarks/prompts.py --probe out/probe --engine diffusion --sounds 6

Every prompt is given to the same dances with the same seeds as no prompt is. *By the notes*: the
share of the composer's pieces with the attribute, read off the score. *By the sound*: the share in
which a probe detects it that was trained on music of the corpus alone (made by its composer and
its own mixer, which the composer of ``kinetune generate`` does not use). An attribute counts whose
area under the ROC curve (AUC) is 0.75 or more on held-out music of the corpus. It is detected
where the probe exceeds what only one in ten pieces of the corpus without it exceeds. What was
computed is kept in the cache: the command can be stopped and resumed.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from attribute_probe import NAMES, TrainedProbe, load, log_mel, logits
from numpy.typing import NDArray

from kinetune import genres
from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound
from kinetune.composer.compose import compose_piece
from kinetune.composer.piece import Piece
from kinetune.composer.prompts.attributes import played_piece
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.prompts.attributes import attributes_of
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.tasks.composing.engine import piece_request, play
from kinetune.tasks.generating.in_memory import make_music
from kinetune.tasks.generating.prompt import with_prompt
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions

# Prompts and the attribute that is counted; a minus counts pieces without it.
PROMPTS = {
    "with a grand piano": "instrument:piano",
    "warm rhodes chords": "instrument:electric-piano",
    "a hammond organ": "instrument:organ",
    "a choir and voices": "instrument:voice",
    "an orchestra's strings": "instrument:strings",
    "a brass section": "instrument:brass",
    "a tenor sax": "instrument:saxophone",
    "funk guitar": "instrument:wah-guitar",
    "hand claps": "instrument:claps",
    "finger snaps": "instrument:snaps",
    "congas": "instrument:conga",
    "slap bass": "bass:slap",
    "a deep bass": "bass:sub",
    "upright bass": "bass:acoustic",
    "a drum machine": "kit:machine",
    "a live drummer": "kit:acoustic",
    "without drums": "-instrument:drums",
    "dark and gloomy": "tone:dark",
    "crisp and sparkling": "tone:bright",
    "happy": "mode:major",
    "minimal, stripped down": "density:sparse",
    "busy, layered": "density:busy",
    "calm and gentle": "energy:calm",
    "slow": "tempo:slow",
    "fast": "tempo:fast",
    "in a cathedral": "space:wet",
    "dry": "space:dry",
    "swinging": "feel:swing",
}
SECONDS, RATE_HZ, FPS = 16.0, 22_050, 30.0
LEAST_AUC = 0.75


@dataclass(frozen=True, eq=False)
class Dance:
    """A dance, the genre of its music, the seed, and its beats as they are estimated."""

    clip: MotionClip
    genre: str
    seed: int
    grid: BeatGrid


@cache
def dance(number: int) -> Dance:
    """Return a dance whose genre and tempo follow from its number."""
    genre = genres.NAMES[number % len(genres.NAMES)]
    low, high = genres.TEMPO_RANGE_BPM[genres.genre_code(genre)]
    bpm = float(np.random.default_rng([number, 1]).uniform(low, high))
    request = DanceRequest(genres.genre_code(genre), bpm, SECONDS, fps=FPS)
    clip = choreograph(number, request).clip
    return Dance(clip, genre, number, BeatOptions().grid_for(clip))


def options_for(made: Dance, prompt: str | None, engine: str) -> MusicOptions:
    """Return the options of ``kinetune generate`` for a dance and a prompt."""
    return with_prompt(MusicOptions(made.genre, made.seed, engine=engine), prompt)


def piece_for(made: Dance, prompt: str | None) -> Piece:
    """Return the composer's piece for a dance, as ``kinetune generate`` makes it."""
    options = options_for(made, prompt, "composer")
    grid = made.grid if options.beats == BeatOptions() else None
    return compose_piece(piece_request(made.clip, options, genre=made.genre, grid=grid))


def sound_for(made: Dance, prompt: str | None, pipeline: LazyPipeline | None) -> Sound:
    """Return the music for a dance: a model's, or the composer's without a model."""
    if pipeline is None:
        return play(piece_for(made, prompt), ExportFormat(RATE_HZ, 1)).sound
    options = options_for(made, prompt, "diffusion")
    grid = made.grid if options.beats == BeatOptions() else None
    return make_music(made.clip, options, genre=made.genre, pipeline=pipeline, grid=grid).sound


class Cache:
    """What was computed, one JSON file an item."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str, make) -> dict:  # noqa: ANN001 - any function of no arguments
        """Return what is known under a key, made where it is not."""
        path = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
        if not path.is_file():
            path.write_text(json.dumps(make()))
        return json.loads(path.read_text())


@dataclass(frozen=True, eq=False)
class SoundProbe:
    """What judges the sound.

    Attributes:
        probe: The probe.
        pipeline: The model whose music is judged; None for the composer's.
        sounds: Pieces a prompt.
    """

    probe: TrainedProbe
    pipeline: LazyPipeline | None
    sounds: int

    def scores(self, number: int, prompt: str | None) -> list[float]:
        """Return the probe's logits of a piece."""
        sound = sound_for(dance(number), prompt, self.pipeline)
        return logits(self.probe.network, [log_mel(sound)])[0].tolist()


@dataclass(frozen=True)
class Result:
    """Shares of pieces with an attribute, without and with the prompt."""

    prompt: str
    attribute: str
    notes: tuple[float, float]
    sound: tuple[float, float] | None
    auc: float | None


def results(cache_: Cache, detector: SoundProbe | None, *, pieces: int) -> Iterator[Result]:
    """Yield a result a prompt."""
    engine = (
        "composer" if detector is None or detector.pipeline is None else detector.pipeline.model
    )

    def kept(key: str, prompt: str | None, make: Callable, count: int) -> list:
        return [
            cache_.get(f"{key} {prompt} {n}", lambda n=n: make(n, prompt)) for n in range(count)
        ]

    def names(number: int, prompt: str | None) -> list[str]:
        return list(attributes_of(played_piece(piece_for(dance(number), prompt))))

    for prompt, counted in PROMPTS.items():
        name, negated = counted.lstrip("-"), counted.startswith("-")
        notes = tuple(
            float(np.mean([(name in row) != negated for row in kept("notes", each, names, pieces)]))
            for each in (None, prompt)
        )
        column = NAMES.index(name)
        auc = None if detector is None else float(detector.probe.auc[column])
        sound = None
        if detector is not None and auc is not None and auc >= LEAST_AUC:
            both = (kept(engine, each, detector.scores, detector.sounds) for each in (None, prompt))
            sound = tuple(_detected(np.array(rows)[:, column], detector.probe, column, negated)
                          for rows in both)  # fmt: skip
        yield Result(prompt, counted, notes, sound, auc)


def _detected(
    scores: NDArray[np.float64], probe: TrainedProbe, column: int, negated: bool
) -> float:
    """The share of pieces in which an attribute is detected, or its absence."""
    limits = probe.absent if negated else probe.limits
    return float(np.mean((scores < limits[column]) if negated else (scores > limits[column])))


def doubled(pair: tuple[float, float] | None) -> bool:
    """Whether something is at least twice as frequent with the prompt."""
    return pair is not None and pair[1] >= 2.0 * pair[0] and pair[1] > 0.0


def table(rows: Sequence[Result]) -> str:
    """Return the results in Markdown."""
    lines = [
        "| prompt | counted | by the notes | with it | probe's AUC | by the sound | with it |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sound = row.sound or (np.nan, np.nan)
        cells = [f"{x:.0%}" if np.isfinite(x) else "-" for x in (*row.notes, *sound)]
        auc = "-" if row.auc is None else f"{row.auc:.2f}"
        what = row.attribute.replace("-instrument", "no instrument")
        lines.append(
            f"| {row.prompt} | {what} | {cells[0]} | {cells[1]} | {auc} | {cells[2]} | {cells[3]} |"
        )
    counted = [row for row in rows if row.sound is not None]
    by_notes = sum(doubled(row.notes) for row in rows)
    by_sound = sum(doubled(row.sound) for row in counted)
    lines += [
        "",
        f"At least twice as often: by the notes {by_notes} of {len(rows)} prompts, by the sound "
        f"{by_sound} of the {len(counted)} whose attribute the probe detects (AUC {LEAST_AUC} or "
        "more).",
    ]
    return "\n".join(lines)


# Label, colour, size and order of the dots of a prompt.
_DOTS = (("without the prompt", "#9aa5b1", 28, 2), ("with it", "#d9480f", 36, 3))


def draw(rows: Sequence[Result], path: Path) -> None:
    """Draw the shares without and with each prompt."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = [("by the notes", [row.notes for row in rows])]
    if any(row.sound for row in rows):
        panels.append(("by the sound", [row.sound for row in rows]))
    size = (2 + 4 * len(panels), 0.28 * len(rows) + 1.2)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axis, (title, pairs) in zip(axes[0], panels, strict=True):
        for index, pair in enumerate(pairs):
            if pair is None:
                continue
            axis.plot(pair, [index, index], color="#9aa5b1", lw=2, zorder=1)
            for share, (label, color, size, zorder) in zip(pair, _DOTS, strict=True):
                axis.scatter(
                    share, index, color=color, s=size, zorder=zorder,
                    label=None if index else label,
                )  # fmt: skip
        axis.set(title=title, xlim=(-0.03, 1.03), xlabel="share of pieces with what is requested")
        axis.grid(axis="x", alpha=0.3)
    axes[0][0].set_yticks(range(len(rows)), [row.prompt for row in rows])
    axes[0][0].invert_yaxis()
    axes[0][0].legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("out/prompts"))
    parser.add_argument("--probe", type=Path, help="folder of benchmarks/attribute_probe.py")
    parser.add_argument("--engine", choices=("composer", "diffusion"), default="composer")
    parser.add_argument("--model", default="default", help="whose sound is judged")
    parser.add_argument("--pieces", type=int, default=20, help="pieces a prompt, by the notes")
    parser.add_argument("--sounds", type=int, default=10, help="of these, by the sound")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    detector = None
    if options.probe is not None:
        pipeline = LazyPipeline(options.model) if options.engine == "diffusion" else None
        detector = SoundProbe(load(options.probe), pipeline, options.sounds)
    rows = list(results(Cache(options.cache), detector, pieces=options.pieces))
    print(table(rows))
    if options.picture is not None:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
