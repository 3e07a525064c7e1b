import pytest
import torch

from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.vae import (
    MelVAE,
    decode_latents,
    encode_mel,
    frames_per_column,
    posterior_of,
    scale_latents,
    unscale_latents,
)


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return MelVAE(mel_bands=16, latent_channels=4, block_out_channels=(16, 32, 32))


def test_a_column_covers_four_frames(vae):
    mel = torch.randn(2, 16, 64)
    posterior = vae.encode(mel)
    assert frames_per_column(vae) == 4
    assert posterior.mean.shape == posterior.std.shape == (2, 4, 1, 16)
    assert vae.decode(posterior.mean).shape == mel.shape
    assert vae(mel).shape == mel.shape


def test_the_linear_path_is_the_best_linear_codec(vae):
    """With the networks silent, the error left is what the components left out hold."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(64, 64, generator=generator) * torch.logspace(0, -2, 64)[:, None]
    patches = torch.randn(4000, 64, generator=generator) @ mixing
    mel = patches.view(10, 400, 16, 4).permute(0, 2, 1, 3).reshape(10, 16, 1600)
    vae.fit_linear(mel)
    posterior = vae.encode(mel)
    left = (vae.decode(posterior.mean) - mel).square().mean()
    values = torch.linalg.eigvalsh(torch.cov(patches.T.double()))
    assert left.item() == pytest.approx(values[:-4].sum().item() / 64, rel=0.05)
    torch.testing.assert_close(posterior.mean.std(dim=(0, 2, 3)), torch.ones(4), atol=0.02, rtol=0)


def test_divergence_of_the_unit_gaussian_is_zero(vae):
    posterior = vae.encode(torch.randn(1, 16, 16))
    unit = type(posterior)(torch.zeros(1, 4, 1, 4), torch.ones(1, 4, 1, 4))
    assert unit.kl() == pytest.approx(0.0)
    assert posterior.kl() > 0


def test_measured_latents_are_scaled_and_back(vae):
    vae.register_to_config(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[0.5] * 4)
    raw = torch.randn(3, 4, 1, 8)
    torch.testing.assert_close(unscale_latents(vae, scale_latents(vae, raw)), raw)
    assert scale_latents(vae, raw)[0, 1, 0, 0] == pytest.approx((raw[0, 1, 0, 0] - 2.0).item() * 2)


def test_encoding_draws_by_the_generator(vae):
    mel = torch.randn(1, 16, 32)
    one, two, three = (
        encode_mel(vae, mel, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(one, two)
    assert not torch.allclose(one, three)


def test_decoding_stays_in_range(vae):
    mel = decode_latents(vae, 100 * torch.randn(1, 4, 1, 8))
    assert mel.abs().max() <= 1.0


def test_the_papers_vae_passes_through_the_same_code():
    from dataclasses import replace

    config = preset_config("paper")
    small = replace(config.vae, block_out_channels=(32, 32), layers_per_block=1)
    unet = replace(config.unet, block_out_channels=(32, 32))
    vae = build_pipeline(replace(config, vae=small, unet=unet, window_frames=32)).vae
    mel = torch.rand(1, 32, 32) * 2 - 1
    mean, _ = posterior_of(vae, mel)
    assert mean.shape == (1, 1, 16, 16)
    latents = encode_mel(vae, mel, torch.Generator().manual_seed(0))
    _, std = posterior_of(vae, mel)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(latents, 0.18215 * (mean + std * noise))
    assert decode_latents(vae, latents).shape == mel.shape
