"""Data-parallel training: several processes share the windows of every batch.

``accelerate launch`` or ``torchrun`` starts the processes. Each holds the whole model and takes its
rows of every batch; the gradients are averaged before the optimiser step, so all models stay equal.
Every draw of a window depends on the seed and on the window's number in the run alone: the windows
of a step, and hence the training, are the same for any number of processes. Only the main process
(rank 0) writes files. Started on its own, a process is the main one of one.
"""

import atexit
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from kinetune.errors import ConfigError
from kinetune.extras import extra

# While the main process prepares a large data set, the others wait.
_TIMEOUT = timedelta(hours=48)


@dataclass(frozen=True)
class Share:
    """The rows of every batch that belong to one process.

    Attributes:
        rank: Number of the process, from 0.
        world: Number of processes.
    """

    rank: int = 0
    world: int = 1

    def rows(self, batch_size: int) -> range:
        """Return the rows of a batch: block ``rank`` of ``world`` equal blocks.

        Raises:
            ConfigError: The batch can't be divided evenly.
        """
        if batch_size % self.world:
            raise ConfigError(
                f"loop.batch_size: expected a multiple of the {self.world} processes, found "
                f"{batch_size}"
            )
        count = batch_size // self.world
        return range(self.rank * count, (self.rank + 1) * count)


def connect() -> bool:
    """Join the other processes of this training, if there are any; return whether there are."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not distributed.is_initialized():
        with extra("train"):
            from accelerate.state import PartialState

        PartialState(cpu=not torch.cuda.is_available(), timeout=_TIMEOUT)
        atexit.register(_disconnect)
    return distributed.is_available() and distributed.is_initialized()


def _disconnect() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def current_share() -> Share:
    """Return the share of this process."""
    if not connect():
        return Share()
    return Share(distributed.get_rank(), distributed.get_world_size())


def is_main() -> bool:
    """Return whether this process writes the files of the run."""
    return current_share().rank == 0


def barrier() -> None:
    """Wait until all processes are here."""
    if connect():
        distributed.barrier()


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Let the main process do a block before the others, which then find its files."""
    if not is_main():
        barrier()
    yield
    if is_main():
        barrier()


def from_main(flag: bool) -> bool:
    """Return the main process's flag in every process."""
    if not connect():
        return flag
    shared = torch.tensor(float(flag), device=_device())
    distributed.broadcast(shared, src=0)
    return bool(shared)


def average(values: Mapping[str, float]) -> dict[str, float]:
    """Return the means of named values over all processes."""
    if not connect():
        return dict(values)
    total = torch.tensor(list(values.values()), dtype=torch.float32, device=_device())
    distributed.all_reduce(total)
    return dict(zip(values, (total / distributed.get_world_size()).tolist(), strict=True))


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace the gradients by their means over all processes, in one exchange per number type."""
    if not connect():
        return
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
    for gradients in by_type.values():
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def _device() -> torch.device:
    """Return where tensors must be to be exchanged."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
