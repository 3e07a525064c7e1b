"""Small untrained pipelines of both designs."""

from dataclasses import replace

import pytest

from kinetune.audio.vocoder import VocoderConfig
from kinetune.config import as_table
from kinetune.model.presets import (
    TransformerConfig,
    UNetConfig,
    VaeConfig,
    build_pipeline,
    preset_config,
)

TINY_VOCODER = VocoderConfig(
    mel_bands=320, coarse_channels=16, coarse_blocks=1, fine_channels=16, fine_blocks=1
)


def tiny_mono():
    config = replace(
        preset_config("mono"),
        n_mels=32,
        window_frames=128,
        overlap_columns=8,
        inference_steps=3,
        vae=VaeConfig(block_out_channels=(32, 32, 32), latent_channels=4),
        unet=UNetConfig(block_out_channels=(32, 48), layers_per_block=1, condition_channels=32),
    )
    return shaken(build_pipeline(config))


def tiny_stereo_config():
    return replace(
        preset_config("default"),
        denoiser="transformer",
        window_frames=128,
        overlap_columns=8,
        inference_steps=3,
        vae=VaeConfig(block_out_channels=(32, 32, 32), latent_channels=8),
        transformer=TransformerConfig(width=32, layers=2, heads=4),
        unet=UNetConfig(block_out_channels=(32, 48), layers_per_block=1, condition_channels=32),
    )


def tiny_stereo():
    """The preset ``default``, with a transformer and a vocoder."""
    import torch

    from kinetune.model.mel import MelVocoder

    made = shaken(build_pipeline(tiny_stereo_config()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made.register_modules(vocoder=MelVocoder(**as_table(TINY_VOCODER)))
    return made


def tiny_paper():
    config = replace(
        preset_config("paper"),
        inference_steps=2,
        vae=VaeConfig((32, 32, 32, 32), 1, 1),
        unet=UNetConfig((32, 32, 64, 64), 1),
    )
    return build_pipeline(config)


def shaken(pipeline):
    """Move the exits away from the zeros they start at, so that conditions show."""
    import torch

    generator = torch.Generator().manual_seed(5)
    for parameter in pipeline.unet.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return pipeline


@pytest.fixture(scope="session")
def mono_pipeline():
    return tiny_mono()


@pytest.fixture(scope="session")
def paper_pipeline():
    return tiny_paper()
