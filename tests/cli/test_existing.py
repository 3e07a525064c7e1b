"""Existing files are not overwritten without ``--force``."""

import json

import pytest

from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.cli.test_edit import tune
from tests.cli.test_generate import dance


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sway.wav", []),
        ("sway.json", []),
        ("sway.mid", ["--beat-map", "midi"]),
        ("sway.beats.json", ["--beat-map", "json"]),
        ("sway.png", ["--plot"]),
        ("film.mp4", ["--video", "film.mp4"]),
        ("sway-2.wav", ["--variations", "2"]),
        ("sway-2.json", ["--variations", "2"]),
        ("sway-variations.png", ["--variations", "2"]),
        ("sway.flac", ["--format", "flac"]),
    ],
)
def test_generate_refuses_before_any_work_and_replaces_with_force(
    tmp_path, tiny_model, name, options
):
    motion = dance(tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    command = ("generate", motion, "--model", tiny_model, *options)
    # A model that isn't there would be an error too: files are looked at first.
    done = kinetune(*command, "--model", "none", cwd=tmp_path)
    assert_one_clear_line(done)
    assert f"{name} exists already" in done.stderr
    assert "--force" in done.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / name).read_bytes() == b"mine"
    if name != "film.mp4":
        assert kinetune(*command, "--force", cwd=tmp_path).returncode == 0
        assert (tmp_path / name).read_bytes() != b"mine"


def test_what_exists_is_left_out_of_a_batch_on_request(tmp_path, tiny_model):
    one, two = dance(tmp_path), dance(tmp_path, "b.bvh", seed=1)
    (tmp_path / "sway.wav").write_bytes(b"mine")
    command = ("generate", one, two, "--model", tiny_model)
    assert_one_clear_line(kinetune(*command, cwd=tmp_path))
    done = kinetune(*command, "--skip-existing", cwd=tmp_path)
    assert done.returncode == 0
    assert "1 skipped: their sound files exist" in done.stdout
    assert (tmp_path / "sway.wav").read_bytes() == b"mine"
    assert (tmp_path / "b.wav").is_file()
    assert_one_clear_line(kinetune(*command, "--skip-existing", "--force", cwd=tmp_path))


@pytest.mark.parametrize("name", ["tune-edit.wav", "tune-edit.json", "tune-edit.png", "a.mp4"])
def test_edit_refuses(tmp_path, tiny_model, name):
    music, motion = tune(tmp_path), dance(tmp_path)
    (tmp_path / name).write_bytes(b"mine")
    command = (
        "edit",
        music,
        "--motion",
        motion,
        "--redo",
        "0.5:1",
        "--exact",
        "--model",
        tiny_model,
    )
    options = ["--plot"] if name.endswith("png") else ["--video", "a.mp4"] * name.endswith("mp4")
    done = kinetune(*command, *options, cwd=tmp_path)
    assert_one_clear_line(done)
    assert f"{name} exists already" in done.stderr
    assert (tmp_path / name).read_bytes() == b"mine"


def test_film_and_inspect_and_again_refuse(tmp_path, tiny_model):
    music, motion = tune(tmp_path), dance(tmp_path)
    kinetune("generate", motion, "-o", tmp_path / "a.wav", "--model", tiny_model)
    for name, command in (
        ("tune.mp4", ("film", motion, music)),
        ("sway.png", ("inspect", motion, "--plot")),
        ("a-again.wav", ("again", "a.wav")),
    ):
        (tmp_path / name).write_bytes(b"mine")
        done = kinetune(*command, cwd=tmp_path)
        assert_one_clear_line(done)
        assert f"{name} exists already" in done.stderr
        assert (tmp_path / name).read_bytes() == b"mine"


def test_a_film_of_any_dance_with_any_music(tmp_path):
    av = pytest.importorskip("av")
    music, motion = tune(tmp_path, 1.0), dance(tmp_path)
    done = kinetune("film", motion, music, "--bpm", 120, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["output"], told["bpm"]) == ("tune.mp4", 120.0)
    assert (told["duration_s"], told["music_s"]) == pytest.approx((2.0, 1.0), abs=0.02)
    with av.open(str(tmp_path / "tune.mp4")) as film:
        assert {stream.type for stream in film.streams} == {"video", "audio"}
        assert sum(1 for _ in film.decode(film.streams.video[0])) == 60


def test_an_edit_can_be_filmed(tmp_path, tiny_model):
    av = pytest.importorskip("av")
    done = kinetune(
        "edit", tune(tmp_path), "--motion", dance(tmp_path), "--redo", "0.5:1", "--exact",
        "--model", tiny_model, "--video", "edit.mp4", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "video: edit.mp4" in done.stdout
    with av.open(str(tmp_path / "edit.mp4")) as film:
        assert film.streams.video[0].frames == 60
