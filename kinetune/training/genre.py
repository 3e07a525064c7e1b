"""Trains the genre classifier on windows of the corpus's music, spoilt in all sorts of ways."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

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
from kinetune.training.config import DataConfig, LoopConfig
from kinetune.training.data import dataset
from kinetune.training.data.audio_augment import AudioAugmentation, augment_audio, non_music
from kinetune.training.data.prepare import PreparedSet, open_dataset
from kinetune.training.loop import StepReport, TrainingLoop, TrainingResult

# The classifier needs no motion, but a prepared set has some.
_FEATURES = "rhythm"


@dataclass(frozen=True)
class GenreTraining:
    """A whole run.

    Attributes:
        network: The classifier's figures.
        data: Where the music comes from.
        loop: The loop's figures; there is no moving average, for it would leave out the
            normalisation's statistics.
        augment: What the music suffers.
        smoothing: Share of the target that is spread over all genres alike.
    """

    network: GenreConfig = field(default_factory=GenreConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(ema_decay=0.0))
    augment: AudioAugmentation = field(default_factory=AudioAugmentation)
    smoothing: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 1.0:
            raise ConfigError(f"smoothing must be 0 to 1, found {self.smoothing}")
        if self.loop.ema_decay != 0.0:
            raise ConfigError("the genre classifier keeps no moving average; set ema_decay = 0.0")


@dataclass(frozen=True)
class GenreResult:
    """What came of a run.

    Attributes:
        outcome: How the loop ended.
        accuracy: On the held-out items, whole pieces; NaN if none is held out.
        held_out: How many those are.
    """

    outcome: TrainingResult
    accuracy: float
    held_out: int


def read_genre_config(path: Path) -> GenreTraining:
    """Read a run from TOML.

    Raises:
        ConfigError: An unknown key, a wrong type, or an impossible figure.
    """
    table = config.read_toml(path)
    loop = {"ema_decay": 0.0, **table.get("loop", {})}
    return config.build(GenreTraining, {**table, "loop": loop}, where=str(path))


def train_genre(
    training: GenreTraining,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
) -> GenreResult:
    """Train the classifier and leave it in ``out/genre/model``.

    Args:
        training: The run.
        out: Folder of the run.
        minutes: Wall-clock limit of the steps.
        resume: Go on from ``out/genre/state``.
        on_step: Called after every step.
    """
    prepared = open_dataset(training.data, out, features=_FEATURES)
    if prepared.rate_hz != training.network.rate_hz:
        raise ConfigError(
            f"{prepared.folder}: prepared at {prepared.rate_hz} Hz, but the classifier listens at "
            f"{training.network.rate_hz} Hz"
        )
    windows = GenreBatches(prepared, training)
    network = build_network(training)
    loop = TrainingLoop(network, training.loop, out / "genre", resume=resume)
    device, size = loop.accelerator.device, training.loop.batch_size

    def loss(step: int, number: int) -> dict[str, Tensor]:
        batch = step * training.loop.gradient_accumulation + number
        samples, targets = windows.batch(batch, size)
        logits = loop.forward_seeded(samples, training.loop.seed + batch)
        return genre_loss(logits, targets.to(device))

    outcome = loop.run(loss, minutes=minutes, on_step=on_step)
    with atomic_folder(out / "genre" / "model") as aside:
        save_network(network.cpu(), aside)
    accuracy, count = held_out_accuracy(load_network(out / "genre" / "model"), prepared)
    return GenreResult(outcome, accuracy, count)


def build_network(training: GenreTraining) -> GenreNetwork:
    """Return a new network, its weights drawn from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.loop.seed)
        return GenreNetwork(training.network)


class GenreBatches:
    """Batches of spoilt windows with their targets, every draw from the seed and the number.

    Args:
        prepared: The prepared set.
        training: The run.
    """

    def __init__(self, prepared: PreparedSet, training: GenreTraining) -> None:
        self._prepared, self._training = prepared, training
        wanted = training.network.window_samples
        # A faster window takes more of the music.
        self._taken = int(np.ceil(wanted * (1.0 + training.augment.speed))) + 1
        shape = dataset.WindowShape(self._taken, self._taken, training.network.rate_hz)
        stride_s = training.data.stride_s
        self._windows = dataset.list_windows(prepared, shape, stride_s=stride_s, held_out=False)

    def batch(self, number: int, size: int) -> tuple[Tensor, Tensor]:
        """Return windows (B, N) and targets (B, 10) of the batch of that number."""
        training = self._training
        rng = np.random.default_rng([training.loop.seed, number])
        chosen = dataset.sample_batch(training.loop.seed, number, len(self._windows), size)
        windows = [self._windows[i] for i in chosen]
        music = torch.stack([self._music(window, rng) for window in windows])
        length, rate_hz = training.network.window_samples, training.network.rate_hz
        samples = augment_audio(music, length, rate_hz, training.augment, rng)
        places = [genres.genre_index(self._prepared.items[w.item].genre) for w in windows]
        sure = functional.one_hot(torch.tensor(places), len(genres.CODES)).float()
        targets = (1.0 - training.smoothing) * sure + training.smoothing / len(genres.CODES)
        for row in np.flatnonzero(rng.random(size) < training.augment.non_music_share):
            samples[row] = non_music(length, rate_hz, rng)
            targets[row] = 1.0 / len(genres.CODES)
        return samples, targets

    def _music(self, window: dataset.Window, rng: np.random.Generator) -> Tensor:
        """A stretch (L,) that begins up to a stride later than the window."""
        samples = self._prepared.samples(self._prepared.items[window.item])
        rate_hz = self._training.network.rate_hz
        late_s = float(rng.uniform(0.0, self._training.data.stride_s))
        first = timebase.samples_in(window.start_s + late_s, rate_hz)
        first = max(0, min(first, len(samples) - self._taken))
        part = samples[first : first + self._taken].astype(np.float32) / 32767.0
        return functional.pad(torch.from_numpy(part), (0, self._taken - len(part)))


def genre_loss(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the cross entropy of logits (B, 10) and targets (B, 10), and the share told right."""
    right = (logits.argmax(dim=1) == targets.argmax(dim=1)).float().mean()
    return {"loss": functional.cross_entropy(logits, targets), "right": right}


def held_out_accuracy(network: GenreNetwork, prepared: PreparedSet) -> tuple[float, int]:
    """Return the share of held-out pieces told right, and how many there are."""
    items = [item for item in prepared.items if item.held_out]
    if not items:
        return float("nan"), 0
    told = [
        genre_probabilities(
            Sound(prepared.samples(item).astype(np.float32) / 32767.0, prepared.rate_hz),
            classifier=network,
        )
        for item in items
    ]
    return genre_accuracy(np.array(told), [item.genre for item in items]), len(items)
