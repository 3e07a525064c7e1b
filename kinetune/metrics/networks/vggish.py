"""VGGish, the embedding that published Fréchet audio distances rest on.

Conventions: mono at 16 kHz in [-1, 1]; log mel patches (B, 1, 96, 64) of 0.96 s without overlap;
embeddings (B, 128) before the last activation, without principal components, as fadtk and
frechet_audio_distance take them. Magnitudes of 25 ms periodic Hann windows every 10 ms, transform
of 512, 64 bands from 125 to 7500 Hz, triangles in HTK's mel, log(x + 0.01).

Source: Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017, and
the AudioSet release. The weights are torchvggish's conversion (Apache-2.0), whose parameter
names are used here, so that its file loads. Resampling is SciPy's polyphase filter, not resampy.
"""

import urllib.error
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetune import timebase
from kinetune.audio.sound import Sound, resample, to_mono
from kinetune.errors import AudioError, ModelError
from kinetune.metrics.networks.weights import fit_weights, read_weights

RATE_HZ = 16_000
DIMENSIONS = 128
PATCH_FRAMES = 96
_WINDOW, _HOP, _N_FFT = 400, 160, 512
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 64, 125.0, 7500.0
_LOG_OFFSET = 0.01
_URL = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth"
# Channels of the convolutions; 0 stands for a pooling.
_LAYOUT = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0)
# Patches at once: about 150 MB of work space.
_BATCH = 32


class VggishNetwork(nn.Module):
    """Six convolutions and three linear layers, 72,141,184 parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels in _LAYOUT:
            if channels == 0:
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 6 * 4, 4096), nn.ReLU(),
            nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, DIMENSIONS),
        )  # fmt: skip

    def forward(self, patches: Tensor) -> Tensor:
        """Return embeddings (B, 128) of log mel patches (B, 1, 96, 64)."""
        channels = self.features(patches)
        # The original's channels come last: (B, 512, 6, 4) -> (B, 6, 4, 512).
        rows: Tensor = self.embeddings(channels.permute(0, 2, 3, 1).flatten(1))
        return rows


def load_vggish(weights: Path | None = None) -> VggishNetwork:
    """Return VGGish with weights from a file, or fetched once into torch's cache.

    Args:
        weights: torchvggish's ``.pth``, or the same as ``.safetensors``; fetched if None.

    Raises:
        ModelError: The file can't be read or is another network's, or nothing can be fetched.
    """
    network = VggishNetwork()
    if weights is None:
        fit_weights(network, _fetched(), where="VGGish")
    else:
        fit_weights(network, read_weights(weights), where=str(weights))
    return network


def vggish_embeddings(sound: Sound, network: VggishNetwork) -> NDArray[np.float32]:
    """Return embeddings of a sound, float32 (0.96 s patches, 128).

    Raises:
        AudioError: The sound is shorter than a patch.
    """
    patches = vggish_patches(sound)
    with torch.inference_mode():
        rows = torch.cat([network(part) for part in patches.split(_BATCH)])
    return np.asarray(rows.numpy(), dtype=np.float32)


def vggish_patches(sound: Sound) -> Tensor:
    """Return the log mel patches (B, 1, 96, 64) of a sound; what is left at the end is dropped.

    Raises:
        AudioError: The sound is shorter than a patch.
    """
    samples = resample(to_mono(sound), RATE_HZ).samples
    least = _WINDOW + (PATCH_FRAMES - 1) * _HOP
    if len(samples) < least:
        needed = timebase.duration_of(least, RATE_HZ)
        raise AudioError(f"VGGish needs {needed:.3f} s or more, found {sound.duration_s:.3f} s")
    frames = torch.from_numpy(samples.astype(np.float64)).unfold(0, _WINDOW, _HOP)
    window = torch.hann_window(_WINDOW, dtype=torch.float64)
    magnitudes = torch.fft.rfft(frames * window, _N_FFT).abs()
    log_mel = (magnitudes @ _bands() + _LOG_OFFSET).log()  # (L, K) -> (L, M)
    count = len(log_mel) // PATCH_FRAMES
    return log_mel[: count * PATCH_FRAMES].reshape(count, 1, PATCH_FRAMES, _BANDS).float()


@lru_cache(maxsize=1)
def _bands() -> Tensor:
    """Triangles whose sides are straight in mel, without the lowest bin, (K, M), float64."""
    bins = _htk_mel(np.linspace(0.0, RATE_HZ / 2, _N_FFT // 2 + 1))[:, None]
    lowest, highest = _htk_mel(np.array([_LOWEST_HZ, _HIGHEST_HZ]))
    edges = np.linspace(lowest, highest, _BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    bank = np.minimum(rising, falling).clip(min=0.0)
    bank[0] = 0.0
    return torch.from_numpy(bank)


def _htk_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(hz / 700.0))


def _fetched() -> dict[str, Tensor]:
    try:
        weights: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
            _URL, map_location="cpu", progress=False, weights_only=True
        )
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise ModelError(
            f"VGGish's weights can't be fetched from {_URL} ({error}); fetch that file elsewhere "
            "and give its path, or use the embedding 'genre'"
        ) from error
    return weights
