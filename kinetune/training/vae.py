"""Trains the VAE: spectrogram in, the same spectrogram out, through a narrow latent.

Loss: mean absolute error of the spectrogram and of its change from frame to frame (where the
attacks are), and a light pull of the latent towards the unit Gaussian.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from kinetune.model.checkpoint import atomic_folder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline
from kinetune.model.vae import MelVAE, decode_raw, posterior_of
from kinetune.training.config import TrainConfig, VaeTraining
from kinetune.training.data import dataset
from kinetune.training.data.prepare import PreparedSet, open_dataset
from kinetune.training.loop import StepReport, TrainingLoop, TrainingResult


def train_vae(
    config: TrainConfig,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
) -> TrainingResult:
    """Train the VAE of a run and leave it in ``out/vae/model``.

    Args:
        config: The run.
        out: Folder of the run.
        minutes: Wall-clock limit.
        resume: Go on from ``out/vae/state``.
        on_step: Called after every step.
    """
    pipeline = build_pipeline(config.model, seed=config.vae.loop.seed)
    features = pipeline.normaliser.config.features
    prepared = open_dataset(config.data, out, features=features)
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=config.data.stride_s, held_out=False)
    if isinstance(pipeline.vae, MelVAE) and not resume:
        # A few hundred windows hold far more patches than a patch has values.
        sample = windows[:: max(1, len(windows) // 300)]
        pipeline.vae.fit_linear(dataset.window_mel(prepared, sample, shape, pipeline))
    loop = TrainingLoop(pipeline.vae, config.vae.loop, out / "vae", resume=resume)
    pipeline.to(loop.accelerator.device)
    size, accumulation = config.vae.loop.batch_size, config.vae.loop.gradient_accumulation

    def loss(step: int, number: int) -> dict[str, Tensor]:
        batch = step * accumulation + number
        chosen = dataset.sample_batch(config.vae.loop.seed, batch, len(windows), size)
        mel = dataset.window_mel(prepared, [windows[i] for i in chosen], shape, pipeline)
        return vae_loss(pipeline, mel, config.vae, seed=batch)

    outcome = loop.run(loss, minutes=minutes, on_step=on_step)
    loop.copy_ema_to_model()
    measure_latent_statistics(pipeline, prepared, windows)
    with atomic_folder(out / "vae" / "model") as aside:
        pipeline.vae.save_pretrained(aside)
    return outcome


def vae_loss(
    pipeline: DanceToMusicPipeline, mel: Tensor, config: VaeTraining, *, seed: int
) -> dict[str, Tensor]:
    """Return the loss and its parts for spectrograms (B, M, L)."""
    mean, std = posterior_of(pipeline.vae, mel)
    mean, std = mean.float(), std.float()
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed)).to(mean.device)
    latents = mean + std * noise
    difference = decode_raw(pipeline.vae, latents).float() - mel
    level = difference.abs().mean()
    slope = difference.diff(dim=-1).abs().mean()
    divergence = 0.5 * (mean.square() + std.square() - 1.0 - 2.0 * std.log()).mean()
    total = level + config.slope_weight * slope + config.kl_weight * divergence
    return {"loss": total, "level": level, "slope": slope, "kl": divergence}


@torch.no_grad()
def measure_latent_statistics(
    pipeline: DanceToMusicPipeline, prepared: PreparedSet, windows: list[dataset.Window]
) -> None:
    """Measure mean and deviation of every latent channel and write them into the VAE's config.

    The paper's VAE has one scale and no mean: the published 0.18215 is that of the published
    weights, and would leave the latents of others anything but unit.
    """
    pipeline.vae.eval()
    if isinstance(pipeline.vae, MelVAE):
        pipeline.vae.register_to_config(latents_mean=None, latents_std=None)
    else:
        pipeline.vae.register_to_config(scaling_factor=1.0)
    # A few hundred windows fix these figures to a percent.
    sample = windows[:: max(1, len(windows) // 400)]
    encoded = list(dataset.encode_windows(prepared, sample, pipeline))
    means = torch.cat([mean for mean, _ in encoded]).float()
    spreads = torch.cat([spread for _, spread in encoded]).float()
    if not isinstance(pipeline.vae, MelVAE):
        power = means.square().mean() + spreads.square().mean()
        pipeline.vae.register_to_config(scaling_factor=float(power.rsqrt()))
        return
    mean = means.mean(dim=(0, 2, 3))
    variance = means.var(dim=(0, 2, 3)) + spreads.square().mean(dim=(0, 2, 3))
    pipeline.vae.register_to_config(
        latents_mean=mean.tolist(), latents_std=variance.sqrt().tolist()
    )
