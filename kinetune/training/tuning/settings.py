"""Settings of a fine-tuning run."""

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any

from kinetune import config
from kinetune.config import Count, CountOrZero, NonNegative, Positive, Share, settings
from kinetune.training.config import DiffusionTraining, LoopConfig
from kinetune.training.data.feature_augment import FeatureAugmentation


def _diffusion() -> DiffusionTraining:
    loop = LoopConfig(
        steps=2_000, batch_size=8, learning_rate=1e-3, weight_decay=0.0, warmup_steps=50,
        ema_decay=0.99,
    )  # fmt: skip
    return DiffusionTraining(loop=loop, augment=FeatureAugmentation())


@settings
class TuneTraining:
    """A fine-tuning run.

    Attributes:
        start: The model that is tuned: a bundled name, a folder or a hub id.
        data: A prepared set (``kinetune prepare songs``) or a corpus.
        rank: Rank of the adapters.
        stride_s: Seconds from one training window to the next.
        shortest_s: Items shorter than a window are used too if they last this many seconds.
        validate_every: Steps from one held-out loss to the next.
        held_out_windows: Windows of held-out items that it is measured on, at most.
        patience: Held-out losses in a row without a new best after which training ends; 0 never
            ends it.
        replay: Share of the windows of a batch that come from the corpus, whose beats are exact, so
            that the model keeps what it knows; 0 trains on the set alone.
        replay_data: That corpus, or a prepared set; empty makes one on the spot.
        replay_minutes: Minutes of it that are made.
        replay_new_genre: Share of these windows that are told to be of the set's new genre, so that
            it learns to keep to the grid of a dance too; without a new genre it has no effect.
        samples_every_minutes: Minutes from one sample in TensorBoard to the next; 0 makes none.
        diffusion: Optimiser, dropped conditions and augmentation; ``start``, ``vae`` are not used.
    """

    start: str = "default"
    data: str = ""
    rank: Count = 8
    stride_s: Positive = 3.0
    shortest_s: Positive = 4.0
    validate_every: Count = 50
    held_out_windows: Count = 64
    patience: CountOrZero = 6
    replay: Share = 0.5
    replay_data: str = ""
    replay_minutes: Positive = 12.0
    replay_new_genre: Share = 0.2
    samples_every_minutes: NonNegative = 10.0
    diffusion: DiffusionTraining = field(default_factory=_diffusion)


def tune_settings(start: str, data: str, overrides: Sequence[str] = ()) -> TuneTraining:
    """Return the settings of a run.

    Args:
        start: The model that is tuned.
        data: The prepared set.
        overrides: Assignments such as ``rank=16`` or ``diffusion.loop.steps=500``.

    Raises:
        ConfigError: A setting is unknown or impossible.
    """
    table: dict[str, Any] = config.as_table(replace(TuneTraining(), start=start, data=data))
    changed = config.merge(table, config.parse_overrides(overrides))
    return config.build(TuneTraining, changed, context="tune")
