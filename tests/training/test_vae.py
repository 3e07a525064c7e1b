from dataclasses import replace

import pytest
import torch

from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.vae import MelVAE, decode_latents, posterior_of, scale_latents
from kinetune.training.data import dataset
from kinetune.training.data.prepare import open_dataset
from kinetune.training.vae import measure_latent_statistics, train_vae, vae_loss


def test_the_vae_learns_and_measures_its_latents(tiny, tmp_path):
    errors = []
    for steps in (1, 60):
        loop = replace(tiny.vae.loop, steps=steps, learning_rate=3e-3)
        train_vae(replace(tiny, vae=replace(tiny.vae, loop=loop)), tmp_path / str(steps))
        vae = MelVAE.from_pretrained(tmp_path / str(steps) / "vae" / "model")
        assert len(vae.config.latents_std) == 8
        errors.append(error_of(vae, tiny, tmp_path))
    assert errors[1] < 0.97 * errors[0]


def error_of(vae, config, cache):
    """Mean error of spectrograms brought through the VAE, over all windows."""
    pipeline = build_pipeline(config.model)
    prepared = open_dataset(config.data, cache, features="rhythm")
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=2.0, held_out=False)
    mel = dataset.window_mel(prepared, windows, shape, pipeline)
    with torch.no_grad():
        back = decode_latents(vae, scale_latents(vae, posterior_of(vae, mel)[0]))
    return (back - mel).abs().mean().item()


def test_measured_latents_have_unit_scale(tiny, tmp_path):
    pipeline = build_pipeline(tiny.model)
    prepared = open_dataset(tiny.data, tmp_path, features="rhythm")
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=2.0, held_out=False)
    measure_latent_statistics(pipeline, prepared, windows)
    mel = dataset.window_mel(prepared, windows, shape, pipeline)
    mean, std = posterior_of(pipeline.vae, mel)
    drawn = scale_latents(pipeline.vae, mean + std * torch.randn(mean.shape))
    assert drawn.mean().item() == pytest.approx(0.0, abs=0.05)
    assert drawn.std().item() == pytest.approx(1.0, abs=0.05)


def test_latents_of_a_vae_of_the_papers_kind_have_unit_power(tiny, tmp_path):
    paper = preset_config("paper")
    vae = replace(paper.vae, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    unet = replace(paper.unet, block_out_channels=(8, 8), layers_per_block=1)
    pipeline = build_pipeline(replace(paper, vae=vae, unet=unet))
    prepared = open_dataset(tiny.data, tmp_path, features="paper")
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=2.0, held_out=False)
    measure_latent_statistics(pipeline, prepared, windows)
    mean, std = posterior_of(pipeline.vae, dataset.window_mel(prepared, windows, shape, pipeline))
    drawn = scale_latents(pipeline.vae, mean + std * torch.randn(mean.shape))
    assert drawn.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_each_weight_of_the_loss_counts(tiny):
    pipeline = build_pipeline(tiny.model)
    mel = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    base = vae_loss(pipeline, mel, tiny.vae, seed=0)
    for change in ({"kl_weight": 1.0}, {"slope_weight": 5.0}):
        other = vae_loss(pipeline, mel, replace(tiny.vae, **change), seed=0)
        assert other["loss"] > base["loss"]
