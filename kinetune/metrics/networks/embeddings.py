"""Embeddings of sound by name, for the distances between sets.

Conventions: a sound of any rate and channels in, float32 (frames, D) out, one row a span of
sound. A distance belongs to its embedding: never compare those of two.

- ``genre``: the penultimate layer of the bundled dance-genre classifier, 3 s every 0.5 s, D = 64.
- ``vggish``: what published Fréchet audio distances use, 0.96 s after 0.96 s, D = 128.
- ``mfcc``: means and deviations of 20 mel cepstral coefficients, second by second, D = 40; no
  weights; timbre alone.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.beats import compile_librosa
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError, ConfigError

Embedding = Callable[[Sound], NDArray]
_COEFFICIENTS = 20
_MFCC_WINDOW_S = 1.0


def embedding_named(name: str, *, weights: Path | None = None) -> Embedding:
    """Return the embedding of that name as a function of a sound.

    Args:
        name: ``genre``, ``vggish`` or ``mfcc``.
        weights: A file of VGGish's weights, or a folder of another genre classifier; the fetched
            and the bundled ones if None.

    Raises:
        ConfigError: No such name, or weights for an embedding without any.
        ModelError: Weights that can't be read or fetched.
    """
    if name not in _EMBEDDINGS:
        raise ConfigError(f"unknown embedding {name!r}; choose one of {', '.join(_EMBEDDINGS)}")
    return _EMBEDDINGS[name](weights)


def _genre(weights: Path | None) -> Embedding:
    from kinetune.metrics.genre import genre_embeddings, load_classifier

    classifier = load_classifier(weights)
    return lambda sound: genre_embeddings(sound, classifier=classifier)


def _vggish(weights: Path | None) -> Embedding:
    from kinetune.metrics.networks.vggish import load_vggish, vggish_embeddings

    network = load_vggish(weights)
    return lambda sound: vggish_embeddings(sound, network)


def _mfcc(weights: Path | None) -> Embedding:
    if weights is not None:
        raise ConfigError(f"the embedding 'mfcc' has no weights, found {weights}")
    return _mfcc_embeddings


def _mfcc_embeddings(sound: Sound) -> NDArray[np.float32]:
    compile_librosa()
    import librosa

    rate_hz = timebase.SAMPLE_RATE_HZ
    samples = resample(to_mono(sound), rate_hz).samples
    if len(samples) < timebase.samples_in(_MFCC_WINDOW_S, rate_hz):
        raise AudioError(f"'mfcc' needs 1 s or more, found {sound.duration_s:.3f} s")
    coefficients = librosa.feature.mfcc(
        y=samples, sr=rate_hz, n_mfcc=_COEFFICIENTS, hop_length=timebase.HOP_LENGTH
    ).T  # (L, 20)
    length = timebase.frames_in(_MFCC_WINDOW_S, timebase.mel_rate_hz())
    count = len(coefficients) // length
    seconds = coefficients[: count * length].reshape(count, length, _COEFFICIENTS)
    rows = np.concatenate([seconds.mean(axis=1), seconds.std(axis=1)], axis=1)
    return rows.astype(np.float32)


_EMBEDDINGS: dict[str, Callable[[Path | None], Embedding]] = {
    "genre": _genre,
    "vggish": _vggish,
    "mfcc": _mfcc,
}
