"""The one training loop; the trainers only say what the loss of a step is.

Read it top to bottom: seed, model, moving average, optimiser, schedule, then steps until the
number or the minutes are used up. State is a folder of safetensors and JSON, written whole; going
on from it gives, bit for bit, what an unbroken run gives.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinetune import files
from kinetune.errors import ModelError
from kinetune.extras import extra
from kinetune.model.checkpoint import MARKER, atomic_folder
from kinetune.training.config import LoopConfig

# The loss of one batch: called with the optimiser step and the batch's number within it.
LossFunction = Callable[[int, int], dict[str, Tensor]]


@dataclass(frozen=True)
class StepReport:
    """Where a run stands, for a progress bar.

    Attributes:
        step: Optimiser steps done.
        loss: Smoothed loss.
        seconds_left: Estimate until the steps or the minutes are used up.
    """

    step: int
    loss: float
    seconds_left: float


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        step: Optimiser steps done in all.
        finished: Whether all steps are done (else the minutes ran out).
        loss: Smoothed loss at the end.
    """

    step: int
    finished: bool
    loss: float


class TrainingLoop:
    """Trains one module.

    Args:
        model: What is trained.
        config: The loop's figures.
        out: Folder of the state, the log and the TensorBoard events.
        resume: Go on from the state in ``out``.

    Raises:
        ModelError: ``resume`` is asked for and there is no readable state.
    """

    def __init__(self, model: nn.Module, config: LoopConfig, out: Path, *, resume: bool) -> None:
        with extra("train"):
            from accelerate import Accelerator
        self.config, self.out = config, out
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation,
        )
        self.model = model.to(self.accelerator.device)
        self.ema = _build_ema(self.model, config)
        optimizer = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=config.learning_rate,
            betas=(config.betas[0], config.betas[1]),
            weight_decay=config.weight_decay,
            eps=1e-8,
        )
        self.step, self._smoothed = 0, math.nan
        if resume:
            self._load(optimizer)
        self.prepared, self.optimizer = self.accelerator.prepare(self.model, optimizer)

    def run(
        self,
        loss: LossFunction,
        *,
        minutes: float | None = None,
        on_step: Callable[[StepReport], None] | None = None,
    ) -> TrainingResult:
        """Train until all steps are done or ``minutes`` have passed; always ends saved.

        Args:
            loss: Named parts of one batch's loss; the part named ``loss`` is minimised.
            minutes: Wall-clock limit of this call.
            on_step: Called after every step.
        """
        began, first = time.monotonic(), self.step
        saved = began
        deadline = math.inf if minutes is None else began + 60.0 * minutes
        self.prepared.train()
        with _EventLog(self.out) as log:
            while self.step < self.config.steps and time.monotonic() < deadline:
                parts = self._one_step(loss)
                log.write(self.step, {**parts, "lr": self._learning_rate()})
                if on_step is not None:
                    on_step(self._report(first, began, deadline))
                if time.monotonic() - saved > 60.0 * self.config.save_every_minutes:
                    self.save()
                    saved = time.monotonic()
        self.save()
        return TrainingResult(self.step, self.step >= self.config.steps, self._smoothed)

    def forward_seeded(self, inputs: Tensor, seed: int) -> Tensor:
        """Return what the model makes of inputs, its dropout drawn from a seed alone."""
        # Dropout knows no other generator than torch's own.
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            out: Tensor = self.prepared(inputs.to(self.accelerator.device))
        return out

    def save(self) -> None:
        """Write the state: weights, moving average, optimiser, step."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in state.items()}
        record: dict[str, object] = {"step": self.step, "loss": self._smoothed}
        if self.ema is not None:
            tensors |= {f"ema.{i}": p for i, p in enumerate(self.ema.shadow_params)}
            record["ema_step"] = self.ema.optimization_step
        with atomic_folder(self.out / "state") as aside:
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(whole, aside / "state.safetensors")
            files.write_json(aside / MARKER, record)

    def copy_ema_to_model(self) -> None:
        """Put the moving average's weights into the model, for saving or judging it."""
        if self.ema is not None:
            self.ema.copy_to(self.model.parameters())

    def _one_step(self, loss: LossFunction) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        totals: dict[str, float] = {}
        count = self.config.gradient_accumulation
        for number in range(count):
            with self.accelerator.accumulate(self.prepared):
                with self.accelerator.autocast():
                    parts = loss(self.step, number)
                self.accelerator.backward(parts["loss"])
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(
                        self.prepared.parameters(), self.config.clip_norm
                    )
                self.optimizer.step()
                self.optimizer.zero_grad()
            for name, value in parts.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) / count
        if self.ema is not None:
            self.ema.step(self.model.parameters())
        self.step += 1
        self._smoothed = _smooth(self._smoothed, totals["loss"])
        return totals

    def _learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        done = (self.step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    def _report(self, first: int, began: float, deadline: float) -> StepReport:
        now = time.monotonic()
        pace = (now - began) / max(1, self.step - first)
        left = min((self.config.steps - self.step) * pace, deadline - now)
        return StepReport(self.step, self._smoothed, max(0.0, left))

    def _load(self, optimizer: torch.optim.Optimizer) -> None:
        folder = self.out / "state"
        try:
            record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            tensors = load_file(folder / "state.safetensors")
            self._restore(record, tensors, optimizer)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{folder}: no training state to go on from ({error}); leave out --resume"
            ) from error

    def _restore(
        self, record: dict, tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer
    ) -> None:
        self.step, self._smoothed = int(record["step"]), float(record["loss"])
        self.model.load_state_dict(_with_prefix("model.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _with_prefix("optimizer.", tensors).items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict(
            {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
        )
        if self.ema is not None:
            shadow = _with_prefix("ema.", tensors)
            self.ema.optimization_step = int(record["ema_step"])
            self.ema.shadow_params = [
                shadow[str(i)].to(self.accelerator.device) for i in range(len(shadow))
            ]


class _EventLog:
    """Writes every step to ``log.jsonl`` and, where it is installed, to TensorBoard."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._file = (out / "log.jsonl").open("a", encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._board = None
        else:
            self._board = SummaryWriter(log_dir=str(out / "events"))

    def __enter__(self) -> "_EventLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, step: int, parts: dict[str, float]) -> None:
        self._file.write(json.dumps({"step": step, "time": time.time(), **parts}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in parts.items():
                self._board.add_scalar(name, value, step)


def _build_ema(model: nn.Module, config: LoopConfig) -> EMAModel | None:
    if config.ema_decay == 0:
        return None
    return EMAModel(
        model.parameters(),
        decay=config.ema_decay,
        use_ema_warmup=True,
        inv_gamma=1.0,
        power=config.ema_power,
    )


def _smooth(old: float, new: float) -> float:
    # Over about the last fifty steps.
    return new if math.isnan(old) else old + 0.02 * (new - old)


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
