"""One tower of a two-tower network: rows over time at 30 per second to vectors at 15.

The motion-music similarity network (:mod:`kinetune.metrics.networks.similarity_network`) has two;
a model with that similarity as a condition carries the motion's
(:mod:`kinetune.model.conditioning.similarity`).

Axes: B batch, T rows at 30 per second, T' = (T + 1) // 2 vectors at 15 per second, D embedding.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from kinetune import timebase

VECTORS_PER_S = timebase.MOTION_FPS / 2.0


class Tower(nn.Module):
    """Halves the rate, then dilated residual convolutions over time.

    Args:
        columns: Columns of a row.
        channels: Channels of the convolutions.
        embedding: Numbers D of a vector.
        dilations: Dilation of each residual convolution of three taps.
        dropout: Share of input columns that are left out while training.
    """

    def __init__(
        self,
        columns: int,
        *,
        channels: int,
        embedding: int,
        dilations: Sequence[int],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(dropout)
        self.inlet = nn.Conv1d(columns, channels, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(channels, dilation) for dilation in dilations)
        self.outlet = nn.Linear(channels, embedding)

    def forward(self, rows: Tensor) -> Tensor:
        """Return vectors (B, T', D) of rows (B, T, columns)."""
        values = self.inlet(self.dropout(rows.transpose(1, 2)))  # (B, T, .) -> (B, C, T')
        for block in self.blocks:
            values = block(values)
        embedded: Tensor = self.outlet(values.transpose(1, 2))
        return embedded


class _Block(nn.Module):
    """Adds to (B, C, T') what a dilated convolution of three taps makes of it."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.over_time = nn.Conv1d(channels, channels, 3, dilation=dilation, padding=dilation)
        self.mixing = nn.Conv1d(channels, channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        normed = self.norm(values.transpose(1, 2)).transpose(1, 2)
        added: Tensor = self.mixing(self.over_time(normed).relu().square())
        return values + added
