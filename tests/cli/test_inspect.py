import json

import pytest

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


def test_a_broken_file_is_one_line_and_code_2(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not really")
    done = kinetune("inspect", tmp_path / "a.npz", "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
