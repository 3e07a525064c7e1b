import json

import numpy as np
import pytest

import kinetune as library
from kinetune.audio.sound import read_sound, write_sound
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.motion.io.formats import read_motion, write_motion
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.conftest import EXAMPLE, swaying_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A body that swings at 120 bpm, and clicks at 114, 126 and 150 bpm."""
    here = tmp_path_factory.mktemp("fit")
    write_motion(here / "dance.bvh", swaying_clip(duration_s=8.0))
    for bpm in (114, 126, 150):
        beats = np.arange(0.3, 11.9, 60.0 / bpm)
        write_sound(here / f"clicks{bpm}.wav", click_track(beats, 12.0))
    return here


BEATS = ("--bpm", 120, "--first-beat", 0.0)


def test_the_song_is_written_with_its_clicks_on_the_beats(folder, tmp_path):
    done = kinetune(
        "fit", folder / "clicks114.wav", folder / "dance.bvh", *BEATS, "-o", tmp_path / "f.wav",
        "--warp", "csv", "--warp", "reaper", "--warp", "ableton", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (ranked,) = json.loads(done.stdout)["dances"]
    (fit,) = ranked["fits"]
    assert fit["stretch"] == pytest.approx(114 / 120, abs=0.001)
    assert {"offset_s", "score", "chance_score", "p_value", "readings", "verdict"} <= set(fit)
    assert fit["score"] > fit["chance_score"]
    song = read_sound(tmp_path / "f.wav")
    assert song.duration_s == pytest.approx(8.0)
    assert ranked["files"]["song"] == (tmp_path / "f.wav").as_posix()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"f.wav", "f.warp.csv", "f.reaper.lua", "f.ableton.xml"}
    mono = np.abs(song.samples)
    for beat_s in np.arange(1.0, 7.5, 0.5):
        around = mono[round((beat_s - 0.2) * 22050) : round((beat_s + 0.2) * 22050)]
        attack_s = beat_s - 0.2 + np.argmax(around > 0.3 * around.max()) / 22050
        assert attack_s == pytest.approx(beat_s, abs=0.02)


def test_songs_are_ranked_and_one_that_cannot_fit_is_last(folder):
    done = kinetune("fit", folder, folder / "dance.bvh", *BEATS, "--json")
    fits = json.loads(done.stdout)["dances"][0]["fits"]
    assert fits[-1]["song"].endswith("clicks150.wav")
    assert fits[-1]["verdict"] == "no fit"
    assert fits[-1]["stretch"] is None
    assert fits[0]["verdict"] != "no fit"
    done = kinetune("fit", folder, folder / "dance.bvh", *BEATS)
    assert "3  " in done.stdout
    assert "no fit: the tempi are too far apart: song 150.0 bpm, dance 120.0 bpm" in done.stdout


def test_no_fit_writes_nothing_and_says_why(folder, tmp_path):
    done = kinetune(
        "fit", folder / "clicks150.wav", folder / "dance.bvh", *BEATS, "-o", tmp_path / "f.wav"
    )
    assert_one_clear_line(done)
    assert "no fit, nothing written: the tempi are too far apart" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_dance_is_retimed_to_the_song(folder, tmp_path):
    done = kinetune(
        "fit", folder / "clicks126.wav", folder / "dance.bvh", *BEATS, "--from-start",
        "--dance", tmp_path / "new.bvh", "-o", tmp_path / "song.wav", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    dance, song = read_motion(tmp_path / "new.bvh"), read_sound(tmp_path / "song.wav")
    assert dance.duration_s == pytest.approx(8.0 * 120 / 126, abs=0.02)
    assert song.duration_s == pytest.approx(8.0 * 120 / 126, abs=0.01)
    # The song keeps its speed: clicks every 60 / 126 s, on the swing's turning points.
    root = dance.root_m[:, 1]
    peaks = np.flatnonzero((root[1:-1] > root[:-2]) & (root[1:-1] >= root[2:])) + 1
    mono = np.abs(song.samples)
    loud = np.flatnonzero(mono > 0.1) / 22050
    attacks = loud[np.diff(loud, prepend=-1.0) > 0.2]
    assert np.diff(attacks) == pytest.approx(60 / 126, abs=0.002)
    away = np.abs(peaks[1:-1, None] / dance.fps - attacks).min(axis=1)
    assert away.max() < 0.03


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dance.bvh",), "found no song"),
        (("clicks114.wav",), "found no dance"),
        (("clicks114.wav", "dance.bvh", "--limit", 20), "at most 10%, found 20.0%"),
        (("clicks114.wav", "dance.bvh", "--warp", "logic"), "found 'logic'"),
        (("clicks114.wav", "dance.bvh", "-o", "song.xyz"), "can't write"),
        (("clicks114.wav", "dance.bvh", "--dance", "new.fbx"), "retimed as .bvh or .npz"),
        (("missing.wav", "dance.bvh"), "missing.wav: no such file"),
        (("clicks114.wav", "missing.bvh"), "missing.bvh"),
        (("clicks114.wav", "dance.bvh", "-o", "clicks126.wav"), "exists already"),
    ],
)
def test_bad_input_is_one_clear_line(folder, arguments, message):
    done = kinetune("fit", *arguments, cwd=folder)
    assert_one_clear_line(done)
    assert message in done.stderr


def test_from_python():
    beats = np.arange(0.2, 15.0, 60.0 / 105.0)
    fitted = library.fit(click_track(beats, 15.0), EXAMPLE, bpm=100.0, first_beat_s=0.0)
    assert fitted.fit.stretch == pytest.approx(1.05, abs=0.002)
    assert fitted.sound.duration_s == pytest.approx(9.6)
    assert fitted.retimed.duration_s == pytest.approx(9.6 / 1.05, abs=0.02)
    assert "stretch 1.05" in repr(fitted)
    ranked = library.rank_songs(
        [click_track(np.arange(0.2, 15.0, 0.41), 15.0), click_track(beats, 15.0)], EXAMPLE
    )
    assert ranked[0].fit.song == "song 2"
