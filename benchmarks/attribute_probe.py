"""A probe that detects musical attributes in sound, trained on the music of a corpus.

    python benchmarks/mixed_corpus.py --out out/mixed
    python benchmarks/attribute_probe.py --corpus runs/corpus --mixed out/mixed --out out/probe

Kernel ridge regression on statistics of log mel spectrograms of mono sound at 22 kHz, made by
librosa: nothing of kinetune's own model is in it. In the corpus an instrument goes with a genre; in
the pieces of benchmarks/mixed_corpus.py it doesn't. So that the probe hears the instrument and not
the genre, what it learns of a piece is whether it has an attribute less the attribute's share in
the piece's genre (of mixed pieces: in all of them). One piece in eight is held out. Over the mixed
pieces of these: the area under the ROC curve (AUC), and the limit that one in twenty without the
attribute exceeds. Axes: M mel bands, T frames, D statistics, A attributes.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound, read_sound, resample
from kinetune.corpus.folder import read_manifest
from kinetune.corpus.prompts.vocabulary import vocabulary

Array = NDArray[np.float32]
RATE_HZ, BANDS, HOP = 22_050, 128, 512
HELD_OUT_EVERY = 8
# One in twenty without an attribute counts as having it; no limit from fewer pieces than these.
SPECIFICITY, FEWEST = 0.95, 6
# Quantiles of the level, frames between which it is compared, frames after an onset.
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_LAGS, _AFTER = (1, 2, 4, 8, 16), (2, 4, 8)
# Share of frames that rise most: the onsets.
_ONSETS = 0.15
# Bands in which repeats are looked for, and their longest lag: 2.2 s.
_REPEAT_BANDS, _LONGEST_REPEAT = 8, 96
# Of the kernel: width, ridge, weight of the repeats, and the largest statistic in deviations.
_GAMMA, _RIDGE, _REPEATS_WEIGHT, _MOST = 0.1, 0.1, 0.5, 5.0
NAMES = tuple(each.name for each in vocabulary().attribute if each.axis != "genre")


def log_mel(sound: Sound) -> NDArray[np.float16]:
    """Return the log mel spectrogram of a sound, (M, T), of mean 0."""
    import librosa

    wave = resample(Sound(sound.mono, sound.rate_hz), RATE_HZ).samples.reshape(-1)
    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE_HZ, n_fft=2048, hop_length=HOP, n_mels=BANDS
    )
    level = librosa.power_to_db(power, top_db=80.0)
    return ((level - level.mean()) / 20.0).astype(np.float16)


def statistics(mel: NDArray[np.float16]) -> Array:
    """Return what the probe knows of a sound, (D,), from its spectrogram (M, T)."""
    level = mel.astype(np.float32)
    return np.concatenate([*_spectra(level), *_envelopes(level), _repeats(level).ravel()])


def _spectra(level: Array) -> list[Array]:
    """How loud each band is, how much that varies, and how sharp the peaks of spectra are."""
    quantiles = np.quantile(level, _QUANTILES, axis=1).astype(np.float32)
    bend = np.diff(level, 2, axis=0)
    return [
        *(quantiles - quantiles.mean()), level.std(axis=1), np.abs(bend).mean(axis=1),
        *np.quantile(bend, (0.1, 0.9), axis=1).astype(np.float32),
    ]  # fmt: skip


def _envelopes(level: Array) -> list[Array]:
    """How each band rises at onsets, falls after them, and resembles itself a little later."""
    change = np.diff(level, axis=1)
    rise = np.maximum(change, 0.0)
    strength = rise.mean(axis=0)
    onsets = np.flatnonzero(strength >= np.quantile(strength, 1.0 - _ONSETS))
    onsets = onsets[onsets < level.shape[1] - max(_AFTER)]
    varying = level - level.mean(axis=1, keepdims=True)
    power = (varying**2).mean(axis=1) + 1e-4
    return [
        rise.mean(axis=1), np.abs(change).mean(axis=1), rise[:, onsets].mean(axis=1),
        *((level[:, onsets + after] - level[:, onsets]).mean(axis=1) for after in _AFTER),
        *((varying[:, lag:] * varying[:, :-lag]).mean(axis=1) / power for lag in _LAGS),
    ]  # fmt: skip


def _repeats(level: Array) -> Array:
    """Mean rise of a few bands, and its autocorrelation at each lag, (bands, 1 + lags)."""
    rise = np.maximum(np.diff(level, axis=1), 0.0)
    rise = rise.reshape(_REPEAT_BANDS, -1, rise.shape[1]).mean(axis=1)
    mean = rise.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(rise - mean, n=2 * rise.shape[1])) ** 2
    lags = np.fft.irfft(power)[:, : _LONGEST_REPEAT + 1]
    shares = lags[:, 1:] / np.maximum(lags[:, :1], 1e-6)
    return np.hstack([mean, shares]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Probe:
    """What was learned: a kernel around each of the pieces.

    Attributes:
        mean: Of each statistic, (D,).
        deviation: Of each, (D,).
        pieces: Standardised statistics of the pieces, (pieces, D).
        weights: What each adds to a score, (pieces, A).
    """

    mean: Array
    deviation: Array
    pieces: Array
    weights: Array

    def scores(self, mels: Iterable[NDArray[np.float16]]) -> NDArray[np.float64]:
        """Return how much sounds seem to have each attribute, (n, A), from spectrograms."""
        rows = np.stack([statistics(mel) for mel in mels])
        rows = standardised(rows, self.mean, self.deviation)
        return (kernel(rows, self.pieces) @ self.weights).astype(np.float64)


def standardised(rows: Array, mean: Array, deviation: Array) -> Array:
    """Return statistics in deviations from their mean, (n, D), repeats weighted."""
    scaled = np.clip((rows - mean) / deviation, -_MOST, _MOST)
    scaled[:, -_REPEAT_BANDS * (_LONGEST_REPEAT + 1) :] *= _REPEATS_WEIGHT
    return scaled


def kernel(left: Array, right: Array) -> Array:
    """Return exp(-gamma d^2) of all pairs of rows, d^2 their mean squared difference, (n, m)."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None]
    distance = np.maximum(squares - 2.0 * left @ right.T, 0.0) / left.shape[1]
    return np.exp(-_GAMMA * distance)


def fit(rows: Array, excess: Array) -> Probe:
    """Return a probe of pieces.

    Args:
        rows: Their statistics, (pieces, D).
        excess: Whether each has an attribute, 0 or 1, less what was known before, (pieces, A).
    """
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    pieces = standardised(rows, mean, deviation)
    ridge = kernel(pieces, pieces) + _RIDGE * np.eye(len(pieces), dtype=np.float32)
    return Probe(mean, deviation, pieces, np.linalg.solve(ridge, excess))


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of music with attributes.

    Attributes:
        mels: Their spectrograms, (M, T) each.
        labels: Which attributes they have, (pieces, A).
        shares: Share of the pieces of the same genre that have them, (pieces, A).
    """

    mels: Sequence[NDArray[np.float16]]
    labels: Array
    shares: Array

    @property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Which are held out, (pieces,)."""
        return np.arange(len(self.mels)) % HELD_OUT_EVERY == 0


def corpus_pieces(corpus: Path, cache: Path) -> Pieces:
    """Return the pieces of a corpus; their spectrograms are kept in a cache."""
    items = [item for item in read_manifest(corpus) if item.attributes]
    mels = [cached(cache / f"{item.id}.npy", corpus / item.audio) for item in items]
    labels = label_matrix([item.attributes for item in items])
    return Pieces(mels, labels, group_shares([item.genre for item in items], labels))


def mixed_pieces(folder: Path, cache: Path) -> Pieces:
    """Return the pieces of benchmarks/mixed_corpus.py; their spectrograms are kept in a cache."""
    paths = sorted(folder.glob("*.json"), key=lambda path: int(path.stem))
    mels = [cached(cache / f"{p.stem}.npy", p.with_suffix(".wav")) for p in paths]
    labels = label_matrix([json.loads(path.read_text()) for path in paths])
    return Pieces(mels, labels, group_shares(["mixed"] * len(paths), labels))


def cached(path: Path, sound: Path) -> NDArray[np.float16]:
    """Return the spectrogram of a file, kept in another."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, log_mel(read_sound(sound)))
    return np.load(path)


def label_matrix(names: Iterable[Sequence[str]]) -> Array:
    """Return which attributes pieces have, (pieces, A)."""
    return np.array([[name in has for name in NAMES] for has in names], np.float32)


def group_shares(groups: Sequence[str], labels: Array) -> Array:
    """Return every attribute's share of the pieces in every piece's group, (pieces, A)."""
    names, shares = np.asarray(groups), np.zeros_like(labels)
    for name in np.unique(names):
        shares[names == name] = labels[names == name].mean(axis=0)
    return shares


def train(sets: Sequence[Pieces]) -> Probe:
    """Return a probe of the pieces that are not held out."""
    rows, excess = [], []
    for pieces in sets:
        for index in np.flatnonzero(~pieces.is_held_out):
            rows.append(statistics(pieces.mels[index]))
            excess.append(pieces.labels[index] - pieces.shares[index])
    return fit(np.stack(rows), np.stack(excess))


@dataclass(frozen=True, eq=False)
class Measures:
    """What is known of a probe.

    Attributes:
        auc: Area under the curve of every attribute; NaN where there are too few pieces.
        limits: Score from which an attribute counts as detected: one in twenty of the pieces
            without it exceeds this.
        absent: Score below which its absence does: one in twenty of those with it are below.
    """

    auc: NDArray[np.float64]
    limits: NDArray[np.float64]
    absent: NDArray[np.float64]


def measure(scores: NDArray[np.float64], has: NDArray[np.bool_]) -> Measures:
    """Return what scores tell of attributes.

    Args:
        scores: Of pieces, (pieces, A).
        has: Whether a piece has an attribute, (pieces, A).
    """
    from sklearn.metrics import roc_auc_score

    auc, limits, absent = (np.full(has.shape[1], value) for value in (np.nan, np.inf, -np.inf))
    for column, (score, true) in enumerate(zip(scores.T, has.T, strict=True)):
        if min(true.sum(), (~true).sum()) >= FEWEST:
            auc[column] = roc_auc_score(true, score)
        if (~true).sum() >= FEWEST:
            limits[column] = np.quantile(score[~true], SPECIFICITY)
        if true.sum() >= FEWEST:
            absent[column] = np.quantile(score[true], 1.0 - SPECIFICITY)
    return Measures(auc, limits, absent)


def held_out_measures(probe: Probe, pieces: Pieces) -> Measures:
    """Return what a probe achieves on held-out pieces."""
    chosen = np.flatnonzero(pieces.is_held_out)
    scores = probe.scores(pieces.mels[index] for index in chosen)
    return measure(scores, pieces.labels[chosen] > 0.5)


def save(probe: Probe, measures: Measures, folder: Path) -> None:
    """Write a probe into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "probe.npz", **vars(probe), **vars(measures))


def load(folder: Path) -> tuple[Probe, Measures]:
    """Return a probe that was written into a folder."""
    with np.load(folder / "probe.npz") as kept:
        return tuple(
            kind(**{name: kept[name] for name in kind.__dataclass_fields__})
            for kind in (Probe, Measures)
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--mixed", type=Path, required=True, help="of benchmarks/mixed_corpus.py")
    parser.add_argument("--out", type=Path, default=Path("out/probe"))
    options = parser.parse_args()
    corpus = corpus_pieces(options.corpus, options.out / "corpus")
    mixed = mixed_pieces(options.mixed, options.out / "mixed")
    probe = train([corpus, mixed])
    measures = held_out_measures(probe, mixed)
    save(probe, measures, options.out)
    in_corpus = held_out_measures(probe, corpus).auc
    print(f"trained on {len(probe.pieces)} pieces")
    print("| attribute | AUC, mixed pieces | corpus |\n|---|---|---|")
    for index in np.argsort(-np.nan_to_num(measures.auc)):
        print(f"| {NAMES[index]} | {measures.auc[index]:.2f} | {in_corpus[index]:.2f} |")
    print(f"{np.sum(measures.auc >= 0.75)} of {len(NAMES)} with an AUC of 0.75 or more")


if __name__ == "__main__":
    main()
