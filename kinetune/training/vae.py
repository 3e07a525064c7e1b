"""Trains the VAE, which encodes a mel spectrogram to a small latent and decodes it again.

Loss: the mean absolute error of the spectrogram, that of its difference from frame to frame (large
at attacks), and the KL divergence of the latent from the unit Gaussian.
"""

from pathlib import Path
from typing import Unpack

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from kinetune.model.checkpoint import atomic_folder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline
from kinetune.model.vae import MelVAE, decode_raw, posterior_of
from kinetune.training.config import TrainConfig, VaeTraining
from kinetune.training.data import dataset
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.loop import TrainingLoop
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run


def train_vae(config: TrainConfig, out: Path, **options: Unpack[RunOptions]) -> TrainingResult:
    """Train the VAE of a run and leave it in ``out/vae/model``, its spectrogram beside it.

    Args:
        config: The run.
        out: Folder of the run; the state and the log are in ``out/vae``.
        **options: See :class:`RunOptions`.
    """
    with open_run(out / "vae", **options) as run:
        return _train(config, out, run)


def _train(config: TrainConfig, out: Path, run: Run) -> TrainingResult:
    pipeline = build_pipeline(config.model, seed=config.vae.loop.seed)
    prepared, windows = dataset.open_windows(config.data, out, pipeline)
    if isinstance(pipeline.vae, MelVAE) and not run.resume:
        # A few hundred windows hold far more patches than a patch has values.
        sample = windows[:: max(1, len(windows) // 300)]
        pipeline.vae.fit_linear(dataset.window_mel(prepared, sample, pipeline))
    loop = TrainingLoop(pipeline.vae, config.vae.loop, run)
    pipeline.to(loop.accelerator.device)
    size, seed, rows = config.vae.loop.batch_size, config.vae.loop.seed, loop.rows

    def loss(batch: int) -> dict[str, Tensor]:
        drawn = [windows[i] for i in dataset.sample_batch(seed, batch, len(windows), size)]
        mel = dataset.window_mel(prepared, drawn[rows.start : rows.stop], pipeline)
        mask = dataset.window_mask(drawn, mel.shape[-1], pipeline).to(mel.device)
        weight = (mask / mask.mean())[rows.start : rows.stop]
        generators = dataset.window_generators(seed, batch, size, rows)
        return vae_loss(pipeline, mel, config.vae, generators=generators, weight=weight)

    result = loop.run(loss)
    loop.copy_ema_to_model()
    if run.writes:
        _save(pipeline, prepared, windows, run)
    return result


def _save(
    pipeline: DanceToMusicPipeline, prepared: PreparedSet, windows: list[dataset.Window], run: Run
) -> None:
    measure_latent_statistics(pipeline, prepared, windows)
    with atomic_folder(run.folder / "model") as temporary:
        pipeline.vae.save_pretrained(temporary)
    pipeline.mel.save_pretrained(run.folder / "mel")


def vae_loss(
    pipeline: DanceToMusicPipeline,
    mel: Tensor,
    config: VaeTraining,
    *,
    generators: list[torch.Generator],
    weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the loss and its parts for spectrograms.

    Args:
        pipeline: Its VAE is used.
        mel: Spectrograms (B, M, L).
        config: Weights of the parts.
        generators: One for the latent of each spectrogram, on the CPU.
        weight: Weights of the frames, (B, L), of mean 1 over the whole batch; 0 for padding. None
            counts all alike.
    """
    mean, std = posterior_of(pipeline.vae, mel)
    mean, std = mean.float(), std.float()
    noise = randn_tensor(mean.shape, generator=generators).to(mean.device)
    latents = mean + std * noise
    difference = decode_raw(pipeline.vae, latents).float() - mel
    weight = torch.ones_like(mel[:, :1]) if weight is None else weight[:, None]
    level = (weight * difference.abs()).mean()
    slope = (weight[..., 1:] * difference.diff(dim=-1).abs()).mean()
    divergence = 0.5 * (mean.square() + std.square() - 1.0 - 2.0 * std.log()).mean()
    total = level + config.slope_weight * slope + config.kl_weight * divergence
    return {"loss": total, "level": level, "slope": slope, "kl": divergence}


@torch.no_grad()
def measure_latent_statistics(
    pipeline: DanceToMusicPipeline, prepared: PreparedSet, windows: list[dataset.Window]
) -> None:
    """Measure mean and deviation of every latent channel and write them into the VAE's config.

    The paper's kind of VAE has one scale and no mean. The published 0.18215 belongs to the
    published weights; other weights need their own.
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
    deviations = torch.cat([deviation for _, deviation in encoded]).float()
    counts = dataset.window_mask(sample, means.shape[-1], pipeline) > 0  # (B, W)
    # (B, C, H, W) -> (C, values of all columns that count)
    means, deviations = (
        part.permute(1, 2, 0, 3)[:, :, counts].flatten(1) for part in (means, deviations)
    )
    if not isinstance(pipeline.vae, MelVAE):
        power = means.square().mean() + deviations.square().mean()
        pipeline.vae.register_to_config(scaling_factor=float(power.rsqrt()))
        return
    variance = means.var(dim=1) + deviations.square().mean(dim=1)
    pipeline.vae.register_to_config(
        latents_mean=means.mean(dim=1).tolist(), latents_std=variance.sqrt().tolist()
    )
