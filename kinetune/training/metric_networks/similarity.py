"""Trains the motion-music similarity network on pairs of dances and music.

A batch holds two windows of each of half as many pairs, so that a dance learns to tell its music
from other songs and from other places of its own song (InfoNCE over the batch, both ways).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune import config, timebase
from kinetune.audio.sound import Sound
from kinetune.config import NonNegative, Positive
from kinetune.errors import ConfigError
from kinetune.metrics.networks.similarity_network import (
    SimilarityConfig,
    SimilarityNetwork,
    load_similarity,
    save_similarity,
)
from kinetune.metrics.similarity import SPAN_S, mel_rows, retrieval
from kinetune.model.checkpoint import atomic_folder
from kinetune.model.conditioning.similarity import MotionEmbedding
from kinetune.motion.features import RHYTHM_FEATURE_COUNT
from kinetune.training import parallel
from kinetune.training.config import DataConfig, LoopConfig
from kinetune.training.data.prepare import PreparedItem, PreparedSet, open_dataset
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run

Rows = NDArray[np.float16]
_FEATURES = "rhythm"
# Held-out retrieval counts so many of the most similar.
_RECALLED = 5


@config.settings
class SimilarityTraining:
    """A training run of the similarity network.

    Attributes:
        network: The network.
        data: The pairs.
        loop: Optimiser, schedule and precision.
        band_gain_db: Standard deviation of a random gain of each mel band, dB.
        contrast: Standard deviation of the logarithm of a factor on the spectrogram's decibels.
        effort: Standard deviation of the logarithm of a factor on the motion features.
        window_s: Length of a window; shorter pairs are left out.
    """

    network: SimilarityConfig = field(default_factory=SimilarityConfig)
    data: DataConfig = field(default_factory=DataConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    band_gain_db: NonNegative = 3.0
    contrast: NonNegative = 0.1
    effort: NonNegative = 0.1
    window_s: Positive = SPAN_S

    def __post_init__(self) -> None:
        if self.loop.batch_size < 4 or self.loop.batch_size % 2:
            raise ConfigError(
                "loop.batch_size: expected an even number of 4 or more, because a batch holds two "
                f"windows of each pair, found {self.loop.batch_size}"
            )


@dataclass(frozen=True)
class SimilarityResult:
    """Outcome of a run.

    Attributes:
        training: Outcome of the loop.
        retrieval: How often the own music of a held-out dance is among the 5 most similar of 50
            (of all held-out ones if they are fewer); NaN without held-out pairs.
        held_out: Number of held-out pairs.
    """

    training: TrainingResult
    retrieval: float
    held_out: int


def read_similarity_config(path: Path, overrides: Sequence[str] = ()) -> SimilarityTraining:
    """Read a run from TOML.

    Args:
        path: The TOML file.
        overrides: Assignments such as ``loop.steps=100`` that replace values of the file.

    Raises:
        ConfigError: A key is unknown, or a value is of the wrong type or out of range.
    """
    return config.read(SimilarityTraining, path, overrides)


def train_similarity(
    training: SimilarityTraining, out: Path, **options: Unpack[RunOptions]
) -> SimilarityResult:
    """Train the network and leave it in ``out/similarity/model``.

    Args:
        training: The run.
        out: Folder of the run; the state and the log are in ``out/similarity``.
        **options: See :class:`RunOptions`.

    Raises:
        ConfigError: There are fewer pairs than a batch needs.
    """
    with open_run(out / "similarity", **options) as run:
        return _train(training, out, run)


def _train(training: SimilarityTraining, out: Path, run: Run) -> SimilarityResult:
    pairs = Pairs(open_dataset(training.data, out, features=_FEATURES), training)
    network = build_network(training, pairs)
    loop = TrainingLoop(network, training.loop, run)

    def loss(batch: int) -> dict[str, Tensor]:
        # Every process takes all rows: each is contrasted with the whole batch.
        logits = loop.forward_seeded(pairs.batch(batch), training.loop.seed + batch)
        return contrastive_loss(logits)

    result = loop.run(loss)
    if run.writes:
        with loop.averaged(), atomic_folder(run.folder / "model") as temporary:
            save_similarity(network, temporary)
    parallel.barrier()
    recall, count = held_out_retrieval(load_similarity(run.folder / "model"), pairs)
    return SimilarityResult(result, recall, count)


def build_network(training: SimilarityTraining, pairs: "Pairs") -> SimilarityNetwork:
    """Return a new network, normalised for the pairs, its weights from the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.loop.seed)
        network = SimilarityNetwork(training.network)
    network.fit_normaliser(pairs.sample_motion())
    return network


def motion_embedding(network: SimilarityNetwork) -> MotionEmbedding:
    """Return the motion tower of a network as the component of a model, in evaluation mode."""
    settings = network.settings
    embedding = MotionEmbedding(settings.channels, settings.embedding, settings.dilations)
    embedding.tower.load_state_dict(network.motion.state_dict())
    embedding.mean.copy_(network.motion_mean)
    embedding.deviation.copy_(network.motion_deviation)
    return embedding.eval()


class Pairs:
    """Windows of pairs: motion features and log mel side by side, from seed and number alone.

    Args:
        prepared: The prepared set.
        training: The run.

    Raises:
        ConfigError: There are fewer pairs of a window's length than half a batch.
    """

    def __init__(self, prepared: PreparedSet, training: SimilarityTraining) -> None:
        self._prepared, self._training = prepared, training
        self.length = timebase.frames_in(training.window_s, timebase.MOTION_FPS)
        self._mel = training.network.mel
        self._rows: dict[str, Rows] = {}
        long_enough = [item for item in prepared.items if item.duration_s >= training.window_s]
        self._items = [item for item in long_enough if not item.held_out]
        self.held_out = [item for item in long_enough if item.held_out]
        needed = training.loop.batch_size // 2
        if len(self._items) < needed:
            raise ConfigError(
                f"{prepared.folder}: {len(self._items)} training pairs last "
                f"{training.window_s:g} s, but a batch needs {needed}; use more or longer pairs, "
                "or a smaller loop.batch_size"
            )

    def sample_motion(self) -> Tensor:
        """Return motion features (N, F) of up to 200 dances."""
        parts = [self._prepared.feature_rows(item) for item in self._items[:200]]
        return torch.from_numpy(np.concatenate(parts))

    def batch(self, number: int) -> Tensor:
        """Return the windows (B, T, F + M) of the batch of that number, altered at random."""
        training = self._training
        rng = np.random.default_rng([training.loop.seed, number])
        chosen = rng.choice(len(self._items), training.loop.batch_size // 2, replace=False)
        return torch.stack(
            [self._window(self._items[which], rng) for which in chosen for _ in range(2)]
        )

    def _window(self, item: PreparedItem, rng: np.random.Generator) -> Tensor:
        rows = self.rows(item)
        first = int(rng.integers(0, len(rows) - self.length + 1))
        window = rows[first : first + self.length].astype(np.float32)
        motion, mel = np.split(window, [RHYTHM_FEATURE_COUNT], axis=1)
        training, units_per_db = self._training, 2.0 / self._mel.top_db
        gains = rng.normal(0.0, training.band_gain_db * units_per_db, mel.shape[1])
        mel = mel * np.exp(rng.normal(0.0, training.contrast)) + gains
        motion = motion * np.exp(rng.normal(0.0, training.effort))
        return torch.from_numpy(np.concatenate([motion, mel], axis=1).astype(np.float32))

    def rows(self, item: PreparedItem) -> Rows:
        """Return motion features and log mel of a whole pair, (T, F + M), kept in memory."""
        if item.name not in self._rows:
            samples = np.asarray(self._prepared.samples(item), np.float32) / 32767.0
            mel = mel_rows(Sound(samples, self._prepared.rate_hz), self._mel).numpy()
            motion = self._prepared.feature_rows(item)
            count = min(len(mel), len(motion))
            joined = np.concatenate([motion[:count], mel[:count]], axis=1)
            self._rows[item.name] = joined.astype(np.float16)
        return self._rows[item.name]


def contrastive_loss(logits: Tensor) -> dict[str, Tensor]:
    """Return the InfoNCE loss of logits (B, B), both ways, and how often the own one is first."""
    own = torch.arange(len(logits), device=logits.device)
    both = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
    accuracy = (logits.argmax(dim=1) == own).float().mean()
    return {"loss": 0.5 * both, "accuracy": accuracy}


def held_out_retrieval(network: SimilarityNetwork, pairs: Pairs) -> tuple[float, int]:
    """Return how often held-out dances find their music among the 5 best, and how many."""
    if len(pairs.held_out) < 2:
        return float("nan"), len(pairs.held_out)
    joined = np.stack([pairs.rows(item)[: pairs.length] for item in pairs.held_out])
    with torch.inference_mode():
        scores = network(torch.from_numpy(joined.astype(np.float32))).double().numpy()
    return float(retrieval(scores, _RECALLED).mean()), len(pairs.held_out)
