"""The beat network as a module that can be trained; ``motion/beats/beat_network.py`` runs it.

Names and shapes of the weights are the same in both, and a test holds their outputs together.
Axes: B windows, T rows, J = 24 joints, K = 5 numbers a joint, C channels.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from kinetune import config, files
from kinetune.motion.beats.beat_network import (
    CONFIG_FILE,
    GROUPS,
    NUMBERS_A_JOINT,
    OUTPUTS,
    WEIGHTS_FILE,
    BeatNetworkConfig,
)


class BeatModule(nn.Module):
    """Joints alike, groups of joints summed up, then dilated convolutions over time.

    Args:
        settings: Its figures.
        dropout: Of every block's output while training.
    """

    def __init__(self, settings: BeatNetworkConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        joint, wide, taps = settings.joint_channels, settings.channels, settings.kernel
        self.settings = settings
        self.joint_first = nn.Conv1d(NUMBERS_A_JOINT, joint, taps, padding=taps // 2)
        self.joint_second = nn.Conv1d(joint, joint, taps, padding=taps // 2)
        self.inlet = nn.Conv1d(2 * len(GROUPS) * joint, wide, 1)
        self.blocks = nn.ModuleList(
            _Block(wide, taps, dilation, dropout) for dilation in settings.dilations
        )
        self.outlet = nn.Conv1d(wide, OUTPUTS, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Return logits of beat and downbeat: (B, T, 24, 5) -> (B, T, 2)."""
        batch, count, joints, numbers = rows.shape
        heard = rows.permute(0, 2, 3, 1).reshape(batch * joints, numbers, count)
        heard = functional.gelu(self.joint_first(heard))
        heard = functional.gelu(self.joint_second(heard))
        heard = heard.reshape(batch, joints, -1, count)
        parts = [heard[:, list(group)] for group in GROUPS]
        summed = [part for group in parts for part in (group.mean(dim=1), group.amax(dim=1))]
        values = self.inlet(torch.cat(summed, dim=1))
        for block in self.blocks:
            values = block(values)
        return self.outlet(values).transpose(1, 2)


class _Block(nn.Module):
    """Adds to (B, C, T) what a dilated convolution makes of it."""

    def __init__(self, channels: int, taps: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (taps // 2)
        self.norm = nn.LayerNorm(channels)
        self.over_time = nn.Conv1d(channels, channels, taps, dilation=dilation, padding=padding)
        self.mixing = nn.Conv1d(channels, channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        inner = self.norm(values.transpose(1, 2)).transpose(1, 2)
        inner = self.mixing(functional.gelu(self.over_time(inner)))
        return values + self.dropout(inner)


def save_beat_module(module: BeatModule, folder: Path) -> None:
    """Write settings and weights, in half precision, into an existing folder."""
    files.write_json(folder / CONFIG_FILE, config.as_table(module.settings))
    half = {name: value.half().contiguous() for name, value in module.state_dict().items()}
    save_file(half, folder / WEIGHTS_FILE)
