"""Blending of several genres, each with its own weight in each latent column.

Where genres change, the network predicts once for each genre and the predictions are blended column
by column. Axes: B windows of W columns.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetune.memmap import release_pages
from kinetune.model.sampling.windows import WindowPlan, zeros_like_spill

# The denoiser's keyword arguments for a batch of windows, each (B, ...).
Conditioning = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class BatchedConditioning:
    """The conditioning of every window of a plan.

    Attributes:
        stacked: Tensors with one row a window; those of a long dance lie in files.
    """

    stacked: Conditioning

    def select(self, indices: Sequence[int]) -> Conditioning:
        """Return the conditioning of some windows, along B."""
        rows = {name: whole[list(indices)] for name, whole in self.stacked.items()}
        release_pages(*self.stacked.values())
        return rows


def stack_conditioning(windows: Iterable[Conditioning], count: int) -> BatchedConditioning:
    """Stack the conditioning of ``count`` windows (B = 1 each); that of a long dance in files."""
    stacked: Conditioning = {}
    for index, conditioning in enumerate(windows):
        for name, value in conditioning.items():
            if name not in stacked:
                stacked[name] = zeros_like_spill(value, (count, *value.shape[1:]))
            stacked[name][index] = value[0]
        release_pages(*stacked.values())
    return BatchedConditioning(stacked)


@dataclass(frozen=True, eq=False)
class WeightedCondition:
    """The conditioning under one genre, and the genre's weight.

    Attributes:
        conditioning: Of each window of the plan.
        weight: In each column, (total,), 0 to 1; the weights of all genres sum to one.
    """

    conditioning: BatchedConditioning
    weight: Tensor


def blend_predictions(
    conditions: Sequence[WeightedCondition],
    plan: WindowPlan,
    indices: slice,
    windows: Tensor,
    predict: Callable[[Tensor, Conditioning], Tensor],
) -> Tensor:
    """Return the weighted sum of the predictions under all genres for some windows.

    Args:
        conditions: Weights sum to one in every column.
        plan: The windows.
        indices: Which windows of the plan these are.
        windows: (B, C, H, W).
        predict: From windows and their conditioning to a prediction of the same shape.
    """
    blended, first = torch.zeros_like(windows), indices.start
    for condition in conditions:
        weights = [condition.weight[plan.column_indices(start)] for start in plan.starts[indices]]
        rows = [row for row, weight in enumerate(weights) if bool((weight > 0).any())]
        if not rows:
            continue
        conditioning = condition.conditioning.select([first + row for row in rows])
        weight = torch.stack([weights[row] for row in rows])[:, None, None]
        blended[rows] += weight.to(windows) * predict(windows[rows], conditioning)
    return blended


def expand(conditioning: Conditioning, count: int) -> Conditioning:
    """Return one window's conditioning repeated for ``count`` windows, along B."""
    return {name: value.expand(count, *value.shape[1:]) for name, value in conditioning.items()}
