"""Trains the denoiser and its condition encoder on the latents of a frozen VAE."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from kinetune import files
from kinetune.errors import ModelError
from kinetune.model import checkpoint
from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline, load_paper_vae
from kinetune.model.vae import MelVAE, channel_gains
from kinetune.training.config import DiffusionTraining, TrainConfig
from kinetune.training.data import dataset
from kinetune.training.data.feature_augment import augment_features
from kinetune.training.data.prepare import PreparedSet, open_dataset
from kinetune.training.loop import StepReport, TrainingLoop, TrainingResult


def train_diffusion(
    config: TrainConfig,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    on_step: Callable[[StepReport], None] | None = None,
) -> TrainingResult:
    """Train the denoiser of a run and leave the whole pipeline in ``out/model``.

    Args:
        config: The run.
        out: Folder of the run; the VAE is taken from ``out/vae/model`` unless the config names
            another.
        minutes: Wall-clock limit.
        resume: Go on from ``out/diffusion/state``.
        on_step: Called after every step.

    Raises:
        ModelError: There is no trained VAE.
    """
    settings = config.diffusion
    pipeline = build_pipeline(config.model, seed=settings.loop.seed)
    if settings.start:
        _load_start_model(settings.start, pipeline)
    if settings.vae or not settings.start:
        pipeline.register_modules(vae=_load_vae(config, out))
    features = pipeline.normaliser.config.features
    prepared = open_dataset(config.data, out, features=features)
    if not settings.start:
        dataset.fit_normaliser(prepared, pipeline)
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=config.data.stride_s, held_out=False)
    conditions = dataset.Conditions(prepared, pipeline)
    denoiser = DenoisingObjective(pipeline, strength_weight=settings.strength_weight)
    loop = TrainingLoop(denoiser, settings.loop, out / "diffusion", resume=resume)
    pipeline.to(loop.accelerator.device)
    latents = cached_latents(prepared, windows, pipeline, out)
    size, accumulation = settings.loop.batch_size, settings.loop.gradient_accumulation

    def loss(step: int, number: int) -> dict[str, Tensor]:
        batch = step * accumulation + number
        chosen = dataset.sample_batch(settings.loop.seed, batch, len(windows), size)
        generator = torch.Generator().manual_seed(settings.loop.seed * 1_000_003 + batch)
        shifts = (settings.grid_jitter_s * torch.randn(size, generator=generator)).tolist()
        told = conditions.batch([windows[i] for i in chosen], shift_s=shifts)
        told = drop_conditions(told, settings, generator)
        clean = latents[0][chosen].float()
        clean = clean + latents[1][chosen].float() * torch.randn(clean.shape, generator=generator)
        return denoiser(clean, told, settings.min_snr_gamma, generator)

    outcome = loop.run(loss, minutes=minutes, on_step=on_step)
    loop.copy_ema_to_model()
    pipeline.save_pretrained(out / "model")
    return outcome


class DenoisingObjective(nn.Module):
    """The trained parts of a pipeline and their loss.

    Args:
        pipeline: Its UNet, condition encoder and noise schedule are used.
        strength_weight: See :class:`DiffusionTraining`.
    """

    channel_weights: Tensor

    def __init__(self, pipeline: DanceToMusicPipeline, *, strength_weight: float = 0.0) -> None:
        super().__init__()
        weights = channel_gains(pipeline.vae) ** strength_weight
        self.register_buffer("channel_weights", weights / weights.mean(), persistent=False)
        self.unet, self.condition_encoder = pipeline.unet, pipeline.condition_encoder
        self.schedule = DDPMScheduler.from_config(
            {
                key: pipeline.scheduler.config[key]
                for key in (
                    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule",
                    "prediction_type",
                )
            }
        )  # fmt: skip

    def forward(
        self, clean: Tensor, told: ConditionBatch, gamma: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the loss of clean latents (B, C, H, W) under their conditions.

        Args:
            clean: Scaled latents.
            told: Their conditions.
            gamma: Of the min-SNR weighting; 0 for plain mean squared error.
            generator: Draws steps and noise, on the CPU.
        """
        device = next(self.unet.parameters()).device
        noise = torch.randn(clean.shape, generator=generator).to(device)
        last = self.schedule.config.num_train_timesteps
        steps = torch.randint(0, last, (len(clean),), generator=generator).to(device)
        clean = clean.to(device)
        noisy = self.schedule.add_noise(clean, noise, steps)
        said = self.unet(noisy, steps, **self.condition_encoder(told.to(device))).sample.float()
        velocity = self.schedule.config.prediction_type == "v_prediction"
        target = self.schedule.get_velocity(clean, noise, steps) if velocity else noise
        error = functional.mse_loss(said, target, reduction="none")
        error = (error * self.channel_weights[:, None, None]).mean(dim=(1, 2, 3))
        weight = self._weight(steps, gamma, velocity=velocity)
        return {"loss": (weight * error).mean(), "mse": error.mean()}

    def _weight(self, steps: Tensor, gamma: float, *, velocity: bool) -> Tensor:
        """Min-SNR weights (B,), Hang et al. 2023, for velocity or noise prediction."""
        if gamma <= 0:
            return torch.ones_like(steps, dtype=torch.float32)
        kept = self.schedule.alphas_cumprod.to(steps.device)[steps]
        ratio = kept / (1.0 - kept).clamp(min=1e-8)
        return ratio.clamp(max=gamma) / (ratio + 1.0 if velocity else ratio.clamp(min=1e-8))


def drop_conditions(
    told: ConditionBatch, settings: DiffusionTraining, generator: torch.Generator
) -> ConditionBatch:
    """Drop conditions at random and roughen the features, so that none is leant on too hard."""
    count = len(told.genre)

    def kept(share: float) -> Tensor:
        return (torch.rand(count, generator=generator) >= share).float()

    everything = kept(settings.drop_all)
    return replace(
        told,
        features=augment_features(told.features, settings.augment, generator),
        keep_motion=told.keep_motion * everything * kept(settings.drop_motion),
        keep_grid=told.keep_grid * everything * kept(settings.drop_grid),
        keep_genre=told.keep_genre * everything * kept(settings.drop_genre),
    )


def cached_latents(
    prepared: PreparedSet,
    windows: list[dataset.Window],
    pipeline: DanceToMusicPipeline,
    out: Path,
) -> tuple[Tensor, Tensor]:
    """Return means and deviations (N, C, H, W) of all windows, encoded once.

    The cache's name is a digest of the VAE's weights, the windows and the data.
    """
    digest = hashlib.sha256(repr((str(prepared.folder), windows, pipeline.vae.config)).encode())
    for tensor in pipeline.vae.state_dict().values():
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    path = out / f"latents-{digest.hexdigest()[:16]}.safetensors"
    if path.is_file():
        stored = load_file(path)
        return stored["mean"], stored["std"]
    pipeline.vae.eval()
    encoded = list(dataset.encode_windows(prepared, windows, pipeline))
    mean, std = (torch.cat(parts) for parts in zip(*encoded, strict=True))
    with files.atomic_file(path) as aside:
        save_file({"mean": mean, "std": std}, aside)
    return mean, std


def _load_start_model(name: str, pipeline: DanceToMusicPipeline) -> None:
    """Put a trained model's networks, VAE and normaliser into ``pipeline``."""
    trained = DanceToMusicPipeline.from_pretrained(name)
    for part in ("unet", "condition_encoder", "normaliser"):
        try:
            getattr(pipeline, part).load_state_dict(getattr(trained, part).state_dict())
        except RuntimeError as error:
            raise ModelError(
                f"{name}: its {part} is of another size than the configuration's; "
                "give [model] the figures that 'kinetune models' prints"
            ) from error
    pipeline.register_modules(vae=trained.vae)


def _load_vae(config: TrainConfig, out: Path) -> MelVAE | AutoencoderKL:
    kind = MelVAE if config.model.preset == "default" else AutoencoderKL
    folder = Path(config.diffusion.vae) if config.diffusion.vae else out / "vae" / "model"
    if (folder / "config.json").is_file():
        with checkpoint.loading_errors(str(folder)):
            return kind.from_pretrained(folder).float()
    if config.model.preset == "paper":
        return load_paper_vae(*([config.diffusion.vae] if config.diffusion.vae else []))
    raise ModelError(
        f"{folder}: no trained VAE; run 'kinetune train vae' with the same --out first"
    )
