"""The beat network as a module that can be trained; ``motion/beats/beat_network.py`` runs it.

Names and shapes of the weights are those of one member there, and a test holds their outputs
together. Axes: B windows, T frames at 30 fps, T' = T // 2 output frames, F features, C channels.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from kinetune import config, files
from kinetune.motion.beats.beat_network import (
    CONFIG_FILE,
    FEATURES,
    OUTPUTS,
    STACKED,
    WEIGHTS_FILE,
    BeatNetworkConfig,
    joined_weights,
)


class BeatModule(nn.Module):
    """One member: frames stacked in fours, then dilated residual blocks at half the rate.

    Args:
        settings: Its sizes.
        dropout: Of every block's output while training.
    """

    def __init__(self, settings: BeatNetworkConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        wide = settings.channels
        self.settings = settings
        self.inlet = nn.Linear(STACKED * FEATURES, wide)
        self.blocks = nn.ModuleList(_Block(wide, each, dropout) for each in settings.dilations)
        self.outlet = nn.Linear(wide, OUTPUTS)
        # At first it is unsure of every phase.
        nn.init.normal_(self.outlet.weight, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Return the expected phasors: (B, T, F) -> (B, T', 12)."""
        values = self.inlet(_stack_frames(features))
        for block in self.blocks:
            values = block(values)
        return self.outlet(values)


class _Block(nn.Module):
    """Adds to (B, T', C) what a dilated convolution of three taps makes of it."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.over_time = nn.Linear(3 * channels, channels)
        self.mixing = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.dilation = dilation

    def forward(self, values: Tensor) -> Tensor:
        inner = self.over_time(_neighbours(self.norm(values), self.dilation))
        return values + self.dropout(self.mixing(functional.gelu(inner)))


def save_beat_modules(modules: Sequence[BeatModule], folder: Path, *, specialists: int = 0) -> None:
    """Write the members of a network, in half precision, into an existing folder.

    Args:
        modules: All members, the specialists last.
        folder: Where to.
        specialists: How many of them are specialists.
    """
    members = len(modules) - specialists
    settings = replace(modules[0].settings, members=members, specialists=specialists)
    files.write_json(folder / CONFIG_FILE, config.as_table(settings))
    halves = [
        {name: value.half().contiguous() for name, value in module.state_dict().items()}
        for module in modules
    ]
    save_file(joined_weights(halves), folder / WEIGHTS_FILE)


def _stack_frames(features: Tensor) -> Tensor:
    count = features.shape[1] // 2
    index = 2 * torch.arange(count)[:, None] + torch.arange(-1, 3)
    index = index.clamp(0, 2 * count - 1).to(features.device)
    return features[:, index].flatten(2)


def _neighbours(values: Tensor, dilation: int) -> Tensor:
    reach = min(dilation, values.shape[1] - 1)
    first, last = values[:, :1].expand(-1, reach, -1), values[:, -1:].expand(-1, reach, -1)
    before = torch.cat([first, values[:, : values.shape[1] - reach]], dim=1)
    after = torch.cat([values[:, reach:], last], dim=1)
    return torch.cat([before, values, after], dim=-1)
