"""The fuzzer of the readers: it finds what it should, and finds nothing in a short run."""

import importlib.util
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinetune.errors import MotionError

PATH = Path(__file__).parent.parent / "tools" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_readers", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_readers"] = module
    spec.loader.exec_module(module)
    return module


def target(fuzz, read, check=lambda result: ""):
    return fuzz.Target(".txt", lambda folder: [b"1 2 3"], read, check)


def test_every_reader_is_tried_and_has_a_row(fuzz):
    # The list of the next test is written by hand: a row that vanishes is noticed.
    named = test_the_seeds_are_read_and_an_input_is_always_the_same.pytestmark[0].args[1]
    assert sorted(fuzz.TARGETS) == sorted(named)


def refuse(message):
    def read(path):
        raise MotionError(message)

    return read


def test_what_is_read_or_refused_in_one_line_is_no_finding(fuzz, tmp_path):
    assert fuzz.try_input(target(fuzz, str), b"a", tmp_path) == ("read", "")
    refused = fuzz.try_input(target(fuzz, refuse("a.txt: no")), b"a", tmp_path)
    assert refused == ("refused", "")
    vague = refuse("a.txt: can't be read, it is damaged (KeyError: 'x'); export it again")
    kind, reason = fuzz.try_input(target(fuzz, vague), b"a", tmp_path)
    assert (kind, reason[:8]) == ("refused", "KeyError")


def test_other_errors_absurd_results_and_endless_reading_are_findings(fuzz, tmp_path, monkeypatch):
    crash = target(fuzz, lambda path: 1 // 0)
    assert fuzz.try_input(crash, b"a", tmp_path)[0] == "finding"
    assert "ZeroDivisionError" in fuzz.try_input(crash, b"a", tmp_path)[1]
    wrong = target(fuzz, str, check=lambda result: "a path of 1e9 m")
    assert fuzz.try_input(wrong, b"a", tmp_path) == ("finding", "accepted with a path of 1e9 m")
    monkeypatch.setattr(fuzz, "INPUT_LIMIT_S", 1)
    slow = target(fuzz, lambda path: time.sleep(5))
    assert fuzz.try_input(slow, b"a", tmp_path) == ("finding", "TimeoutError: more than 1 s")


@pytest.mark.parametrize(
    "name",
    [
        "bvh", "npz", "npy", "pkl", "glb", "gltf", "mapping", "beats", "beats-json", "beats-midi",
        "sound-wav", "sound-flac", "sound-ogg", "sound-mp3", "recipe", "film", "score", "style",
        "train-config", "genre-config", "beat-config", "vocoder-config", "genres", "genres-json",
        "names", "manifest", "prepared", "beat-network", "genre-network", "checkpoint", "weights",
        "training-state",
    ],
)  # fmt: skip
def test_the_seeds_are_read_and_an_input_is_always_the_same(fuzz, tmp_path, name):
    one = fuzz.TARGETS[name]
    seeds = one.seeds(tmp_path)
    for seed in seeds:
        assert fuzz.try_input(one, seed, tmp_path, limit_s=100) == ("read", "")
    inputs = [fuzz.mutated(seeds, one.mutators, random.Random(f"0:{k}")) for k in (1, 2, 1)]
    assert inputs[0] == inputs[2]
    assert inputs[0] != inputs[1]


def test_a_short_run_finds_nothing():
    done = subprocess.run(
        [sys.executable, str(PATH), "--seconds", "6", "--seed", "5", "--targets", "bvh,pkl,npz"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"tried \d+ inputs of all: .* 0 findings", done.stdout.splitlines()[-1])
