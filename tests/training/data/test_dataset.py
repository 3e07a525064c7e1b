import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kinetune import genres
from kinetune.audio.sound import Sound, write_sound
from kinetune.corpus.folder import PairSettings, make_corpus
from kinetune.errors import ConfigError
from kinetune.model.presets import build_pipeline, preset_config
from kinetune.training.config import DataConfig
from kinetune.training.data import dataset
from kinetune.training.data.prepare import (
    PreparedItem,
    PreparedSet,
    open_dataset,
    open_prepared,
)
from tests.conftest import MONO
from tests.model.conftest import tiny_stereo_config

SHORT_PAIRS = PairSettings(duration_s=3.0, **MONO)


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


def test_windows_are_inside_their_items(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(prepared, shape, stride_s=2.0, held_out=False)
    assert len(windows) == len(prepared.items) * 3
    for window in windows:
        end = window.start_s + shape.music_s
        assert end <= prepared.items[window.item].duration_s + 1e-6


def items(*durations_s, held_out=False):
    """A prepared set of items of these lengths; its files are never read."""
    parts = [
        PreparedItem(
            name=f"item{k}", genre="HO", duration_s=length, beats_s=(), bar_start_s=0.0,
            held_out=held_out, digest=str(k),
        )
        for k, length in enumerate(durations_s)
    ]  # fmt: skip
    return PreparedSet(Path("nowhere"), "rhythm", 1000, tuple(parts))


FIVE_SECONDS = dataset.WindowShape(5000, 5000, 1000)


def test_windows_begin_at_every_stride_and_end_inside_the_item():
    found = dataset.list_windows(items(5.0, 7.9, 4.9, 8.0), FIVE_SECONDS, stride_s=1.5)
    assert [(w.item, w.start_s) for w in found] == [
        (0, 0.0), (1, 0.0), (1, 1.5), (3, 0.0), (3, 1.5), (3, 3.0),
    ]  # fmt: skip
    assert all(w.length_s is None for w in found)


def test_short_items_give_one_padded_window():
    found = dataset.list_windows(items(6.0, 4.0, 2.0), FIVE_SECONDS, stride_s=1.0, shortest_s=3.0)
    assert found == [
        dataset.Window(0, 0.0), dataset.Window(0, 1.0), dataset.Window(1, 0.0, 4.0),
    ]  # fmt: skip


def test_held_out_items_are_listed_apart():
    prepared = items(6.0, held_out=True)
    assert len(dataset.list_windows(prepared, FIVE_SECONDS, stride_s=1.0, held_out=True)) == 2
    assert dataset.list_windows(items(6.0), FIVE_SECONDS, stride_s=1.0, held_out=True) == []
    with pytest.raises(ConfigError):
        dataset.list_windows(prepared, FIVE_SECONDS, stride_s=1.0)


def test_too_short_items_are_one_line():
    with pytest.raises(ConfigError, match=r"no training item lasts 5.00 s; .*window_frames"):
        dataset.list_windows(items(4.0), FIVE_SECONDS, stride_s=1.0)
    with pytest.raises(ConfigError, match="no training item lasts 3.00 s"):
        dataset.list_windows(items(2.0), FIVE_SECONDS, stride_s=1.0, shortest_s=3.0)


def test_the_mask_counts_columns_whose_centre_the_item_covers(tiny):
    pipeline = build_pipeline(tiny.model)
    window_s = 128 * 512 / 22_050
    windows = [dataset.Window(0, 0.0), dataset.Window(0, 0.0, window_s * 0.25)]
    for count in (128, 64):
        mask = dataset.window_mask(windows, count, pipeline)
        assert mask.shape == (2, count)
        assert mask.dtype == torch.float32
        assert mask[0].all()
        assert mask[1, : count // 4].all()
        assert not mask[1, count // 4 :].any()


def test_a_windows_spectrogram_is_that_of_its_samples(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    shape = dataset.window_shape(pipeline)
    mel = dataset.window_mel(prepared, [dataset.Window(1, 2.0)], pipeline)
    whole = prepared.samples(prepared.items[1]).astype(np.float32) / 32767
    part = torch.from_numpy(whole[2 * 22_050 : 2 * 22_050 + shape.samples])
    torch.testing.assert_close(mel, pipeline.mel.encode(part[None])[..., :128])


def test_a_windows_conditions_are_those_of_its_span(tiny, prepared):
    """Features and grid of a window at 1.0 s are those of the whole dance from 1.0 s on."""
    pipeline = build_pipeline(tiny.model)
    dataset.fit_normaliser(prepared, pipeline)
    conditions = dataset.Conditions(prepared, pipeline)
    batch = conditions.batch([dataset.Window(1, 1.0)], shift_s=[0.0])
    item = prepared.items[1]
    rows = pipeline.normaliser(torch.from_numpy(prepared.feature_rows(item)))
    times_s = 1.0 + np.arange(128) * 512 / 22_050
    for column in (0, 30, 57):
        expected = np.interp(times_s, np.arange(len(rows)) / 30.0, rows[:, column].numpy())
        np.testing.assert_allclose(batch.features[0, :, column], expected, atol=1e-4)
    beats = np.array(item.beats_s)
    inside = beats[(beats > 1.1) & (beats < 1.0 + 127 * 512 / 22_050)]
    sine = np.interp(inside, times_s, batch.grid[0, :, 0].numpy())
    np.testing.assert_allclose(sine, 0.0, atol=0.05)
    assert genres.CODES[batch.genre[0]] == item.genre


def test_a_shift_moves_the_beats_later(tiny, prepared):
    pipeline = build_pipeline(tiny.model)
    dataset.fit_normaliser(prepared, pipeline)
    conditions = dataset.Conditions(prepared, pipeline)
    at_one, moved = (
        conditions.batch([dataset.Window(0, start)], shift_s=[shift])
        for start, shift in ((1.0, 0.0), (1.1, 0.1))
    )
    # A grid that is 0.1 s later looks from 1.1 s as it did from 1.0 s before.
    torch.testing.assert_close(at_one.grid, moved.grid, atol=1e-3, rtol=1e-3)
    assert not torch.equal(at_one.features, moved.features)


def test_the_caches_name_changes_with_what_made_it(tmp_path):
    folder = tmp_path / "corpus"
    make_corpus(folder, minutes=0.1, seed=3, settings=SHORT_PAIRS, workers=1)

    def opened(**change):
        data = DataConfig(**{"source": str(folder), "held_out": 0} | change)
        return open_dataset(data, tmp_path / "cache", features=change.pop("features", "rhythm"))

    first = opened()
    assert opened().folder == first.folder
    assert opened(held_out=2).folder != first.folder
    audio = next((folder / "audio").iterdir())
    write_sound(audio, Sound(np.zeros(22_050 * 3, dtype=np.float32), 22_050))
    silent = opened()
    assert silent.folder != first.folder
    assert silent.identity != first.identity


def test_a_manifest_can_not_lead_out_of_its_folder(tmp_path):
    folder = tmp_path / "corpus"
    make_corpus(folder, minutes=0.05, seed=3, settings=SHORT_PAIRS, workers=1)
    manifest = folder / "manifest.jsonl"
    line = json.loads(manifest.read_text().splitlines()[0])
    before = sorted(tmp_path.rglob("*"))
    for name in ("../../../x", "/tmp/x", "a/b", "..", "", "a\\b", "a\nb", "x" * 300, ".hidden"):
        manifest.write_text(json.dumps({**line, "id": name}) + "\n")
        with pytest.raises(ConfigError, match=r"manifest.jsonl:1: id: expected a plain file name"):
            open_dataset(DataConfig(source=str(folder)), tmp_path / "run", features="rhythm")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../x"}, "expected a plain file name"),
        ({"duration_s": "long"}, r"items\[0\].duration_s: expected float, found 'long'"),
        ({"genre": ""}, "genre"),
        ({"extra": 1}, r"unknown key 'extra' in \[items\[0\]\]"),
    ],
)
def test_a_damaged_prepared_folder_is_one_line(tmp_path, change, message):
    item = {
        "name": "a", "genre": "HO", "duration_s": 5.0, "beats_s": [], "bar_start_s": 0.0,
        "held_out": False, "digest": "",
    }  # fmt: skip
    table = {"version": 2, "features": "rhythm", "rate_hz": 22_050, "items": [item | change]}
    (tmp_path / "prepared.json").write_text(json.dumps(table))
    with pytest.raises(ConfigError, match=message) as error:
        open_prepared(tmp_path)
    assert "prepared.json" in str(error.value)
    assert "\n" not in str(error.value)


def npy(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def test_missing_samples_are_one_line(prepared):
    item = prepared.items[0]
    (prepared.folder / "samples" / f"{item.name}.npy").write_bytes(b"x")
    (prepared.folder / "features" / f"{item.name}.npy").unlink()
    with pytest.raises(ConfigError, match="missing or damaged"):
        prepared.samples(item)
    with pytest.raises(ConfigError, match="missing or damaged"):
        prepared.feature_rows(item)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'shape': (3, (".ljust(128),
        npy(np.zeros((4, 3), np.int8)),
        npy(np.zeros(4, np.float32)),
        b"PK\x03\x04" + bytes(40),
    ],
    ids=["header", "type", "axes", "archive"],
)  # fmt: skip
def test_damaged_features_are_one_line(tmp_path, content):
    item = PreparedItem("a", "HO", 5.0, (), 0.0, False, "")
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "a.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.npy: missing or damaged .*; prepare it again"):
        PreparedSet(tmp_path, "rhythm", 22_050, (item,)).feature_rows(item)


def test_pairs_made_on_the_fly_are_those_of_the_corpus(tmp_path):
    settings = PairSettings(**MONO)
    make_corpus(tmp_path / "corpus", minutes=0.7, seed=3, settings=settings, workers=1)
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


def test_nothing_to_make_on_the_fly_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="minutes must be positive"):
        open_dataset(DataConfig(source=""), tmp_path, features="rhythm")


@pytest.fixture(scope="module")
def stereo_model():
    return build_pipeline(tiny_stereo_config())


@pytest.fixture
def stereo(stereo_model, tmp_path):
    """Two prepared items of stereo sound, made as dances and music."""
    data = DataConfig(source="", minutes=0.8, seed=4, stride_s=1.0, held_out=0)
    return dataset.open_windows(data, tmp_path, stereo_model)


def test_stereo_music_is_prepared_with_both_channels(stereo):
    prepared, _ = stereo
    samples = prepared.samples(prepared.items[0])
    assert (prepared.rate_hz, prepared.channels) == (44_100, 2)
    assert samples.shape == (round(prepared.items[0].duration_s * 44_100), 2)
    assert np.abs(samples[:, 0].astype(int) - samples[:, 1]).max() > 100


def test_a_stereo_window_is_the_spectrogram_of_its_samples(stereo, stereo_model):
    """Away from its ends, where the window cut out of the whole item has its neighbours."""
    prepared, windows = stereo
    window = windows[3]
    first = dataset.timebase.samples_in(window.start_s, 44_100)
    assert first % 1024 == 0
    part = prepared.samples(prepared.items[window.item])[first : first + 128 * 1024]
    alone = stereo_model.mel.encode(torch.from_numpy(part.T / 32767.0)[None])[0, :, :128]
    cut = dataset.window_mel(prepared, [window], stereo_model)[0]
    assert cut.shape == (320, 128)
    torch.testing.assert_close(cut[:, 4:-4], alone[:, 4:-4], atol=2e-3, rtol=0.0)


def test_beyond_an_items_end_there_is_silence(stereo, stereo_model):
    prepared, windows = stereo
    short = dataset.Window(windows[0].item, 0.0, length_s=1.0)
    mel = dataset.window_mel(prepared, [short], stereo_model)[0]
    assert mel[:, 43:].eq(-1.0).all()
    assert not mel[:, :43].eq(-1.0).all()


def test_data_prepared_for_another_model_is_refused(prepared, stereo_model):
    data = DataConfig(source=str(prepared.folder))
    with pytest.raises(ConfigError, match="at 22050 Hz in 1 channel, .* 44100 Hz in 2 channels"):
        dataset.open_windows(data, prepared.folder, stereo_model)
