"""Readings of a dance on the command line: listed, chosen, and restricted by what a user knows."""

import json

import numpy as np
import pytest

from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.io.formats import write_motion
from tests.cli.conftest import assert_one_clear_line, kinetune


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    path = tmp_path_factory.mktemp("dance") / "dance.bvh"
    request = DanceRequest("LO", 104.0, 6.0, first_beat_s=0.4, fps=30.0)
    write_motion(path, choreograph(17, request).clip)
    return path


@pytest.fixture(scope="module")
def readings(motion):
    found = json.loads(kinetune("inspect", motion, "--json").stdout)
    return found["readings"], found


@pytest.fixture
def piece(motion, tmp_path, tiny_model):
    """What generate says of the dance, and its beat map, with some options."""

    def make(*options):
        done = kinetune(
            "generate", motion, "-o", tmp_path / "a.wav", "--force", "--model", tiny_model,
            "--steps", 1, "--genre", "locking", "--beat-map", "json", "--json", *options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0], json.loads((tmp_path / "a.beats.json").read_text())

    return make


def test_readings_are_listed_with_their_odds_best_first(readings):
    listed, found = readings
    assert len(listed) >= 3
    assert set(listed[0]) == {"bpm", "first_beat_s", "bar_start_s", "metre", "probability"}
    odds = [reading["probability"] for reading in listed]
    assert odds == sorted(odds, reverse=True)
    assert 0.0 <= sum(odds) <= 1.0 + 1e-3
    assert listed[0]["bpm"] == pytest.approx(found["bpm"], abs=1e-3)
    assert found["confidence"] == pytest.approx(odds[0], abs=1e-4)
    for reading in listed:
        period_s = 60.0 / reading["bpm"]
        assert 0.0 <= reading["first_beat_s"] < period_s + 1e-3
        beats = (reading["bar_start_s"] - reading["first_beat_s"]) / period_s
        assert abs(beats - round(beats)) < 0.01
        assert reading["metre"] in (3, 4)


@pytest.mark.parametrize("number", [1, 2])
def test_a_reading_that_is_taken_is_the_one_that_was_listed(piece, readings, number):
    made, beats = piece("--reading", number)
    wanted = readings[0][number - 1]
    assert made["bpm"] == pytest.approx(wanted["bpm"], abs=0.01)
    assert made["beats_s"][0] == pytest.approx(wanted["first_beat_s"], abs=0.002)
    assert np.abs(np.array(beats["downbeats_s"]) - wanted["bar_start_s"]).min() < 0.002


def test_a_reading_that_there_is_not_is_one_clear_line(motion, tmp_path, tiny_model):
    done = kinetune(
        "generate", motion, "--reading", 40, "--model", tiny_model, "--json", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "readings of this dance, found 40" in done.stderr
    done = kinetune("generate", motion, "--reading", 0, "--model", tiny_model, cwd=tmp_path)
    assert_one_clear_line(done)


def test_a_tempo_is_held_and_the_dance_says_where_its_beats_are(piece):
    made, _ = piece("--bpm", 104)
    np.testing.assert_allclose(np.diff(made["beats_s"]), 60.0 / 104.0, atol=1e-3)
    away = (np.array(made["beats_s"]) - 0.4) / (60.0 / 104.0)
    # A tempo alone leaves the phase to the dance, which was danced to beats at 0.4 s.
    assert np.abs(away - np.round(away)).max() * 60.0 / 104.0 < 0.07


def test_a_first_beat_opens_a_bar_and_the_dance_says_the_tempo(piece):
    made, beats = piece("--first-beat", 0.4)
    assert np.abs(np.array(beats["downbeats_s"]) - 0.4).min() < 1e-3
    assert made["bpm"] == pytest.approx(104.0, rel=0.04)


def test_bars_of_three_are_bars_of_three_everywhere(piece):
    _, beats = piece("--metre", 3)
    assert beats["metre"] == 3
    first = beats["beats_s"].index(beats["downbeats_s"][0])
    assert first < 3
    assert beats["downbeats_s"] == beats["beats_s"][first::3]


def test_what_is_known_together_leaves_one_grid(piece):
    made, beats = piece("--bpm", 100, "--first-beat", 0.7, "--metre", 3)
    assert made["bpm"] == 100.0
    np.testing.assert_allclose(made["beats_s"], np.arange(0.1, 6.0, 0.6), atol=1e-3)
    np.testing.assert_allclose(beats["downbeats_s"], [0.7, 2.5, 4.3], atol=1e-3)


def test_another_metre_is_one_clear_line(motion, tmp_path):
    done = kinetune("generate", motion, "--metre", 5, cwd=tmp_path)
    assert_one_clear_line(done)
    assert "3 or 4 beats to the bar" in done.stderr
