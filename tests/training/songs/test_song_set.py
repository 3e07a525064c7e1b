"""Folders of songs as training sets, and what is wrong with some of them."""

import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from kinetune.errors import ConfigError, OutputError
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.data.prepared_set import open_prepared
from kinetune.training.songs import kept_items, song_set
from kinetune.training.songs.song_set import SongSetRequest, held_out_names, prepare_songs
from tests.training.songs.conftest import RATE_HZ, song_samples


@pytest.fixture(scope="module")
def prepared(songs, tmp_path_factory, tiny_model):
    out = tmp_path_factory.mktemp("set")
    return prepare_songs(SongSetRequest(songs, out, model=str(tiny_model), held_out_every=3)), out


def test_genres_are_those_of_the_folders(prepared):
    result, out = prepared
    assert sorted((item.name, item.genre) for item in open_prepared(out).items) == [
        ("ho-a", "HO"), ("salsa-a", "salsa"), ("salsa-b", "salsa"), ("salsa-c", "salsa"),
    ]  # fmt: skip
    assert result.left_out == ()
    assert all(item.tonic == 0 for item in result.prepared.items)
    assert all(len(item.chords) >= 6 for item in result.prepared.items)


def test_features_are_in_the_units_of_the_models_bodies(prepared, tiny_model):
    """The model's own normaliser brings the energy to deviations; other columns to 0."""
    result, _ = prepared
    import torch

    normaliser = DanceToMusicPipeline.from_pretrained(tiny_model).normaliser
    for item in result.prepared.items:
        rows = torch.from_numpy(result.prepared.feature_rows(item))
        units = normaliser(rows).detach().numpy()
        assert abs(units[:, 0].mean()) < 0.1
        assert not units[:, 50:].any()
        assert len(rows) == pytest.approx(item.duration_s * 30, abs=1)


def test_the_music_has_the_models_loudness(prepared):
    import pyloudnorm

    result, _ = prepared
    item = result.prepared.items[0]
    samples = result.prepared.samples(item).astype(np.float64) / 32767.0
    assert pyloudnorm.Meter(22_050).integrated_loudness(samples) == pytest.approx(-19.0, abs=0.3)


def test_a_second_call_analyses_only_what_is_new(prepared, songs, tiny_model, monkeypatch):
    result, out = prepared
    analysed = []
    real = song_set.analyse_song
    monkeypatch.setattr(song_set, "analyse_song", lambda s, n: (analysed.append(n), real(s, n))[1])
    again = prepare_songs(SongSetRequest(songs, out, model=str(tiny_model), held_out_every=3))
    assert analysed == []
    assert again.prepared.items == result.prepared.items
    kept = out / "songs" / "salsa-b.json"
    kept.write_text(json.dumps({"key": "other"}))
    prepare_songs(SongSetRequest(songs, out, model=str(tiny_model), held_out_every=3))
    assert [name.endswith("b.flac") for name in analysed] == [True]


def test_an_unsuitable_song_is_analysed_once(tmp_path, tiny_model, monkeypatch):
    """Its reason is kept for its content and the tracker, whatever the folder is called."""
    first = tmp_path / "songs"
    first.mkdir()
    soundfile.write(first / "good.wav", song_samples(), RATE_HZ)
    noise = np.random.default_rng(0).normal(size=12 * RATE_HZ) * 0.1
    soundfile.write(first / "noise.wav", noise, RATE_HZ)
    request = SongSetRequest(first, tmp_path / "out", "tango", str(tiny_model))
    before = prepare_songs(request).left_out[0]
    analysed = []
    real = song_set.analyse_song
    monkeypatch.setattr(song_set, "analyse_song", lambda s, n: (analysed.append(n), real(s, n))[1])
    moved = first.rename(tmp_path / "elsewhere")
    after = prepare_songs(replace(request, folder=moved)).left_out[0]
    assert analysed == []
    assert (before.file, after.file) == (str(first / "noise.wav"), str(moved / "noise.wav"))
    assert after.reason == before.reason.replace(before.file, after.file)
    assert after.reason.startswith(f"{after.file}: no regular beat (pulse clarity 0.0")
    monkeypatch.setattr(kept_items, "beat_tracker", lambda: "another")
    prepare_songs(replace(request, folder=moved))
    assert sorted(name.rpartition("/")[2] for name in analysed) == ["good.wav", "noise.wav"]


def test_songs_that_cannot_be_used_are_listed_and_the_rest_goes_on(tmp_path, tiny_model):
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "good.wav", song_samples(), RATE_HZ)
    soundfile.write(folder / "silent.wav", np.zeros(10 * RATE_HZ, np.float32), RATE_HZ)
    soundfile.write(folder / "short.wav", song_samples(bars=2), RATE_HZ)
    noise = np.random.default_rng(0).normal(size=12 * RATE_HZ) * 0.1
    soundfile.write(folder / "noise.wav", noise, RATE_HZ)
    (folder / "damaged.mp3").write_bytes(b"\xff\xfb\x90" + bytes(range(256)) * 20)
    (folder / "empty.flac").write_bytes(b"")
    (folder / "protected.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4P " + bytes(500))
    # A header of three hours of mono sound.
    with soundfile.SoundFile(folder / "long.flac", "w", 4000, 1) as file:
        for _ in range(180):
            file.write(np.zeros(60 * 4000, np.float32))
    result = prepare_songs(
        SongSetRequest(folder, tmp_path / "out", genre="tango", model=str(tiny_model))
    )
    assert [item.name for item in result.prepared.items] == ["tango-good"]
    reasons = {each.file.rpartition("/")[2]: each.reason for each in result.left_out}
    expected = {
        "silent.wav": "silent", "short.wav": "lasts 4.2 s", "noise.wav": "no regular beat",
        "damaged.mp3": "damaged.mp3", "empty.flac": "not a sound file",
        "protected.m4a": "protected", "long.flac": "lasts 3.0 h, at most 2.5 h",
    }  # fmt: skip
    assert reasons.keys() == expected.keys()
    for name, words in expected.items():
        assert words in reasons[name]
        assert "\n" not in reasons[name]


def test_two_songs_with_one_name_are_both_kept_and_said(tmp_path, tiny_model):
    for folder in ("one", "two"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        soundfile.write(tmp_path / "in" / folder / "x.wav", song_samples(), RATE_HZ)
    result = prepare_songs(
        SongSetRequest(tmp_path / "in", tmp_path / "out", genre="HO", model=str(tiny_model))
    )
    assert [item.name for item in result.prepared.items] == ["ho-x", "ho-x-2"]
    assert "same name" in result.notes[0]


def test_a_small_set_holds_out_one_song_at_least():
    names = [f"song-{number}" for number in range(4)]
    assert len(held_out_names(names, 1000)) == 1
    assert held_out_names(names, 1) == set(names)
    assert held_out_names(names, 0) == held_out_names(names[:1], 1000) == set()


def test_a_song_is_held_out_although_the_chosen_one_cannot_be_used(tmp_path, tiny_model):
    folder = tmp_path / "songs"
    folder.mkdir()
    names = [f"tango-{number}" for number in range(3)]
    (chosen,) = held_out_names(names, 1000)
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", song_samples(bars=4, seed=number), RATE_HZ)
    (folder / f"{chosen.removeprefix('tango-')}.wav").write_bytes(b"ID3" + bytes(range(256)))
    request = SongSetRequest(folder, tmp_path / "out", "tango", str(tiny_model), 1000)
    result = prepare_songs(request)
    reason = result.left_out[0].reason
    assert "(Format not recognised.)" in reason
    held_out = [item.name for item in result.prepared.items if item.held_out]
    assert held_out == sorted(held_out_names([n for n in names if n != chosen], 1000))
    assert open_prepared(tmp_path / "out").items == result.prepared.items
    assert not any(
        item.held_out for item in prepare_songs(replace(request, held_out_every=0)).prepared.items
    )


def test_nothing_to_prepare_is_an_error(tmp_path, tiny_model, songs):
    with pytest.raises(ConfigError, match="no such folder"):
        prepare_songs(SongSetRequest(tmp_path / "none", tmp_path / "out", model=str(tiny_model)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no songs"):
        prepare_songs(SongSetRequest(tmp_path / "empty", tmp_path / "out", model=str(tiny_model)))
    shutil.copy(songs / "salsa" / "a.flac", tmp_path / "empty" / "a.flac")
    with pytest.raises(ConfigError, match="of which genre"):
        prepare_songs(SongSetRequest(tmp_path / "empty", tmp_path / "out", model=str(tiny_model)))
    (tmp_path / "empty" / "a.flac").write_bytes(b"x")
    with pytest.raises(ConfigError, match="none of 1 files can be used"):
        prepare_songs(
            SongSetRequest(tmp_path / "empty", tmp_path / "out", genre="HO", model=str(tiny_model))
        )


def test_a_full_disk_ends_the_work_with_one_line(songs, tmp_path, tiny_model, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kinetune.training.data.prepare.np.save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        prepare_songs(SongSetRequest(songs, tmp_path / "out", model=str(tiny_model)))
    assert not (tmp_path / "out" / "prepared.json").exists()


def test_songs_with_uncertain_beats_are_listed_and_left_out(tmp_path, tiny_model):
    songs = tmp_path / "songs"
    songs.mkdir()
    parts = [song_samples(bpm=bpm, bars=6) for bpm in (84.0, 131.0, 103.0)]
    soundfile.write(songs / "jumps.flac", np.concatenate(parts), RATE_HZ)
    soundfile.write(songs / "steady.flac", song_samples(bars=18), RATE_HZ)
    request = SongSetRequest(songs, tmp_path / "set", "salsa", str(tiny_model), 0)
    result = prepare_songs(request)
    assert [item.name for item in result.prepared.items] == ["salsa-steady"]
    (left_out,) = result.left_out
    assert left_out.file == str(songs / "jumps.flac")
    assert "its beats are uncertain" in left_out.reason
    assert left_out.reason.startswith(left_out.file)
