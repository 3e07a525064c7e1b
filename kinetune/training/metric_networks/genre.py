"""Trains the genre classifier on randomly augmented windows of a corpus's music."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Unpack

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinetune import config, genres, timebase
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError
from kinetune.metrics.genre import genre_accuracy, genre_probabilities
from kinetune.metrics.networks.genre_network import (
    GenreConfig,
    GenreNetwork,
    load_network,
    save_network,
)
from kinetune.model.checkpoint import atomic_folder
from kinetune.training import parallel
from kinetune.training.config import DataConfig, LoopConfig
from kinetune.training.data import dataset
from kinetune.training.data.audio_augment import AudioAugmentation, augment_audio, non_music
from kinetune.training.data.prepare import PreparedSet, open_dataset
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run

# The classifier needs no motion, but a prepared set has some.
_FEATURES = "rhythm"


@config.settings
class GenreTraining:
    """A training run of the genre classifier.

    Attributes:
        network: The classifier.
        data: The music.
        loop: Optimiser, schedule and precision. There is no moving average of the weights, because
            it would leave out the statistics of the normalisation layers.
        augment: Random changes of the music.
        smoothing: Share of the target that is spread evenly over all genres.
    """

    network: GenreConfig = field(default_factory=GenreConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(ema_decay=0.0))
    augment: AudioAugmentation = field(default_factory=AudioAugmentation)
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05

    def __post_init__(self) -> None:
        if self.loop.ema_decay != 0.0:
            raise ConfigError(
                "loop.ema_decay: expected 0.0, because the genre classifier keeps no moving "
                f"average, found {self.loop.ema_decay}"
            )


@dataclass(frozen=True)
class GenreResult:
    """Outcome of a run.

    Attributes:
        training: Outcome of the loop.
        accuracy: Share of held-out pieces that are classified correctly; NaN if there are none.
        held_out: Number of held-out pieces.
    """

    training: TrainingResult
    accuracy: float
    held_out: int


def read_genre_config(path: Path, overrides: Sequence[str] = ()) -> GenreTraining:
    """Read a run from TOML.

    Args:
        path: The TOML file.
        overrides: Assignments such as ``loop.steps=100`` that replace values of the file.

    Raises:
        ConfigError: A key is unknown, or a value is of the wrong type or out of range.
    """
    return config.read(GenreTraining, path, overrides, complete=_without_ema)


def _without_ema(table: dict[str, Any]) -> dict[str, Any]:
    return config.merge({"loop": {"ema_decay": 0.0}}, table)


def train_genre(training: GenreTraining, out: Path, **options: Unpack[RunOptions]) -> GenreResult:
    """Train the classifier and leave it in ``out/genre/model``.

    Args:
        training: The run.
        out: Folder of the run; the state and the log are in ``out/genre``.
        **options: See :class:`RunOptions`.

    Raises:
        ConfigError: The prepared music has another sample rate than the network.
    """
    with open_run(out / "genre", **options) as run:
        return _train(training, out, run)


def _train(training: GenreTraining, out: Path, run: Run) -> GenreResult:
    prepared = open_dataset(training.data, out, features=_FEATURES)
    if prepared.rate_hz != training.network.rate_hz:
        raise ConfigError(
            f"{prepared.folder}: prepared at {prepared.rate_hz} Hz, but the network expects "
            f"{training.network.rate_hz} Hz"
        )
    batches = GenreBatches(prepared, training)
    network = build_network(training)
    loop = TrainingLoop(network, training.loop, run)

    def loss(batch: int) -> dict[str, Tensor]:
        rows = slice(loop.rows.start, loop.rows.stop)
        samples, targets = (part[rows] for part in batches.batch(batch, training.loop.batch_size))
        logits = loop.forward_seeded(samples, training.loop.seed + batch)
        return genre_loss(logits, targets.to(loop.accelerator.device))

    result = loop.run(loss)
    if run.writes:
        with atomic_folder(run.folder / "model") as temporary:
            save_network(network.cpu(), temporary)
    parallel.barrier()
    accuracy, count = held_out_accuracy(load_network(run.folder / "model"), prepared)
    return GenreResult(result, accuracy, count)


def build_network(training: GenreTraining) -> GenreNetwork:
    """Return a new network, its weights sampled from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.loop.seed)
        return GenreNetwork(training.network)


class GenreBatches:
    """Batches of augmented windows with their targets, each from the seed and its number alone.

    Args:
        prepared: The prepared set.
        training: The run.

    Raises:
        ConfigError: No training item is as long as a window.
    """

    def __init__(self, prepared: PreparedSet, training: GenreTraining) -> None:
        self._prepared, self._training = prepared, training
        # A window that is played faster needs more of the music.
        faster = 1.0 + training.augment.speed
        self._length = int(np.ceil(training.network.window_samples * faster)) + 1
        shape = dataset.WindowShape(self._length, self._length, training.network.rate_hz)
        self._windows = dataset.list_windows(prepared, shape, stride_s=training.data.stride_s)

    def batch(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """Return windows (B, N) and targets (B, 10) of the batch of that number."""
        training = self._training
        rng = np.random.default_rng([training.loop.seed, number])
        chosen = dataset.sample_batch(training.loop.seed, number, len(self._windows), size)
        windows = [self._windows[i] for i in chosen]
        music = torch.stack([self._music(window, rng) for window in windows])
        length, rate_hz = training.network.window_samples, training.network.rate_hz
        samples = augment_audio(music, length, rate_hz, training.augment, rng)
        labels = [genres.genre_index(self._prepared.items[w.item].genre) for w in windows]
        one_hot = functional.one_hot(torch.tensor(labels), len(genres.CODES)).float()
        targets = (1.0 - training.smoothing) * one_hot + training.smoothing / len(genres.CODES)
        for row in np.flatnonzero(rng.random(size) < training.augment.non_music_share):
            samples[row] = non_music(length, rate_hz, rng)
            targets[row] = 1.0 / len(genres.CODES)
        return samples, targets

    def _music(self, window: dataset.Window, rng: np.random.Generator) -> Tensor:
        """Return a stretch (N,) that begins up to a stride later than the window."""
        samples = self._prepared.samples(self._prepared.items[window.item])
        rate_hz = self._training.network.rate_hz
        late_s = float(rng.uniform(0.0, self._training.data.stride_s))
        first = timebase.samples_in(window.start_s + late_s, rate_hz)
        first = max(0, min(first, len(samples) - self._length))
        part = samples[first : first + self._length].astype(np.float32) / 32767.0
        return functional.pad(torch.from_numpy(part), (0, self._length - len(part)))


def genre_loss(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the cross entropy of logits (B, 10) and targets (B, 10), and the accuracy."""
    correct = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
    return {"loss": functional.cross_entropy(logits, targets), "accuracy": correct}


def held_out_accuracy(network: GenreNetwork, prepared: PreparedSet) -> tuple[float, int]:
    """Return the accuracy on held-out pieces, and how many there are."""
    items = [item for item in prepared.items if item.held_out]
    if not items:
        return float("nan"), 0
    probabilities = [
        genre_probabilities(
            Sound(prepared.samples(item).astype(np.float32) / 32767.0, prepared.rate_hz),
            classifier=network,
        )
        for item in items
    ]
    return genre_accuracy(np.array(probabilities), [item.genre for item in items]), len(items)
