"""What tells a network's log magnitudes from real ones, and so teaches it their grain.

A small convolutional network for each band's picture of middle and side; least squares (Mao et al.
2017) and matched features (Larsen et al. 2016). It learns beside the network it judges.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from kinetune.files import atomic_file

# Log magnitudes of music lie around the first, this far about it.
_MIDDLE, _SPREAD = -8.0, 3.0
_CHANNELS = (16, 32, 64)


class PictureJudge(nn.Module):
    """Log magnitudes (B, 2, T, K) in; the features of every layer out, the verdicts last."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, *_CHANNELS)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(a, b, (3, 5), stride=2, padding=(1, 2)))
            for a, b in pairwise(widths)
        )
        self.verdict = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, level: Tensor) -> list[Tensor]:
        """Return the features (B, C, T', K') of each layer, then the verdicts (B, 1, T', K')."""
        values = (level - _MIDDLE) / _SPREAD
        features = []
        for layer in self.layers:
            values = functional.leaky_relu(layer(values), 0.2)
            features.append(values)
        return [*features, self.verdict(values)]


class Adversary:
    """Judges of all bands, and how they learn.

    Args:
        bands: How many bands.
        seed: Of their weights.
        learning_rate: Adam's.
    """

    def __init__(self, bands: int, *, seed: int, learning_rate: float) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.judges = nn.ModuleList(PictureJudge() for _ in range(bands))
        self.optimizer = torch.optim.AdamW(
            self.judges.parameters(), lr=learning_rate, betas=(0.8, 0.99)
        )

    def loss(self, generated: Sequence[Tensor], real: Sequence[Tensor]) -> dict[str, Tensor]:
        """Let the judges learn once; return what the network should make small.

        Args:
            generated: The network's log magnitudes of each band, (B, 2, T, K).
            real: The true ones.

        Returns:
            ``deceive``, how far the judges are from taking what is told for real; ``match``, the
            distance of their features; ``judge``, their own loss.
        """
        self.optimizer.zero_grad()
        own = torch.zeros(())
        matched = []
        for judge, fake, true in zip(self.judges, generated, real, strict=True):
            seen, fake_features = judge(true), judge(fake.detach())
            own = (
                own
                + (seen[-1].float() - 1.0).square().mean()
                + fake_features[-1].float().square().mean()
            )
            matched.append([layer.detach() for layer in seen[:-1]])
        own.backward()
        self.optimizer.step()
        self.judges.requires_grad_(False)
        deceive, match = torch.zeros(()), torch.zeros(())
        for judge, fake, features in zip(self.judges, generated, matched, strict=True):
            *layers, verdict = judge(fake)
            deceive = deceive + (verdict.float() - 1.0).square().mean() / len(self.judges)
            for layer, wanted in zip(layers, features, strict=True):
                apart = (layer - wanted).float().abs().mean() / wanted.float().abs().mean()
                match = match + apart / (len(layers) * len(self.judges))
        self.judges.requires_grad_(True)
        return {"deceive": deceive, "match": match, "judge": own.detach() / len(self.judges)}

    def save(self, path: Path) -> None:
        """Write the judges' weights."""
        with atomic_file(path) as aside:
            save_file(
                {name: value.contiguous() for name, value in self.judges.state_dict().items()},
                aside,
            )

    def load(self, path: Path) -> None:
        """Read the judges' weights; their optimiser begins anew."""
        self.judges.load_state_dict(load_file(path))
