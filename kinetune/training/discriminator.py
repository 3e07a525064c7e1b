"""Discriminators between a vocoder's log magnitudes and real ones, trained beside it.

A small convolutional network for each band's spectrogram of middle and side; least squares (Mao et
al. 2017) and feature matching (Larsen et al. 2016).
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from kinetune.files import atomic_file
from kinetune.training import parallel

# Log magnitudes of music lie around the first, this far about it.
_MIDDLE, _SPREAD = -8.0, 3.0
_CHANNELS = (16, 32, 64)


class SpectrogramDiscriminator(nn.Module):
    """Log magnitudes (B, 2, T, K) in; the features of every layer out, the scores last."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, *_CHANNELS)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(a, b, (3, 5), stride=2, padding=(1, 2)))
            for a, b in pairwise(widths)
        )
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, level: Tensor) -> list[Tensor]:
        """Return the features (B, C, T', K') of each layer, then the scores (B, 1, T', K')."""
        values = (level - _MIDDLE) / _SPREAD
        features = []
        for layer in self.layers:
            values = functional.leaky_relu(layer(values), 0.2)
            features.append(values)
        return [*features, self.score(values)]


class Adversary:
    """The discriminators of all bands, and how they learn.

    Args:
        bands: How many bands.
        seed: Of their weights.
        learning_rate: Adam's.
    """

    def __init__(self, bands: int, *, seed: int, learning_rate: float) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.discriminators = nn.ModuleList(SpectrogramDiscriminator() for _ in range(bands))
        self.optimizer = torch.optim.AdamW(
            self.discriminators.parameters(), lr=learning_rate, betas=(0.8, 0.99)
        )

    def loss(self, generated: Sequence[Tensor], real: Sequence[Tensor]) -> dict[str, Tensor]:
        """Train the discriminators by one step; return the losses of the network.

        Args:
            generated: The network's log magnitudes of each band, (B, 2, T, K).
            real: The true ones.

        Returns:
            ``adversarial``, how far the generated scores are from those of real ones;
            ``feature_matching``, the distance of the features; ``discriminator``, the
            discriminators' own loss.
        """
        self.optimizer.zero_grad()
        own = torch.zeros(())
        matched = []
        for discriminator, fake, true in zip(self.discriminators, generated, real, strict=True):
            seen, fake_features = discriminator(true), discriminator(fake.detach())
            own = (
                own
                + (seen[-1].float() - 1.0).square().mean()
                + fake_features[-1].float().square().mean()
            )
            matched.append([layer.detach() for layer in seen[:-1]])
        own.backward()
        parallel.average_gradients(self.discriminators.parameters())
        self.optimizer.step()
        self.discriminators.requires_grad_(False)
        adversarial, matching = torch.zeros(()), torch.zeros(())
        for discriminator, fake, features in zip(
            self.discriminators, generated, matched, strict=True
        ):
            *layers, score = discriminator(fake)
            adversarial = adversarial + (score.float() - 1.0).square().mean() / len(
                self.discriminators
            )
            for layer, wanted in zip(layers, features, strict=True):
                distance = (layer - wanted).float().abs().mean() / wanted.float().abs().mean()
                matching = matching + distance / (len(layers) * len(self.discriminators))
        self.discriminators.requires_grad_(True)
        return {
            "adversarial": adversarial,
            "feature_matching": matching,
            "discriminator": own.detach() / len(self.discriminators),
        }

    def save(self, path: Path) -> None:
        """Write the discriminators' weights."""
        with atomic_file(path) as aside:
            save_file(
                {
                    name: value.contiguous()
                    for name, value in self.discriminators.state_dict().items()
                },
                aside,
            )

    def load(self, path: Path) -> None:
        """Read the discriminators' weights; their optimiser begins anew."""
        self.discriminators.load_state_dict(load_file(path))
