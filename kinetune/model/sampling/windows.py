"""Window plan for long dances, and joining of windows in the latent.

At every diffusion step each window predicts independently. Where windows overlap, predictions are
averaged with weights that fade towards a window's edges, so all windows share one latent
(MultiDiffusion, Bar-Tal et al. 2023). In a loop, windows wrap around from the end to the beginning.
Positions are latent columns.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kinetune.memmap import CHUNK_FRAMES, release_pages, releasing, slices, zeros_or_memmap

# Windows that go through the network at once: enough to fill a CPU, little enough memory.
BATCH_WINDOWS = 4


@dataclass(frozen=True)
class WindowPlan:
    """How a row of columns is covered by windows.

    Attributes:
        width: Columns of a window W.
        useful: Columns at the front of a window that carry music (the paper's pictures are
            zero-padded behind 5 s); the rest gets hardly any weight.
        starts: First column of each window.
        loop_columns: Columns of the loop that the windows cover, 0 for a row with two ends.
    """

    width: int
    useful: int
    starts: tuple[int, ...]
    loop_columns: int = 0

    @property
    def total(self) -> int:
        """Columns of the whole latent."""
        return self.loop_columns or self.starts[-1] + self.width

    @property
    def is_loop(self) -> bool:
        """Whether the windows cover a loop."""
        return self.loop_columns > 0

    def column_indices(self, start: int, *, per_column: int = 1) -> Tensor:
        """Index of each value of the window at ``start`` in the whole, (W * per_column,)."""
        columns = torch.arange(start * per_column, (start + self.width) * per_column)
        return columns % (self.loop_columns * per_column) if self.loop_columns else columns

    def weights(self) -> Tensor:
        """Weight of each of a window's columns in the joint prediction, (W,)."""
        overlap = self.useful - self._stride()
        weights = torch.full((self.width,), 1e-6)
        weights[: self.useful] = 1.0
        if overlap > 0:
            ramp = (torch.arange(overlap) + 0.5) / overlap
            weights[:overlap] *= ramp
            weights[self.useful - overlap : self.useful] *= ramp.flip(0)
        return weights

    def _stride(self) -> int:
        return self.starts[1] - self.starts[0] if len(self.starts) > 1 else self.useful


def plan_windows(columns: int, *, width: int, useful: int, overlap: int) -> WindowPlan:
    """Cover ``columns`` columns with windows of ``width``, each new one ``overlap`` columns in.

    Args:
        columns: Columns of music wanted, at least 1.
        width: Columns of a window.
        useful: Columns of a window that count, at most ``width``.
        overlap: Columns shared by neighbours, less than ``useful``.
    """
    starts = [0]
    while starts[-1] + useful < columns:
        starts.append(starts[-1] + useful - overlap)
    return WindowPlan(width, useful, tuple(starts))


def plan_loop(columns: int, *, width: int, useful: int, overlap: int) -> WindowPlan:
    """Cover a loop of ``columns`` columns with two windows or more, evenly spaced.

    A loop shorter than a window is repeated in each window.

    Args:
        columns: Columns of the loop, at least 1.
        width: Columns of a window.
        useful: Columns of a window that count.
        overlap: Columns shared by neighbours at least.
    """
    count = max(2, -(-columns // (useful - overlap)))
    starts = tuple(round(k * columns / count) for k in range(count))
    return WindowPlan(width, useful, starts, loop_columns=columns)


def join(plan: WindowPlan, parts: Iterable[Tensor], *, per_column: int = 1) -> Tensor:
    """Average the windows' values into one row.

    Args:
        plan: Where the windows lie.
        parts: One tensor a window, (..., W * per_column), time last; each is dropped once it
            has been added.
        per_column: Values a column: 1 for latents, mel frames a column for spectrograms.

    Returns:
        (..., total * per_column).
    """
    weights = plan.weights().repeat_interleave(per_column)
    total = plan.total * per_column
    out = weight = torch.empty(0)
    for start, part in zip(plan.starts, parts, strict=True):
        if not out.numel():
            weights = weights.to(part)
            out, weight = zeros_like_spill(part, (*part.shape[:-1], total)), part.new_zeros(total)
        columns = plan.column_indices(start, per_column=per_column).to(out.device)
        out.index_add_(-1, columns, part * weights)
        weight.index_add_(0, columns, weights)
        release_pages(out)
    for span in releasing(slices(total, CHUNK_FRAMES), out):
        out[..., span] /= weight[span]
    return out


def zeros_like_spill(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return zeros with the type and device of ``like``; long ones on the CPU lie in a file."""
    if like.device.type != "cpu" or like.dtype != torch.float32:
        return like.new_zeros(shape)
    array = zeros_or_memmap(shape)
    tensor = torch.from_numpy(array)
    # Views of the tensor share its storage, and so find the file they lie in.
    tensor.untyped_storage().spilled = array  # type: ignore[attr-defined]
    return tensor


def map_windows(
    plan: WindowPlan,
    latents: Tensor,
    predict: Callable[[Tensor, slice], Tensor],
    *,
    per_column: int = 1,
) -> Tensor:
    """Apply ``predict`` to every window of ``latents`` and join the results.

    Args:
        plan: Where the windows lie.
        latents: (1, C, H, total).
        predict: From windows (B, C, H, W) and their indices in the plan to values
            (B, ..., W * per_column).
        per_column: Values a column of the result.

    Returns:
        (1, ..., total * per_column).
    """

    def parts() -> Iterator[Tensor]:
        for first in range(0, len(plan.starts), BATCH_WINDOWS):
            indices = slice(first, first + BATCH_WINDOWS)
            windows = [
                latents[..., plan.column_indices(start).to(latents.device)]
                for start in plan.starts[indices]
            ]
            yield from predict(torch.cat(windows), indices).split(1)

    return join(plan, parts(), per_column=per_column)
