import json

import pytest
import soundfile

from kinetune.motion.io.formats import write_motion
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.conftest import swaying_clip


@pytest.fixture(scope="module")
def dance(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "dance.bvh"
    write_motion(path, swaying_clip(duration_s=14.0))
    return path


@pytest.mark.slow
def test_a_replayed_file_becomes_a_wav_file_and_a_report(dance, tmp_path):
    done = kinetune("live", dance, "--fast", "-o", tmp_path / "a.wav", "--json", "--bpm", 120)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["bpm"] == pytest.approx(120.0, abs=1.0)
    assert result["phase_lock"] > 0.8
    assert result["underruns"] == 0
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.samplerate, info.channels) == (44_100, 2)
    assert info.duration == pytest.approx(result["duration_s"], abs=1e-3)
    again = kinetune("live", dance, "--fast", "-o", tmp_path / "a.wav")
    assert_one_clear_line(again)
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "a.wav"), "either a motion file, or --osc"),
        (("dance.bvh", "--osc", 9000, "-o", "a.wav"), "either a motion file, or --osc"),
        (("dance.bvh",), "somewhere to play"),
        (("dance.bvh", "-o", "a.mp3"), "written as .wav"),
        (("dance.bvh", "-o", "a.wav", "--bpm", 10), "30 to 300"),
        (("dance.bvh", "-o", "a.wav", "--window", 2), "6 to 60 s"),
        (("dance.bvh", "-o", "a.wav", "--seconds", -1), "above 0 s"),
        (("--osc", 70000, "-o", "a.wav"), "0 to 65535"),
        (("--osc", 9000, "-o", "a.wav", "--fast"), "--fast replays a file"),
        (("missing.bvh", "-o", "a.wav"), "missing.bvh"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments, message, tmp_path):
    done = kinetune("live", *arguments, cwd=tmp_path)
    assert_one_clear_line(done)
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_port_in_use_is_one_clear_line_and_leaves_no_file(tmp_path):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        done = kinetune("live", "--osc", port, "-o", "a.wav", "--seconds", 1, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "name another port" in done.stderr
    assert list(tmp_path.iterdir()) == []
