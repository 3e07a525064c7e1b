"""The motion-music similarity network and its folder.

Two towers map motion features and a log mel spectrogram, both at 30 frames per second, to vectors
of one space, 15 per second; the similarity of a dance and a sound is the cosine between all their
vectors. Trained contrastively: the right music of a dance against all other music of the batch
(InfoNCE, van den Oord et al. 2018; two towers as in CLIP, Radford et al. 2021).

Axes: B batch, T frames at 30 fps, T' = (T + 1) // 2 frames at 15 fps, F motion features
(:func:`kinetune.motion.features.rhythm_features`), M mel bands, D embedding. A folder contains
``config.json`` and ``model.safetensors`` in half precision.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.errors import ConfigError
from kinetune.metrics.networks.weights import (
    WEIGHTS_FILE,
    fit_weights,
    read_settings,
    read_weights,
    save_folder,
)
from kinetune.motion.features import RHYTHM_FEATURE_COUNT
from kinetune.tower import Tower

_RATE_HZ = timebase.SAMPLE_RATE_HZ
# One mel frame for each motion frame, and a window of two hops.
_HOP = timebase.samples_in(1.0 / timebase.MOTION_FPS, _RATE_HZ)
_TOP_DB = 100.0
# Speeds and log mel differ less than this only where nothing ever moves.
_SMALLEST_DEVIATION = 1e-3
_LARGEST_FIGURE = 4096


@dataclass(frozen=True)
class SimilarityConfig:
    """Configuration of the network.

    Attributes:
        n_mels: Mel bands M.
        channels: Channels of both towers.
        embedding: Numbers D of a vector.
        dilations: Dilation of each residual convolution of three taps, at 15 frames per second.
        dropout: Share of input columns that are left out while training.

    Raises:
        ConfigError: A figure is out of range.
    """

    n_mels: int = 48
    channels: int = 80
    embedding: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    dropout: float = 0.2

    def __post_init__(self) -> None:
        figures = (self.n_mels, self.channels, self.embedding, *self.dilations)
        if min(figures) <= 0 or max(figures) > _LARGEST_FIGURE or len(self.dilations) > 64:
            raise ConfigError(f"a similarity network's figures are out of range, found {self}")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout must be 0 to less than 1, found {self.dropout}")

    @property
    def mel(self) -> MelConfig:
        """Its spectrogram, 30 frames per second."""
        return MelConfig(
            rate_hz=_RATE_HZ, n_fft=2 * _HOP, hop_length=_HOP, n_mels=self.n_mels, top_db=_TOP_DB,
            reference="fixed",
        )  # fmt: skip


class SimilarityNetwork(nn.Module):
    """A motion tower, a music tower and the temperature of their contrast."""

    motion_mean: Tensor
    motion_deviation: Tensor

    def __init__(self, settings: SimilarityConfig) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("motion_mean", torch.zeros(RHYTHM_FEATURE_COUNT))
        self.register_buffer("motion_deviation", torch.ones(RHYTHM_FEATURE_COUNT))
        self.motion = _tower(RHYTHM_FEATURE_COUNT, settings)
        # The spectrogram and how much it rises from frame to frame.
        self.music = _tower(2 * settings.n_mels, settings)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def fit_normaliser(self, rows: Tensor) -> None:
        """Take mean and deviation of motion features (N, F) as the normalisation."""
        self.motion_mean.copy_(rows.mean(dim=0))
        self.motion_deviation.copy_(rows.std(dim=0).clamp(min=_SMALLEST_DEVIATION))

    def forward(self, joined: Tensor) -> Tensor:
        """Return the logits (B, B) of every motion against every music.

        Args:
            joined: Motion features and log mel side by side, (B, T, F + M).
        """
        motion, music = joined.split((RHYTHM_FEATURE_COUNT, self.settings.n_mels), dim=2)
        one = functional.normalize(self.embed_motion(motion).flatten(1), dim=1)
        other = functional.normalize(self.embed_music(music).flatten(1), dim=1)
        return self.log_scale.exp() * one @ other.T

    def embed_motion(self, features: Tensor) -> Tensor:
        """Return vectors (B, T', D) of motion features (B, T, F)."""
        embedded: Tensor = self.motion((features - self.motion_mean) / self.motion_deviation)
        return embedded

    def embed_music(self, mel: Tensor) -> Tensor:
        """Return vectors (B, T', D) of log mel spectrograms (B, T, M)."""
        # 100 dB are two units; a deviation near one suits the first layer.
        level = 2.0 * (mel - mel.mean(dim=(1, 2), keepdim=True))
        rise = 2.0 * functional.pad(level[:, 1:] - level[:, :-1], (0, 0, 1, 0)).relu()
        embedded: Tensor = self.music(torch.cat([level, rise], dim=2))
        return embedded


def _tower(columns: int, settings: SimilarityConfig) -> Tower:
    return Tower(
        columns,
        channels=settings.channels,
        embedding=settings.embedding,
        dilations=settings.dilations,
        dropout=settings.dropout,
    )


def save_similarity(network: SimilarityNetwork, folder: Path) -> None:
    """Write a network's two files into an existing folder, weights in half precision."""
    save_folder(network, network.settings, folder)


def load_similarity(folder: Path) -> SimilarityNetwork:
    """Return the network of a folder, in evaluation mode.

    Raises:
        ModelError: A file is missing or damaged, or the two do not fit.
    """
    settings = read_settings(
        folder,
        SimilarityConfig,
        network="a similarity network",
        command="kinetune train similarity",
    )
    network = SimilarityNetwork(settings)
    weights = Path(folder) / WEIGHTS_FILE
    fit_weights(network, read_weights(weights), where=str(weights))
    return network
