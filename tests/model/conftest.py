"""Small untrained pipelines of both designs."""

from dataclasses import replace

import pytest

from kinetune.model.presets import (
    TransformerConfig,
    UNetConfig,
    VaeConfig,
    build_pipeline,
    preset_config,
)


def tiny_default():
    config = replace(
        preset_config("default"),
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
        preset_config("stereo"),
        window_frames=128,
        overlap_columns=8,
        inference_steps=3,
        vae=VaeConfig(block_out_channels=(32, 32, 32), latent_channels=8),
        transformer=TransformerConfig(width=32, layers=2, heads=4),
        unet=UNetConfig(block_out_channels=(32, 48), layers_per_block=1, condition_channels=32),
    )


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
def default_pipeline():
    return tiny_default()


@pytest.fixture(scope="session")
def paper_pipeline():
    return tiny_paper()
