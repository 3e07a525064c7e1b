"""Right values of the denoising loop: guidance, schedules, initial noise."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from kinetune.model.conditioning.window_conditions import WindowConditions
from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.sampling.denoiser import Denoiser
from kinetune.model.sampling.genre_mixing import BatchedConditioning, WeightedCondition
from kinetune.model.sampling.windows import plan_windows

PLAN = plan_windows(8, width=8, useful=8, overlap=0)


class Network(torch.nn.Module):
    """Predicts a constant given by its conditioning."""

    def forward(self, windows, timestep, value):
        return SimpleNamespace(sample=torch.ones_like(windows) * value[:, None, None, None])


def denoiser(guidance, *, uncond=-3.0, genres=((2.0, 1.0),)):
    conditions = [
        WeightedCondition(
            BatchedConditioning({"value": torch.tensor([value])}), torch.full((8,), weight)
        )
        for value, weight in genres
    ]
    free = None if uncond is None else {"value": torch.tensor([uncond])}
    scheduler = SimpleNamespace(scale_model_input=lambda latents, _: latents)
    return Denoiser(
        Network(),
        scheduler,
        PLAN,
        WindowConditions(conditions, free, np.empty(0), np.empty(0)),
        guidance,
    )


@pytest.mark.parametrize(
    ("guidance", "value"), [(0.0, -3.0), (0.5, -0.5), (1.0, 2.0), (2.0, 7.0), (4.0, 17.0)]
)
def test_guidance_is_uncond_plus_w_times_the_difference(guidance, value):
    """With w: w = 0 is the unconditional prediction, 1 the conditional one, 2 as far again."""
    found = denoiser(guidance).predict(torch.zeros(1, 2, 1, 8), torch.tensor(5))
    torch.testing.assert_close(found, torch.full((1, 2, 1, 8), value))


def test_denoiser_without_uncond_is_conditional():
    found = denoiser(4.0, uncond=None).predict(torch.zeros(1, 2, 1, 8), torch.tensor(5))
    torch.testing.assert_close(found, torch.full((1, 2, 1, 8), 2.0))


def test_genres_are_blended_by_weight_before_guidance():
    found = denoiser(2.0, genres=((2.0, 0.75), (6.0, 0.25)))
    # cond = 0.75 * 2 + 0.25 * 6 = 3; -3 + 2 * (3 - -3) = 9.
    out = found.predict(torch.zeros(1, 2, 1, 8), torch.tensor(5))
    torch.testing.assert_close(out, torch.full((1, 2, 1, 8), 9.0))


def test_the_papers_schedule_is_ddim_with_linear_betas_and_50_steps(paper_pipeline):
    """Tan et al. 2023, and its published code: 1000 steps, beta 0.0001 to 0.02, noise predicted."""
    config = paper_pipeline.scheduler.config
    assert type(paper_pipeline.scheduler).__name__ == "DDIMScheduler"
    assert (config.num_train_timesteps, config.beta_schedule) == (1000, "linear")
    assert (config.beta_start, config.beta_end) == (0.0001, 0.02)
    assert (config.prediction_type, config.clip_sample) == ("epsilon", True)
    assert preset_config("paper").inference_steps == 50
    betas = np.linspace(0.0001, 0.02, 1000)
    np.testing.assert_allclose(
        paper_pipeline.scheduler.alphas_cumprod.numpy(), np.cumprod(1.0 - betas), rtol=1e-4
    )


def test_the_default_schedule_is_the_cosine_in_velocity(mono_pipeline):
    """Nichol & Dhariwal 2021, equation 17: offset 0.008, betas no larger than 0.999."""
    scheduler = mono_pipeline.scheduler
    config = scheduler.config
    assert type(scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert (config.prediction_type, config.timestep_spacing) == ("v_prediction", "trailing")
    assert config.lambda_min_clipped == -5.1
    t = np.arange(1001) / 1000
    level = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    betas = np.minimum(1.0 - level[1:] / level[:-1], 0.999)
    np.testing.assert_allclose(
        scheduler.alphas_cumprod.numpy(), np.cumprod(1.0 - betas), rtol=1e-3, atol=1e-6
    )
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist()[0] <= 999
    assert len(scheduler.timesteps) == 4


@pytest.mark.parametrize("bars_s", [np.empty(0), np.arange(0.0, 200.0, 2.0)])
def test_the_initial_noise_has_zero_mean_and_unit_variance(bars_s):
    pipeline = build_pipeline(preset_config("default"))
    plan = pipeline.plan(120.0)
    noise = pipeline._noise(plan, 3, bars_s)
    assert noise.shape == (1, 128, 1, plan.total)
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(noise.var()) == pytest.approx(1.0, abs=0.03)
    assert torch.equal(noise, pipeline._noise(plan, 3, bars_s))
