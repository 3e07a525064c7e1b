"""Several ways to hear one dance, each with its say in some columns.

A voice is what the denoiser is told, window by window, under one genre. Where a genre gives way to
another, each predicts and the predictions are mixed column by column. B windows of W columns.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetune.memmap import let_go
from kinetune.model.sampling.windows import WindowPlan, roomy

Told = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class AllTold:
    """What every window of a plan is told.

    Attributes:
        stacked: Tensors with a row a window; those of a long dance lie in files.
    """

    stacked: Told

    def of(self, numbers: Sequence[int]) -> Told:
        """Return what some windows are told, along B."""
        rows = {name: whole[list(numbers)] for name, whole in self.stacked.items()}
        let_go(*self.stacked.values())
        return rows


def all_told(windows: Iterable[Told], count: int) -> AllTold:
    """Gather what ``count`` windows are told, one of each; that of a long dance in files."""
    stacked: Told = {}
    for number, told in enumerate(windows):
        for name, value in told.items():
            if name not in stacked:
                stacked[name] = roomy(value, (count, *value.shape[1:]))
            stacked[name][number] = value[0]
        let_go(*stacked.values())
    return AllTold(stacked)


@dataclass(frozen=True, eq=False)
class Voice:
    """One way to hear the dance.

    Attributes:
        told: What each window of the plan is told.
        share: Its say in each column, (total,), 0 to 1; all voices' shares sum to one.
    """

    told: AllTold
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
    joint, first = torch.zeros_like(windows), places.start
    for voice in voices:
        shares = [voice.share[plan.places(start)] for start in plan.starts[places]]
        heard = [number for number, share in enumerate(shares) if bool((share > 0).any())]
        if not heard:
            continue
        told = voice.told.of([first + number for number in heard])
        weight = torch.stack([shares[number] for number in heard])[:, None, None]
        joint[heard] += weight.to(windows) * predict(windows[heard], told)
    return joint


def alike(told: Told, count: int) -> Told:
    """Return what one window is told as what ``count`` windows are told, along B."""
    return {name: value.expand(count, *value.shape[1:]) for name, value in told.items()}
