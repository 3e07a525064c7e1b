"""Probabilities of the ten dance genres, and the genre divergence and accuracy from them.

Conventions: a sound is any rate, mono or not; probabilities are float64 (10,), or (n, 10) for n
clips, in the order of :data:`kinetune.genres.CODES`, and sum to one. They are the softmax of the
bundled classifier (docs/genre-classifier.md) averaged over windows of 3 s every 0.5 s. The
divergence is Kullback and Leibler's in nats, of the generated from the reference,
sum p log(p / q), clip by clip; the published script's is in
:mod:`kinetune.metrics.published_genre`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import rel_entr
from torch import Tensor

from kinetune import files, genres
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError, MetricError
from kinetune.metrics.networks.genre_network import (
    GenreConfig,
    GenreNetwork,
    load_network,
)

BUNDLED = files.WEIGHTS / "genre"
# Windows classified at once: about 100 MB of work space.
_BATCH = 32


@dataclass(frozen=True)
class GenreScores:
    """Genre scores of a set of clips.

    Attributes:
        kld: Mean divergence from the reference clips, nats; NaN without a reference.
        accuracy: Share of clips classified as the requested genre; NaN without genres.
        n: Clips.
    """

    kld: float
    accuracy: float
    n: int


def load_classifier(path: Path | None = None) -> GenreNetwork:
    """Return a classifier, the bundled one if no folder is given; the same object every time.

    Raises:
        ModelError: The folder is not a genre classifier's.
    """
    return _load_cached(BUNDLED if path is None else Path(path))


@lru_cache(maxsize=4)
def _load_cached(folder: Path) -> GenreNetwork:
    return load_network(folder)


def genre_probabilities(sound: Sound, *, classifier: GenreNetwork | None = None) -> NDArray:
    """Return the probabilities of the genres, float64 (10,), summing to one.

    Args:
        sound: Half a second or longer; less than a window is repeated to fill one.
        classifier: The bundled one if None.

    Raises:
        AudioError: The sound is too short.
    """
    network = classifier or load_classifier()
    with torch.inference_mode():
        logits = torch.cat([network(part) for part in _batches(sound, network.settings)])
        probabilities: NDArray[np.float64] = logits.double().softmax(dim=1).mean(dim=0).numpy()
    return probabilities


def genre_embeddings(
    sound: Sound, *, classifier: GenreNetwork | None = None
) -> NDArray[np.float32]:
    """Return the classifier's penultimate layer for every window, float32 (windows, D).

    Args and errors as in :func:`genre_probabilities`.
    """
    network = classifier or load_classifier()
    with torch.inference_mode():
        rows = torch.cat([network.embed(part) for part in _batches(sound, network.settings)])
    return np.asarray(rows.numpy(), dtype=np.float32)


def validate(probabilities: NDArray) -> NDArray[np.float64]:
    """Return probabilities (n, 10) as float64, checked; (10,) becomes (1, 10).

    Raises:
        MetricError: Another shape, values below zero or not finite, or a sum that is not one.
    """
    values = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    if values.ndim != 2 or values.shape[1] != len(genres.CODES):
        raise MetricError(f"genre probabilities: expected (n, 10), found {values.shape}")
    if len(values) == 0:
        raise MetricError("genre probabilities: no clip to score")
    if not np.isfinite(values).all() or (values < 0).any():
        raise MetricError("genre probabilities: found values below zero or not finite")
    if np.abs(values.sum(axis=1) - 1.0).max() > 1e-4:
        worst = values.sum(axis=1)[np.abs(values.sum(axis=1) - 1.0).argmax()]
        raise MetricError(f"genre probabilities: expected a sum of one, found {worst:g}")
    return values


def kl_divergence(p: NDArray, q: NDArray) -> float:
    """Return the mean divergence of the generated clips from their references, nats.

    Args:
        p: Of the reference, (10,) or (n, 10).
        q: Of the generated, the same shape, clip by clip.

    Returns:
        0 for equal ones; infinite where ``q`` rules out what ``p`` does not.

    Raises:
        MetricError: As in :func:`validate`, or the numbers of clips differ.
    """
    reference, generated = validate(p), validate(q)
    if len(reference) != len(generated):
        raise MetricError(
            f"expected a reference a clip, found {len(reference)} for {len(generated)} clips"
        )
    return float(rel_entr(reference, generated).sum(axis=1).mean())


def genre_accuracy(probabilities: NDArray, requested: Sequence[str]) -> float:
    """Return the share of clips whose most probable genre is the requested one, 0 to 1.

    Args:
        probabilities: (n, 10).
        requested: n genres by code or name.

    Raises:
        MetricError: As in :func:`validate`, or the numbers differ.
        ConfigError: An unknown genre.
    """
    values = validate(probabilities)
    indices = [genres.genre_index(genres.genre_code(name)) for name in requested]
    if len(indices) != len(values):
        raise MetricError(f"expected a genre a clip, found {len(indices)} for {len(values)} clips")
    return float(np.mean(values.argmax(axis=1) == np.array(indices)))


def evaluate(
    generated: NDArray, *, reference: NDArray | None = None, requested: Sequence[str] | None = None
) -> GenreScores:
    """Return all scores that follow from the probabilities of a set of clips.

    Args:
        generated: (n, 10).
        reference: (n, 10), the reference of each clip.
        requested: The genre requested for each clip.

    Raises:
        MetricError: As in :func:`kl_divergence` and :func:`genre_accuracy`.
    """
    values = validate(generated)
    kld = float("nan") if reference is None else kl_divergence(reference, values)
    accuracy = float("nan") if requested is None else genre_accuracy(values, requested)
    return GenreScores(kld, accuracy, len(values))


def _batches(sound: Sound, settings: GenreConfig) -> Sequence[Tensor]:
    """Windows (B, N) of a sound, a batch at a time."""
    if sound.duration_s < settings.hop_s:
        raise AudioError(
            f"expected {settings.hop_s:g} s or more to classify, found {sound.duration_s:.2f} s"
        )
    samples = resample(to_mono(sound), settings.rate_hz).samples
    if len(samples) < settings.window_samples:
        samples = np.resize(samples, settings.window_samples)
    signal = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    windows = signal.unfold(0, settings.window_samples, settings.hop_samples)
    return windows.split(_BATCH)
