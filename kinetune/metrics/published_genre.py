"""The published genre divergence, as its script computes it, so that old tables can be checked.

Do not measure with it: use :func:`kinetune.metrics.genre.kl_divergence`. What the script does
(repository vtan05/dmd, genre.py), step by step:

1. The clip, whatever its length, is resampled to 480,000 samples, as if it lasted 30 s at 16 kHz: a
   5 s clip is slowed down six times. Samples 24,000 to 72,000 are taken: 0.25 to 0.75 s of it.
2. MS-SincResNet gives logits of ten GTZAN genres, which are no dance genres.
3. The logits are scaled so that the smallest is 0 and the largest 1, without a softmax: that is no
   distribution and does not sum to one.
4. The sum of x log(x / y) - x + y over genres is infinite unless the genre least likely in the
   reference is least likely in the generated clip too; infinite clips are left out, and the mean is
   over what remains.

Conventions: logits (n, K), clip by clip; no meaningful unit; lower is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample
from scipy.special import kl_div

from kinetune.audio.sound import Sound
from kinetune.errors import MetricError
from kinetune.metrics.networks.ms_sincresnet import WINDOW_SAMPLES, MsSincResNet

# The script reads 16-bit files without scaling them.
_FULL_SCALE = 32_768.0
_SAMPLES_OF_30_S = 480_000
_FIRST = 24_000


@dataclass(frozen=True)
class PublishedKld:
    """The published divergence of a set of clips.

    Attributes:
        value: Mean over the finite clips; NaN if there is none.
        counted: Clips in that mean.
        n: Clips in all.
    """

    value: float
    count_problems: int
    n: int


def genre_kld_as_published(reference: NDArray, generated: NDArray) -> PublishedKld:
    """Return the published divergence of logits.

    Args:
        reference: Logits of the reference clips, (n, K).
        generated: Logits of the generated clips, (n, K).

    Raises:
        MetricError: The shapes differ, there is no clip, or a value is not finite.
    """
    pair = [np.asarray(logits, dtype=np.float64) for logits in (reference, generated)]
    if pair[0].shape != pair[1].shape or pair[0].ndim != 2 or 0 in pair[0].shape:
        shapes = " and ".join(str(logits.shape) for logits in pair)
        raise MetricError(f"expected logits (n, K) of as many references as clips, found {shapes}")
    if not all(np.isfinite(logits).all() for logits in pair):
        raise MetricError("genre logits: found NaN or infinity")
    # Equal logits are scaled to NaN there, and masked like the infinite.
    with np.errstate(invalid="ignore"):
        divergences = kl_div(_min_max(pair[0]), _min_max(pair[1])).sum(axis=1)
    finite = divergences[np.isfinite(divergences)]
    value = float(finite.mean()) if len(finite) else float("nan")
    return PublishedKld(value, len(finite), len(divergences))


def published_logits(sounds: Sequence[Sound], network: MsSincResNet) -> NDArray[np.float64]:
    """Return the logits (n, 10) the published script takes of sounds."""
    rows = []
    with torch.inference_mode():
        for sound in sounds:
            excerpt = torch.from_numpy(published_excerpt(sound).astype(np.float32))
            rows.append(network(excerpt[None])[0].double().numpy())
    return np.array(rows).reshape(len(rows), -1)


def published_excerpt(sound: Sound) -> NDArray[np.float64]:
    """Return the 48,000 samples the published script uses, in units of 16-bit files."""
    whole = np.round(sound.mono.astype(np.float64) * _FULL_SCALE)
    stretched = resample(whole, _SAMPLES_OF_30_S)
    return np.asarray(stretched[_FIRST : _FIRST + WINDOW_SAMPLES])


def _min_max(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    low = logits.min(axis=1, keepdims=True)
    return (logits - low) / (logits.max(axis=1, keepdims=True) - low)
