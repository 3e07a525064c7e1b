"""Our denoiser: a conditional UNet over time.

The latent (B, C, 1, W) is a sequence of columns. The condition of each column is concatenated to it
at the input of every level. Tokens of the whole window enter by cross-attention. Timestep and genre
modulate every block.
"""

from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional

from kinetune.model.networks.layers import ResBlock, TimeAttention, TimeConv, sinusoid


@dataclass(frozen=True)
class UNetOutput:
    """The prediction, (B, C, 1, W), under diffusers' name for it."""

    sample: Tensor


class DanceUNet(ModelMixin, ConfigMixin):
    """A conditional UNet over latent columns.

    Args:
        in_channels: C of the latent.
        sample_size: W, columns of a training window; a multiple of 2 ** (levels - 1).
        block_out_channels: Channels of each level.
        layers_per_block: Residual blocks a level on the way down, and up.
        condition_channels: D of the condition columns and of the genre vector.
        cross_attention_dim: Width of the tokens.
        attention_levels: For each level, whether it attends.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 64,
        sample_size: int = 128,
        block_out_channels: tuple[int, ...] = (192, 256, 352),
        layers_per_block: int = 2,
        condition_channels: int = 128,
        cross_attention_dim: int = 128,
        attention_levels: tuple[bool, ...] = (False, True, True),
    ) -> None:
        super().__init__()
        widths = tuple(block_out_channels)
        vector = condition_channels * 2
        self.step_in = nn.Sequential(
            nn.Linear(condition_channels, vector), nn.SiLU(), nn.Linear(vector, vector)
        )
        self.vector_in = nn.Linear(condition_channels, vector)
        self.conv_in = TimeConv(in_channels + condition_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, width in enumerate(widths):
            context = cross_attention_dim if attention_levels[level] else 0
            source = widths[max(0, level - 1)]
            self.down.append(
                _Level(source, width, condition_channels, layers_per_block, vector, context)
            )
            above = widths[min(level + 1, len(widths) - 1)]
            self.up.append(
                _Level(above + width, width, condition_channels, layers_per_block, vector, context)
            )
        self.middle = ResBlock(widths[-1], widths[-1], vector_channels=vector)
        self.norm_out = nn.GroupNorm(16, widths[0])
        self.conv_out = TimeConv(widths[0], in_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        columns: Tensor,
        vector: Tensor,
    ) -> UNetOutput:
        """Predict noise or velocity for noisy latents.

        Args:
            sample: Noisy latents (B, C, 1, W).
            timestep: Diffusion steps, (B,) or a scalar.
            encoder_hidden_states: Tokens (B, S, cross_attention_dim).
            columns: Condition columns (B, D, W).
            vector: Genre vector (B, D).
        """
        steps = timestep.to(sample.device).expand(sample.shape[0])
        code = sinusoid(steps, self.config.condition_channels).to(sample.dtype)
        vector = self.step_in(code) + self.vector_in(vector)
        x = self.conv_in(torch.cat([sample[:, :, 0], columns], dim=1))
        skips = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.avg_pool1d(x, 2)
                columns = functional.avg_pool1d(columns, 2)
            x = block(x, columns, vector, encoder_hidden_states)
            skips.append((x, columns))
        x = self.middle(x, vector)
        for level in reversed(range(len(self.up))):
            skip, columns = skips[level]
            if level < len(self.up) - 1:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([x, skip], 1), columns, vector, encoder_hidden_states)
        out = self.conv_out(functional.silu(self.norm_out(x)))
        return UNetOutput(sample=out[:, :, None])


class _Level(nn.Module):
    """Residual blocks and attention at one rate, the condition added at the entrance."""

    def __init__(
        self, source: int, width: int, condition: int, layers: int, vector: int, context: int
    ) -> None:
        super().__init__()
        self.first = ResBlock(source, width, vector_channels=vector)
        self.condition = TimeConv(condition, width, 1)
        self.rest = nn.ModuleList(
            [ResBlock(width, width, vector_channels=vector) for _ in range(layers - 1)]
        )
        self.attention = TimeAttention(width, context_channels=context) if context else None

    def forward(self, x: Tensor, columns: Tensor, vector: Tensor, tokens: Tensor) -> Tensor:
        x = self.first(x, vector) + self.condition(columns)
        for block in self.rest:
            x = block(x, vector)
        if self.attention is not None:
            x = self.attention(x, tokens)
        return x
