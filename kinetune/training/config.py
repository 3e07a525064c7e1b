"""What a training run is told: one TOML file, one dataclass a table."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinetune import config
from kinetune.errors import ConfigError
from kinetune.model.presets import ModelConfig, UNetConfig, VaeConfig, preset_config
from kinetune.training.data.feature_augment import FeatureAugmentation


@dataclass(frozen=True)
class DataConfig:
    """Where the dances and their music come from.

    Attributes:
        source: A corpus folder (``kinetune corpus make``) or a prepared one
            (``kinetune prepare aist``), relative to where the command is run; empty makes the
            pairs on the fly, straight into the run's cache.
        minutes: How much to make on the fly.
        seed: Of what is made on the fly.
        stride_s: Seconds from one training window to the next.
        held_out: About one item in so many is kept for validation; 0 keeps none.
    """

    source: str = "runs/corpus"
    minutes: float = 0.0
    seed: int = 0
    stride_s: float = 1.5
    held_out: int = 20


@dataclass(frozen=True)
class LoopConfig:
    """The figures of the training loop.

    Attributes:
        steps: Optimiser steps in all; the cosine schedule ends there.
        batch_size: Windows a step and accumulation.
        gradient_accumulation: Batches summed before a step.
        learning_rate: Peak of the schedule.
        betas: AdamW's.
        weight_decay: AdamW's.
        warmup_steps: Linear rise of the learning rate.
        clip_norm: Gradients are clipped to this norm.
        ema_decay: Largest decay of the moving average of the weights; 0 keeps none.
        ema_power: How fast the decay rises (diffusers' ``EMAModel``).
        mixed_precision: ``no``, ``bf16`` or ``fp16``.
        save_every_minutes: Minutes from checkpoint to checkpoint.
        seed: Seed of the weights and of every draw.
    """

    steps: int = 20_000
    batch_size: int = 16
    gradient_accumulation: int = 1
    learning_rate: float = 4e-4
    betas: tuple[float, ...] = (0.9, 0.99)
    weight_decay: float = 1e-2
    warmup_steps: int = 200
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    ema_power: float = 0.75
    mixed_precision: str = "bf16"
    save_every_minutes: float = 3.0
    seed: int = 0


@dataclass(frozen=True)
class VaeTraining:
    """The VAE's own figures.

    Attributes:
        loop: The loop's.
        kl_weight: Weight of the divergence from the unit Gaussian, per latent value.
        slope_weight: Weight of the error in the spectrogram's change from frame to frame.
    """

    loop: LoopConfig = field(default_factory=LoopConfig)
    kl_weight: float = 2e-3
    slope_weight: float = 0.5


@dataclass(frozen=True)
class DiffusionTraining:
    """The denoiser's own figures.

    Attributes:
        loop: The loop's.
        vae: Folder of the VAE, or a hub id; empty takes the one trained into the same folder, or
            that of ``start``.
        start: A trained model to go on from (a bundled name, a folder or a hub id): its networks
            and its normaliser. Empty starts from random weights.
        strength_weight: How much more a latent channel's error counts where the channel weighs more
            in the spectrogram; 0 not at all, 1 in proportion.
        min_snr_gamma: Min-SNR weighting (Hang et al. 2023); 0 is plain mean squared error.
        drop_all: How often everything about the dance is withheld, for guidance.
        drop_motion: How often the motion alone is withheld.
        drop_grid: How often the beat grid alone is withheld.
        drop_genre: How often the genre alone is withheld.
        augment: Random changes of the motion features.
        grid_jitter_s: Deviation of a shift of the whole beat grid, seconds.
    """

    loop: LoopConfig = field(default_factory=LoopConfig)
    vae: str = ""
    start: str = ""
    strength_weight: float = 0.0
    min_snr_gamma: float = 5.0
    drop_all: float = 0.1
    drop_motion: float = 0.1
    drop_grid: float = 0.1
    drop_genre: float = 0.05
    augment: FeatureAugmentation = field(default_factory=FeatureAugmentation)
    grid_jitter_s: float = 0.005


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    vae: VaeTraining = field(default_factory=VaeTraining)
    diffusion: DiffusionTraining = field(default_factory=DiffusionTraining)


def read_train_config(path: Path) -> TrainConfig:
    """Read a training run from TOML; what the file leaves out keeps its preset's figure.

    Raises:
        ConfigError: An unknown key, a wrong type, or an unknown preset.
    """
    table = config.read_toml(path)
    model = dict(table.pop("model", {}))
    built = config.build(TrainConfig, table, where=str(path))
    return replace(built, model=_model_config(model, where=f"{path}.model"))


def _model_config(table: dict[str, Any], *, where: str) -> ModelConfig:
    base = preset_config(str(table.get("preset", "default")))
    nested = {
        "vae": _over(base.vae, table.pop("vae", {}), VaeConfig, where=f"{where}.vae"),
        "unet": _over(base.unet, table.pop("unet", {}), UNetConfig, where=f"{where}.unet"),
    }
    model: ModelConfig = _over(base, table, ModelConfig, where=where)
    return replace(model, **nested)


def _over(base: Any, table: Any, cls: Any, *, where: str) -> Any:  # noqa: ANN401 - any dataclass
    """Lay a table over a dataclass, checked as :func:`config.build` checks."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: expected a table, found {table!r}")
    given = config.build(cls, table, where=where)
    return replace(base, **{name: getattr(given, name) for name in table})
