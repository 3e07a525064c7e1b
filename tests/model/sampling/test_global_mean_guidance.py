"""Global mean guidance changes the windows' means only."""

import pytest
import torch
from diffusers import DDIMScheduler

from kinetune.model.sampling.global_mean_guidance import GlobalMeanGuidance

CHANNELS, WIDTH, TOTAL = 6, 16, 200


def nothing_louder():
    return torch.zeros(CHANNELS, 1)


def one_genre():
    return [torch.ones(TOTAL)]


def wandering(seed=0):
    """A latent with a drifting mean, plus detail."""
    generator = torch.Generator().manual_seed(seed)
    detail = torch.randn(1, CHANNELS, 1, TOTAL, generator=generator)
    return detail + torch.linspace(-2.0, 2.0, TOTAL)


def test_the_mean_converges_and_the_detail_is_kept():
    guidance = GlobalMeanGuidance(one_genre(), nothing_louder(), width=WIDTH, loop=False)
    clean = wandering()
    moved = clean - guidance.deviation(clean)
    first, last = moved[..., :50].mean(), moved[..., -50:].mean()
    assert abs(first - last) < 0.15 * abs(clean[..., :50].mean() - clean[..., -50:].mean())
    # From column to column it changes as before, but for what a window's mean changes.
    before, after = clean.diff(dim=-1), moved.diff(dim=-1)
    assert (before - after).std() < 0.15 * before.std()
    torch.testing.assert_close(moved.mean(), clean.mean(), atol=0.05, rtol=0.0)


def test_loudness_directions_are_not_guided():
    louder = torch.eye(CHANNELS)[:, :1]
    guidance = GlobalMeanGuidance(one_genre(), louder, width=WIDTH, loop=False)
    deviation = guidance.deviation(wandering())
    assert deviation[:, 0].abs().max() < 1e-6
    assert deviation[:, 1].abs().max() > 1.0


def test_each_genre_has_a_mean_of_its_own():
    share = (torch.arange(TOTAL) < TOTAL // 2).float()
    clean = wandering() * 0.0 + torch.where(share > 0, 3.0, -3.0)
    two = GlobalMeanGuidance([share, 1.0 - share], nothing_louder(), width=WIDTH, loop=False)
    assert two.deviation(clean).abs().max() < 1e-5
    one = GlobalMeanGuidance(one_genre(), nothing_louder(), width=WIDTH, loop=False)
    assert one.deviation(clean).abs().max() > 2.9


def test_a_ring_has_no_beginning():
    guidance = GlobalMeanGuidance(one_genre(), nothing_louder(), width=WIDTH, loop=True)
    clean = wandering()
    turned = guidance.deviation(clean.roll(37, dims=-1)).roll(-37, dims=-1)
    torch.testing.assert_close(turned, guidance.deviation(clean), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("timestep", "moves"), [(900, True), (500, True), (499, False)])
def test_only_while_it_is_mostly_noise(timestep, moves):
    scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    guidance = GlobalMeanGuidance(one_genre(), nothing_louder(), width=WIDTH, loop=False)
    clean, noise = wandering(), torch.randn(1, CHANNELS, 1, TOTAL)
    time = torch.tensor(timestep)
    latents = scheduler.add_noise(clean, noise, time.reshape(1))
    velocity = scheduler.get_velocity(clean, noise, time.reshape(1))
    told = guidance.correct(scheduler, velocity, latents, time)
    scheduler.set_timesteps(10)
    found = scheduler.step(told, time, latents).pred_original_sample
    wanted = clean - 0.9 * guidance.deviation(clean) if moves else clean
    clipped = wanted.clamp(-1, 1) if scheduler.config.clip_sample else wanted
    torch.testing.assert_close(found, clipped, atol=1e-3, rtol=1e-3)
