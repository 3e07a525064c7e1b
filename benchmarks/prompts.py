"""How often music has what a prompt requests, by its notes and by its sound.

    python benchmarks/prompts.py --picture docs/guide/prompt.png    # by the notes only: a minute
    python benchmarks/mixed_corpus.py --out out/mixed
    python benchmarks/attribute_probe.py --corpus runs/corpus --mixed out/mixed --out out/probe
    python benchmarks/prompts.py --probe out/probe
    python benchmarks/prompts.py --probe out/probe --engine diffusion --sounds 6

Every prompt is given to the same dances with the same seeds as no prompt is. *By the notes*: the
share of the composer's pieces with the attribute, read off the score. *By the sound*: the share in
which a probe detects it that was trained on music of the corpus alone (made by its composer and
its own mixer, which the composer of ``kinetune generate`` does not use). An attribute counts whose
area under the ROC curve (AUC) is 0.75 or more on held-out music of the corpus. It is detected
where the probe exceeds what only one in twenty pieces without it exceeds: the composer's pieces for
other dances without a prompt, or the corpus's for the music of a model. A prompt is proved by the
sound where detections are at least twice as frequent with it, and more frequent by a paired test
(exact, one-sided, p < 0.05). Notes and spectrograms are kept in the cache: the command can be
stopped and resumed.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from attribute_probe import NAMES, Measures, Probe, label_matrix, load, log_mel, measure
from numpy.typing import NDArray
from scipy import stats

from kinetune import genres
from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound
from kinetune.composer.compose import compose_piece
from kinetune.composer.piece import Piece
from kinetune.composer.prompts.attributes import piece_attributes
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
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
# The other instruments and kinds of bass that not most pieces have anyway, and the words that mean
# several attributes at once, of which one is counted.
MORE_PROMPTS = {
    "a clavinet": "instrument:clavinet",
    "an acoustic guitar": "instrument:acoustic-guitar",
    "a distorted guitar": "instrument:distorted-guitar",
    "a trumpet": "instrument:trumpet",
    "a flute": "instrument:flute",
    "whistling": "instrument:whistle",
    "a violin": "instrument:violin",
    "a cello": "instrument:cello",
    "pizzicato": "instrument:pizzicato",
    "a harp": "instrument:harp",
    "a talkbox": "instrument:talkbox",
    "a vibraphone": "instrument:vibraphone",
    "a marimba": "instrument:marimba",
    "a kalimba": "instrument:kalimba",
    "a music box": "instrument:music-box",
    "an ambient pad": "instrument:pad",
    "a synth lead": "instrument:synth-lead",
    "an arpeggiator": "instrument:pluck",
    "rave stabs": "instrument:stab",
    "orchestra hits": "instrument:orchestra-hit",
    "a shaker": "instrument:shaker",
    "bongos": "instrument:bongo",
    "a tambourine": "instrument:tambourine",
    "a cowbell": "instrument:cowbell",
    "a triangle": "instrument:triangle",
    "timbales": "instrument:timbales",
    "a tabla": "instrument:tabla",
    "wood blocks": "instrument:claves",
    "turntable scratching": "instrument:scratch",
    "a rubber bass": "bass:rubber",
    "a synth bass": "bass:synth",
    "a gliding bass": "bass:glide",
    "a bass guitar": "bass:electric",
    "energetic": "energy:energetic",
    "a straight groove": "feel:straight",
    "bright and cheerful": "tone:bright",
    "sad": "energy:calm",
    "aggressive": "energy:energetic",
    "dreamy": "energy:calm",
    "lonely": "density:sparse",
    "epic": "energy:energetic",
    "sensual": "tone:dark",
    "party": "energy:energetic",
    "unplugged": "kit:acoustic",
    "electronic": "kit:machine",
    "a cappella": "-instrument:drums",
}
SECONDS, RATE_HZ, FPS = 16.0, 22_050, 30.0
LEAST_AUC, MOST_P = 0.75, 0.05
# Dances whose music without a prompt sets the limits of detection; no prompt is given to them.
OTHER_DANCES = range(1000, 1200)


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
    """What was computed, one file an item."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def notes(self, number: int, prompt: str | None) -> list[str]:
        """Return the attributes of the composer's piece for a dance, by its notes."""
        path = self._path("notes", number, prompt, ".json")
        if not path.is_file():
            path.write_text(json.dumps(piece_attributes(piece_for(dance(number), prompt))))
        return json.loads(path.read_text())

    def mel(
        self, number: int, prompt: str | None, pipeline: LazyPipeline | None
    ) -> NDArray[np.float16]:
        """Return the spectrogram of the music for a dance: a model's, or the composer's."""
        engine = "composer" if pipeline is None else pipeline.model
        path = self._path(engine, number, prompt, ".npy")
        if not path.is_file():
            np.save(path, log_mel(sound_for(dance(number), prompt, pipeline)))
        return np.load(path)

    def _path(self, kind: str, number: int, prompt: str | None, ending: str) -> Path:
        key = hashlib.sha256(f"{kind} {prompt} {number}".encode()).hexdigest()[:20]
        return self.folder / f"{key}{ending}"


@dataclass(frozen=True, eq=False)
class Detector:
    """What judges the sound.

    Attributes:
        probe: The probe.
        auc: Area under the curve of every attribute over held-out music of the corpus, (A,).
        limits: From which score an attribute is detected, and below which its absence.
        pipeline: The model whose music is judged; None for the composer's.
        cache: What was computed.
        sounds: Pieces a prompt.
    """

    probe: Probe
    auc: NDArray[np.float64]
    limits: Measures
    pipeline: LazyPipeline | None
    cache: Cache
    sounds: int

    def scores(self, prompt: str | None) -> NDArray[np.float64]:
        """Return the probe's scores of the pieces with a prompt, (pieces, A)."""
        return self.probe.scores(
            self.cache.mel(n, prompt, self.pipeline) for n in range(self.sounds)
        )

    def detected(self, scores: NDArray[np.float64], counted: str) -> NDArray[np.bool_]:
        """Return in which pieces an attribute, or its absence, is detected."""
        column = NAMES.index(counted.lstrip("-"))
        score = scores[:, column]
        if counted.startswith("-"):
            return score < self.limits.absent[column]
        return score > self.limits.limits[column]


def composer_measures(probe: Probe, cache_: Cache) -> Measures:
    """Return what a probe achieves on the composer's pieces without a prompt, of other dances."""
    scores = probe.scores(cache_.mel(number, None, None) for number in OTHER_DANCES)
    return measure(scores, label_matrix(cache_.notes(n, None) for n in OTHER_DANCES) > 0.5)


@dataclass(frozen=True)
class Result:
    """Shares of pieces with an attribute, without and with the prompt.

    Attributes:
        prompt: The prompt.
        attribute: What is counted; behind a minus its absence.
        notes: By the notes.
        sound: By the sound; None if the attribute doesn't count.
        p: Of the paired test whether it is more frequent by the sound.
        auc: Of the probe over held-out music of the corpus.
    """

    prompt: str
    attribute: str
    notes: tuple[float, float]
    sound: tuple[float, float] | None = None
    p: float = 1.0
    auc: float | None = None

    @property
    def is_proved(self) -> bool:
        """Whether the sound proves it."""
        return doubled(self.sound) and self.p < MOST_P


def results(cache_: Cache, detector: Detector | None, *, pieces: int) -> Iterator[Result]:
    """Yield a result a prompt."""
    unprompted = None if detector is None else detector.scores(None)
    for prompt, counted in {**PROMPTS, **MORE_PROMPTS}.items():
        name, negated = counted.lstrip("-"), counted.startswith("-")
        notes = tuple(
            float(np.mean([(name in cache_.notes(n, each)) != negated for n in range(pieces)]))
            for each in (None, prompt)
        )
        result = Result(prompt, counted, notes)
        if detector is not None:
            auc = float(detector.auc[NAMES.index(name)])
            result = replace(result, auc=auc)
            if auc >= LEAST_AUC:
                without, with_it = (
                    detector.detected(scores, counted)
                    for scores in (unprompted, detector.scores(prompt))
                )
                result = replace(
                    result, sound=(float(without.mean()), float(with_it.mean())),
                    p=paired_p(without, with_it),
                )  # fmt: skip
        yield result


def paired_p(without: NDArray[np.bool_], with_it: NDArray[np.bool_]) -> float:
    """Return p of McNemar's exact test whether detections are more frequent with the prompt."""
    gained, lost = int(np.sum(with_it & ~without)), int(np.sum(without & ~with_it))
    if not gained + lost:
        return 1.0
    return float(stats.binomtest(gained, gained + lost, alternative="greater").pvalue)


def doubled(pair: tuple[float, float] | None) -> bool:
    """Whether something is at least twice as frequent with the prompt."""
    return pair is not None and pair[1] >= 2.0 * pair[0] and pair[1] > 0.0


def table(rows: Sequence[Result]) -> str:
    """Return the results in Markdown."""
    lines = [
        "| prompt | counted | by the notes | with it | probe's AUC | by the sound | with it | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sound = row.sound or (np.nan, np.nan)
        cells = [f"{x:.0%}" if np.isfinite(x) else "-" for x in (*row.notes, *sound)]
        auc = "-" if row.auc is None else f"{row.auc:.2f}"
        what = row.attribute.replace("-instrument", "no instrument")
        p = "-" if row.sound is None else f"{row.p:.0e}" if row.p < 1e-3 else f"{row.p:.3f}"
        lines.append("| " + " | ".join((row.prompt, what, *cells[:2], auc, *cells[2:], p)) + " |")
    counted = [row for row in rows if row.sound is not None]
    by_notes = sum(doubled(row.notes) for row in rows)
    proved = [row.attribute for row in counted if row.is_proved]
    lines += [
        "",
        f"At least twice as often: by the notes {by_notes} of {len(rows)} prompts; by the sound "
        f"(and p < {MOST_P}) {len(proved)} of the {len(counted)} whose attribute the probe tells "
        f"(AUC {LEAST_AUC} or more), which request {len(set(proved))} different attributes.",
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
    parser.add_argument("--sounds", type=int, default=20, help="pieces a prompt, by the sound")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    cache_, detector = Cache(options.cache), None
    if options.probe is not None:
        (probe, measures), pipeline = load(options.probe), None
        auc = measures.auc
        if options.engine == "composer":
            measures = composer_measures(probe, cache_)
        else:
            pipeline = LazyPipeline(options.model)
        detector = Detector(probe, auc, measures, pipeline, cache_, options.sounds)
    rows = list(results(cache_, detector, pieces=options.pieces))
    print(table(rows))
    if options.picture is not None:
        draw(rows[: len(PROMPTS)], options.picture)


if __name__ == "__main__":
    main()
