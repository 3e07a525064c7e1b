"""Trains the denoiser and its condition encoder on the latents of a frozen VAE."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import torch
from diffusers import AutoencoderKL, DDPMScheduler
from diffusers.utils.torch_utils import randn_tensor
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinetune import files
from kinetune.errors import ModelError
from kinetune.metrics.similarity import load_network
from kinetune.model import checkpoint
from kinetune.model.condition import ConditionBatch, DanceCondition, stack
from kinetune.model.mel import MelVocoder, StereoMel, load_vocoder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline, load_paper_vae
from kinetune.model.vae import MelVAE, channel_gains
from kinetune.training import parallel
from kinetune.training.config import DiffusionTraining, TrainConfig
from kinetune.training.data import dataset
from kinetune.training.data.feature_augment import augment_features
from kinetune.training.data.prepare import PreparedSet
from kinetune.training.loop import TrainingLoop
from kinetune.training.metric_networks.similarity import motion_embedding
from kinetune.training.run import Run, RunOptions, TrainingResult, open_run

# What the schedule of training takes from the pipeline's sampler.
_SCHEDULE_KEYS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type",
)  # fmt: skip


def train_diffusion(
    config: TrainConfig, out: Path, **options: Unpack[RunOptions]
) -> TrainingResult:
    """Train the denoiser of a run and leave the whole pipeline in ``out/model``.

    Args:
        config: The run.
        out: Folder of the run. The VAE is ``out/vae/model`` unless the config names another; the
            state and the log are in ``out/diffusion``.
        **options: See :class:`RunOptions`.

    Raises:
        ModelError: There is no trained VAE, or a part of ``start`` or a vocoder doesn't fit.
    """
    with open_run(out / "diffusion", **options) as run:
        return _train(config, out, run)


def _train(config: TrainConfig, out: Path, run: Run) -> TrainingResult:
    settings = config.diffusion
    pipeline = _initial_pipeline(config, out)
    prepared, windows = dataset.open_windows(config.data, out, pipeline)
    if not settings.start:
        dataset.fit_normaliser(prepared, pipeline)
    objective = DenoisingObjective(pipeline, settings)
    loop = TrainingLoop(objective, settings.loop, run)
    pipeline.to(loop.accelerator.device)
    with parallel.main_first():
        latents = cached_latents(prepared, windows, pipeline, out)
    conditions = dataset.Conditions(prepared, pipeline)
    sampler = BatchSampler(windows, latents, conditions, pipeline, settings)
    result = loop.run(lambda batch: objective(*sampler.batch(batch, loop.rows)))
    loop.copy_ema_to_model()
    if run.writes:
        pipeline.save_pretrained(out / "model")
    return result


class BatchSampler:
    """Random batches of latents with their conditions.

    Every draw of a window depends on the seed and the window's number in the run alone, so rows of
    a batch are the same whoever else draws the others.

    Args:
        windows: The training windows.
        latents: Posterior means and standard deviations of all windows, (K, C, H, W) each.
        conditions: Cuts the windows' conditions.
        pipeline: Its window length is used.
        settings: Batch size, seed and random changes.
        draw: Returns the indices of a batch's windows from its number; each window once an epoch
            if None.
    """

    def __init__(
        self,
        windows: list[dataset.Window],
        latents: tuple[Tensor, Tensor],
        conditions: dataset.Conditions,
        pipeline: DanceToMusicPipeline,
        settings: DiffusionTraining,
        *,
        draw: Callable[[int], list[int]] | None = None,
    ) -> None:
        self._windows, self._settings, self._draw = windows, settings, draw
        self._latents, self._conditions = latents, conditions
        self._masks = dataset.window_mask(windows, latents[0].shape[-1], pipeline)

    def batch(
        self, number: int, rows: range | None = None
    ) -> tuple[Tensor, ConditionBatch, Tensor, list[torch.Generator]]:
        """Return the arguments of :class:`DenoisingObjective` for the batch of that number.

        Args:
            number: Of the batch.
            rows: Which of its rows; all of them if None.

        Returns:
            Sampled latents (B, C, H, W), conditions, mask (B, W) and a generator a window for its
            noise.
        """
        settings, (mean, std) = self._settings, self._latents
        size, seed = settings.loop.batch_size, settings.loop.seed
        rows = range(size) if rows is None else rows
        if self._draw is None:
            drawn = dataset.sample_batch(seed, number, len(self._windows), size)
        else:
            drawn = self._draw(number)
        chosen = [drawn[row] for row in rows]
        generators = dataset.window_generators(seed, number, size, rows)
        conditions = stack(
            [self._draw_condition(*pair) for pair in zip(chosen, generators, strict=True)]
        )
        noise = randn_tensor(mean[chosen].shape, generator=generators)
        clean = mean[chosen].float() + std[chosen].float() * noise
        return clean, conditions, self._masks[chosen], generators

    def _draw_condition(self, index: int, generator: torch.Generator) -> ConditionBatch:
        """Return a window's condition, B = 1, randomly changed."""
        shift_s = self._settings.grid_jitter_s * torch.randn(1, generator=generator).item()
        condition = self._conditions.batch([self._windows[index]], shift_s=[shift_s])
        return drop_conditions(condition, self._settings, generator)


class DenoisingObjective(nn.Module):
    """The trained parts of a pipeline and the loss of the denoiser.

    Args:
        pipeline: Its UNet, condition encoder and noise schedule are used.
        settings: Weights of channels and of diffusion steps.
    """

    channel_weights: Tensor

    def __init__(
        self, pipeline: DanceToMusicPipeline, settings: DiffusionTraining | None = None
    ) -> None:
        super().__init__()
        settings = settings or DiffusionTraining()
        weights = channel_gains(pipeline.vae) ** settings.channel_gain_power
        self.register_buffer("channel_weights", weights / weights.mean(), persistent=False)
        self.unet, self.condition_encoder = pipeline.unet, pipeline.condition_encoder
        self.schedule = DDPMScheduler.from_config(
            {key: pipeline.scheduler.config[key] for key in _SCHEDULE_KEYS}
        )
        self._gamma = settings.min_snr_gamma

    def forward(
        self,
        clean: Tensor,
        conditions: ConditionBatch,
        mask: Tensor,
        generator: torch.Generator | list[torch.Generator],
    ) -> dict[str, Tensor]:
        """Return the loss of latents under their conditions.

        Args:
            clean: Scaled latents (B, C, H, W).
            conditions: Their conditions.
            mask: 1 for columns that count and 0 for padding, (B, W).
            generator: Samples noise and diffusion steps, on the CPU; or one for each latent.

        Returns:
            ``loss``, weighted by channel and step, and ``mse``, weighted by channel.
        """
        device = next(self.unet.parameters()).device
        noise = randn_tensor(clean.shape, generator=generator).to(device)
        last = self.schedule.config.num_train_timesteps
        steps = _random_steps(last, len(clean), generator).to(device)
        clean, mask = clean.to(device), mask.to(device)
        noisy = self.schedule.add_noise(clean, noise, steps)
        encoded = self.condition_encoder(conditions.to(device))
        predicted = self.unet(noisy, steps, **encoded).sample.float()
        velocity = self.schedule.config.prediction_type == "v_prediction"
        target = self.schedule.get_velocity(clean, noise, steps) if velocity else noise
        error = (predicted - target).square() * self.channel_weights[:, None, None]
        weight = mask[:, None, None] / mask.mean(dim=1)[:, None, None, None]
        error = (weight * error).mean(dim=(1, 2, 3))
        kept = self.schedule.alphas_cumprod.to(device)[steps]
        snr_weight = min_snr_weight(kept, self._gamma, velocity=velocity)
        return {"loss": (snr_weight * error).mean(), "mse": error.mean()}


def _random_steps(
    last: int, count: int, generator: torch.Generator | Sequence[torch.Generator]
) -> Tensor:
    """Return random diffusion steps below ``last``, (count,)."""
    if isinstance(generator, torch.Generator):
        return torch.randint(0, last, (count,), generator=generator)
    return torch.cat([torch.randint(0, last, (1,), generator=each) for each in generator])


def min_snr_weight(alphas_cumprod: Tensor, gamma: float, *, velocity: bool) -> Tensor:
    """Return min-SNR weights (Hang et al. 2023) of diffusion steps.

    With SNR = a / (1 - a): min(SNR, gamma) / SNR for noise prediction and
    min(SNR, gamma) / (SNR + 1) for velocity prediction.

    Args:
        alphas_cumprod: Share a of the signal's power at each step, (B,).
        gamma: Largest signal-to-noise ratio that counts; 0 gives weights of 1.
        velocity: Whether the model predicts velocity; if not, noise.
    """
    if gamma <= 0:
        return torch.ones_like(alphas_cumprod)
    snr = alphas_cumprod / (1.0 - alphas_cumprod).clamp(min=1e-8)
    return snr.clamp(max=gamma) / (snr + 1.0 if velocity else snr.clamp(min=1e-8))


def drop_conditions(
    conditions: ConditionBatch, settings: DiffusionTraining, generator: torch.Generator
) -> ConditionBatch:
    """Return the batch with conditions dropped at random and the motion features augmented."""
    count = len(conditions.genre)

    def kept(probability: float) -> Tensor:
        return (torch.rand(count, generator=generator) >= probability).float()

    keep_any = kept(settings.drop_all)
    return replace(
        conditions,
        features=augment_features(conditions.features, settings.augment, generator),
        keep_motion=conditions.keep_motion * keep_any * kept(settings.drop_motion),
        keep_grid=conditions.keep_grid * keep_any * kept(settings.drop_grid),
        keep_genre=conditions.keep_genre * keep_any * kept(settings.drop_genre),
        keep_harmony=conditions.keep_harmony * keep_any * kept(settings.drop_harmony),
        attributes=_drop_attributes(conditions.attributes, keep_any, settings, generator),
        similarity=_drop_similarity(conditions.similarity, keep_any, settings, generator),
    )


def _drop_attributes(
    attributes: Tensor, keep_any: Tensor, settings: DiffusionTraining, generator: torch.Generator
) -> Tensor:
    """Leave attributes (B, A) open: all of them, a random share of every other row's, or none."""
    count, width = attributes.shape
    if not width:
        return attributes
    keep = (torch.rand(count, generator=generator) >= settings.drop_attributes).float()
    shares = torch.rand(count, generator=generator)
    shares = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, shares)
    kept = torch.rand(count, width, generator=generator) < shares[:, None]
    return attributes * kept * (keep * keep_any)[:, None]


def _drop_similarity(
    vectors: Tensor, keep_any: Tensor, settings: DiffusionTraining, generator: torch.Generator
) -> Tensor:
    """Drop motion vectors (B, L, D): all of a row or none."""
    if not vectors.shape[2]:
        # Nothing is drawn: runs without this condition keep their random numbers.
        return vectors
    keep = (torch.rand(len(vectors), generator=generator) >= settings.drop_similarity).float()
    return vectors * (keep * keep_any)[:, None, None]


def cached_latents(
    prepared: PreparedSet,
    windows: list[dataset.Window],
    pipeline: DanceToMusicPipeline,
    out: Path,
) -> tuple[Tensor, Tensor]:
    """Return posterior means and standard deviations (K, C, H, W) of all windows, encoded once.

    The name of the cache is a digest of the data, the windows, the mel settings and the VAE.
    """
    # Not where the VAE was loaded from; the same from a file, where tuples are lists.
    public = {k: v for k, v in pipeline.vae.config.items() if not k.startswith("_")}
    figures = json.dumps(public, sort_keys=True)
    made_from = (prepared.identity, windows, pipeline.mel.settings, figures)
    digest = hashlib.sha256(repr(made_from).encode())
    for tensor in pipeline.vae.state_dict().values():
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    path = out / f"latents-{digest.hexdigest()[:16]}.safetensors"
    if path.is_file():
        with contextlib.suppress(SafetensorError, KeyError):
            stored = load_file(path)
            return stored["mean"], stored["std"]
    pipeline.vae.eval()
    encoded = list(dataset.encode_windows(prepared, windows, pipeline))
    mean, std = (torch.cat(parts) for parts in zip(*encoded, strict=True))
    with files.atomic_file(path) as temporary:
        save_file({"mean": mean, "std": std}, temporary)
    return mean, std


def _initial_pipeline(config: TrainConfig, out: Path) -> DanceToMusicPipeline:
    """Return the untrained pipeline of a run, or that of its ``start``, with its VAE."""
    settings = config.diffusion
    pipeline = build_pipeline(config.model, seed=settings.loop.seed)
    if config.model.similarity:
        pipeline.register_modules(similarity=motion_embedding(load_network()))
    if settings.start:
        _load_start_model(settings.start, pipeline)
    if settings.vae or not settings.start:
        pipeline.register_modules(vae=_load_vae(config, out))
    if settings.vocoder or pipeline.vocoder is None:
        pipeline.register_modules(vocoder=_load_vocoder(settings, out, pipeline))
    return pipeline


def _load_start_model(name: str, pipeline: DanceToMusicPipeline) -> None:
    """Copy a trained model's networks, VAE and normaliser into ``pipeline``.

    A model that has the similarity as a condition keeps its own motion vectors.
    """
    trained = DanceToMusicPipeline.from_pretrained(name)
    for part in ("unet", "condition_encoder", "normaliser"):
        try:
            _copy_weights(getattr(trained, part), getattr(pipeline, part))
        except RuntimeError as error:
            raise ModelError(
                f"{name}: its {part} is of another size than the configuration's; "
                "give [model] the figures that 'kinetune models' prints"
            ) from error
    pipeline.register_modules(vae=trained.vae, vocoder=trained.vocoder)
    if trained.similarity is not None:
        pipeline.register_modules(similarity=trained.similarity)


def _copy_weights(trained: nn.Module, network: nn.Module) -> None:
    """Copy all weights; those of conditions that the trained network doesn't know stay zero."""
    state = trained.state_dict()
    if isinstance(network, DanceCondition):
        own = network.state_dict()
        for name in ("attributes_in.weight", "similarity_in.weight"):
            if name in own:
                state.setdefault(name, own[name])
    network.load_state_dict(state)


def _load_vocoder(
    settings: DiffusionTraining, out: Path, pipeline: DanceToMusicPipeline
) -> MelVocoder | None:
    """Return the vocoder of the finished model; None for Griffin-Lim."""
    if settings.vocoder:
        name = settings.vocoder
    elif (out / "vocoder" / "model" / "config.json").is_file():
        name = str(out)
    elif isinstance(pipeline.mel, StereoMel):
        name = "default"
    else:
        return None
    vocoder = load_vocoder(name)
    rows = pipeline.mel.settings.n_mels
    if vocoder.settings.mel_bands != rows:
        raise ModelError(
            f"{name}: its vocoder reads {vocoder.settings.mel_bands} rows, the model's "
            f"spectrograms have {rows}; set diffusion.vocoder"
        )
    return vocoder


def _load_vae(config: TrainConfig, out: Path) -> MelVAE | AutoencoderKL:
    kind = AutoencoderKL if config.model.preset == "paper" else MelVAE
    folder = Path(config.diffusion.vae) if config.diffusion.vae else out / "vae" / "model"
    if (folder / "config.json").is_file():
        with checkpoint.loading_errors(str(folder)):
            return kind.from_pretrained(folder).float()
    if config.model.preset == "paper":
        return load_paper_vae(*([config.diffusion.vae] if config.diffusion.vae else []))
    raise ModelError(
        f"{folder}: no trained VAE; run 'kinetune train vae' with the same --out first"
    )
