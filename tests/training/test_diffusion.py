from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.errors import ModelError
from kinetune.model.condition import ConditionBatch
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import UNetConfig, VaeConfig, build_pipeline
from kinetune.model.vae import channel_gains
from kinetune.training.config import DiffusionTraining, read_train_config
from kinetune.training.diffusion import DenoisingObjective, drop_conditions, train_diffusion
from kinetune.training.vae import train_vae
from tests.conftest import REPOSITORY, swaying_clip
from tests.model.conftest import tiny_default


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
    held = drop_conditions(some_conditions(), settings, torch.Generator().manual_seed(0))
    assert held.keep_motion.mean() == pytest.approx(0.9 * 0.7, abs=0.04)
    assert held.keep_grid.mean() == pytest.approx(0.9, abs=0.03)
    assert torch.equal(held.keep_grid, held.keep_genre)
    assert held.features.std() == pytest.approx(settings.augment.noise, rel=0.05)


@pytest.mark.parametrize("velocity", [True, False])
def test_min_snr_weights_are_the_formula(velocity):
    denoiser = DenoisingObjective(tiny_default())
    steps = torch.tensor([1, 500, 900])
    kept = denoiser.schedule.alphas_cumprod[steps]
    ratio = kept / (1 - kept)
    expected = torch.minimum(ratio, torch.tensor(5.0)) / (ratio + 1 if velocity else ratio)
    torch.testing.assert_close(denoiser._weight(steps, 5.0, velocity=velocity), expected)
    assert (denoiser._weight(steps, 0.0, velocity=velocity) == 1).all()


def test_it_can_learn_a_few_clips_by_heart():
    """The loss on two fixed latents falls to a fraction."""
    torch.manual_seed(0)
    denoiser = DenoisingObjective(tiny_default())
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(2, 4, 1, 32, generator=generator)
    told = ConditionBatch(
        torch.randn(2, 128, 58, generator=generator),
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


def test_the_papers_design_learns_real_pairs_by_heart(corpus, tmp_path):
    """In small: its VAE, its features, its noise prediction, through the trainer and the disk."""
    run = paper_in_small(corpus)
    train_vae(run, tmp_path)
    losses = []
    train_diffusion(run, tmp_path, on_step=lambda report: losses.append(report.loss))
    assert losses[-1] < 0.5 * losses[0]
    pipeline = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    clip = swaying_clip(duration_s=5.0)
    one, two = (pipeline(clip, genre="house", seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.sound.samples, two.sound.samples)
    pipeline.save_pretrained(tmp_path / "again")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "again")
    np.testing.assert_array_equal(
        again(clip, genre="house", seed=4).sound.samples, one.sound.samples
    )


def paper_in_small(corpus):
    config = read_train_config(REPOSITORY / "configs" / "paper.toml")
    vae_loop = replace(config.vae.loop, steps=4, batch_size=2, warmup_steps=1)
    loop = replace(
        config.diffusion.loop, steps=90, batch_size=2, warmup_steps=5, learning_rate=2e-3
    )
    return replace(
        config,
        model=replace(
            config.model,
            inference_steps=2,
            vae=VaeConfig((32, 32, 32, 32), 1, 1),
            unet=UNetConfig((32, 32, 64, 64), 1),
        ),
        data=replace(config.data, source=str(corpus), stride_s=2.5, held_out=0),
        vae=replace(config.vae, loop=vae_loop),
        diffusion=replace(config.diffusion, loop=loop),
    )


def test_a_run_goes_on_from_a_trained_model(tiny, tmp_path):
    train_vae(tiny, tmp_path / "one")
    train_diffusion(tiny, tmp_path / "one")
    first = DanceToMusicPipeline.from_pretrained(tmp_path / "one" / "model")
    still = replace(tiny.diffusion.loop, steps=1, learning_rate=0.0)
    start = str(tmp_path / "one" / "model")
    finer = replace(tiny, diffusion=replace(tiny.diffusion, start=start, loop=still))
    train_diffusion(finer, tmp_path / "two")
    second = DanceToMusicPipeline.from_pretrained(tmp_path / "two" / "model")
    for part in ("unet", "condition_encoder", "normaliser", "vae"):
        kept = getattr(second, part).state_dict()
        for name, value in getattr(first, part).state_dict().items():
            torch.testing.assert_close(kept[name], value, atol=1e-3, rtol=1e-3)
    assert second.vae.config.latents_std == first.vae.config.latents_std


def test_a_start_of_another_size_is_said(tiny, tmp_path):
    build_pipeline(tiny.model).save_pretrained(tmp_path / "model")
    wider = replace(tiny.model, unet=replace(tiny.model.unet, block_out_channels=(32, 64)))
    start = replace(tiny.diffusion, start=str(tmp_path / "model"))
    with pytest.raises(ModelError, match="unet is of another size"):
        train_diffusion(replace(tiny, model=wider, diffusion=start), tmp_path)


def test_strong_channels_count_for_more():
    pipeline = tiny_default()
    weight = pipeline.vae.synthesis.weight
    with torch.no_grad():
        weight[0] *= 10.0
    strengths = channel_gains(pipeline.vae)
    plain, weighted = (
        DenoisingObjective(pipeline, strength_weight=w).channel_weights for w in (0.0, 1.0)
    )
    assert (plain == 1).all()
    assert weighted.mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(weighted / weighted[1], strengths / strengths[1])
    assert weighted.argmax() == 0
