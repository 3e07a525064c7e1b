"""How often the composer's music has what a prompt requests, by its notes and by its sound.

    python benchmarks/prompts.py --picture docs/guide/prompt.png
    python benchmarks/prompts.py --corpus 0 --sounds 0     # by the notes only: a minute

Every prompt is given to the same dances with the same seeds as no prompt is. *By the notes*: the
share of pieces with the attribute, read off the score. *By the sound*: the share in which a probe
detects it, a logistic regression on statistics of MFCCs, chroma and onsets that is trained on
music of the corpus alone (made by its composer and its own mixer, which the composer of
``kinetune generate`` does not use). Its area under the ROC curve (AUC) is that of five folds; it
counts from 0.75, and detects what only one in ten pieces of the corpus without the attribute
exceeds. What was computed is kept in the cache: the command can be stopped and resumed.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import genres
from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import Sound
from kinetune.composer.compose import compose_piece
from kinetune.composer.piece import Piece
from kinetune.composer.prompts.attributes import played_piece
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import DanceProfile
from kinetune.corpus.prompts.attributes import attributes_of, played_score
from kinetune.corpus.rendering.mixer import render
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip
from kinetune.tasks.composing.engine import piece_request, play
from kinetune.tasks.generating.prompt import with_prompt
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
LEAST_AUC, SPECIFICITY, FOLDS = 0.75, 0.9, 5
FEWEST = 12


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


def piece_for(made: Dance, prompt: str | None) -> Piece:
    """Return the composer's piece for a dance, as ``kinetune generate`` makes it."""
    options = with_prompt(MusicOptions(made.genre, made.seed, engine="composer"), prompt)
    grid = made.grid if options.beats == BeatOptions() else None
    return compose_piece(piece_request(made.clip, options, genre=made.genre, grid=grid))


def corpus_piece(number: int) -> tuple[Sound, tuple[str, ...]]:
    """Return music of the corpus for random energies, and its attributes."""
    rng = np.random.default_rng([number, 2])
    code = genres.CODES[number % len(genres.CODES)]
    bpm = float(rng.uniform(70.0, 150.0))
    beats = int(np.ceil(SECONDS * bpm / 60.0 - 1e-9))
    walk = np.cumsum(rng.normal(0.0, 0.08, beats))
    energy = np.clip(rng.uniform(0.15, 0.85) + walk - walk.mean(), 0.02, 1.0)
    score = compose(DanceProfile(code, bpm, SECONDS, 0.0, energy), number)
    return render(score, RATE_HZ, channels=1), attributes_of(played_score(score))


def features(sound: Sound) -> NDArray[np.float64]:
    """Return statistics of a sound, (features,): timbre, spectrum, harmony, onsets, tempo."""
    import librosa

    wave = sound.samples.reshape(-1)
    wave = wave / max(float(np.sqrt(np.mean(wave**2))), 1e-6)
    power = np.abs(librosa.stft(wave, n_fft=2048, hop_length=512)) ** 2
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=RATE_HZ, n_mels=64))
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=20)
    flux = np.maximum(np.diff(mel, axis=1), 0.0)
    chroma = librosa.feature.chroma_stft(S=power, sr=RATE_HZ).mean(axis=1)
    flatness = librosa.feature.spectral_flatness(S=power)
    low = np.percentile(mel, 10, axis=1)
    return np.concatenate([
        mfcc.mean(axis=1), mfcc.std(axis=1), np.diff(mfcc, axis=1).std(axis=1),
        mel.mean(axis=1), mel.std(axis=1), mel.mean(axis=1) - low, flux.mean(axis=1),
        flux.std(axis=1), [np.log(flatness + 1e-9).mean()], _modes(chroma), _tempo(flux),
    ])  # fmt: skip


def _modes(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best correlation with Krumhansl and Kessler's major and minor profiles, their difference."""
    major = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
    minor = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]
    best = [
        max(np.corrcoef(np.roll(profile, k), chroma)[0, 1] for k in range(12))
        for profile in (major, minor)
    ]
    return np.array([*best, best[0] - best[1], chroma.std()])


def _tempo(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelation of all onsets from 0.1 to 1.4 s, and onsets a second."""
    total = flux.sum(axis=0) - flux.sum(axis=0).mean()
    full = np.correlate(total, total, "full")[len(total) - 1 :]
    rate = RATE_HZ / 512
    lags = np.interp(np.linspace(0.1, 1.4, 40) * rate, np.arange(len(full)), full / full[0])
    peaks = np.sum((total[1:-1] > total[:-2]) & (total[1:-1] > total[2:]) & (total[1:-1] > 0))
    return np.append(lags, peaks / SECONDS)


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


def corpus_row(number: int) -> dict:
    sound, names = corpus_piece(number)
    return {"names": list(names), "features": features(sound).tolist()}


def piece_row(number: int, prompt: str | None, *, with_sound: bool) -> dict:
    piece = piece_for(dance(number), prompt)
    row: dict = {"names": list(attributes_of(played_piece(piece)))}
    if with_sound:
        sound = play(piece, ExportFormat(RATE_HZ, 1)).sound
        row["features"] = features(sound).tolist()
    return row


@dataclass(frozen=True, eq=False)
class Probe:
    """Detects an attribute in features; ``auc`` is that of held-out music of the corpus."""

    auc: float
    limit: float
    model: object

    def share(self, rows: NDArray[np.float64]) -> float:
        """Return the share of rows in which it detects the attribute."""
        return float(np.mean(self.model.decision_function(rows) > self.limit))  # type: ignore[attr-defined]


def train_probe(rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> Probe | None:
    """Return the probe of an attribute; None where the corpus has too few pieces with it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if min(labels.sum(), (~labels).sum()) < FEWEST:
        return None
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    held_out = cross_val_predict(model, rows, labels, cv=folds, method="decision_function")
    limit = float(np.quantile(held_out[~labels], SPECIFICITY))
    return Probe(float(roc_auc_score(labels, held_out)), limit, model.fit(rows, labels))


@dataclass(frozen=True)
class Result:
    """Shares of pieces with an attribute, without and with the prompt."""

    prompt: str
    attribute: str
    notes: tuple[float, float]
    sound: tuple[float, float] | None
    auc: float | None


def results(cache_: Cache, *, corpus: int, pieces: int, sounds: int) -> Iterator[Result]:
    """Yield a result a prompt."""
    rows = [cache_.get(f"corpus {n}", lambda n=n: corpus_row(n)) for n in range(corpus)]
    known = np.array([row["features"] for row in rows])

    def made(prompt: str | None) -> list[dict]:
        return [
            cache_.get(
                f"{prompt} {n} {n < sounds}",
                lambda n=n: piece_row(n, prompt, with_sound=n < sounds),
            )
            for n in range(pieces)
        ]

    plain = made(None)
    for prompt, counted in PROMPTS.items():
        name, negated = counted.lstrip("-"), counted.startswith("-")
        labels = np.array([(name in row["names"]) != negated for row in rows], dtype=bool)
        probe = train_probe(known, labels) if len(rows) and sounds else None
        both = (plain, made(prompt))
        notes = tuple(np.mean([(name in r["names"]) != negated for r in side]) for side in both)
        sound = None
        if probe is not None and probe.auc >= LEAST_AUC:
            sound = tuple(probe.share(np.array([r["features"] for r in s[:sounds]])) for s in both)
        yield Result(prompt, counted, notes, sound, None if probe is None else probe.auc)


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
    parser.add_argument("--corpus", type=int, default=300, help="pieces that probes learn from")
    parser.add_argument("--pieces", type=int, default=20, help="pieces a prompt, by the notes")
    parser.add_argument("--sounds", type=int, default=10, help="of these, by the sound")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    rows = list(
        results(
            Cache(options.cache), corpus=options.corpus, pieces=options.pieces,
            sounds=options.sounds,
        )
    )  # fmt: skip
    print(table(rows))
    if options.picture is not None:
        draw(rows, options.picture)


if __name__ == "__main__":
    main()
