import json
import os
from pathlib import Path

import numpy as np
import pytest

from kinetune.audio.sound import read_sound
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import write_motion
from tests.cli.conftest import kinetune
from tests.conftest import EXAMPLE, swaying_clip


def test_json_lists_the_contents_of_the_file(tmp_path):
    done = kinetune("inspect", EXAMPLE, "--json", "--plot", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["format"] == "AIST++"
    assert (found["fps"], found["frames"], found["joints"]) == (60.0, 576, 24)
    assert found["duration_s"] == pytest.approx(9.6)
    assert found["motion_beats_s"] == sorted(found["motion_beats_s"])
    assert found["bpm"] == pytest.approx(100.0, rel=0.04)
    assert 0 <= found["first_beat_s"] < 60.0 / found["bpm"]
    beats = (found["bar_start_s"] - found["first_beat_s"]) / (60.0 / found["bpm"])
    assert abs(beats - round(beats)) < 0.01
    assert 0 <= round(beats) < 4
    assert 0 <= found["confidence"] <= 1
    assert {"bpm", "first_beat_s", "score"} <= set(found["alternatives"][0])
    assert [p.suffix for p in tmp_path.iterdir()] == [".png"]


def test_words_for_people(tmp_path):
    path = tmp_path / "sway.bvh"
    write_motion(path, swaying_clip())
    done = kinetune("inspect", path)
    assert "BVH, 24 joints" in done.stdout
    assert "240 frames at 60 fps" in done.stdout


def test_a_body_that_stands_still_has_no_tempo(tmp_path, tiny_model):
    """No number is printed that nothing was read from."""
    clip = swaying_clip()
    still = MotionClip(
        np.repeat(clip.rotations[:1], 240, 0),
        np.repeat(clip.root_m[:1], 240, 0),
        60.0,
        "still",
        "t",
    )
    write_motion(tmp_path / "still.bvh", still)
    done = kinetune("inspect", tmp_path / "still.bvh")
    assert "unknown: the body hardly moves; generate takes 105.0 bpm" in done.stdout
    assert "%" not in done.stdout
    done = kinetune("generate", "still.bvh", "--model", tiny_model, cwd=tmp_path)
    assert "at 105.0 bpm (the default: the body hardly moves)" in done.stdout
    assert "other possible" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
def test_names_of_control_characters_do_not_reach_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[31mred\udce9.bvh"
    write_motion(path, swaying_clip())
    done = kinetune("inspect", path)
    assert done.returncode == 0
    assert "a\\x1b[31mred\\udce9.bvh" in done.stdout.splitlines()[0]
    assert done.stdout.replace("\n", "").isprintable()


@pytest.mark.skipif(os.name == "nt", reason="names there are Unicode")
def test_music_is_made_for_a_file_whose_name_is_not_utf_8(tmp_path, tiny_model):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/$d\xe9nce$.bvh"))
    write_motion(path, swaying_clip())
    done = kinetune(
        "generate", path, "--model", tiny_model, "--plot", "--video", "a.mp4", "--variations", 2,
        "--steps", 1, "-o", path.with_suffix(".wav"), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sound = path.with_stem(f"{path.stem}-1").with_suffix(".wav")
    assert read_sound(sound).duration_s == pytest.approx(4.0, abs=0.01)
    done = kinetune("again", sound, "-o", tmp_path / "again.wav")
    assert (tmp_path / "again.wav").read_bytes() == sound.read_bytes(), done.stderr


def test_a_broken_file_is_one_line_and_code_2(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not really")
    done = kinetune("inspect", tmp_path / "a.npz", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
