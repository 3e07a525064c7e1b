"""Settings of a training run: one TOML file, one dataclass a table."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from kinetune import config
from kinetune.config import Count, CountOrZero, NonNegative, Positive, Share, settings
from kinetune.corpus.prompts.vocabulary import attribute, vocabulary
from kinetune.errors import ConfigError
from kinetune.model.presets import ModelConfig, preset_config
from kinetune.training.data.feature_augment import FeatureAugmentation

Beta = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Precision = Literal["no", "bf16", "bf16-master", "fp16"]


@settings
class DataConfig:
    """The dances and their music.

    Attributes:
        source: A corpus folder (``kinetune corpus make``), a prepared one (``kinetune prepare``) or
            tar shards (``kinetune corpus pack``) as a path or an address; empty generates the pairs
            directly into the run's cache.
        minutes: Minutes of music to generate if ``source`` is empty.
        seed: Seed of the generated pairs.
        stride_s: Seconds from one training window to the next.
        held_out: One item in about this many is kept for validation; 0 keeps none.
        shortest_s: Items shorter than a window are used too if they last this many seconds; the
            rest of their window is silence and does not count in the loss.
    """

    source: str = "runs/corpus"
    minutes: NonNegative = 0.0
    seed: CountOrZero = 0
    stride_s: Positive = 1.5
    held_out: CountOrZero = 20
    shortest_s: Positive = 4.0


@settings
class LoopConfig:
    """Optimiser, schedule and precision of the training loop.

    Attributes:
        steps: Optimiser steps; the cosine schedule ends there.
        batch_size: Windows of one batch.
        gradient_accumulation: Batches averaged before an optimiser step.
        learning_rate: Peak of the schedule.
        betas: Decay rates of AdamW's two moments.
        weight_decay: Decoupled weight decay of AdamW.
        warmup_steps: Steps of the linear rise of the learning rate.
        clip_norm: Largest norm of the gradient; a longer gradient is scaled down to it.
        ema_decay: Largest decay of the moving average of the weights; 0 keeps no average.
        ema_power: At step t the decay is ``1 - (1 + t) ** -ema_power``, up to ``ema_decay``.
        mixed_precision: ``no`` is float32. ``bf16`` and ``fp16`` are autocast. ``bf16-master``
            holds the weights of linear layers and convolutions in bfloat16 and a float32 master
            copy in the optimiser. On a CPU without AMX or AVX512-BF16, both bfloat16 modes fall
            back to float32.
        compile: Compile the networks with torch.compile; on a CPU this needs ``g++``.
        save_every_minutes: Minutes from checkpoint to checkpoint.
        seed: Seed of the initial weights and of all random draws.
    """

    steps: Count = 20_000
    batch_size: Count = 16
    gradient_accumulation: Count = 1
    learning_rate: NonNegative = 4e-4
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    weight_decay: NonNegative = 1e-2
    warmup_steps: CountOrZero = 200
    clip_norm: Positive = 1.0
    ema_decay: Beta = 0.999
    ema_power: Positive = 0.75
    mixed_precision: Precision = "bf16"
    compile: bool = False
    save_every_minutes: NonNegative = 3.0
    seed: CountOrZero = 0


@settings
class VaeTraining:
    """Training of the VAE.

    Attributes:
        loop: Optimiser, schedule and precision.
        kl_weight: Weight of the KL divergence from the unit Gaussian, per latent value.
        slope_weight: Weight of the error of the spectrogram's difference from frame to frame.
    """

    loop: LoopConfig = field(default_factory=LoopConfig)
    kl_weight: NonNegative = 2e-3
    slope_weight: NonNegative = 0.5


@settings
class DiffusionTraining:
    """Training of the denoiser.

    Attributes:
        loop: Optimiser, schedule and precision.
        vae: Folder or hub id of the VAE; empty takes the one trained into the same run, or that
            of ``start``.
        start: A trained model (a bundled name, a folder or a hub id) whose networks and normaliser
            are the initial weights; empty starts from random weights.
        vocoder: The vocoder of the finished model: a bundled model's name, or a folder of a
            vocoder, a model or a vocoder's run. Empty takes that of ``start``, or the one trained
            into the same run; else the bundled one where only a vocoder makes sound of the
            spectrograms, and Griffin-Lim where it can.
        channel_gain_power: Exponent p of the channel weights of the loss. A latent channel of gain
            g in the spectrogram has the weight ``g ** p``, scaled to a mean of 1.
        min_snr_gamma: Gamma of the min-SNR weighting (Hang et al. 2023); 0 turns it off.
        drop_all: Probability that all conditions are dropped, for classifier-free guidance.
        drop_motion: Probability that the motion alone is dropped.
        drop_grid: Probability that the beat grid alone is dropped.
        drop_genre: Probability that the genre alone is dropped.
        drop_harmony: Probability that the harmony alone is dropped.
        drop_attributes: Probability that the musical attributes alone are dropped. Of every other
            window that keeps them, a random share stays open.
        drop_similarity: Probability that the motion vectors of the similarity network alone are
            dropped.
        augment: Random changes of the motion features.
        grid_jitter_s: Standard deviation of a shift of the whole beat grid, seconds.
    """

    loop: LoopConfig = field(default_factory=LoopConfig)
    vae: str = ""
    start: str = ""
    vocoder: str = ""
    channel_gain_power: NonNegative = 0.0
    min_snr_gamma: NonNegative = 5.0
    drop_all: Share = 0.1
    drop_motion: Share = 0.1
    drop_grid: Share = 0.1
    drop_genre: Share = 0.05
    drop_harmony: Share = 0.15
    drop_attributes: Share = 0.15
    drop_similarity: Share = 0.15
    augment: FeatureAugmentation = field(default_factory=FeatureAugmentation)
    grid_jitter_s: NonNegative = 0.005


@settings
class TrainConfig:
    """A training run of VAE and denoiser."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    vae: VaeTraining = field(default_factory=VaeTraining)
    diffusion: DiffusionTraining = field(default_factory=DiffusionTraining)


def read_train_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training run from TOML; keys that are left out keep the values of their preset.

    Args:
        path: The TOML file.
        overrides: Assignments such as ``diffusion.loop.steps=100`` that replace values of the file.

    Raises:
        ConfigError: A key or a preset is unknown, or a value is of the wrong type or out of range.
    """
    return config.read(TrainConfig, path, overrides, complete=_complete_model)


def _complete_model(table: dict[str, Any]) -> dict[str, Any]:
    """Return a run's table with what ``[model]`` leaves out taken from its preset."""
    model = table.get("model", {})
    if not isinstance(model, dict):
        return table
    base = config.as_table(preset_config(str(model.get("preset", "default"))))
    merged = config.merge(base, model)
    frames = merged["window_frames"]
    if "overlap_columns" not in model and isinstance(frames, int):
        # Shorter windows overlap by the same share of their length.
        merged["overlap_columns"] = base["overlap_columns"] * frames // base["window_frames"]
    if _is_list_of_text(merged["attributes"]):
        merged["attributes"] = _attribute_names(merged["attributes"])
    return {**table, "model": merged}


def _attribute_names(written: Sequence[str]) -> list[str]:
    """Return attribute names, with all of an axis where only the axis is written."""
    names = list[str]()
    for one in written:
        if ":" in one:
            names.append(attribute(one).name)
        elif of_axis := [each.name for each in vocabulary().attribute if each.axis == one]:
            names += of_axis
        else:
            raise ConfigError(f"model.attributes: unknown axis {one!r:.60}")
    return list(dict.fromkeys(names))


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
