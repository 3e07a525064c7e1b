"""Phases for a spectrogram whose phase differences are known: integrated along the strongest path.

Phase gradient heap integration, real-time variant (Průša & Søndergaard 2016, "Real-time spectrogram
inversion using phase gradient heap integration"): every bin takes its phase either from the
previous frame or from its neighbour in frequency, along the path through louder bins. Here no heap
is needed: within a frame the best path to a bin maximises the level of its quietest bin, and two
sweeps over the bins find it for all frames at once. Axes: T frames, K bins. Radians.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def sources(level: Tensor) -> Tensor:
    """Return the bin from which each bin takes its phase.

    Args:
        level: How loud each bin is (any rising measure), (T + 1, K); its first row is the frame
            before the first.

    Returns:
        (T, K), int64. Where it names the bin itself, the phase continues from the frame before;
        elsewhere the named bin's does, and reaches this one across the bins between.
    """
    before, now = level[:-1].T.contiguous(), level[1:].T.contiguous()  # (K, T)
    up, up_from = _sweep(before, now)
    down, down_from = _sweep(before.flip(0), now.flip(0))
    down, down_from = down.flip(0), len(level.T) - 1 - down_from.flip(0)
    return torch.where(up >= down, up_from, down_from).T.contiguous()


def _sweep(before: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
    """Sweep upwards in frequency: level of the quietest bin on the best path, and its start."""
    faintest = before.clone()
    start = torch.arange(len(before))[:, None].expand(before.shape).contiguous()
    for k in range(1, len(before)):
        across = torch.minimum(faintest[k - 1], now[k - 1])
        better = across > faintest[k]
        faintest[k] = torch.where(better, across, faintest[k])
        start[k] = torch.where(better, start[k - 1], start[k])
    return faintest, start


def integrate_phases(
    level: Tensor, along_time: Tensor, along_bins: Tensor, first: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the phases of frames that follow one whose phases are known.

    Args:
        level: How loud each bin is, (T + 1, K); its first row is the known frame's.
        along_time: Phase of each bin less that of the same bin a frame before, (T, K).
        along_bins: Phase of each bin less that of the next lower one, (T, K); column 0 is unused.
        first: Phases of the known frame, (K,).

    Returns:
        (T, K), in [0, 2 pi).
    """
    source = sources(level)
    climbed = along_bins.double().cumsum(dim=1)
    turned = along_time.double().gather(1, source) + climbed - climbed.gather(1, source)
    turn, source_bins = turned.numpy(), source.numpy()
    phases = np.empty(turn.shape)
    last = first
    for row, index, step in zip(phases, source_bins, turn, strict=True):
        np.add(last.take(index), step, out=row)
        last = row
    # As np.mod, in a third of the time.
    phases -= 2.0 * np.pi * np.floor(phases / (2.0 * np.pi))
    return phases
