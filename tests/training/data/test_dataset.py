import numpy as np
import pytest
import torch

from kinetune.corpus.folder import make_corpus
from kinetune.errors import ConfigError
from kinetune.model.presets import build_pipeline, preset_config
from kinetune.training.config import DataConfig
from kinetune.training.data import dataset
from kinetune.training.data.prepare import open_dataset


@pytest.fixture
def prepared(tiny, tmp_path):
    return open_dataset(tiny.data, tmp_path, features="rhythm")


def test_every_epoch_sees_every_window_once():
    seen = [i for step in range(5) for i in dataset.sample_batch(0, step, 20, 4)]
    assert sorted(seen) == list(range(20))
    again = [i for step in range(5, 10) for i in dataset.sample_batch(0, step, 20, 4)]
    assert sorted(again) == list(range(20))
    assert again != seen


def test_a_draw_depends_on_the_step_alone():
    assert dataset.sample_batch(1, 7, 30, 4) == dataset.sample_batch(1, 7, 30, 4)
    assert dataset.sample_batch(1, 7, 30, 4) != dataset.sample_batch(2, 7, 30, 4)
    assert len(dataset.sample_batch(0, 3, 3, 16)) == 16


def test_the_papers_windows_are_five_seconds_in_a_picture_of_six():
    with torch.device("meta"):
        shape = dataset.window_shape(build_pipeline(preset_config("paper")))
    assert shape.samples == 256 * 512
    assert shape.music_s == 5.0


def test_windows_lie_inside_their_items(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=2.0, held_out=False)
    assert len(windows) == len(prepared.items) * 3
    for window in windows:
        end = window.start_s + shape.music_s
        assert end <= prepared.items[window.item].duration_s + 1e-6


def test_too_short_items_are_said(prepared):
    shape = dataset.WindowShape(22_050 * 60, 22_050 * 60, 22_050)
    with pytest.raises(ConfigError, match="no training item lasts 60"):
        dataset.list_windows(prepared, shape, stride_s=1.0, held_out=False)


def test_a_windows_spectrogram_is_that_of_its_samples(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    shape = dataset.window_shape(pipeline)
    mel = dataset.window_mel(prepared, [dataset.Window(1, 2.0)], shape, pipeline)
    whole = prepared.samples(prepared.items[1]).astype(np.float32) / 32767
    part = torch.from_numpy(whole[2 * 22_050 : 2 * 22_050 + shape.samples])
    torch.testing.assert_close(mel, pipeline.mel.encode(part[None])[..., :128])


def test_the_beat_grid_is_shifted_with_the_condition(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    dataset.fit_normaliser(prepared, pipeline)
    conditions = dataset.Conditions(prepared, pipeline)
    window = [dataset.Window(0, 1.0)]
    still, moved = (conditions.batch(window, shift_s=[s]) for s in (0.0, 0.1))
    assert torch.equal(still.features, moved.features)
    assert not torch.allclose(still.grid, moved.grid)


def test_pairs_made_on_the_fly_are_those_of_the_corpus(tmp_path):
    make_corpus(tmp_path / "corpus", minutes=0.7, seed=3, workers=1)
    read = open_dataset(
        DataConfig(source=str(tmp_path / "corpus")), tmp_path / "a", features="rhythm"
    )
    made = open_dataset(
        DataConfig(source="", minutes=0.7, seed=3), tmp_path / "b", features="rhythm"
    )
    assert [item.name for item in made.items] == [item.name for item in read.items]
    for one, two in zip(made.items, read.items, strict=True):
        assert one.held_out == two.held_out
        np.testing.assert_allclose(one.beats_s, two.beats_s, atol=1e-5)
        away = made.samples(one).astype(int) - read.samples(two)
        assert np.abs(away).max() <= 2
        np.testing.assert_allclose(made.feature_rows(one), read.feature_rows(two), atol=0.02)


def test_nothing_to_make_on_the_fly_is_said(tmp_path):
    with pytest.raises(ConfigError, match="minutes must be positive"):
        open_dataset(DataConfig(source=""), tmp_path, features="rhythm")
