from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.errors import ModelError
from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.config import DiffusionTraining
from kinetune.training.diffusion import Denoiser, train_diffusion, withhold
from kinetune.training.vae import train_vae
from tests.conftest import swaying_clip
from tests.model.conftest import tiny_default, tiny_paper


def some_conditions(count=2000):
    return ConditionBatch(
        torch.zeros(count, 4, 3),
        torch.zeros(count, 4, 6),
        torch.zeros(count, dtype=torch.long),
        *[torch.ones(count)] * 3,
    )


def test_a_whole_life(tiny, tmp_path):
    """Train both parts a few steps, save, load, and make music with what came out."""
    train_vae(tiny, tmp_path)
    outcome = train_diffusion(tiny, tmp_path)
    assert outcome.finished
    pipeline = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    assert pipeline.vae.config.latents_std is not None
    assert pipeline.normaliser.scale.std() > 0
    music = pipeline(swaying_clip(duration_s=3.0), genre="waacking")
    assert np.isfinite(music.sound.samples).all()
    assert music.sound.duration_s == pytest.approx(3.0)


def test_stopping_and_going_on_gives_the_same_model(tiny, tmp_path):
    train_vae(tiny, tmp_path)
    halfway = replace(tiny, diffusion=replace(tiny.diffusion, vae=str(tmp_path / "vae/model")))
    train_diffusion(halfway, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 2:
            raise Stop

    often = replace(halfway.diffusion.loop, save_every_minutes=0.0)
    saving = replace(halfway, diffusion=replace(halfway.diffusion, loop=often))
    with pytest.raises(Stop):
        train_diffusion(saving, tmp_path / "broken", on_step=stop)
    train_diffusion(halfway, tmp_path / "broken", resume=True)
    one, two = (
        DanceToMusicPipeline.from_pretrained(tmp_path / name / "model")
        for name in ("whole", "broken")
    )
    for name, value in one.unet.state_dict().items():
        assert torch.equal(value, two.unet.state_dict()[name]), name


def test_a_missing_vae_is_said(tiny, tmp_path):
    with pytest.raises(ModelError, match="train vae"):
        train_diffusion(tiny, tmp_path)


def test_conditions_are_withheld_as_often_as_asked():
    settings = DiffusionTraining(drop_all=0.1, drop_motion=0.3, drop_grid=0.0, drop_genre=0.0)
    held = withhold(some_conditions(), settings, torch.Generator().manual_seed(0))
    assert held.keep_motion.mean() == pytest.approx(0.9 * 0.7, abs=0.04)
    assert held.keep_grid.mean() == pytest.approx(0.9, abs=0.03)
    assert torch.equal(held.keep_grid, held.keep_genre)
    assert held.features.std() == pytest.approx(settings.feature_noise, rel=0.05)


@pytest.mark.parametrize("velocity", [True, False])
def test_min_snr_weights_are_the_formula(velocity):
    denoiser = Denoiser(tiny_default())
    steps = torch.tensor([1, 500, 900])
    kept = denoiser.schedule.alphas_cumprod[steps]
    ratio = kept / (1 - kept)
    expected = torch.minimum(ratio, torch.tensor(5.0)) / (ratio + 1 if velocity else ratio)
    torch.testing.assert_close(denoiser._weight(steps, 5.0, velocity=velocity), expected)
    assert (denoiser._weight(steps, 0.0, velocity=velocity) == 1).all()


@pytest.mark.parametrize(("build", "features"), [(tiny_default, 58), (tiny_paper, 370)])
def test_it_can_learn_a_few_clips_by_heart(build, features):
    """The loss on two fixed latents falls to a fraction, for our design and for the paper's."""
    torch.manual_seed(0)
    pipeline = build()
    denoiser = Denoiser(pipeline)
    ours = build is tiny_default
    shape = (2, 4, 1, 32) if ours else (2, 1, 32, 32)
    frames = 128 if ours else 150
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(shape, generator=generator)
    told = ConditionBatch(
        torch.randn(2, frames, features, generator=generator),
        torch.randn(2, 128, 6, generator=generator),
        torch.tensor([0, 1]),
        *[torch.ones(2)] * 3,
    )
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=3e-3)
    losses = []
    for step in range(120):
        draw = torch.Generator().manual_seed(step % 10)
        loss = denoiser(clean, told, 0.0, draw)["loss"]
        optimizer.zero_grad()
        loss.backward()
        nn_clip = torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        assert torch.isfinite(nn_clip)
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
