"""``kinetune prepare`` and the parts of ``kinetune corpus`` on the command line."""

import json

import numpy as np
import pytest
import soundfile

from kinetune.cli.main import run
from tests.training.songs.conftest import RATE_HZ, song_samples


def exit_code(*words):
    with pytest.raises(SystemExit) as ended:
        run([str(word) for word in words])
    return ended.value.code or 0


@pytest.mark.slow
def test_songs_that_cannot_be_used_are_listed_with_exit_code_1(tmp_path, tiny_model, capsys):
    folder, out = tmp_path / "in" / "tango", tmp_path / "out"
    folder.mkdir(parents=True)
    soundfile.write(folder / "good.wav", song_samples(), RATE_HZ)
    soundfile.write(folder / "silent.wav", np.zeros(10 * RATE_HZ, np.float32), RATE_HZ)
    words = ("prepare", "songs", folder.parent, "--out", out, "--model", tiny_model)
    assert exit_code(*words) == 1
    printed = capsys.readouterr()
    assert f"{out}: 1 training and 0 held-out songs, 0.3 min: tango" in printed.out
    assert "left out: 1" in printed.out
    assert "silent.wav: the sound is silent" in printed.err
    (folder / "silent.wav").unlink()
    assert exit_code(*words) == 0


def test_no_songs_are_bad_input(tmp_path, tiny_model, capsys):
    assert exit_code("prepare", "songs", tmp_path, "--out", tmp_path / "out") == 2
    assert "holds no songs" in capsys.readouterr().err
    nothing = ("prepare", "pairs", tmp_path, tmp_path, "--out", tmp_path / "out")
    assert exit_code(*nothing) == 2
    assert "no dance has its music" in capsys.readouterr().err


@pytest.mark.slow
def test_parts_of_a_corpus_are_merged(tmp_path, capsys):
    make = ("corpus", "make", "--minutes", 0.05, "--length", 1.5, "--out")
    assert exit_code(*make, tmp_path / "whole") == 0
    for part in ("1/2", "2/2"):
        assert exit_code(*make, tmp_path / f"part{part[0]}", "--shard", part) == 0
    parts = [tmp_path / "part1", tmp_path / "part2"]
    assert exit_code("corpus", "merge", tmp_path / "merged", *parts) == 0
    assert "2 pairs listed" in capsys.readouterr().out
    one, two = ((tmp_path / n / "manifest.jsonl").read_bytes() for n in ("whole", "merged"))
    assert one == two
    assert exit_code(*make, tmp_path / "x", "--shard", "3/2") == 2
    assert exit_code("corpus", "merge", tmp_path / "y", tmp_path / "part1") == 2
    assert "parts missing: 2/2" in capsys.readouterr().err


def test_models_lists_the_genres(capsys):
    assert exit_code("models", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert all(len(entry["genres"]) == 10 for entry in entries)
    assert "waacking" in entries[0]["genres"]
