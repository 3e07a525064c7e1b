"""Learned similarity of a dance and a sound, and retrieval of a dance's own music by it.

Conventions: a dance and a sound that begin together. Both become vectors of one space, 15 per
second (:mod:`kinetune.metrics.networks.similarity_network`); their similarity is the cosine
between all vectors of a span, -1 to 1, averaged over spans of 10 s. The bundled network learned
from kinetune's own corpus (docs/metrics.md), so it knows how that corpus's music answers a dance:
beats, energy and accents. Level and key of the music don't matter.

Retrieval (recall at k) is that of the dance's own music among that of other dances.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import hypergeom

from kinetune import files, timebase
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError, MetricError
from kinetune.metrics.networks.genre_network import normalise_rms
from kinetune.metrics.networks.similarity_network import SimilarityNetwork, load_similarity
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import rhythm_features
from kinetune.motion.group import Dancers, dancers_of
from kinetune.tower import VECTORS_PER_S

Vectors = NDArray[np.float32]
BUNDLED = files.WEIGHTS / "similarity"
# Of a span, and of the training windows.
SPAN_S = 10.0
# Songs to choose from, as published retrieval has it.
AMONG = 50
_SHORTEST_S = 0.5


@lru_cache(maxsize=2)
def load_network(folder: Path = BUNDLED) -> SimilarityNetwork:
    """Return a network, the bundled one if no folder is given; the same object every time.

    Raises:
        ModelError: The folder is not a similarity network's.
    """
    return load_similarity(folder)


def motion_vectors(clip: Dancers, *, network: SimilarityNetwork | None = None) -> Vectors:
    """Return the vectors of a dance, (T', D), 15 per second; of a group their mean.

    Args:
        clip: The dance.
        network: The bundled one if None.
    """
    network = network or load_network()
    parts = [_motion_vectors(dancer, network) for dancer in dancers_of(clip)]
    count = min(map(len, parts))
    return np.asarray(np.mean([part[:count] for part in parts], axis=0), dtype=np.float32)


def _motion_vectors(clip: MotionClip, network: SimilarityNetwork) -> Vectors:
    with torch.inference_mode():
        features = torch.from_numpy(rhythm_features(clip))
        vectors: Vectors = network.embed_motion(features[None])[0].numpy()
    return vectors


def music_vectors(sound: Sound, *, network: SimilarityNetwork | None = None) -> Vectors:
    """Return the vectors of a sound, (T', D), 15 per second.

    Args:
        sound: Half a second or longer, any rate and channels.
        network: The bundled one if None.

    Raises:
        AudioError: It is shorter.
    """
    if sound.duration_s < _SHORTEST_S:
        raise AudioError(
            f"expected {_SHORTEST_S:g} s of sound or more, found {sound.duration_s:.3f} s"
        )
    network = network or load_network()
    with torch.inference_mode():
        vectors: Vectors = network.embed_music(mel_rows(sound, network.settings.mel)[None])[
            0
        ].numpy()
    return vectors


def mel_rows(sound: Sound, settings: MelConfig) -> torch.Tensor:
    """Return the log mel spectrogram (T, M) of a sound, 30 frames per second, level removed."""
    mono = resample(to_mono(sound), settings.rate_hz).samples
    samples = torch.from_numpy(np.ascontiguousarray(mono, dtype=np.float32))
    rows: torch.Tensor = log_mel(normalise_rms(samples[None]), settings)[0].T
    return rows


def similarity(motion: Vectors, music: Vectors) -> float:
    """Return the similarity of vectors (T', D) of a dance and of a sound, -1 to 1.

    The longer one is cut to the shorter one. NaN where either has no vectors.

    Raises:
        MetricError: They are of different networks.
    """
    if motion.ndim != 2 or music.ndim != 2 or motion.shape[1] != music.shape[1]:
        raise MetricError(
            f"expected vectors (T', D) of one network, found {motion.shape} and {music.shape}"
        )
    count = min(len(motion), len(music))
    if count == 0:
        return float("nan")
    span = timebase.frames_in(SPAN_S, VECTORS_PER_S)
    # Spans of equal length, none shorter than a whole one where there is more than one.
    parts = np.array_split(np.arange(count), max(1, count // span))
    return float(np.mean([_cosine(motion[part], music[part]) for part in parts]))


def motion_music_similarity(
    clip: Dancers, sound: Sound, *, network: SimilarityNetwork | None = None
) -> float:
    """Return the similarity of a dance and a sound that begin together, -1 to 1.

    Args:
        clip: The dance.
        sound: The music, half a second or longer.
        network: The bundled one if None.

    Raises:
        AudioError: The sound is shorter.
    """
    return similarity(motion_vectors(clip, network=network), music_vectors(sound, network=network))


def _cosine(a: Vectors, b: Vectors) -> float:
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float((a * b).sum()) / norms if norms > 0.0 else 0.0


def retrieval(scores: NDArray[np.float64], k: int, *, among: int = AMONG) -> NDArray[np.float64]:
    """Return for every dance how probably its own music is among the ``k`` most similar.

    Args:
        scores: Similarity of dance i and the music of dance j, (n, n).
        k: Places that count.
        among: Songs to choose from, the own one among them; all n if there are fewer.

    Returns:
        (n,): the probability over random choices of the other songs, exact (hypergeometric).
        Of equally similar songs half stand before the own one. Chance is k / min(among, n).

    Raises:
        MetricError: The scores are not (n, n) of finite values, or k or among is below 1.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or len(values) != values.shape[-1] or not np.isfinite(values).all():
        raise MetricError(f"retrieval: expected finite scores (n, n), found {values.shape}")
    if k < 1 or among < 1:
        raise MetricError(f"retrieval: k and among must be 1 or more, found {k} and {among}")
    own = np.diag(values)[:, None]
    others = ~np.eye(len(values), dtype=bool)
    better = ((values > own) & others).sum(axis=1)
    equal = ((values == own) & others).sum(axis=1)
    rivals = len(values) - 1
    drawn = min(among - 1, rivals)
    shares = [
        hypergeom.cdf(k - 1, rivals, before, drawn)
        for before in (better + equal // 2, better + (equal + 1) // 2)
    ]
    return np.asarray(np.mean(shares, axis=0), dtype=np.float64)
