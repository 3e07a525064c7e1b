"""The one training loop; each trainer only provides the loss of a batch.

Read it top to bottom: model, moving average, optimiser, then steps until the number or the minutes
are used up. The state is a folder of safetensors and JSON that appears whole; a run that is
continued from it gives, bit for bit, the weights of an unbroken run on the same machine. Several
processes share the windows of each batch, see :mod:`kinetune.training.parallel`.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinetune import files
from kinetune.errors import ModelError
from kinetune.extras import extra
from kinetune.model.checkpoint import MARKER, atomic_folder
from kinetune.training import parallel
from kinetune.training.config import LoopConfig
from kinetune.training.precision import MasterWeights, choose_precision, compiled, weight_tensors
from kinetune.training.run import STATE, Run, RunLog, StepReport, TrainingResult

if TYPE_CHECKING:
    from accelerate import Accelerator

# The loss of one batch, as named parts. Its argument is the batch's number, counted over all steps.
LossFunction = Callable[[int], dict[str, Tensor]]

# Share of a new loss in the smoothed one: an average over about the last fifty steps.
_SMOOTHING = 0.02


def learning_rate(config: LoopConfig, step: int) -> float:
    """Return the learning rate of a step: a linear rise, then half a cosine down to 0.

    Args:
        config: Its peak, steps and warm-up steps.
        step: Optimiser steps done before this one.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


class TrainingLoop:
    """Trains one module.

    Args:
        model: The module.
        config: Optimiser, schedule and precision.
        run: The folder of the state and the log, and how long to train.

    Raises:
        ConfigError: The processes can't share a batch evenly.
        ModelError: The run should be resumed and there is no readable state.
    """

    def __init__(self, model: nn.Module, config: LoopConfig, run: Run) -> None:
        self.config, self._run, self.share = config, run, parallel.current_share()
        self.rows = self.share.rows(config.batch_size)
        self.precision, self.accelerator = _open_device(config)
        self.model = model.to(self.accelerator.device)
        self.ema = _build_ema(self.model, config)
        self._masters = MasterWeights(self.model) if self.precision == "bf16-master" else None
        optimizer = torch.optim.AdamW(
            [p for p in self._float_parameters() if p.requires_grad],
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            eps=1e-8,
            fused=self.accelerator.device.type in ("cpu", "cuda"),
        )
        self.step, self._smoothed = 0, math.nan
        if run.resume:
            self._load(optimizer)
        # The loop averages the gradients of several processes itself, masters' among them.
        self.prepared = self.accelerator.prepare_model(self.model, evaluation_mode=True)
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)

    def run(
        self, loss: LossFunction, *, until: Callable[[int], bool] | None = None
    ) -> TrainingResult:
        """Train until all steps are done or the minutes have passed; always ends saved.

        Args:
            loss: Named parts of one batch's loss; the part named ``loss`` is minimised.
            until: Called with the steps done after every step, in all processes; training ends when
                it returns True in the main one.
        """
        began, first = time.monotonic(), self.step
        saved, stopped = began, False
        minutes = self._run.minutes
        deadline = math.inf if minutes is None else began + 60.0 * minutes
        self.prepared.train()
        device, compile_ = self.accelerator.device, self.config.compile
        with self._log() as log, compiled(self.model, enabled=compile_, device=device):
            while self.step < self.config.steps and parallel.from_main(time.monotonic() < deadline):
                values = self._timed_step(loss)
                if log is not None:
                    log.write(self.step, values)
                if self._run.on_step is not None:
                    self._run.on_step(self._report(first, began, deadline))
                if time.monotonic() - saved > 60.0 * self.config.save_every_minutes:
                    self.save()
                    saved = time.monotonic()
                stopped = until is not None and parallel.from_main(until(self.step))
                if stopped:
                    break
        self.save()
        if self._masters is not None:
            self._masters.restore()
        finished = stopped or self.step >= self.config.steps
        return TrainingResult(self.step, finished, self._smoothed, self._pace(first, began))

    def forward_seeded(self, inputs: Tensor, seed: int) -> Tensor:
        """Return the model's output for inputs, its dropout sampled from a seed and the rank."""
        # Dropout uses torch's own generator and takes no other.
        with torch.random.fork_rng():
            # Other processes have other rows; far apart from the seeds of other batches.
            torch.manual_seed(seed + self.share.rank * 1_000_000_007)
            out: Tensor = self.prepared(inputs.to(self.accelerator.device))
        return out

    def save(self) -> None:
        """Write the state: weights, moving average, optimiser, step; in the main process."""
        if not self._run.writes:
            return
        weights = weight_tensors(self.model, self._masters)
        tensors = {f"model.{name}": tensor for name, tensor in weights.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in state.items()}
        record: dict[str, object] = {"step": self.step, "loss": self._smoothed}
        if self.ema is not None:
            tensors |= {f"ema.{i}": p for i, p in enumerate(self.ema.shadow_params)}
            record["ema_step"] = self.ema.optimization_step
        with atomic_folder(self._run.folder / STATE) as temporary:
            on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            save_file(on_cpu, temporary / "state.safetensors")
            files.write_json(temporary / MARKER, record)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the moving average of the weights in the model, in evaluation mode, for a block."""
        parameters = list(self.model.parameters())
        if self.ema is not None:
            self.ema.store(parameters)
            self.ema.copy_to(parameters)
        self.model.eval()
        try:
            yield
        finally:
            self.model.train()
            if self.ema is not None:
                self.ema.restore(parameters)

    def copy_ema_to_model(self) -> None:
        """Copy the moving average of the weights into the model, for saving or evaluation."""
        if self.ema is not None:
            self.ema.copy_to(self.model.parameters())

    def _log(self) -> contextlib.AbstractContextManager[RunLog | None]:
        if not self._run.writes:
            return contextlib.nullcontext()
        return RunLog(self._run.folder, self.step, self._run.wandb)

    def _float_parameters(self) -> list[nn.Parameter]:
        """Return the model's parameters, float32 masters in place of bfloat16 weights."""
        parameters = list(self.model.parameters())
        return [self._masters.of(p) for p in parameters] if self._masters else parameters

    def _timed_step(self, loss: LossFunction) -> dict[str, float]:
        began = time.monotonic()
        values = self._one_step(loss)
        windows = self.config.batch_size * self.config.gradient_accumulation
        return {**values, "windows_per_s": windows / max(time.monotonic() - began, 1e-9)}

    def _one_step(self, loss: LossFunction) -> dict[str, float]:
        rate = learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        totals: dict[str, float] = {}
        count = self.config.gradient_accumulation
        for number in range(count):
            with self.accelerator.accumulate(self.prepared):
                with self.accelerator.autocast():
                    parts = loss(self.step * count + number)
                self.accelerator.backward(parts["loss"])
                self._update()
            for name, value in parts.items():
                totals[name] = totals.get(name, 0.0) + float(value.detach()) / count
        totals = parallel.average(totals)
        if self.ema is not None:
            self.ema.step(self._float_parameters())
        self.step += 1
        new = totals["loss"]
        first = math.isnan(self._smoothed)
        self._smoothed = new if first else self._smoothed + _SMOOTHING * (new - self._smoothed)
        return {**totals, "lr": rate}

    def _update(self) -> None:
        """Take an optimiser step if the gradients of the last batch of a step are there."""
        if self._masters is not None:
            self._masters.collect_gradients()
        if self.accelerator.sync_gradients:
            parallel.average_gradients(self._float_parameters())
            self.accelerator.clip_grad_norm_(self._float_parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self._masters is not None and self.accelerator.sync_gradients:
            self._masters.update_weights()

    def _pace(self, first: int, began: float) -> float:
        """Return the windows a second since ``began``; NaN before the first step is done."""
        steps = self.step - first
        windows = steps * self.config.batch_size * self.config.gradient_accumulation
        return windows / max(time.monotonic() - began, 1e-9) if steps else math.nan

    def _report(self, first: int, began: float, deadline: float) -> StepReport:
        now = time.monotonic()
        step_s = (now - began) / max(1, self.step - first)
        left = min((self.config.steps - self.step) * step_s, deadline - now)
        return StepReport(self.step, self._smoothed, max(0.0, left), self._pace(first, began))

    def _load(self, optimizer: torch.optim.Optimizer) -> None:
        folder = self._run.folder / STATE
        try:
            record = json.loads((folder / MARKER).read_text(encoding="utf-8"))
            tensors = load_file(folder / "state.safetensors")
            self._restore(record, tensors, optimizer)
        except (
            OSError, ValueError, LookupError, TypeError, RuntimeError, ArithmeticError,
            AttributeError, SafetensorError,
        ) as error:  # fmt: skip
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                f"{folder}: no training state to continue from ({reason}); leave out --resume"
            ) from error

    def _restore(
        self,
        record: dict[str, Any],
        tensors: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.step, self._smoothed = int(record["step"]), float(record["loss"])
        self._load_weights(_with_prefix("model.", tensors))
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

    def _load_weights(self, state: dict[str, Tensor]) -> None:
        self.model.load_state_dict(state)
        if self._masters is not None:
            with torch.no_grad():
                for name, parameter in self.model.named_parameters():
                    self._masters.of(parameter).copy_(state[name])


def _open_device(config: LoopConfig) -> "tuple[str, Accelerator]":
    """Return the precision that the device supports, and accelerate's view of the device."""
    with extra("train"):
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, PartialState

    parallel.connect()
    precision = choose_precision(config.mixed_precision, PartialState().device)
    # Accelerate refuses a second precision in one process, but one process may train two models.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision="bf16" if precision == "bf16-master" else precision,
        gradient_accumulation_steps=config.gradient_accumulation,
    )
    return precision, accelerator


def _build_ema(model: nn.Module, config: LoopConfig) -> Any | None:  # noqa: ANN401 - diffusers'
    """Return the moving average of the weights.

    Its decay at step t is ``1 - (1 + t) ** -ema_power``, at most ``ema_decay``.
    """
    from diffusers.training_utils import EMAModel

    if config.ema_decay == 0:
        return None
    return EMAModel(
        model.parameters(),
        decay=config.ema_decay,
        use_ema_warmup=True,
        inv_gamma=1.0,
        power=config.ema_power,
        foreach=True,
    )


def _with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, under the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
