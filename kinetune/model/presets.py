"""Model configurations by name: ``default`` (our own), ``mono`` and ``paper`` (as published).

``default`` is the bundled model's: multiresolution spectrograms of stereo sound at 44.1 kHz, and a
harmony as a condition. ``mono`` is its predecessor: mel spectrograms of mono sound at 22 kHz.

A :class:`ModelConfig` contains all settings of the networks; :func:`build_pipeline` builds an
untrained pipeline from it. Sources: Tan et al. 2023 and its published code for ``paper``.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
)

from kinetune.config import Count, CountOrZero, NonNegative, Positive, Share, settings
from kinetune.errors import ConfigError, ModelError
from kinetune.model.condition import DanceCondition, PaperCondition
from kinetune.model.conditioning.similarity import MotionEmbedding
from kinetune.model.mel import Mel, StereoMel
from kinetune.model.networks.transformer import DanceTransformer
from kinetune.model.normaliser import FeatureNormaliser
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.settings import PipelineSettings
from kinetune.model.unet import DanceUNet
from kinetune.model.vae import MelVAE, frames_per_column

# The VAE the paper uses, on the Hugging Face hub; a plain state dict, loaded with weights only.
PAPER_VAE_HUB_ID = "teticio/latent-audio-diffusion-ddim-256"


@settings
class VaeConfig:
    """Figures of the VAE; time is halved between levels."""

    block_out_channels: tuple[Count, ...] = (256, 288, 320)
    layers_per_block: Count = 1
    latent_channels: Count = 128
    norm_num_groups: Count = 32


@settings
class UNetConfig:
    """Figures of the denoiser."""

    block_out_channels: tuple[Count, ...] = (192, 256, 352)
    layers_per_block: Count = 2
    condition_channels: Count = 128


@settings
class TransformerConfig:
    """Figures of the denoiser where it is a transformer."""

    width: Count = 448
    layers: Count = 8
    heads: Count = 7


@settings
class ModelConfig:
    """Every figure of a pipeline.

    Attributes:
        preset: Which design: ``default``, ``mono`` or ``paper``.
        n_mels: Mel bands; under ``default`` rows of the spectrogram, which its layers fix.
        window_frames: Mel frames of a window.
        overlap_columns: Latent columns shared by neighbouring windows of a long dance.
        inference_steps: Denoising steps where the caller names none.
        guidance_scale: Classifier-free guidance where the caller names none; 1 is none.
        training_lufs: Integrated loudness of the training music, LUFS.
        compression: Dynamic range compression of what is generated; 0 is none.
        effort_contrast: How much more the body's efforts differ in the conditions of a dance than
            in the dance itself; training is without.
        vae: Figures of the VAE.
        denoiser: What denoises: ``unet`` or, not under ``paper``, ``transformer``.
        unet: Figures of the UNet; ``condition_channels`` also of the transformer's conditions.
        transformer: Figures of the transformer.
        harmony: Whether key and chords are a condition; not under ``paper``.
        genres: Names of genres beyond the ten; not under ``paper``.
        attributes: Musical attributes that are a condition, such as ``instrument:piano``, or all of
            an axis, such as ``instrument``; not under ``paper``.
        similarity: Whether the motion vectors of the motion-music similarity network are a
            condition; not under ``paper``.
    """

    preset: str = "default"
    n_mels: Count = 320
    window_frames: Count = 768
    overlap_columns: CountOrZero = 48
    inference_steps: Count = 16
    guidance_scale: NonNegative = 3.0
    training_lufs: float = -14.0
    compression: Share = 0.5
    effort_contrast: Positive = 1.6
    vae: VaeConfig = field(default_factory=VaeConfig)
    denoiser: Literal["unet", "transformer"] = "unet"
    unet: UNetConfig = field(default_factory=UNetConfig)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    harmony: bool = True
    genres: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    similarity: bool = False


def preset_config(name: str) -> ModelConfig:
    """Return the published or chosen figures of a preset.

    Raises:
        ConfigError: No such preset.
    """
    if name not in _PRESETS:
        raise ConfigError(f"unknown preset {name!r}; choose one of {', '.join(_PRESETS)}")
    return _PRESETS[name]


def build_pipeline(config: ModelConfig, *, seed: int = 0) -> DanceToMusicPipeline:
    """Build an untrained pipeline.

    Args:
        config: Its figures.
        seed: Seed of the initial weights.

    Raises:
        ConfigError: No such preset.
    """
    preset_config(config.preset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILDERS[config.preset](config)


def load_paper_vae(name_or_path: str = PAPER_VAE_HUB_ID) -> AutoencoderKL:
    """Load the published VAE from the hub or a folder, tensors only.

    Raises:
        ModelError: It can't be found or read.
    """
    try:
        # The published file is a .bin; diffusers reads it with torch.load(weights_only=True).
        return AutoencoderKL.from_pretrained(
            name_or_path, subfolder="vqvae", use_safetensors=False
        ).float()
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{name_or_path}: the paper's VAE can't be loaded ({reason}); "
            "it is on the Hugging Face hub, so a network is needed the first time"
        ) from error


def _mono(config: ModelConfig) -> DanceToMusicPipeline:
    return _one_dimensional(config, Mel(n_mels=config.n_mels, reference="fixed"))


def _default(config: ModelConfig) -> DanceToMusicPipeline:
    mel = StereoMel()
    if config.n_mels != mel.settings.n_mels:
        raise ConfigError(
            f"model.n_mels: preset 'default' has {mel.settings.n_mels} rows, found {config.n_mels}"
        )
    return _one_dimensional(config, mel)


def _one_dimensional(config: ModelConfig, mel: Mel | StereoMel) -> DanceToMusicPipeline:
    """Build a pipeline whose networks run over time, with a spectrogram's rows as channels."""
    vae = MelVAE(
        mel_bands=config.n_mels,
        latent_channels=config.vae.latent_channels,
        block_out_channels=config.vae.block_out_channels,
        layers_per_block=config.vae.layers_per_block,
    )
    per_column = frames_per_column(vae)
    normaliser = FeatureNormaliser(features="rhythm", kind="standard")
    similarity = MotionEmbedding() if config.similarity else None
    condition = DanceCondition(
        feature_count=normaliser.config.feature_count,
        mel_frames=config.window_frames,
        frames_per_column=per_column,
        channels=config.unet.condition_channels,
        sample_rate_hz=mel.settings.rate_hz,
        hop_length=mel.settings.hop_length,
        reads_harmony=config.harmony,
        extra_genres=config.genres,
        attributes=config.attributes,
        similarity=0 if similarity is None else similarity.config.embedding,
    )
    unet = _one_dimensional_denoiser(config, config.window_frames // per_column)
    # On the CPU even where the networks are built without memory: it counts, it doesn't learn.
    with torch.device("cpu"):
        scheduler = DPMSolverMultistepScheduler(
            num_train_timesteps=1000,
            beta_schedule="squaredcos_cap_v2",
            prediction_type="v_prediction",
            # The cosine schedule ends at almost pure noise, where the solver's log-SNR runs away.
            lambda_min_clipped=-5.1,
            timestep_spacing="trailing",
        )
    return DanceToMusicPipeline(
        vae=vae,
        unet=unet,
        scheduler=scheduler,
        condition_encoder=condition,
        normaliser=normaliser,
        mel=mel,
        similarity=similarity,
        settings=_settings(config, useful_frames=config.window_frames),
    )


def _one_dimensional_denoiser(config: ModelConfig, columns: int) -> DanceUNet | DanceTransformer:
    if config.denoiser == "transformer":
        return DanceTransformer(
            in_channels=config.vae.latent_channels,
            sample_size=columns,
            width=config.transformer.width,
            layers=config.transformer.layers,
            heads=config.transformer.heads,
            condition_channels=config.unet.condition_channels,
        )
    return DanceUNet(
        in_channels=config.vae.latent_channels,
        sample_size=columns,
        block_out_channels=config.unet.block_out_channels,
        layers_per_block=config.unet.layers_per_block,
        condition_channels=config.unet.condition_channels,
        cross_attention_dim=config.unet.condition_channels,
        attention_levels=(False,) + (True,) * (len(config.unet.block_out_channels) - 1),
    )


def _paper(config: ModelConfig) -> DanceToMusicPipeline:
    further = (config.harmony, config.genres, config.attributes, config.similarity)
    if config.denoiser != "unet" or any(further):
        raise ConfigError(
            "preset 'paper' has the paper's UNet and ten genres, and neither harmony nor musical "
            "attributes nor similarity as a condition"
        )
    vae = _paper_vae(config)
    return DanceToMusicPipeline(
        vae=vae,
        unet=_paper_unet(config, frames_per_column(vae)),
        scheduler=DDIMScheduler(num_train_timesteps=1000),
        condition_encoder=PaperCondition(motion_frames=150, feature_count=360),
        normaliser=FeatureNormaliser(features="paper", feature_count=360, kind="minmax"),
        mel=Mel(n_mels=config.n_mels, reference="max"),
        # 5 s of music in a picture of 5.94 s.
        settings=_settings(config, useful_frames=round(config.window_frames * 216 / 256)),
    )


def _paper_vae(config: ModelConfig) -> AutoencoderKL:
    levels = len(config.vae.block_out_channels)
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=config.vae.latent_channels,
        block_out_channels=config.vae.block_out_channels,
        layers_per_block=config.vae.layers_per_block,
        norm_num_groups=config.vae.norm_num_groups,
        act_fn="silu",
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        sample_size=config.window_frames,
        scaling_factor=0.18215,
    )


def _paper_unet(config: ModelConfig, frames: int) -> UNet2DConditionModel:
    """Return the paper's denoiser; ``frames`` mel frames, and as many bands, make a column."""
    crossed = len(config.unet.block_out_channels) - 1
    rows, columns = (size // frames for size in (config.n_mels, config.window_frames))
    return UNet2DConditionModel(
        # The published picture is square.
        sample_size=rows if rows == columns else (rows, columns),
        in_channels=config.vae.latent_channels,
        out_channels=config.vae.latent_channels,
        layers_per_block=config.unet.layers_per_block,
        block_out_channels=config.unet.block_out_channels,
        down_block_types=("CrossAttnDownBlock2D",) * crossed + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * crossed,
        cross_attention_dim=370,
        norm_num_groups=config.vae.norm_num_groups,
    )


def _settings(config: ModelConfig, *, useful_frames: int) -> dict[str, Any]:
    return {
        "preset": config.preset,
        "window_frames": config.window_frames,
        "useful_frames": useful_frames,
        "overlap_columns": config.overlap_columns,
        "inference_steps": config.inference_steps,
        "guidance_scale": config.guidance_scale,
        "training_lufs": config.training_lufs,
        "effort_contrast": config.effort_contrast,
        "compression": config.compression,
    }


_MONO = ModelConfig(
    preset="mono",
    n_mels=128,
    window_frames=512,
    overlap_columns=32,
    guidance_scale=2.0,
    training_lufs=PipelineSettings.training_lufs,
    effort_contrast=1.0,
    compression=0.0,
    vae=VaeConfig(block_out_channels=(192, 224, 256), latent_channels=64),
    harmony=False,
)
_PAPER = ModelConfig(
    preset="paper",
    n_mels=256,
    window_frames=256,
    overlap_columns=4,
    inference_steps=50,
    guidance_scale=1.0,
    training_lufs=PipelineSettings.training_lufs,
    effort_contrast=1.0,
    compression=0.0,
    vae=VaeConfig(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=1),
    unet=UNetConfig(block_out_channels=(128, 256, 512, 512), layers_per_block=2),
    harmony=False,
)
_PRESETS = {"default": ModelConfig(), "mono": _MONO, "paper": _PAPER}
_BUILDERS: dict[str, Callable[[ModelConfig], DanceToMusicPipeline]] = {
    "default": _default,
    "mono": _mono,
    "paper": _paper,
}
