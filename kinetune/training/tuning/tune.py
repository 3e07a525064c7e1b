"""Fine-tunes a trained model on a small set and leaves an adapter of a few megabytes.

Denoiser and condition encoder get low-rank adapters; genres of the set that the model doesn't know
get vectors of their own. The adapter that is kept is that of the lowest held-out loss.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from torch import Tensor

from kinetune import genres
from kinetune.files import atomic_file
from kinetune.model import checkpoint
from kinetune.model.adapters.adapter_file import (
    NETWORKS,
    Adapter,
    base_checksum,
    extend_genres,
    write_adapter,
)
from kinetune.model.adapters.low_rank import adapter_tensors, add_low_rank, add_rows
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training import parallel
from kinetune.training.config import DataConfig
from kinetune.training.data import dataset
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.diffusion import DenoisingObjective, cached_latents
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run
from kinetune.training.tuning.card import write_card
from kinetune.training.tuning.held_out import EarlyStopping, HeldOutLoss
from kinetune.training.tuning.replay import replaying_sampler
from kinetune.training.tuning.samples import SampleWriter
from kinetune.training.tuning.settings import TuneTraining

ADAPTER, CARD = "adapter.safetensors", "adapter.md"


@dataclass(frozen=True)
class TuneResult:
    """Outcome of a run.

    Attributes:
        training: Outcome of the loop.
        adapter: The adapter's file; its card stands beside it.
        before: Held-out loss of the base model; NaN without held-out items.
        best: Lowest held-out loss: that of the adapter.
        best_step: Its step.
        genres: Names of the new genres.
    """

    training: TrainingResult
    adapter: Path
    before: float
    best: float
    best_step: int
    genres: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Tuning:
    """A model with its adapters and its data."""

    settings: TuneTraining
    pipeline: DanceToMusicPipeline
    prepared: PreparedSet
    genres: tuple[str, ...]
    base_sha256: str

    def adapter(self) -> Adapter:
        """Return what the networks have learnt."""
        tensors: dict[str, Tensor] = {}
        for network in NETWORKS:
            learnt = adapter_tensors(getattr(self.pipeline, network))
            tensors |= {f"{network}.{name}": value for name, value in learnt.items()}
        return Adapter(self.settings.start, self.base_sha256, self.genres, tensors)


def tune(settings: TuneTraining, out: Path, **options: Unpack[RunOptions]) -> TuneResult:
    """Tune a model and leave ``out/adapter.safetensors`` and its card.

    Args:
        settings: The run.
        out: Folder of the run; the state and the log are in ``out/tune``.
        **options: See :class:`~kinetune.training.run.RunOptions`.

    Raises:
        ConfigError: The set doesn't fit the model, or holds no window to train on.
        ModelError: There is no such model.
    """
    with open_run(out / "tune", **options) as run:
        return _tune(settings, out, run)


def _tune(settings: TuneTraining, out: Path, run: Run) -> TuneResult:
    tuning = _open(settings, out)
    pipeline, diffusion = tuning.pipeline, settings.diffusion
    windows, held_out = _windows(tuning)
    objective = DenoisingObjective(pipeline, diffusion)
    loop = TrainingLoop(objective, diffusion.loop, run)
    pipeline.to(loop.accelerator.device)
    with parallel.main_first():
        latents = cached_latents(tuning.prepared, windows + held_out, pipeline, out)
    conditions = dataset.Conditions(tuning.prepared, pipeline)
    count = len(windows)
    first, last = tuple(part[:count] for part in latents), tuple(part[count:] for part in latents)
    sampler = replaying_sampler(settings, windows, (first[0], first[1]), conditions, pipeline, out)
    masks = dataset.window_mask(held_out, latents[0].shape[-1], pipeline)
    loss = HeldOutLoss(held_out, (last[0], last[1]), conditions, masks)
    watch = _Watch(
        tuning, loop, objective, loss if held_out else None,
        EarlyStopping(run.folder, settings.patience, loop.step),
        SampleWriter(run, settings.samples_every_minutes, (held_out or windows)[0], conditions),
        run.folder / ADAPTER,
    )  # fmt: skip
    if run.writes and not watch.stopping.records:
        watch.validate(loop.step)
    result = loop.run(lambda batch: objective(*sampler.batch(batch, loop.rows)), until=watch)
    return _finish(tuning, out, run, result, watch)


def _open(settings: TuneTraining, out: Path) -> _Tuning:
    """Load the model, give it adapters, and open its data."""
    folder = checkpoint.resolve(settings.start)
    pipeline = DanceToMusicPipeline.from_pretrained(settings.start)
    prepared = dataset.open_items(DataConfig(source=settings.data), out, pipeline)
    known = set(pipeline.condition_encoder.config.get("extra_genres", ()))
    used = {item.genre for item in prepared.items if genres.is_new(item.genre)}
    new = tuple(sorted(used - known))
    if new:
        extend_genres(pipeline, new)
    seed = settings.diffusion.loop.seed
    for number, network in enumerate(NETWORKS):
        add_low_rank(getattr(pipeline, network), settings.rank, seed=2 * seed + number)
    if new:
        add_rows(pipeline.condition_encoder.genre, len(new))
    return _Tuning(settings, pipeline, prepared, new, base_checksum(folder))


def _windows(tuning: _Tuning) -> tuple[list[dataset.Window], list[dataset.Window]]:
    """Return the training windows, and some of the held-out ones, spread evenly."""
    settings = tuning.settings
    shape = dataset.window_shape(tuning.pipeline)
    windows, held_out = (
        dataset.list_windows(
            tuning.prepared, shape, stride_s=settings.stride_s, shortest_s=settings.shortest_s,
            held_out=is_held_out,
        )
        for is_held_out in (False, True)
    )  # fmt: skip
    step = -(-len(held_out) // settings.held_out_windows) or 1
    return windows, held_out[::step]


class _Watch:
    """Called after every step: held-out losses, samples, and whether to stop."""

    def __init__(
        self,
        tuning: _Tuning,
        loop: TrainingLoop,
        objective: DenoisingObjective,
        loss: HeldOutLoss | None,
        stopping: EarlyStopping,
        samples: SampleWriter,
        best_path: Path,
    ) -> None:
        self._tuning, self.loop, self._objective, self._loss = tuning, loop, objective, loss
        self.stopping, self._samples, self.best_path = stopping, samples, best_path

    def __call__(self, step: int) -> bool:
        if not parallel.is_main():
            return False
        if step % self._tuning.settings.validate_every == 0:
            self.validate(step)
        if self._samples.is_due:
            with self.loop.averaged():
                self._samples.write(step, self._tuning.pipeline)
        return self.stopping.is_over

    def validate(self, step: int) -> None:
        """Measure the held-out loss; keep the adapter if it is the best."""
        if self._loss is None:
            return
        with self.loop.averaged():
            value = self._loss.measure(self._objective)
            self._samples.write_held_out_loss(step, value)
            if self.stopping.add(step, value):
                write_adapter(self.best_path, self._tuning.adapter())


def _finish(
    tuning: _Tuning, out: Path, run: Run, result: TrainingResult, watch: _Watch
) -> TuneResult:
    """Write the adapter and its card."""
    records, best = watch.stopping.records, watch.stopping.best
    target = out / ADAPTER
    tuned = TuneResult(
        result, target, records[0].loss if records else float("nan"),
        best.loss if best else float("nan"), best.step if best else result.step, tuning.genres,
    )  # fmt: skip
    if run.writes:
        if best is None:
            with watch.loop.averaged():
                write_adapter(target, tuning.adapter())
        else:
            with atomic_file(target) as aside:
                aside.write_bytes(watch.best_path.read_bytes())
        write_card(out / CARD, tuning.settings, tuning.prepared, tuned)
    return tuned
