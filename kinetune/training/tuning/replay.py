"""Windows of the corpus among those of a small set, so that a model keeps what it knows.

A model that is tuned on songs alone learns that beat grids are only roughly right, because theirs
were tracked, and forgets to keep to one. Windows of the corpus, whose beats are exact, stand
against that (rehearsal, Robins 1995).
"""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training import parallel
from kinetune.training.config import DataConfig
from kinetune.training.data import dataset
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.diffusion import BatchSampler, cached_latents
from kinetune.training.tuning.settings import TuneTraining

# Apart from the corpora that people make with a seed of their own.
_SEED = 440_018


def replay_batch(
    seed: int, batch: int, counts: tuple[int, int], *, batch_size: int, share: float
) -> list[int]:
    """Return the indices of a batch's windows, those that are replayed spread evenly.

    Of the first n windows of a run floor(n * share) are replayed. Both kinds are shuffled anew when
    all of them have been drawn.

    Args:
        seed: Seed of the shuffles.
        batch: Number of the batch.
        counts: Windows of the set, and those to replay, whose indices follow.
        batch_size: Windows of a batch.
        share: Of replayed windows, 0 to 1.
    """
    chosen = []
    for number in range(batch * batch_size, (batch + 1) * batch_size):
        replayed = math.floor(number * share)
        if math.floor((number + 1) * share) > replayed:
            (index,) = dataset.sample_batch(seed, replayed, counts[1], 1)
            chosen.append(counts[0] + index)
        else:
            chosen += dataset.sample_batch(seed, number - replayed, counts[0], 1)
    return chosen


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
    diffusion, items = settings.diffusion, conditions.count
    if settings.replay == 0.0:
        return BatchSampler(windows, latents, conditions, pipeline, diffusion)
    prepared = open_replay(settings, pipeline, cache)
    further = dataset.list_windows(
        prepared, dataset.window_shape(pipeline), stride_s=settings.stride_s,
        shortest_s=settings.shortest_s,
    )  # fmt: skip
    with parallel.main_first():
        mean, std = cached_latents(prepared, further, pipeline, cache)
    draw = partial(
        replay_batch, diffusion.loop.seed, counts=(len(windows), len(further)),
        batch_size=diffusion.loop.batch_size, share=settings.replay,
    )  # fmt: skip
    return BatchSampler(
        windows + [replace(window, item=items + window.item) for window in further],
        (torch.cat([latents[0], mean]), torch.cat([latents[1], std])),
        conditions.joined(dataset.Conditions(prepared, pipeline)),
        pipeline, diffusion, draw=draw,
    )  # fmt: skip
