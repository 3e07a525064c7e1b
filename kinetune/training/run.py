"""The folder of a training run: locking, resuming or restarting, and the log.

One trainer has one folder of a run, such as ``runs/default/diffusion``. It holds ``state``
(weights, moving average and optimiser), ``log.jsonl``, ``events`` for TensorBoard, and a file that
is locked while the trainer works.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from kinetune import files
from kinetune.errors import ConfigError, OutputError
from kinetune.training import parallel
from kinetune.training.boards.wandb_run import RECORD, WandbRun

STATE, LOG, EVENTS, LOCK = "state", "log.jsonl", "events", "lock"


@dataclass(frozen=True)
class StepReport:
    """Progress of a run after a step.

    Attributes:
        step: Optimiser steps done.
        loss: Smoothed loss.
        seconds_left: Estimate until the steps are done or the minutes have passed.
        windows_per_s: Training windows a second since this call began.
    """

    step: int
    loss: float
    seconds_left: float
    windows_per_s: float


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run.

    Attributes:
        step: Optimiser steps done in all.
        finished: Whether all steps are done; if not, the minutes have passed.
        loss: Smoothed loss at the end.
        windows_per_s: Training windows a second in this call; NaN without a step.
    """

    step: int
    finished: bool
    loss: float
    windows_per_s: float


class RunOptions(TypedDict, total=False):
    """Keyword arguments of every trainer.

    Attributes:
        minutes: Wall-clock limit of this call; None trains all steps.
        resume: Continue from the state of the run's folder.
        restart: Delete the state and the log in the run's folder and start again.
        on_step: Called after every step.
        wandb: Also log to Weights & Biases.
    """

    minutes: float | None
    resume: bool
    restart: bool
    on_step: Callable[[StepReport], None] | None
    wandb: bool


@dataclass(frozen=True)
class Run:
    """A run's folder, opened for one trainer.

    Attributes:
        folder: The folder.
        minutes: Wall-clock limit of this call; None trains all steps.
        resume: Whether to continue from the folder's state.
        on_step: Called after every step, in the main process.
        writes: Whether this process writes into the folder: the main one of all.
        wandb: The run on Weights & Biases, if any.
    """

    folder: Path
    minutes: float | None = None
    resume: bool = False
    on_step: Callable[[StepReport], None] | None = None
    writes: bool = True
    wandb: WandbRun | None = None


@contextlib.contextmanager
def open_run(
    folder: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    restart: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
    wandb: bool = False,
) -> Iterator[Run]:
    """Lock a run's folder and tidy up what killed processes left in it.

    The main process does; any others wait for it.

    Args:
        folder: The folder; made if missing.
        minutes: See :class:`RunOptions`.
        resume: See :class:`RunOptions`.
        restart: See :class:`RunOptions`.
        on_step: See :class:`RunOptions`.
        wandb: See :class:`RunOptions`.

    Raises:
        ConfigError: The options contradict each other, the folder contains a run and neither
            ``resume`` nor ``restart`` is set, or wandb refuses.
        MissingExtraError: wandb is wanted and isn't installed.
        OutputError: Another process trains in the folder, or it can't be written to.
    """
    if resume and restart:
        raise ConfigError("--resume continues a run and --restart deletes it; choose one")
    if minutes is not None and not minutes >= 0.0:
        raise ConfigError(f"--minutes: expected 0 or more, found {minutes}")
    if not parallel.is_main():
        parallel.barrier()
        yield Run(folder, minutes, resume, writes=False)
        return
    files.check_writable(folder)
    with _locked(folder):
        files.remove_abandoned(folder)
        files.remove_abandoned(folder.parent)
        files.recover_folder(folder / STATE)
        if restart:
            _delete_run(folder)
        elif not resume and (folder / STATE).is_dir():
            raise ConfigError(
                f"{folder}: holds a run; continue it with --resume, or start anew with --restart, "
                "which deletes its state and its log"
            )
        board = WandbRun(folder) if wandb else None
        parallel.barrier()
        try:
            yield Run(folder, minutes, resume, on_step, wandb=board)
        finally:
            if board is not None:
                board.close()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The operating system drops the lock of a process that ends, however it ends.
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"{folder}: another process trains in this folder; wait for it or use another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _delete_run(folder: Path) -> None:
    shutil.rmtree(folder / STATE, ignore_errors=True)
    shutil.rmtree(folder / EVENTS, ignore_errors=True)
    (folder / LOG).unlink(missing_ok=True)
    (folder / RECORD).unlink(missing_ok=True)


class RunLog:
    """Writes every step to ``log.jsonl`` and, where it is installed, to TensorBoard.

    Args:
        folder: The run's folder.
        step: Steps already done. Later ones, logged before the run was killed, are taken out.
        wandb: Takes every step too, if any.
    """

    def __init__(self, folder: Path, step: int, wandb: WandbRun | None = None) -> None:
        self._wandb = wandb
        _keep_steps(folder / LOG, step)
        self._file = (folder / LOG).open("a", encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._board = None
        else:
            self._board = SummaryWriter(log_dir=str(folder / EVENTS), purge_step=step + 1)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log named values of a step."""
        self._file.write(json.dumps({"step": step, "time": time.time(), **values}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.write(step, values)


def _keep_steps(path: Path, step: int) -> None:
    """Remove the lines of later steps, and a last line that was cut off, from a log."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    files.write_text(path, "".join(kept))
