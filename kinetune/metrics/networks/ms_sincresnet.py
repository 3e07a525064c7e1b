"""MS-SincResNet, the music genre classifier that the published genre divergence rests on.

Conventions: 3 s of mono at 16 kHz, (B, 48000); ten logits of GTZAN's genres, in the alphabetical
order of :data:`GTZAN`, which are no dance genres. Three banks of 160 windowed sinc filters (kernels
251, 501, 1001), each normalised and averaged to 1024 columns, make the three colour channels
of a picture for a ResNet-18. 11,279,562 parameters.

Sources: Chang, Chen & Lee, "MS-SincResNet: Joint Learning of 1D and 2D Kernels Using Multi-scale
SincNet and ResNet for Music Genre Classification", ICMR 2021; Ravanelli & Bengio 2018 (SincNet); He
et al. 2016. The published weights load by path; their names are translated here. There, the Hamming
window's half has the period of the kernel and stops one sample short of the middle.
"""

import math
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from kinetune.errors import MetricError
from kinetune.metrics.networks.weights import fit_weights, read_weights

RATE_HZ = 16_000
WINDOW_SAMPLES = 48_000
GTZAN = (
    "blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock",
)  # fmt: skip
_FILTERS = 160
_KERNELS = (251, 501, 1001)
_COLUMNS = 1024
_MIN_LOW_HZ = _MIN_BAND_HZ = 50.0
_FIRST_HZ = 30.0
# From the published weights' names to the names used here.
_NAME_PATTERNS = (
    (r"^module\.", ""),
    (r"^layerNorm\.", "norm."),
    (r"^sincNet([123])\.", lambda m: f"banks.{int(m[1]) - 1}."),
    (r"\.low_hz_$", ".low_hz"),
    (r"\.band_hz_$", ".band_hz"),
    (r"^resnet\.model\.", "resnet."),
)


class SincFilters(nn.Module):
    """Band-pass filters parametrised by their two cut-off frequencies.

    Args:
        kernel_size: Taps, an odd number.
    """

    window: Tensor
    times: Tensor

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        highest = RATE_HZ / 2 - (_MIN_LOW_HZ + _MIN_BAND_HZ)
        mels = np.linspace(_mel(_FIRST_HZ), _mel(highest), _FILTERS + 1)
        edges = torch.from_numpy(700.0 * (10.0 ** (mels / 2595.0) - 1.0)).float()
        self.low_hz = nn.Parameter(edges[:-1, None])
        self.band_hz = nn.Parameter(edges.diff()[:, None])
        half = kernel_size // 2
        steps = torch.linspace(0, kernel_size / 2 - 1, half)
        window = 0.54 - 0.46 * torch.cos(2.0 * math.pi * steps / kernel_size)
        self.register_buffer("window", window, persistent=False)
        times = 2.0 * math.pi * torch.arange(-half, 0)[None] / RATE_HZ
        self.register_buffer("times", times, persistent=False)

    def filters(self) -> Tensor:
        """Return the impulse responses, (160, taps), 1 in the middle."""
        low = _MIN_LOW_HZ + self.low_hz.abs()
        high = (low + _MIN_BAND_HZ + self.band_hz.abs()).clamp(_MIN_LOW_HZ, RATE_HZ / 2)
        ideal = (torch.sin(high * self.times) - torch.sin(low * self.times)) / (self.times / 2.0)
        left = ideal * self.window / (2.0 * (high - low))
        return torch.cat([left, torch.ones_like(low), left.flip(1)], dim=1)

    def forward(self, samples: Tensor) -> Tensor:
        """Return (B, 160, N - taps + 1) of samples (B, 1, N)."""
        return functional.conv1d(samples, self.filters()[:, None])


class _Block(nn.Module):
    """A residual block: two convolutions with a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18 with ten logits and torchvision's parameter names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))
        self.fc = nn.Linear(512, len(GTZAN))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits (B, 10) of pictures (B, 3, height, width)."""
        x = functional.relu(self.bn1(self.conv1(pictures)))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


class MsSincResNet(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm([1, WINDOW_SAMPLES])
        self.banks = nn.ModuleList(
            nn.Sequential(
                SincFilters(kernel),
                nn.BatchNorm1d(_FILTERS),
                nn.ReLU(),
                nn.AdaptiveAvgPool1d(_COLUMNS),
            )
            for kernel in _KERNELS
        )
        self.resnet = ResNet18()

    def forward(self, samples: Tensor) -> Tensor:
        """Return logits (B, 10) of 3 s at 16 kHz, (B, 48000)."""
        if samples.ndim != 2 or samples.shape[1] != WINDOW_SAMPLES:
            raise MetricError(f"expected samples (B, 48000), found {tuple(samples.shape)}")
        normal = self.norm(samples[:, None])
        logits: Tensor = self.resnet(torch.stack([bank(normal) for bank in self.banks], dim=1))
        return logits


def load_ms_sincresnet(weights: Path) -> MsSincResNet:
    """Return the network with the published weights, or with others under the same names.

    Args:
        weights: The authors' ``MS-SincResNet.tar``, or the same as ``.safetensors``.

    Raises:
        ModelError: The file can't be read or is another network's.
    """
    network = MsSincResNet()
    given = {_translate_name(name): tensor for name, tensor in read_weights(weights).items()}
    fit_weights(network, given, where=str(weights))
    return network


def _translate_name(name: str) -> str:
    for pattern, target in _NAME_PATTERNS:
        name = re.sub(pattern, target, name)
    return name


def _mel(hz: float) -> NDArray:
    return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
