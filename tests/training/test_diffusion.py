import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinetune.config import as_table
from kinetune.errors import ConfigError, ModelError
from kinetune.metrics.similarity import load_network, motion_vectors
from kinetune.model.condition import ConditionBatch
from kinetune.model.mel import MelVocoder, load_vocoder
from kinetune.model.networks.transformer import DanceTransformer
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import UNetConfig, VaeConfig, build_pipeline
from kinetune.model.vae import MelVAE, channel_gains
from kinetune.motion.io.formats import read_motion
from kinetune.training.config import DiffusionTraining, LoopConfig, read_train_config
from kinetune.training.data import dataset
from kinetune.training.diffusion import (
    BatchSampler,
    DenoisingObjective,
    cached_latents,
    drop_conditions,
    min_snr_weight,
    train_diffusion,
)
from kinetune.training.loop import TrainingLoop
from kinetune.training.metric_networks.similarity import motion_embedding
from kinetune.training.precision import cpu_has_bfloat16
from kinetune.training.run import open_run
from kinetune.training.vae import train_vae
from tests.conftest import REPOSITORY, swaying_clip
from tests.model.conftest import TINY_VOCODER, tiny_mono, tiny_stereo, tiny_stereo_config


def some_conditions(count=2000):
    return ConditionBatch(
        torch.zeros(count, 4, 3),
        torch.zeros(count, 4, 6),
        torch.zeros(count, dtype=torch.long),
        *[torch.ones(count)] * 3,
        torch.zeros(count, 1, 36),
        torch.ones(count),
        torch.zeros(count, 0),
        torch.zeros(count, 1, 0),
    )


def test_prepare_train_generate_evaluate_end_to_end(tiny, tmp_path):
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


def test_stereo_training_uses_its_vae_and_harmony(tiny, tmp_path):
    config = replace(tiny, model=tiny_stereo_config())
    train_vae(config, tmp_path)
    assert train_diffusion(config, tmp_path).finished
    pipeline = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(pipeline.unet, DanceTransformer)
    trained = MelVAE.from_pretrained(tmp_path / "vae" / "model")
    assert pipeline.vae.config.latents_std == trained.config.latents_std
    prepared, windows = dataset.open_windows(config.data, tmp_path, pipeline)
    batch = dataset.Conditions(prepared, pipeline).batch(windows[:1], shift_s=[0.0])
    tonic = batch.harmony[0, :, 24:].argmax(dim=1)
    assert tonic.eq(prepared.items[windows[0].item].tonic).all()
    assert batch.keep_harmony.eq(1.0).all()
    # Only a vocoder makes sound of these spectrograms: none was trained, so it is the bundled one.
    for name, weight in load_vocoder("default").state_dict().items():
        torch.testing.assert_close(pipeline.vocoder.state_dict()[name], weight)
    sound = pipeline(swaying_clip(duration_s=2.0), genre="house").sound
    assert (sound.rate_hz, sound.samples.shape) == (44_100, (88_200, 2))


def test_training_reads_the_attributes_of_the_corpus(tiny, tmp_path):
    """From a model without any: what it knows stays, the new rows are learned."""
    names = ("instrument:piano", "kit:acoustic", "kit:machine", "density:busy")
    plain = tiny_stereo()
    plain.save_pretrained(tmp_path / "start")
    diffusion = replace(tiny.diffusion, start=str(tmp_path / "start"))
    config = replace(
        tiny, model=replace(tiny_stereo_config(), attributes=names), diffusion=diffusion
    )
    train_diffusion(config, tmp_path / "on")
    trained = DanceToMusicPipeline.from_pretrained(tmp_path / "on" / "model")
    assert trained.attribute_names == names
    prepared, windows = dataset.open_windows(config.data, tmp_path / "on", trained)
    batch = dataset.Conditions(prepared, trained).batch(windows, shift_s=[0.0] * len(windows))
    for row, window in zip(batch.attributes, windows, strict=True):
        has = prepared.items[window.item].attributes
        assert has
        assert row.tolist() == [1.0 if name in has else -1.0 for name in names]
    # Columns of attributes that never vary in these few pieces get a gradient all the same.
    assert trained.condition_encoder.attributes_in.weight.abs().sum() > 0.0


def test_attributes_are_left_open_as_often_as_the_settings_say():
    batch = replace(some_conditions(4000), attributes=torch.ones(4000, 20))
    settings = DiffusionTraining(drop_all=0.1, drop_attributes=0.2)
    kept = drop_conditions(batch, settings, torch.Generator().manual_seed(0)).attributes
    # A row is empty where it was dropped, or (rarely) where its random share kept nothing:
    # with a uniform share s of 20, the mean of (1 - s) ** 20 is 1 / 21, in half of the rows.
    empty = 1.0 - 0.9 * 0.8 * (1.0 - 0.5 / 21.0)
    assert kept.eq(0.0).all(dim=1).float().mean().item() == pytest.approx(empty, abs=0.03)
    # Half keep everything, the others half of it on average.
    assert kept.mean().item() == pytest.approx(0.9 * 0.8 * 0.75, abs=0.03)
    assert set(kept.unique().tolist()) == {0.0, 1.0}


def from_start(tiny, folder, **loop):
    """Return a run with the similarity as a condition, from a small model without it."""
    tiny_stereo().save_pretrained(folder)
    diffusion = replace(
        tiny.diffusion, start=str(folder), loop=replace(tiny.diffusion.loop, **loop)
    )
    return replace(tiny, model=replace(tiny_stereo_config(), similarity=True), diffusion=diffusion)


def test_a_model_with_motion_vectors_begins_exactly_as_its_start(tiny, tmp_path):
    """At a learning rate of 0 the finished model is the initial one."""
    train_diffusion(from_start(tiny, tmp_path / "start", learning_rate=0.0), tmp_path / "on")
    start, begun = (
        DanceToMusicPipeline.from_pretrained(tmp_path / name) for name in ("start", "on/model")
    )
    assert (start.similarity, begun.condition_encoder.config.similarity) == (None, 32)
    assert begun.condition_encoder.similarity_in.weight.eq(0.0).all()
    clip = swaying_clip(duration_s=3.0)
    one, other = (made(clip, genre="HO", seed=2) for made in (start, begun))
    np.testing.assert_array_equal(one.mel, other.mel)
    np.testing.assert_array_equal(one.sound.samples, other.sound.samples)


@pytest.mark.parametrize("version", [2, 3])
def test_training_gives_the_vectors_of_the_prepared_dances(tiny, tmp_path, version):
    """They come from the features: prepared folders of any version have them."""
    config = from_start(tiny, tmp_path / "start")
    train_diffusion(config, tmp_path / "on")
    trained = DanceToMusicPipeline.from_pretrained(tmp_path / "on" / "model")
    assert trained.condition_encoder.similarity_in.weight.abs().sum() > 0.0
    network = motion_embedding(load_network()).state_dict()
    for name, weight in trained.similarity.state_dict().items():
        torch.testing.assert_close(weight, network[name], rtol=0.0, atol=0.0)
    (path,) = (tmp_path / "on").glob("prepared-*/prepared.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))
    prepared, windows = dataset.open_windows(
        replace(config.data, source=str(path.parent)), tmp_path, trained
    )
    batch = dataset.Conditions(prepared, trained).batch(windows, shift_s=[0.0] * len(windows))
    assert batch.similarity.shape == (len(windows), 128, 32)
    for rows, window in zip(batch.similarity, windows, strict=True):
        clip = read_motion(
            Path(config.data.source) / f"motion/{prepared.items[window.item].name}.npz"
        )
        vectors = motion_vectors(clip)
        times_s = window.start_s + np.arange(128) / trained.condition_encoder.mel_rate_hz
        expected = np.interp(times_s, np.arange(len(vectors)) / 15.0, vectors[:, 5])
        np.testing.assert_allclose(rows[:, 5], expected, atol=1e-3)


def test_a_start_with_motion_vectors_keeps_its_own_network(tiny, tmp_path):
    config = from_start(tiny, tmp_path / "plain")
    start = tiny_stereo_similarity()
    start.save_pretrained(tmp_path / "start")
    config = replace(config, diffusion=replace(config.diffusion, start=str(tmp_path / "start")))
    train_diffusion(config, tmp_path / "on")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "on" / "model").similarity.state_dict()
    for name, weight in start.similarity.state_dict().items():
        torch.testing.assert_close(again[name], weight, rtol=1e-3, atol=1e-3)


def tiny_stereo_similarity():
    """A model whose motion network is not the bundled one."""
    pipeline = build_pipeline(replace(tiny_stereo_config(), similarity=True))
    pipeline.register_modules(vocoder=tiny_stereo().vocoder)
    return pipeline


def test_motion_vectors_are_dropped_as_often_as_the_settings_say():
    batch = replace(some_conditions(4000), similarity=torch.ones(4000, 3, 2))
    settings = DiffusionTraining(drop_all=0.1, drop_motion=0.0, drop_similarity=0.2)
    dropped = drop_conditions(batch, settings, torch.Generator().manual_seed(0))
    kept = dropped.similarity
    assert kept.mean().item() == pytest.approx(0.9 * 0.8, abs=0.03)
    # A window keeps all of its vectors or none, and none where everything is dropped.
    assert kept.flatten(1).std(dim=1).eq(0.0).all()
    assert kept[dropped.keep_motion.eq(0.0)].eq(0.0).all()


def test_without_motion_vectors_the_random_numbers_are_as_before():
    """Nothing is drawn for a condition that the model lacks."""
    one, other = (torch.Generator().manual_seed(0) for _ in range(2))
    plain = drop_conditions(some_conditions(), DiffusionTraining(), one)
    again = drop_conditions(
        replace(some_conditions(), similarity=torch.ones(2000, 1, 4)), DiffusionTraining(), other
    )
    for name in ("keep_motion", "keep_grid", "keep_genre", "keep_harmony"):
        torch.testing.assert_close(getattr(plain, name), getattr(again, name))
    assert torch.rand(1, generator=one) != torch.rand(1, generator=other)


def test_a_finished_model_has_the_vocoder_of_its_start_or_its_run(tiny, tmp_path):
    start = tiny_stereo()
    start.save_pretrained(tmp_path / "start")
    config = replace(
        tiny,
        model=tiny_stereo_config(),
        diffusion=replace(tiny.diffusion, start=str(tmp_path / "start")),
    )
    train_diffusion(config, tmp_path / "on")
    other = MelVocoder(**as_table(replace(TINY_VOCODER, fine_blocks=2)))
    other.save_pretrained(tmp_path / "run" / "vocoder" / "model")
    train_vae(config, tmp_path / "run")
    train_diffusion(replace(config, diffusion=tiny.diffusion), tmp_path / "run")
    for run, expected in (("on", start.vocoder), ("run", other)):
        vocoder = DanceToMusicPipeline.from_pretrained(tmp_path / run / "model").vocoder
        assert vocoder.settings == expected.settings
        for name, weight in expected.state_dict().items():
            torch.testing.assert_close(vocoder.state_dict()[name], weight, atol=1e-3, rtol=1e-3)


def test_a_vocoder_of_other_spectrograms_is_reported(tiny, tmp_path):
    train_vae(tiny, tmp_path)
    given = replace(tiny, diffusion=replace(tiny.diffusion, vocoder="default"))
    with pytest.raises(ModelError, match="default: its vocoder reads 320 rows, .* have 128"):
        train_diffusion(given, tmp_path)
    missing = replace(tiny, diffusion=replace(tiny.diffusion, vocoder=str(tmp_path / "none")))
    with pytest.raises(ModelError, match="none: the checkpoint can't be loaded"):
        train_diffusion(missing, tmp_path)


def test_stopping_and_continuing_gives_the_same_model(tiny, tmp_path):
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


def test_a_missing_vae_is_reported(tiny, tmp_path):
    with pytest.raises(ModelError, match="train vae"):
        train_diffusion(tiny, tmp_path)


def test_conditions_are_dropped_with_their_probabilities():
    settings = DiffusionTraining(drop_all=0.1, drop_motion=0.3, drop_grid=0.0, drop_genre=0.5)
    dropped = drop_conditions(some_conditions(20_000), settings, torch.Generator().manual_seed(0))
    assert dropped.keep_motion.mean() == pytest.approx(0.9 * 0.7, abs=0.015)
    assert dropped.keep_grid.mean() == pytest.approx(0.9, abs=0.01)
    assert dropped.keep_genre.mean() == pytest.approx(0.9 * 0.5, abs=0.015)
    # drop_all is one draw for all three: where the grid is dropped, so are the others.
    none = dropped.keep_grid == 0
    assert not dropped.keep_motion[none].any()
    assert not dropped.keep_genre[none].any()
    assert dropped.features.std() == pytest.approx(settings.augment.noise, rel=0.02)


def test_what_a_window_has_not_stays_dropped():
    conditions = replace(some_conditions(50), keep_grid=torch.zeros(50))
    never = DiffusionTraining(drop_all=0.0, drop_motion=0.0, drop_grid=0.0, drop_genre=0.0)
    kept = drop_conditions(conditions, never, torch.Generator().manual_seed(0))
    assert not kept.keep_grid.any()
    assert kept.keep_motion.all()
    assert kept.keep_genre.all()


def test_min_snr_weights_have_the_values_of_the_paper():
    """min(SNR, 5) / SNR for noise, min(SNR, 5) / (SNR + 1) for velocity."""
    shares = torch.tensor([0.1, 0.5, 0.9, 0.99])  # SNR 1/9, 1, 9, 99
    noise = min_snr_weight(shares, 5.0, velocity=False)
    torch.testing.assert_close(noise, torch.tensor([1.0, 1.0, 5 / 9, 5 / 99]))
    velocity = min_snr_weight(shares, 5.0, velocity=True)
    torch.testing.assert_close(velocity, torch.tensor([0.1, 0.5, 0.5, 0.05]))
    assert (min_snr_weight(shares, 0.0, velocity=True) == 1).all()


def fixed_batch(count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randn(count, 4, 1, 32, generator=generator)
    conditions = ConditionBatch(
        torch.randn(count, 128, 58, generator=generator),
        torch.randn(count, 128, 6, generator=generator),
        torch.arange(count),
        *[torch.ones(count)] * 3,
        torch.zeros(count, 1, 36),
        torch.ones(count),
        torch.zeros(count, 0),
        torch.zeros(count, 1, 0),
    )
    return clean, conditions


def predicting_zero():
    pipeline = tiny_mono()
    torch.nn.init.zeros_(pipeline.unet.conv_out.weight)
    torch.nn.init.zeros_(pipeline.unet.conv_out.bias)
    return pipeline


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_the_loss_is_the_documented_formula(prediction):
    """With a UNet that predicts 0 the error is the target's own square."""
    pipeline = predicting_zero()
    pipeline.scheduler.register_to_config(prediction_type=prediction)
    objective = DenoisingObjective(pipeline, DiffusionTraining(min_snr_gamma=2.0))
    clean, conditions = fixed_batch(6)
    parts = objective(clean, conditions, torch.ones(6, 32), torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(clean.shape, generator=generator)
    steps = torch.randint(0, 1000, (6,), generator=generator)
    share = pipeline.scheduler.alphas_cumprod[steps]
    snr = share / (1 - share)
    a, b = share.sqrt()[:, None, None, None], (1 - share).sqrt()[:, None, None, None]
    if prediction == "epsilon":
        target, weight = noise, torch.clamp(snr, max=2.0) / snr
    else:
        target, weight = a * noise - b * clean, torch.clamp(snr, max=2.0) / (snr + 1)
    error = target.square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(parts["mse"], error.mean())
    torch.testing.assert_close(parts["loss"], (weight * error).mean())


def test_padded_columns_do_not_count_in_the_loss():
    objective = DenoisingObjective(predicting_zero(), DiffusionTraining(min_snr_gamma=0.0))
    clean, conditions = fixed_batch()
    mask = torch.ones(2, 32)
    mask[1, 8:] = 0.0
    loss = objective(clean, conditions, mask, torch.Generator().manual_seed(0))["loss"]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(clean.shape, generator=generator)
    steps = torch.randint(0, 1000, (2,), generator=generator)
    error = objective.schedule.get_velocity(clean, noise, steps).square()
    torch.testing.assert_close(loss, (error[0].mean() + error[1, ..., :8].mean()) / 2)


def test_it_can_overfit_a_few_clips():
    """The loss on two fixed latents falls to a fraction."""
    torch.manual_seed(0)
    objective = DenoisingObjective(tiny_mono(), DiffusionTraining(min_snr_gamma=0.0))
    clean, conditions = fixed_batch()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=3e-3)
    losses = []
    for step in range(120):
        generator = torch.Generator().manual_seed(step % 10)
        loss = objective(clean, conditions, torch.ones(2, 32), generator)["loss"]
        optimizer.zero_grad()
        loss.backward()
        assert torch.isfinite(torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0))
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def overfitted(mode, out):
    """Errors of 80 steps on two fixed clips with repeating noise."""
    torch.manual_seed(0)
    objective = DenoisingObjective(tiny_mono(), DiffusionTraining(min_snr_gamma=0.0))
    clean, conditions = fixed_batch()
    errors = []

    def loss(number):
        generator = torch.Generator().manual_seed(number % 4)
        parts = objective(clean, conditions, torch.ones(2, 32), generator)
        errors.append(parts["mse"].item())
        return parts

    config = LoopConfig(
        steps=80, batch_size=2, warmup_steps=5, learning_rate=3e-3, mixed_precision=mode
    )
    with open_run(out) as run:
        TrainingLoop(objective, config, run).run(loss)
    return np.array(errors).reshape(4, 20).mean(axis=1)


def test_bfloat16_master_weights_follow_the_float32_curve(tmp_path):
    """Same clips, same seeds, on a task that is learned: the curves differ by the rounding."""
    full, master = (overfitted(mode, tmp_path / mode) for mode in ("no", "bf16-master"))
    assert full[-1] < 0.6 * full[0]
    np.testing.assert_allclose(master, full, rtol=0.03)
    if cpu_has_bfloat16():
        assert not np.array_equal(master, full)


def batches(tiny, out, **changes):
    """A sampler on the tiny corpus, and what it needs."""
    settings = replace(tiny.diffusion, **changes)
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, out, pipeline)
    dataset.fit_normaliser(prepared, pipeline)
    latents = cached_latents(prepared, windows, pipeline, out)
    conditions = dataset.Conditions(prepared, pipeline)
    return BatchSampler(windows, latents, conditions, pipeline, settings), latents, windows


def test_a_batch_contains_the_latents_of_its_windows(tiny, tmp_path):
    sampler, (mean, std), windows = batches(tiny, tmp_path)
    clean, conditions, mask, _ = sampler.batch(3)
    chosen = dataset.sample_batch(0, 3, len(windows), 2)
    away = (clean - mean[chosen].float()) / std[chosen].float()
    # Standard normal around the posterior means.
    assert away.std().item() == pytest.approx(1.0, rel=0.1)
    assert away.mean().item() == pytest.approx(0.0, abs=0.1)
    assert mask.shape == (2, clean.shape[-1])
    assert mask.all()
    assert conditions.features.shape == (2, 128, 58)


def test_batches_depend_on_seed_and_number_alone(tiny, tmp_path):
    first, _, _ = batches(tiny, tmp_path)
    again, _, _ = batches(tiny, tmp_path)
    seeded, _, _ = batches(tiny, tmp_path, loop=replace(tiny.diffusion.loop, seed=1))
    assert torch.equal(first.batch(5)[0], again.batch(5)[0])
    assert torch.equal(first.batch(5)[1].features, again.batch(5)[1].features)
    assert not torch.equal(first.batch(5)[0], first.batch(6)[0])
    assert not torch.equal(first.batch(5)[0], seeded.batch(5)[0])


def test_the_grid_is_shifted_by_the_jitter(tiny, tmp_path):
    """One shift a window, of the documented deviation: compare the bar's phase with no jitter."""
    plain, _, _ = batches(tiny, tmp_path, grid_jitter_s=0.0)
    moved, _, _ = batches(tiny, tmp_path, grid_jitter_s=0.02)
    shifts = []
    for number in range(20):
        bars = [sampler.batch(number)[1].grid[..., 2:4] for sampler in (plain, moved)]
        phases = [torch.atan2(bar[..., 0], bar[..., 1]) for bar in bars]
        turn = torch.remainder(phases[0] - phases[1] + np.pi, 2 * np.pi) - np.pi
        tempo = plain.batch(number)[1].grid[:, 0, 5]
        beat_s = 60.0 / (105.0 * 2.0**tempo)
        shifts += (turn.mean(dim=1) / (2 * np.pi) * 4 * beat_s).tolist()
        assert turn.std(dim=1).max() < 0.02
    assert np.std(shifts) == pytest.approx(0.02, rel=0.4)


def test_cached_latents_are_named_by_what_made_them(tiny, tmp_path):
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)

    def caches():
        return {path.name for path in tmp_path.glob("latents-*.safetensors")}

    first = cached_latents(prepared, windows, pipeline, tmp_path)
    again = cached_latents(prepared, windows, pipeline, tmp_path)
    assert torch.equal(first[0], again[0])
    assert len(caches()) == 1
    # The same weights from another folder.
    pipeline.vae.save_pretrained(tmp_path / "vae")
    pipeline.vae = type(pipeline.vae).from_pretrained(tmp_path / "vae")
    cached_latents(prepared, windows, pipeline, tmp_path)
    assert len(caches()) == 1
    cached_latents(prepared, windows[:-1], pipeline, tmp_path)
    other_items = tuple(replace(item, digest="other") for item in prepared.items)
    cached_latents(replace(prepared, items=other_items), windows, pipeline, tmp_path)
    with torch.no_grad():
        pipeline.vae.analysis.weight.mul_(1.01)
    changed = cached_latents(prepared, windows, pipeline, tmp_path)
    assert len(caches()) == 4
    assert not torch.equal(changed[0], first[0])


def test_a_damaged_cache_is_made_again(tiny, tmp_path):
    pipeline = build_pipeline(tiny.model)
    prepared, windows = dataset.open_windows(tiny.data, tmp_path, pipeline)
    first = cached_latents(prepared, windows, pipeline, tmp_path)
    path = next(tmp_path.glob("latents-*.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(cached_latents(prepared, windows, pipeline, tmp_path)[0], first[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "overlap_columns", "sizes"),
    [
        (
            "default", 8,
            ["model.vae.block_out_channels=[32,32,32]", "model.unet.block_out_channels=[32,32,32]"],
        ),
        (
            "paper", 0,
            [
                "model.vae.block_out_channels=[32,32,32,32]", "model.vae.layers_per_block=1",
                "model.unet.block_out_channels=[32,32,64,64]", "model.unet.layers_per_block=1",
            ],
        ),
    ],
)  # fmt: skip
def test_windows_of_3_s_work_from_config_to_music(corpus, tmp_path, preset, overlap_columns, sizes):
    """Prepared data, VAE, diffusion, music: windows shorter than both designs' own."""
    (tmp_path / "short.toml").write_text("")
    config = read_train_config(
        tmp_path / "short.toml",
        [
            f"model.preset={preset}", "model.window_frames=128", "model.inference_steps=2",
            f"data.source={corpus}", "vae.loop.steps=1", "vae.loop.batch_size=2",
            "diffusion.loop.steps=1", "diffusion.loop.batch_size=2", *sizes,
        ],
    )  # fmt: skip
    if preset == "default":
        assert config.model.overlap_columns == overlap_columns
    train_vae(config, tmp_path)
    train_diffusion(config, tmp_path)
    pipeline = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    assert pipeline.settings.window_frames == 128
    for duration_s in (1.5, 8.0):
        music = pipeline(swaying_clip(duration_s=duration_s), genre="house")
        assert music.sound.duration_s == pytest.approx(duration_s)


def test_dances_shorter_than_a_window_are_trained_on(corpus, tmp_path):
    """The corpus's dances last 7.5 s, a window of the preset mono 11.9 s."""
    (tmp_path / "a.toml").write_text("")
    small = [
        "model.preset=mono", "model.inference_steps=2", f"data.source={corpus}", "data.held_out=0",
        "model.vae.block_out_channels=[32,32,32]", "model.unet.block_out_channels=[32,32,32]",
        "vae.loop.steps=1", "vae.loop.batch_size=2", "diffusion.loop.steps=1",
        "diffusion.loop.batch_size=2",
    ]  # fmt: skip
    config = read_train_config(tmp_path / "a.toml", small)
    pipeline = build_pipeline(config.model)
    _, windows = dataset.open_windows(config.data, tmp_path, pipeline)
    assert {round(window.length_s, 2) for window in windows} == {7.5}
    mask = dataset.window_mask(windows[:1], 128, pipeline)
    assert mask.sum().item() == round(7.5 / (512 * 512 / 22_050) * 128)
    train_vae(config, tmp_path)
    assert train_diffusion(config, tmp_path).finished
    with pytest.raises(ConfigError, match=r"no training item lasts 8.00 s; .*shortest_s"):
        train_vae(read_train_config(tmp_path / "a.toml", [*small, "data.shortest_s=8.0"]), tmp_path,
                  restart=True)  # fmt: skip


def test_the_papers_design_overfits_real_pairs(corpus, tmp_path):
    """In small: its VAE, its features, its noise prediction, through the trainer and the disk."""
    run = paper_in_small(corpus)
    train_vae(run, tmp_path)
    train_diffusion(run, tmp_path)
    log = (tmp_path / "diffusion" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in log]
    # Two windows a batch: the loss depends on the sampled step as much as on the training.
    assert np.mean(losses[-20:]) < 0.65 * np.mean(losses[:3])
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
        config.diffusion.loop, steps=45, batch_size=2, warmup_steps=5, learning_rate=2e-3
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


def test_a_run_continues_from_a_trained_model(tiny, tmp_path):
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


def test_a_start_of_another_size_is_reported(tiny, tmp_path):
    build_pipeline(tiny.model).save_pretrained(tmp_path / "model")
    wider = replace(tiny.model, unet=replace(tiny.model.unet, block_out_channels=(32, 64)))
    start = replace(tiny.diffusion, start=str(tmp_path / "model"))
    with pytest.raises(ModelError, match="unet is of another size"):
        train_diffusion(replace(tiny, model=wider, diffusion=start), tmp_path)


def test_strong_channels_count_for_more():
    pipeline = tiny_mono()
    weight = pipeline.vae.synthesis.weight
    with torch.no_grad():
        weight[0] *= 10.0
    strengths = channel_gains(pipeline.vae)
    plain, weighted = (
        DenoisingObjective(pipeline, DiffusionTraining(channel_gain_power=w)).channel_weights
        for w in (0.0, 1.0)
    )
    assert (plain == 1).all()
    assert weighted.mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(weighted / weighted[1], strengths / strengths[1])
    assert weighted.argmax() == 0
