"""Initial noise that repeats: the same bar of every phrase starts from the same noise.

Windows further apart than a window's length share no context, so only chance would make them sound
similar. Within a phrase all columns have independent noise, as in training; the next phrase starts
from the same noise again, and differs by its conditions.
Axes: C channels, H height, columns last.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BARS_IN_PHRASE = 8


def phrase_locked_noise(
    fresh: Tensor, bars_s: NDArray[np.float64], *, column_s: float, window: int, seed: int
) -> Tensor:
    """Return noise (1, C, H, total) that repeats with the phrases of a piece.

    Args:
        fresh: Unit Gaussian noise for the whole piece, (1, C, H, total); the first phrase keeps it.
        bars_s: Bar lines, seconds, ascending.
        column_s: Seconds a column.
        window: Columns of a window. A phrase is eight bars, or twice or four times that where
            eight are shorter than a window: no window sees the same noise twice.
        seed: A later bar that is longer than the first phrase's continues with noise from this.
    """
    total = fresh.shape[-1]
    inner = np.round(np.asarray(bars_s) / column_s).astype(int)
    edges = np.unique(np.concatenate([[0], inner[(inner > 0) & (inner < total)], [total]]))
    widths = np.diff(edges)
    bars = BARS_IN_PHRASE
    while bars < len(widths) and widths[1 : bars + 1].sum() < window:
        bars *= 2
    if len(widths) <= bars:
        return fresh
    generator = torch.Generator().manual_seed(seed + 1)
    phrase = torch.randn((bars, *fresh.shape[:3], int(widths.max())), generator=generator)
    phrase = phrase.to(fresh)
    out = fresh.clone()
    for number, (start, width) in enumerate(zip(edges, widths, strict=False)):
        bar = phrase[number % bars, ..., :width]
        if number < bars:
            bar.copy_(fresh[..., start : start + width])
        out[..., start : start + width] = bar
    return out
