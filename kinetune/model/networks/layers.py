"""The layers of the default networks: convolution, residual block and attention along time.

Axes: B batch, C channels, W latent columns (time). One-dimensional convolutions over time with
the mel bands as channels follow Make-An-Audio 2 (Huang et al. 2023): on a
CPU they cost a tenth of two-dimensional ones.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUPS = 16


class TimeConv(nn.Conv1d):
    """``nn.Conv1d``, learning many times faster on a CPU; same parameters, same values.

    PyTorch's backward pass of a one-dimensional convolution falls back to plain loops on the CPU
    for many widths; a matrix product of shifted rows does not (``benchmarks/presets.py``).
    """

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102 - nn.Conv1d's
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            # The taps are copies: better small ones.
            x = x.to(torch.get_autocast_dtype("cpu"))
        if x.requires_grad and not torch.compiler.is_compiling():
            # What comes before is several times slower for a gradient that is transposed.
            x.register_hook(Tensor.contiguous)
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        rows = functional.pad(x.transpose(1, 2), (0, 0, padding, padding))  # (B, W + 2p, C)
        count = (rows.shape[1] - kernel) // stride + 1
        span = (count - 1) * stride + 1
        taps = torch.cat([rows[:, tap : tap + span : stride] for tap in range(kernel)], dim=2)
        weight = self.weight.transpose(1, 2).flatten(1)  # (O, C, K) -> (O, K * C)
        return functional.linear(taps, weight, self.bias).transpose(1, 2)


class ResBlock(nn.Module):
    """A residual block over time: (B, C_in, W) -> (B, C_out, W).

    Args:
        in_channels: Channels in, a multiple of 16.
        out_channels: Channels out, a multiple of 16.
        vector_channels: Width of the vector that scales and shifts the block, or 0 for none.
        kernel_size: Taps of the convolutions, odd.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, vector_channels: int = 0, kernel_size: int = 3
    ) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.norm_in = nn.GroupNorm(_GROUPS, in_channels)
        self.conv_in = TimeConv(in_channels, out_channels, kernel_size, padding=padding)
        self.norm_out = nn.GroupNorm(_GROUPS, out_channels)
        self.conv_out = TimeConv(out_channels, out_channels, kernel_size, padding=padding)
        self.modulation = nn.Linear(vector_channels, 2 * out_channels) if vector_channels else None
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else TimeConv(in_channels, out_channels, 1)
        # A block that starts as the identity trains faster and more steadily.
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        """Return the block's output; ``vector`` is (B, vector_channels)."""
        h = self.norm_out(self.conv_in(functional.silu(self.norm_in(x))))
        if self.modulation is not None and vector is not None:
            scale, shift = self.modulation(functional.silu(vector))[:, :, None].chunk(2, dim=1)
            h = h * (1.0 + scale) + shift
        result: Tensor = self.skip(x) + self.conv_out(functional.silu(h))
        return result


class TimeAttention(nn.Module):
    """Self-attention over the columns, then cross-attention to tokens: (B, C, W) -> (B, C, W).

    Args:
        channels: C, a multiple of the heads and of 16.
        context_channels: Width of the tokens, or 0 for self-attention alone.
        heads: Attention heads.
    """

    def __init__(self, channels: int, *, context_channels: int = 0, heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.self_attention = _Attention(channels, channels, heads=heads)
        self.context_norm = nn.GroupNorm(_GROUPS, channels) if context_channels else None
        self.cross_attention = (
            _Attention(channels, context_channels, heads=heads) if context_channels else None
        )

    def forward(self, x: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Return the attended columns; ``tokens`` is (B, S, context_channels)."""
        rows = self.norm(x).transpose(1, 2)
        x = x + self.self_attention(rows, rows).transpose(1, 2)
        if self.cross_attention is not None and self.context_norm is not None:
            rows = self.context_norm(x).transpose(1, 2)
            x = x + self.cross_attention(rows, tokens).transpose(1, 2)
        return x


class _Attention(nn.Module):
    def __init__(self, channels: int, context_channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels, bias=False)
        self.key_value = nn.Linear(context_channels, 2 * channels, bias=False)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, rows: Tensor, context: Tensor) -> Tensor:
        batch, width, channels = rows.shape
        query, key, value = (
            part.view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)
            for part in (self.query(rows), *self.key_value(context).chunk(2, dim=-1))
        )
        attended = attend(query, key, value)
        result: Tensor = self.out(attended.transpose(1, 2).reshape(batch, width, channels))
        return result


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return scaled dot-product attention, (B, heads, W, D) each, softmax in float32.

    Plain products where bfloat16 is trained on a CPU: for 16 windows of 128 columns PyTorch 2.13's
    fused attention took twice as long forwards and backwards. Elsewhere the fused one is used.
    """
    trains = torch.is_grad_enabled() and query.requires_grad
    if not (trains and query.device.type == "cpu" and query.dtype == torch.bfloat16):
        return functional.scaled_dot_product_attention(query, key, value)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return torch.softmax(scores.float(), dim=-1).to(value.dtype) @ value


def sinusoid(position: Tensor, channels: int, *, longest_period: float = 10_000.0) -> Tensor:
    """Return sine and cosine codes (..., channels) of positions (...,) (Vaswani et al. 2017)."""
    half = channels // 2
    steps = torch.arange(half, device=position.device, dtype=torch.float32) / half
    angle = position.float()[..., None] * longest_period**-steps
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
