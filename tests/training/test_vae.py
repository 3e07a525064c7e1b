from dataclasses import replace

import pytest
import torch

from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.vae import MelVAE, decode_latents, posterior_of, scale_latents
from kinetune.training.data import dataset
from kinetune.training.vae import measure_latent_statistics, train_vae, vae_loss


@pytest.mark.slow
def test_the_vae_learns_and_measures_its_latents(tiny, tmp_path):
    errors = []
    for steps in (1, 60):
        loop = replace(tiny.vae.loop, steps=steps, learning_rate=3e-3)
        train_vae(replace(tiny, vae=replace(tiny.vae, loop=loop)), tmp_path / str(steps))
        vae = MelVAE.from_pretrained(tmp_path / str(steps) / "vae" / "model")
        assert len(vae.config.latents_std) == 8
        errors.append(error_of(vae, tiny, tmp_path))
    assert errors[1] < 0.97 * errors[0]


def seeded(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def error_of(vae, config, cache):
    """Mean reconstruction error of the VAE, over all windows."""
    pipeline = build_pipeline(config.model)
    prepared, windows = dataset.open_windows(config.data, cache, pipeline)
    mel = dataset.window_mel(prepared, windows, pipeline)
    with torch.no_grad():
        back = decode_latents(vae, scale_latents(vae, posterior_of(vae, mel)[0]))
    return (back - mel).abs().mean().item()


def test_measured_latents_have_unit_scale(tiny, tmp_path):
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)
    measure_latent_statistics(pipeline, prepared, windows)
    mel = dataset.window_mel(prepared, windows, pipeline)
    mean, std = posterior_of(pipeline.vae, mel)
    drawn = scale_latents(pipeline.vae, mean + std * torch.randn(mean.shape))
    assert drawn.mean().item() == pytest.approx(0.0, abs=0.05)
    assert drawn.std().item() == pytest.approx(1.0, abs=0.05)


def test_latents_of_a_vae_of_the_papers_kind_have_unit_power(tiny, tmp_path):
    paper = preset_config("paper")
    vae = replace(paper.vae, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    unet = replace(paper.unet, block_out_channels=(8, 8), layers_per_block=1)
    pipeline = build_pipeline(replace(paper, vae=vae, unet=unet))
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)
    measure_latent_statistics(pipeline, prepared, windows)
    mean, std = posterior_of(pipeline.vae, dataset.window_mel(prepared, windows, pipeline))
    drawn = scale_latents(pipeline.vae, mean + std * torch.randn(mean.shape))
    assert drawn.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_the_loss_is_the_documented_sum(tiny):
    """Level, slope and KL divergence written out, against torch.distributions."""
    pipeline = build_pipeline(tiny.model)
    mel = torch.rand(2, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    config = replace(tiny.vae, kl_weight=0.3, slope_weight=0.7)
    parts = vae_loss(pipeline, mel, config, generators=seeded(5, 6))
    mean, std = posterior_of(pipeline.vae, mel)
    noise = torch.stack([torch.randn(mean.shape[1:], generator=g) for g in seeded(5, 6)])
    error = pipeline.vae.decode(mean + std * noise) - mel
    level = error.abs().mean()
    slope = (error[..., 1:] - error[..., :-1]).abs().mean()
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, std), torch.distributions.Normal(0.0, 1.0)
    ).mean()
    torch.testing.assert_close(parts["level"], level)
    torch.testing.assert_close(parts["slope"], slope)
    torch.testing.assert_close(parts["kl"], divergence)
    torch.testing.assert_close(parts["loss"], level + 0.7 * slope + 0.3 * divergence)


def test_padding_does_not_count_in_the_loss(tiny):
    pipeline = build_pipeline(tiny.model)
    mel = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    half = 2.0 * (torch.arange(128) < 64).float()[None]
    all_frames, first_half = (
        vae_loss(pipeline, mel, tiny.vae, generators=seeded(0), weight=weight)
        for weight in (torch.ones(1, 128), half)
    )
    without_weight = vae_loss(pipeline, mel, tiny.vae, generators=seeded(0))
    torch.testing.assert_close(all_frames["level"], without_weight["level"])
    mean, std = posterior_of(pipeline.vae, mel)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    error = (pipeline.vae.decode(mean + std * noise) - mel)[..., :64]
    torch.testing.assert_close(first_half["level"], error.abs().mean())


def test_latent_statistics_leave_padding_out(tiny, tmp_path):
    """Windows that are half padding have the statistics of their first half."""
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)
    half_s = 64 * 512 / 22_050
    padded = [replace(window, length_s=half_s) for window in windows]
    measure_latent_statistics(pipeline, prepared, padded)
    mean, _ = posterior_of(pipeline.vae, dataset.window_mel(prepared, windows, pipeline))
    part = mean[..., : mean.shape[-1] // 2]
    torch.testing.assert_close(
        torch.tensor(pipeline.vae.config.latents_mean),
        part.mean(dim=(0, 2, 3)),
        atol=0.02,
        rtol=0.02,
    )
