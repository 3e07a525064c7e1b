"""Several ways to hear one dance, each with its say in some columns.

A voice is what the denoiser is told, window by window, under one genre. Where a genre gives way to
another, each predicts and the predictions are mixed column by column. B windows of W columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetune.model.windows import WindowPlan

Told = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Voice:
    """One way to hear the dance.

    Attributes:
        told: What each window of the plan is told.
        share: Its say in each column, (total,), 0 to 1; all voices' shares sum to one.
    """

    told: list[Told]
    share: Tensor


def mixed(
    voices: Sequence[Voice],
    plan: WindowPlan,
    places: slice,
    windows: Tensor,
    predict: Callable[[Tensor, Told], Tensor],
) -> Tensor:
    """Return the voices' joint prediction for some windows.

    Args:
        voices: Shares sum to one in every column.
        plan: Where the windows lie.
        places: Which windows of the plan they are.
        windows: (B, C, H, W).
        predict: From windows and what they are told to a prediction of the same shape.
    """
    joint = torch.zeros_like(windows)
    for voice in voices:
        shares = [voice.share[plan.places(start)] for start in plan.starts[places]]
        heard = [number for number, share in enumerate(shares) if bool((share > 0).any())]
        if not heard:
            continue
        told = batched([voice.told[places][number] for number in heard])
        weight = torch.stack([shares[number] for number in heard])[:, None, None]
        joint[heard] += weight.to(windows) * predict(windows[heard], told)
    return joint


def batched(windows: Sequence[Told]) -> Told:
    """Return what several windows are told, along B."""
    return {name: torch.cat([window[name] for window in windows]) for name in windows[0]}
