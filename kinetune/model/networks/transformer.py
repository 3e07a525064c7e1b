"""A denoiser without levels: a transformer over latent columns.

The latent (B, C, 1, W) is a row of columns, and every column is a token. What the dance and the
harmony say of a column is added to that very token, so timing needs no attention; the diffusion
step and the genre scale, shift and gate every block (adaLN-zero, Peebles & Xie 2023, with one
projection for all blocks, Chen et al. 2023). The feed-forward layers have squared ReLUs (So et al.
2021), which cost a CPU less than GELUs. Positions are rotary (Su et al. 2021): attention sees
the distance of two columns and not where in the window they stand. The call is that of
:class:`~kinetune.model.unet.DanceUNet`.
"""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional

from kinetune.errors import ConfigError
from kinetune.model.networks.layers import attend, sinusoid
from kinetune.model.unet import UNetOutput

# The longest rotary period is a few windows; the shortest is two columns.
_LONGEST_PERIOD = 1_000.0


class DanceTransformer(ModelMixin, ConfigMixin):
    """A conditional transformer over latent columns.

    Args:
        in_channels: C of the latent.
        sample_size: W, columns of a training window; other lengths can be denoised too.
        width: D of the tokens, a multiple of ``heads``.
        layers: Blocks.
        heads: Attention heads; each has an even number of channels.
        condition_channels: Channels of the condition columns and of the vector.
        widening: How much wider a block's inner layer is.

    Raises:
        ConfigError: The width doesn't divide into heads of an even number of channels.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 128,
        sample_size: int = 128,
        width: int = 512,
        layers: int = 10,
        heads: int = 8,
        condition_channels: int = 128,
        widening: int = 4,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ConfigError(
                f"transformer: width must be a multiple of twice the heads, found {width} and "
                f"{heads}"
            )
        self.token_in = nn.Linear(in_channels + condition_channels, width)
        self.step_in = nn.Sequential(
            nn.Linear(condition_channels, width), nn.SiLU(), nn.Linear(width, width)
        )
        # The sum of both has one bias; two with the same gradient also break torch.compile (2.13).
        self.vector_in = nn.Linear(condition_channels, width, bias=False)
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(
            [TransformerBlock(width, heads=heads, widening=widening) for _ in range(layers)]
        )
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation_out = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, in_channels)
        # Every block starts as the identity, and the whole predicts zero.
        for layer in (self.modulation, self.modulation_out, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

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
            encoder_hidden_states: The UNet's tokens; what they say stands in the columns too.
            columns: Condition columns (B, D, W).
            vector: Genre vector (B, D).
        """
        steps = timestep.to(sample.device).expand(sample.shape[0])
        code = sinusoid(steps, self.config.condition_channels).to(sample.dtype)
        vector = functional.silu(self.step_in(code) + self.vector_in(vector))
        tokens = self.token_in(torch.cat([sample[:, :, 0], columns], dim=1).transpose(1, 2))
        shared = self.modulation(vector).float()[:, None].chunk(6, dim=-1)
        rotation = rotary_angles(tokens.shape[1], self.config.width // self.config.heads)
        rotation = rotation.to(tokens.device)
        for block in self.blocks:
            tokens = block(tokens, shared, rotation)
        shift, scale = self.modulation_out(vector).float()[:, None].chunk(2, dim=-1)
        out = self.out(self.norm_out(tokens) * (1.0 + scale) + shift)
        return UNetOutput(sample=out.transpose(1, 2)[:, :, None])


class TransformerBlock(nn.Module):
    """Self-attention and a gated feed-forward layer: (B, W, D) -> (B, W, D).

    Args:
        width: D.
        heads: Attention heads.
        widening: How much wider the inner layer is than D.
    """

    def __init__(self, width: int, *, heads: int, widening: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.attention_out = nn.Linear(width, width)
        self.norm_inner = nn.LayerNorm(width, elementwise_affine=False)
        self.inner = nn.Linear(width, widening * width)
        self.inner_out = nn.Linear(widening * width, width)
        # The block's own share of the modulation, on top of what all blocks have.
        self.own = nn.Parameter(torch.zeros(6, width))

    def forward(self, tokens: Tensor, shared: tuple[Tensor, ...], rotation: Tensor) -> Tensor:
        """Return the tokens, changed.

        Args:
            tokens: (B, W, D).
            shared: Shift, scale and gate of the attention, then of the inner layer, (B, 1, D) each.
            rotation: Angles of the positions, see :func:`rotary_angles`.
        """
        parts = [part + own for part, own in zip(shared, self.own, strict=True)]
        shift, scale, gate, inner_shift, inner_scale, inner_gate = parts
        seen = self.norm_attention(tokens) * (1.0 + scale) + shift
        tokens = tokens + gate * self._attended(seen, rotation)
        seen = self.norm_inner(tokens) * (1.0 + inner_scale) + inner_shift
        inner = functional.relu(self.inner(seen)).square()
        out: Tensor = tokens + inner_gate * self.inner_out(inner)
        return out

    def _attended(self, tokens: Tensor, rotation: Tensor) -> Tensor:
        parts = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, W, 3, H, D / H) -> (B, H, W, D / H)
        attended = attend(rotate(query, rotation), rotate(key, rotation), value)
        out: Tensor = self.attention_out(attended.transpose(1, 2).flatten(2))
        return out


def rotary_angles(count: int, channels: int) -> Tensor:
    """Return by how much each pair of channels is turned at each position, (count, channels / 2).

    Args:
        count: Positions W.
        channels: Channels of a head, even.
    """
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float32) / half
    # Radians a column: half a turn at most, so that neighbours are never taken for each other.
    speed = torch.pi * _LONGEST_PERIOD**-steps
    return torch.arange(count, dtype=torch.float32)[:, None] * speed


def rotate(values: Tensor, angles: Tensor) -> Tensor:
    """Turn pairs of channels of (..., W, channels) by angles (W, channels / 2)."""
    cosine, sine = angles.cos().to(values.dtype), angles.sin().to(values.dtype)
    one, other = values.chunk(2, dim=-1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], dim=-1)
