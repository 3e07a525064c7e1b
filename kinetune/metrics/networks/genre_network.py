"""The bundled dance-genre classifier as a network and as a folder.

Conventions: mono samples (B, N) at ``GenreConfig.rate_hz``, ``window_samples`` long; logits
(B, 10) in the order of :data:`kinetune.genres.CODES`. Every window is brought to one root mean
square before its log mel spectrogram with the fixed reference is taken, so gain changes nothing.
Axes: B windows, N samples, M mel bands, L mel frames, C channels, D embedding.

A folder contains ``config.json`` and ``model.safetensors`` in half precision.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from kinetune import genres, timebase
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.errors import ConfigError
from kinetune.metrics.networks.weights import (
    WEIGHTS_FILE,
    fit_weights,
    read_settings,
    read_weights,
    save_folder,
)

# -20 dB full scale, a little under mastered music: its mel stays within the fixed range.
_TARGET_RMS = 0.1
# -100 dB full scale; anything quieter counts as silence and is not amplified.
_QUIETEST_RMS = 1e-5


# Larger networks than any classifier would fill the memory.
_LARGEST_FIGURE = 4096


@dataclass(frozen=True)
class GenreConfig:
    """Configuration of a classifier.

    Attributes:
        rate_hz: Samples per second of its input.
        n_mels: Mel bands M.
        window_s: Length of a window, seconds.
        hop_s: From one window to the next, seconds.
        channels: Of the first convolution and of each stage after it.
        embedding: Width D of the layer before the logits.
        dropout: Of that layer, while training.
        codes: What the logits stand for.

    Raises:
        ConfigError: A figure is out of range, or the codes are not the ten genres.
    """

    rate_hz: int = timebase.SAMPLE_RATE_HZ
    n_mels: int = 64
    window_s: float = 3.0
    hop_s: float = 0.5
    channels: tuple[int, ...] = (32, 64, 128, 160)
    embedding: int = 64
    dropout: float = 0.2
    codes: tuple[str, ...] = genres.CODES

    def __post_init__(self) -> None:
        figures = (self.rate_hz, self.n_mels, self.window_s, self.hop_s, self.embedding)
        if min(figures) <= 0 or not self.channels or min(self.channels) <= 0:
            raise ConfigError(f"a genre classifier's figures must be positive, found {self}")
        if not max(*figures[1:], *self.channels, 32 * len(self.channels)) <= _LARGEST_FIGURE:
            raise ConfigError(f"a genre classifier's figures are too large: {self}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout must be 0 to less than 1, found {self.dropout}")
        if self.codes != genres.CODES:
            raise ConfigError(f"expected the genres {genres.CODES}, found {self.codes}")

    @property
    def mel(self) -> MelConfig:
        """Its spectrogram."""
        return MelConfig(rate_hz=self.rate_hz, n_mels=self.n_mels, reference="fixed")

    @property
    def window_samples(self) -> int:
        """Length N of a window."""
        return timebase.samples_in(self.window_s, self.rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples from one window to the next."""
        return timebase.samples_in(self.hop_s, self.rate_hz)


class GenreNetwork(nn.Module):
    """Log mel, strided convolutions, mean and deviation over time, two linear layers."""

    def __init__(self, settings: GenreConfig) -> None:
        super().__init__()
        self.settings = settings
        first, *stages = settings.channels
        layers = [_convolution(1, first, size=5, stride=2)]
        height = -(-settings.n_mels // 2)
        for before, after in zip(settings.channels, stages, strict=False):
            layers += [_convolution(before, after, stride=2), _convolution(after, after)]
            height = -(-height // 2)
        self.body = nn.Sequential(*layers)
        self.projection = nn.Linear(2 * height * settings.channels[-1], settings.embedding)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(settings.embedding, 10)
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Return logits (B, 10) of windows (B, N)."""
        return self.logits(self.embed(samples))

    def embed(self, samples: Tensor) -> Tensor:
        """Return embeddings (B, D) of windows (B, N), before the activation."""
        mel = log_mel(normalise_rms(samples), self.settings.mel)
        return self.embed_mel(mel)

    def embed_mel(self, mel: Tensor) -> Tensor:
        """Return embeddings (B, D) of log mel spectrograms (B, M, L)."""
        features = self.body(mel[:, None]).flatten(1, 2)  # (B, C, M', L') -> (B, C M', L')
        deviation = (features.var(dim=2, correction=0) + 1e-6).sqrt()
        embedded: Tensor = self.projection(torch.cat([features.mean(dim=2), deviation], dim=1))
        return embedded

    def logits(self, embedded: Tensor) -> Tensor:
        """Return logits (B, 10) of embeddings (B, D)."""
        logits: Tensor = self.head(embedded)
        return logits


def normalise_rms(samples: Tensor) -> Tensor:
    """Return windows (B, N) scaled to one root mean square; silence is returned unchanged."""
    level = samples.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(
        level < _QUIETEST_RMS, samples, samples * (_TARGET_RMS / level.clamp(min=1e-9))
    )


def save_network(network: GenreNetwork, folder: Path) -> None:
    """Write a classifier's two files into a folder, weights in half precision."""
    save_folder(network, network.settings, folder)


def load_network(folder: Path) -> GenreNetwork:
    """Return the classifier of a folder, in evaluation mode.

    Raises:
        ModelError: A file is missing or damaged, or the two do not fit.
    """
    settings = read_settings(
        folder, GenreConfig, network="a genre classifier", command="kinetune train genre"
    )
    network = GenreNetwork(settings)
    weights = Path(folder) / WEIGHTS_FILE
    fit_weights(network, read_weights(weights), where=str(weights))
    return network


def _convolution(before: int, after: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
