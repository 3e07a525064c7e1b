import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from kinetune.errors import ConfigError
from kinetune.model.sampling.inpainting import KnownLatents
from kinetune.model.sampling.loudness_subspace import loudness_directions
from kinetune.model.vae import MelVAE, decode_latents

CLEAN = torch.randn(1, 4, 1, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scheduler", [DDIMScheduler(), DPMSolverMultistepScheduler()])
def test_inpainting_reinjects_and_returns_known_latents(scheduler):
    kept = torch.zeros(20)
    kept[:5] = 1.0
    held = KnownLatents(CLEAN, kept)
    noise = torch.randn(CLEAN.shape)
    timesteps = held.set_timesteps(scheduler, 6)
    latents = held.init_latents(scheduler, noise, timesteps[0])
    for step in timesteps:
        latents = held.reinject_known(scheduler, latents, noise, step)
        expected = scheduler.add_noise(CLEAN, noise, step[None])
        torch.testing.assert_close(latents[..., :5], expected[..., :5])
        latents = scheduler.step(torch.zeros_like(latents), step, latents).prev_sample
    done = held.compose(latents)
    torch.testing.assert_close(done[..., :5], CLEAN[..., :5])
    assert not torch.allclose(done[..., 5:], CLEAN[..., 5:])


def test_a_weak_change_takes_as_many_steps_from_less_noise():
    scheduler = DPMSolverMultistepScheduler(timestep_spacing="trailing")
    noise, none = torch.randn(CLEAN.shape), torch.zeros(20)
    distances = []
    for strength in (0.1, 0.4, 0.8, 1.0):
        held = KnownLatents(CLEAN, none, strength)
        timesteps = held.set_timesteps(scheduler, 8)
        assert len(timesteps) == 8
        assert timesteps[0] <= 1000 * strength + 130
        distances.append(float((held.init_latents(scheduler, noise, timesteps[0]) - CLEAN).norm()))
    assert distances == sorted(distances)


@pytest.mark.parametrize("strength", [0.0, -1.0, 1.01, float("nan")])
def test_an_impossible_strength_is_reported(strength):
    with pytest.raises(ConfigError, match="strength must be"):
        KnownLatents(CLEAN, torch.zeros(20), strength)


@pytest.mark.parametrize("design", ["mono_pipeline", "paper_pipeline"])
def test_loudness_directions_are_orthonormal(design, request):
    pipeline = request.getfixturevalue(design)
    channels = pipeline.unet.config.in_channels
    height = 1 if design == "mono_pipeline" else pipeline.unet.config.sample_size
    basis = loudness_directions(pipeline.vae, channels=channels, height=height)
    assert basis.shape[0] == channels * height
    torch.testing.assert_close(basis.T @ basis, torch.eye(basis.shape[1]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_loudness_directions_change_loudness_most():
    torch.manual_seed(0)
    vae = MelVAE(mel_bands=32, latent_channels=16, block_out_channels=(32, 32, 32))
    basis = loudness_directions(vae, channels=16, height=1)
    assert basis.shape == (16, 4)
    across = torch.randn(16, generator=torch.Generator().manual_seed(1))
    across -= basis @ (basis.T @ across)
    moved = []
    for direction in (basis @ torch.ones(4), across):
        latents = torch.zeros(1, 16, 1, 9)
        latents[0, :, 0, 4] = 0.05 * direction / direction.norm()
        change = decode_latents(vae, latents) - decode_latents(vae, torch.zeros(1, 16, 1, 9))
        moved.append(float(change.mean(dim=1).abs().max()))
    assert moved[0] > 10 * moved[1]


def test_what_is_along_the_directions_stays():
    basis = torch.eye(4)[:, :1]
    scheduler = DPMSolverMultistepScheduler()
    held = KnownLatents(CLEAN, torch.zeros(20), directions=basis)
    noise = torch.randn(CLEAN.shape)
    step = held.set_timesteps(scheduler, 4)[2]
    other = torch.randn(CLEAN.shape)
    found = held.reinject_known(scheduler, other, noise, step)
    torch.testing.assert_close(found[:, :1], scheduler.add_noise(CLEAN, noise, step[None])[:, :1])
    torch.testing.assert_close(found[:, 1:], other[:, 1:])
