"""Windows of the corpus among those of a small set, so that a model keeps what it knows.

A model that is tuned on songs alone learns that beat grids are only roughly right, because theirs
were tracked, and forgets to keep to one. Windows of the corpus, whose beats are exact, stand
against that (rehearsal, Robins 1995).
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from kinetune import genres
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training import parallel
from kinetune.training.config import DataConfig
from kinetune.training.data import dataset
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.diffusion import BatchSampler, cached_latents
from kinetune.training.tuning.settings import TuneTraining

# Apart from the corpora that people make with a seed of their own.
_SEED = 440_018


@dataclass(frozen=True)
class Shares:
    """How many windows of a run are of which kind.

    Attributes:
        replayed: Of the corpus, 0 to 1.
        new_genre: Of these, under the set's new genre, 0 to 1.
    """

    replayed: float
    new_genre: float = 0.0


def replay_batch(
    seed: int, batch: int, counts: tuple[int, int], *, batch_size: int, shares: Shares
) -> list[int]:
    """Return the indices of a batch's windows, those that are replayed spread evenly.

    Of the first n windows of a run floor(n * replayed) are replayed, and of the first m of these
    floor(m * new_genre) under the new genre. Windows of the set and of the corpus are shuffled anew
    when all of them have been drawn.

    Args:
        seed: Seed of the shuffles.
        batch: Number of the batch.
        counts: Windows of the set, and those to replay; their indices follow, and after these once
            more those of the same windows under the new genre.
        batch_size: Windows of a batch.
        shares: Of the kinds.
    """
    chosen = []
    for number in range(batch * batch_size, (batch + 1) * batch_size):
        replayed = math.floor(number * shares.replayed)
        if _rises(number, shares.replayed):
            (index,) = dataset.sample_batch(seed, replayed, counts[1], 1)
            first = counts[0] + (counts[1] if _rises(replayed, shares.new_genre) else 0)
            chosen.append(first + index)
        else:
            chosen += dataset.sample_batch(seed, number - replayed, counts[0], 1)
    return chosen


def _rises(number: int, share: float) -> bool:
    """Return whether the next of an evenly spread share comes with this number."""
    return math.floor((number + 1) * share) > math.floor(number * share)


def open_replay(settings: TuneTraining, pipeline: DanceToMusicPipeline, cache: Path) -> PreparedSet:
    """Open the corpus that is replayed, or make it.

    Args:
        settings: The run.
        pipeline: The model that is tuned.
        cache: Folder in which it is kept.

    Raises:
        ConfigError: It can't be used for the model.
    """
    data = DataConfig(
        source=settings.replay_data, minutes=settings.replay_minutes, seed=_SEED, held_out=0
    )
    return dataset.open_items(data, cache, pipeline)


def replaying_sampler(
    settings: TuneTraining,
    windows: list[dataset.Window],
    latents: tuple[Tensor, Tensor],
    conditions: dataset.Conditions,
    pipeline: DanceToMusicPipeline,
    cache: Path,
) -> BatchSampler:
    """Return a sampler of a set's windows and of as many of the corpus as the settings say.

    Args:
        settings: The run.
        windows: The set's training windows.
        latents: Their posterior means and standard deviations, (K, C, H, W) each.
        conditions: Cuts their conditions.
        pipeline: The model that is tuned.
        cache: Folder in which the corpus and its latents are kept.

    Raises:
        ConfigError: The corpus can't be used for the model.
    """
    diffusion = settings.diffusion
    if settings.replay == 0.0:
        return BatchSampler(windows, latents, conditions, pipeline, diffusion)
    corpus = open_replay(settings, pipeline, cache)
    further = dataset.list_windows(
        corpus, dataset.window_shape(pipeline), stride_s=settings.stride_s,
        shortest_s=settings.shortest_s,
    )  # fmt: skip
    with parallel.main_first():
        encoded = cached_latents(corpus, further, pipeline, cache)
    blocks = [dataset.Conditions(corpus, pipeline)]
    new = [name for name in conditions.genres if genres.is_new(name)]
    if new:
        blocks.append(blocks[0].under(new))
    every, parts = list(windows), [latents]
    for block in blocks:
        first = conditions.count
        every += [replace(window, item=first + window.item) for window in further]
        parts.append(encoded)
        conditions = conditions.joined(block)
    draw = partial(
        replay_batch, diffusion.loop.seed, counts=(len(windows), len(further)),
        batch_size=diffusion.loop.batch_size,
        shares=Shares(settings.replay, settings.replay_new_genre if new else 0.0),
    )  # fmt: skip
    mean, std = (torch.cat(kind) for kind in zip(*parts, strict=True))
    return BatchSampler(every, (mean, std), conditions, pipeline, diffusion, draw=draw)
