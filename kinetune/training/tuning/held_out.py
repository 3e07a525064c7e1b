"""The loss on held-out windows while a model is tuned, and when to stop."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kinetune.errors import ConfigError
from kinetune.files import write_text
from kinetune.model.condition import stack
from kinetune.training.data import dataset
from kinetune.training.diffusion import DenoisingObjective

LOG = "held_out.jsonl"
_BATCH = 8
# Apart from all seeds that training uses.
_SEED = 2_000_003


class HeldOutLoss:
    """The denoiser's mean loss on fixed windows with fixed noise and diffusion steps.

    Args:
        windows: The windows.
        latents: Their posterior means and standard deviations, (K, C, H, W) each.
        conditions: Cuts the windows' conditions.
        masks: 1 for columns that count, (K, W).
    """

    def __init__(
        self,
        windows: Sequence[dataset.Window],
        latents: tuple[Tensor, Tensor],
        conditions: dataset.Conditions,
        masks: Tensor,
    ) -> None:
        self._windows, self._means = list(windows), latents[0].float()
        self._conditions, self._masks = conditions, masks

    @torch.no_grad()
    def measure(self, objective: DenoisingObjective) -> float:
        """Return the mean loss over all windows."""
        total = 0.0
        for first in range(0, len(self._windows), _BATCH):
            rows = range(first, min(first + _BATCH, len(self._windows)))
            chosen = [self._windows[row] for row in rows]
            conditions = stack([self._conditions.batch([w], shift_s=[0.0]) for w in chosen])
            generators = [torch.Generator().manual_seed(_SEED + row) for row in rows]
            part = slice(rows.start, rows.stop)
            loss = objective(self._means[part], conditions, self._masks[part], generators)["loss"]
            total += float(loss) * len(chosen)
        return total / max(1, len(self._windows))


@dataclass(frozen=True)
class HeldOutRecord:
    """A held-out loss.

    Attributes:
        step: Optimiser steps done.
        loss: Mean loss of the averaged weights.
    """

    step: int
    loss: float


class EarlyStopping:
    """Remembers the held-out losses of a run and tells when they no longer fall.

    Args:
        folder: Folder of the run; the losses are kept in ``held_out.jsonl``.
        patience: Losses in a row without a new best; 0 never ends.
        step: Steps done; losses of later ones, of a run that was killed, are forgotten.

    Raises:
        ConfigError: The file is damaged.
    """

    def __init__(self, folder: Path, patience: int, step: int) -> None:
        self._path, self._patience = folder / LOG, patience
        self.records = [record for record in _read(self._path) if record.step <= step]

    @property
    def best(self) -> HeldOutRecord | None:
        """The lowest loss so far."""
        return min(self.records, key=lambda record: record.loss, default=None)

    def add(self, step: int, loss: float) -> bool:
        """Add a loss; return whether it is the lowest so far."""
        before = self.best
        self.records.append(HeldOutRecord(step, loss))
        rows = [json.dumps({"step": each.step, "loss": each.loss}) for each in self.records]
        write_text(self._path, "\n".join(rows) + "\n")
        return before is None or loss < before.loss

    @property
    def is_over(self) -> bool:
        """Whether as many losses as the patience have brought no new best."""
        best = self.best
        if best is None or self._patience == 0:
            return False
        return len(self.records) - 1 - self.records.index(best) >= self._patience


def _read(path: Path) -> list[HeldOutRecord]:
    if not path.is_file():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [HeldOutRecord(int(row["step"]), float(row["loss"])) for row in rows]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path}: damaged ({error}); --restart begins anew") from error
