"""Corpora on disk: files that come out the same every time."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kinetune.audio.sound import read_sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.folder import PairSettings, make_corpus, read_manifest
from kinetune.corpus.pairs import make_pair
from kinetune.corpus.prompts.captions import caption
from kinetune.errors import ConfigError
from kinetune.motion import kinematics
from kinetune.motion.io.amass import read_amass
from kinetune.motion.io.bvh import write_bvh
from tests.conftest import MONO


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_corpus_is_the_same_from_one_worker_or_two_and_resumes(tmp_path):
    settings = {"minutes": 0.1, "seed": 3, "settings": PairSettings(duration_s=2.0, **MONO)}
    steps = []
    manifest = make_corpus(
        tmp_path / "one",
        workers=1,
        progress=lambda done, all_: steps.append((done, all_)),
        **settings,
    )
    make_corpus(tmp_path / "two", workers=2, **settings)
    whole = contents(tmp_path / "one")
    assert whole == contents(tmp_path / "two")
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    items = read_manifest(tmp_path / "one")
    kept = tmp_path / "one" / items[0].audio
    before = kept.stat().st_mtime_ns
    (tmp_path / "one" / items[1].motion).unlink()
    assert make_corpus(tmp_path / "one", workers=1, **settings) == manifest
    assert kept.stat().st_mtime_ns == before
    assert contents(tmp_path / "one") == whole


def test_what_a_corpus_contains_round_trips(tmp_path):
    settings = PairSettings(genre="house", duration_s=3.0, **MONO)
    make_corpus(tmp_path, minutes=0.05, seed=1, settings=settings, workers=1)
    (item,) = read_manifest(tmp_path)
    assert item.genre == "HO"
    pair = make_pair(item.seed, genre="HO", duration_s=3.0)
    clip, sound = read_amass(tmp_path / item.motion), read_sound(tmp_path / item.audio)
    assert np.allclose(
        kinematics.joint_positions(clip), kinematics.joint_positions(pair.clip), atol=1e-3
    )
    assert np.allclose(sound.samples, pair.sound.samples, atol=1e-4)
    assert np.allclose(item.beats_s, pair.beats_s, atol=1e-5)
    assert item.source == pair.source
    assert item.tonic == pair.tonic
    assert [(c.bass, c.tones) for c in item.chords] == [(c.bass, c.tones) for c in pair.chords]
    assert len(item.chords) > 0
    assert item.attributes == pair.attributes
    assert "genre:house" in item.attributes
    assert item.caption == caption(item.attributes, item.seed)
    assert "CC0" in (tmp_path / "README.txt").read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 0.0},
        {"minutes": -1.0},
        {"settings": PairSettings(genre="polka")},
        {"settings": PairSettings(duration_s=0.0)},
        {"settings": PairSettings(rate_hz=100)},
        {"settings": PairSettings(channels=3)},
        {"workers": 0},
        {"seed": -1},
    ],
)
def test_an_impossible_corpus_is_refused_and_nothing_is_written(tmp_path, change):
    with pytest.raises(ConfigError):
        make_corpus(tmp_path / "corpus", **({"minutes": 0.1, "seed": 1} | change))
    assert not (tmp_path / "corpus").exists()


def test_a_missing_or_damaged_manifest_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such manifest"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"id": "x"}) + "\n")
    with pytest.raises(ConfigError, match="manifest.jsonl:1"):
        read_manifest(tmp_path)


def test_other_clips_make_other_items(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    write_bvh(
        mine / "a.bvh", choreograph(5, DanceRequest(genre="LO", bpm=100.0, duration_s=8.0)).clip
    )
    out = tmp_path / "corpus"
    for clips in (None, mine):
        settings = PairSettings(duration_s=1.5, rate_hz=8_000, channels=1, clips=clips)
        make_corpus(out, minutes=0.05, seed=1, settings=settings, workers=1)
    assert len(list((out / "items").iterdir())) == 4


def test_a_broken_clip_is_named_and_nothing_is_written(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "bad.bvh").write_text("HIERARCHY\nnonsense")
    with pytest.raises(ConfigError, match="bad.bvh"):
        make_corpus(tmp_path / "c", minutes=0.1, seed=1, settings=PairSettings(clips=mine))
    assert not (tmp_path / "c").exists()


def test_rate_channels_and_length_are_those_requested(tmp_path):
    settings = PairSettings(genre="KR", duration_s=2.0, rate_hz=44_100, channels=2)
    make_corpus(tmp_path, minutes=0.03, seed=1, settings=settings, workers=1)
    (item,) = read_manifest(tmp_path)
    sound = read_sound(tmp_path / item.audio)
    assert (sound.rate_hz, sound.samples.shape) == (44_100, (88_200, 2))
    assert not np.allclose(sound.samples[:, 0], sound.samples[:, 1])


def start_making(out):
    """The command in a process group of its own, as a terminal starts it; waits for an item."""
    command = [sys.executable, "-m", "kinetune.cli.main", "corpus", "make", "--out", str(out),
               "--minutes", "0.6", "--seed", "3", "--length", "2", "--rate", "8000",
               "--no-stereo"]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 60.0
    while not list(out.glob("items/*.json")) and time.monotonic() < end:
        time.sleep(0.02)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_killed_corpus_continues_to_the_same_bytes_without_litter(tmp_path):
    settings = {
        "minutes": 0.6, "seed": 3, "workers": 1,
        "settings": PairSettings(duration_s=2.0, rate_hz=8_000, channels=1),
    }  # fmt: skip
    make_corpus(tmp_path / "whole", **settings)
    out = tmp_path / "killed"
    process = start_making(out)
    process.kill()
    process.communicate()
    done = len(list(out.glob("items/*.json")))
    assert 0 < done < 18
    # What a worker leaves that is killed while it writes.
    code = (
        "import os, sys; from pathlib import Path; from kinetune import files\n"
        "with files.atomic_file(Path(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(out / "audio" / "a.flac")], check=False)
    assert list((out / "audio").glob(".a-*.flac"))
    make_corpus(out, **settings)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_ends_soon_without_litter(tmp_path):
    process = start_making(tmp_path / "out")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert len(list((tmp_path / "out").glob("items/*.json"))) < 18
    assert not list((tmp_path / "out").glob("*/.*"))
