"""Motion vectors of the similarity network as a condition of the model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune import timebase
from kinetune.config import as_table
from kinetune.errors import ConfigError, ModelError
from kinetune.metrics.similarity import load_network, motion_vectors
from kinetune.model.catalogue import describe
from kinetune.model.condition import DanceCondition, DanceInput
from kinetune.model.conditioning.similarity import MotionEmbedding
from kinetune.model.mel import MelVocoder
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.presets import build_pipeline, preset_config
from kinetune.model.sampling.edit_spec import EditSpec
from kinetune.model.sampling.editing import edit_music
from kinetune.model.sampling.loops import tile_features
from kinetune.motion.features import rhythm_features
from kinetune.motion.group import DanceGroup
from kinetune.training.metric_networks.similarity import motion_embedding
from tests.conftest import swaying_clip
from tests.model.conftest import TINY_VOCODER, shaken, tiny_stereo_config

GAIN = 4.0 / 14.0
BEATS_S = timebase.beat_times(120.0, 0.25, 4.0)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def encoder(width=8):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DanceCondition(channels=32, mel_frames=128, similarity=width).eval()


def dance_with(vectors):
    return DanceInput(noise(120, 58), "HO", BEATS_S, 0.25, similarity=vectors)


def encoded(network, vectors, start_s=0.0):
    batch = network.gather(dance_with(vectors), start_s)
    with torch.no_grad():
        return batch, network(batch)


def with_similarity():
    """A small pipeline that answers the bundled network's motion vectors."""
    made = shaken(build_pipeline(replace(tiny_stereo_config(), similarity=True)))
    made.condition_encoder.similarity_in.weight.data.copy_(0.05 * noise(32, 128))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vocoder = MelVocoder(**as_table(TINY_VOCODER))
    made.register_modules(vocoder=vocoder, similarity=motion_embedding(load_network()))
    return made


@pytest.fixture(scope="module")
def pipeline():
    return with_similarity()


def test_the_vectors_are_those_of_the_metric():
    embedding = motion_embedding(load_network())
    clip = swaying_clip(duration_s=5.0)
    expected = motion_vectors(clip)
    assert expected.shape == (75, 32)
    np.testing.assert_array_equal(embedding.of_dance(clip), expected)
    np.testing.assert_array_equal(embedding.of_features(rhythm_features(clip)), expected)
    # What a new model is built with has the bundled network's sizes.
    assert dict(embedding.config) == dict(MotionEmbedding().config)
    assert not any(each.requires_grad for each in embedding.parameters())


def test_the_vectors_of_a_group_are_the_mean_of_those_who_still_dance():
    embedding = motion_embedding(load_network())
    short, long = (swaying_clip(duration_s=s, seed=k) for k, s in enumerate((3.0, 5.0)))
    both = embedding.of_dance(DanceGroup((short, long)))
    assert both.shape == (75, 32)
    mean = (motion_vectors(short) + motion_vectors(long)[:45]) / 2
    np.testing.assert_allclose(both[:45], mean, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(both[45:], motion_vectors(long)[45:], rtol=1e-6)


def test_a_window_has_the_vectors_of_its_span():
    network = encoder()
    # Each number rises by its own slope a second, so its value names the time.
    slopes = torch.arange(1.0, 9.0)
    vectors = torch.arange(90)[:, None] / 15.0 * slopes
    batch, _ = encoded(network, vectors, start_s=1.5)
    times_s = 1.5 + torch.arange(128) / network.mel_rate_hz
    torch.testing.assert_close(batch.similarity[0], times_s[:, None] * slopes, atol=1e-4, rtol=0)


def test_a_new_encoder_answers_as_one_without_the_condition():
    _, plain = encoded(encoder(0), noise(60, 8))
    _, given = encoded(encoder(), noise(60, 8))
    for name, value in plain.items():
        torch.testing.assert_close(given[name], value, rtol=0.0, atol=0.0)


def test_vectors_add_their_map_to_the_columns():
    network = encoder()
    network.similarity_in.weight.data.normal_()
    _, plain = encoded(network, None)
    batch, given = encoded(network, noise(60, 8))
    # Four mel frames a column.
    folded = batch.similarity[0].reshape(32, 4 * 8)
    change = GAIN * folded @ network.similarity_in.weight.data.T
    torch.testing.assert_close(
        given["columns"][0] - plain["columns"][0], change.T, atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(given["vector"], plain["vector"])
    with torch.no_grad():
        dropped, without = (network(one.dropped()) for one in (batch, encoded(network, None)[0]))
    torch.testing.assert_close(dropped["columns"], without["columns"], rtol=0.0, atol=0.0)


def test_tiled_vectors_repeat():
    vectors = noise(45, 8)
    longer = tile_features(dance_with(vectors), period_s=3.0, window_s=4.0).similarity
    torch.testing.assert_close(longer[:45], vectors)
    torch.testing.assert_close(longer[45:90], vectors)
    assert tile_features(dance_with(None), period_s=3.0, window_s=4.0).similarity is None


def test_a_checkpoint_carries_its_motion_network(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    again = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    clip = swaying_clip(duration_s=5.0)
    np.testing.assert_array_equal(again.similarity.of_dance(clip), motion_vectors(clip))
    listed = describe("made", tmp_path / "model")
    assert listed.settings["similarity"] is True
    tower = sum(each.numel() for each in pipeline.similarity.parameters())
    parts = (listed.unet_parameters, listed.vae_parameters, listed.condition_parameters)
    assert listed.total_parameters == sum(parts) + listed.vocoder_parameters + tower


def test_a_checkpoint_that_lacks_its_motion_network_is_refused(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "model_index.json"
    index = json.loads(path.read_text())
    index.pop("similarity")
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match="reads motion vectors of 32 numbers, found 0"):
        DanceToMusicPipeline.from_pretrained(tmp_path / "model")


def test_a_model_without_the_condition_names_no_such_part(mono_pipeline, tmp_path):
    """Older versions refuse a component that they don't know."""
    mono_pipeline.save_pretrained(tmp_path / "model")
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert "similarity" not in index
    loaded = DanceToMusicPipeline.from_pretrained(tmp_path / "model")
    assert loaded.similarity is None
    assert describe("made", tmp_path / "model").settings["similarity"] is False


def gathered(pipeline, monkeypatch, make):
    """Return the motion vectors and starts of all windows that a call encodes."""
    encoder, seen = pipeline.condition_encoder, []
    plain = type(encoder).gather

    def gather(self, dance, start_s):
        batch = plain(self, dance, start_s)
        seen.append((start_s, batch.similarity[0].numpy()))
        return batch

    with monkeypatch.context() as patched:
        patched.setattr(type(encoder), "gather", gather)
        result = make()
    return seen, result


def check_rows(pipeline, seen, clip):
    vectors = motion_vectors(clip)
    rate_hz = pipeline.condition_encoder.mel_rate_hz
    for start_s, rows in seen:
        times_s = start_s + np.arange(len(rows)) / rate_hz
        for column in (0, 31):
            expected = np.interp(times_s, np.arange(len(vectors)) / 15.0, vectors[:, column])
            np.testing.assert_allclose(rows[:, column], expected, atol=1e-3)


def test_windows_of_a_piece_and_of_an_edit_have_the_metrics_vectors(pipeline, monkeypatch):
    clip = swaying_clip(duration_s=8.0)
    seen, music = gathered(
        pipeline, monkeypatch, lambda: pipeline(clip, genre="HO", seed=1, guidance_scale=1.0)
    )
    assert len(seen) > 2
    check_rows(pipeline, seen, clip)
    options = pipeline.sampling_options(2, guidance=1.0)
    seen, _ = gathered(
        pipeline,
        monkeypatch,
        lambda: edit_music(
            pipeline, music.sound, clip, EditSpec(redo=(3.0, 5.0)), genre="HO", sampling=options
        ),
    )
    assert seen
    check_rows(pipeline, seen, clip)


def test_a_loops_windows_have_the_vectors_of_the_stretched_dance(pipeline, monkeypatch):
    clip = swaying_clip(duration_s=6.3)
    seen, _ = gathered(
        pipeline,
        monkeypatch,
        lambda: pipeline(clip, genre="HO", seed=1, loop=True, guidance_scale=1.0),
    )
    vectors = motion_vectors(clip)
    start_s, rows = seen[0]
    assert start_s == 0.0
    # Over 6.3 s the dance is stretched by less than half a column, 46 ms.
    count = round(2.0 * pipeline.condition_encoder.mel_rate_hz)
    times_s = np.arange(count) / pipeline.condition_encoder.mel_rate_hz
    expected = np.stack(
        [np.interp(times_s, np.arange(len(vectors)) / 15.0, v) for v in vectors.T], axis=1
    )
    assert np.corrcoef(rows[:count].ravel(), expected.ravel())[0, 1] > 0.98


def test_without_its_motion_network_the_condition_is_dropped(pipeline):
    """Music with the vectors is repeatable, and another than without them."""
    clip = swaying_clip(duration_s=3.0)
    one, two = (pipeline(clip, genre="HO", seed=1).mel for _ in range(2))
    np.testing.assert_array_equal(one, two)
    network = pipeline.similarity
    try:
        pipeline.register_modules(similarity=None)
        without = pipeline(clip, genre="HO", seed=1).mel
        pipeline.condition_encoder.similarity_in.weight.data.mul_(0.0)
        pipeline.register_modules(similarity=network)
        zeroed = pipeline(clip, genre="HO", seed=1).mel
    finally:
        pipeline.register_modules(similarity=network)
        pipeline.condition_encoder.similarity_in.weight.data.copy_(0.05 * noise(32, 128))
    assert np.abs(one - without).max() > 1e-3
    np.testing.assert_array_equal(zeroed, without)


def test_the_papers_preset_has_no_such_condition():
    with pytest.raises(ConfigError, match="nor similarity as a condition"):
        build_pipeline(replace(preset_config("paper"), similarity=True))
