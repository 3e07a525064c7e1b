"""Files and folders that can't be read are one line each, and the rest is scored."""

import json
import os

import numpy as np
import pytest

from kinetune.errors import ConfigError
from kinetune.metrics.evaluation import report
from kinetune.metrics.evaluation.pairing import (
    Folders,
    files_by_stem,
    pair_folders,
    read_genres,
    variations_by_stem,
)
from kinetune.metrics.evaluation.protocol import Settings, evaluate
from kinetune.metrics.evaluation.runner import UNUSABLE, analyse_clips
from tests.metrics.conftest import write_world

GENRE_FILES = {
    "deep.json": "[" * 100_000,
    "digits.json": '{"a": ' + "9" * 6000 + "}",
    "list.json": "[1, 2]",
    "number.json": "7",
    "null.json": '{"a": null}',
    "broken.json": '{"a": "house"',
    "empty.json": "{}",
    "lines.jsonl": '{"id": 3}\n',
    "cells.csv": "a,house,more\n",
    "cell.csv": "a," + "x" * 200_000 + "\n",
    "nul.csv": "a\0b\n",
    "empty.csv": "",
    "latin.csv": b"caf\xe9,house\n",
    "binary.csv": bytes(range(256)),
}


@pytest.mark.parametrize("name", GENRE_FILES)
def test_a_damaged_file_of_genres_is_one_line(name, tmp_path):
    content = GENRE_FILES[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as error:
        read_genres(path)
    assert str(error.value).startswith(str(path))


def test_a_file_of_genres_that_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, tmp_path / "none.csv", tmp_path / ("n" * 5000)):
        with pytest.raises(ConfigError, match=r"no such file of genres|can't be read"):
            read_genres(path)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "g.csv").write_bytes(b"\xef\xbb\xbfname,genre\na,house\n")
    assert read_genres(tmp_path / "g.csv") == {"a": "HO"}
    (tmp_path / "g.json").write_bytes(b'\xef\xbb\xbf{"a": "house"}')
    assert read_genres(tmp_path / "g.json") == {"a": "HO"}


@pytest.mark.parametrize(
    "list_folder", [variations_by_stem, lambda path: files_by_stem(path, (".wav",))]
)
def test_a_folder_that_is_none_or_cant_be_read_is_one_line(list_folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(ConfigError, match="no such folder"):
            list_folder(path)
    with pytest.raises(ConfigError, match="can't be read"):
        list_folder(tmp_path / ("n" * 5000))


@pytest.fixture
def world(tmp_path):
    return write_world(tmp_path)


def folders_of(world, **others):
    return Folders({"ours": world.system}, world.reference, world.motions, **others)


def problems_of(world, **others):
    clips = pair_folders(folders_of(world, **others)).clips[:2]
    analyses = list(analyse_clips(clips, seed=0, workers=1))
    return analyses, [(p.label, p.clip, p.kind) for analysis in analyses for p in analysis.problems]


def test_evaluate_reports_pipes_and_folders_as_problems(world):
    (world.system / "dance0.wav").unlink()
    os.mkfifo(world.system / "dance0.wav")
    (world.motions / "dance1.npz").unlink()
    (world.motions / "dance1.npz").mkdir()
    analyses, problems = problems_of(world)
    assert problems == [("ours", "dance0", UNUSABLE), ("motions", "dance1", UNUSABLE)]
    assert "reference" in analyses[0].audio
    assert "ours" in analyses[1].audio


def test_an_error_of_any_kind_in_a_reader_is_a_problem(world, monkeypatch):
    from kinetune.metrics.evaluation import runner

    def fail(path):
        raise MemoryError if path.stem == "dance0" else ZeroDivisionError("division by zero")

    monkeypatch.setattr(runner, "read_motion", fail)
    analyses, problems = problems_of(world)
    assert problems == [("motions", "dance0", UNUSABLE), ("motions", "dance1", UNUSABLE)]
    assert "can't be read (MemoryError)" in analyses[0].problems[0].detail
    assert all("ours" in analysis.audio for analysis in analyses)


def test_damaged_beats_are_a_problem(world, tmp_path):
    beats = tmp_path / "beats"
    beats.mkdir()
    (beats / "dance0.json").write_text("[" * 100_000)
    (beats / "dance1.mid").write_bytes(b"MThd\0\0\0\x06\0\0\0\1\0\0")
    _, problems = problems_of(world, beats=beats)
    assert problems == [("beats", "dance0", UNUSABLE), ("beats", "dance1", UNUSABLE)]


def test_evaluate_survives_names_that_are_not_utf8(world, tmp_path):
    strange = os.fsdecode(b"caf\xe9 $x")
    for folder in (world.reference, world.system, world.motions):
        for path in list(folder.iterdir()):
            if path.stem == "dance0":
                path.rename(path.with_name(strange + path.suffix))
            elif path.stem not in ("dance1", "dance2"):
                path.unlink()
    (world.system / f"{strange}.wav").write_bytes(b"no sound")
    evaluation = evaluate(folders_of(world), Settings(workers=1))
    report.write_report(evaluation, tmp_path / "out")
    page = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    assert r"caf\udce9 $x" in page
    assert json.loads((tmp_path / "out" / "notes.json").read_text())["dances"] == 3
    scored = np.isfinite(evaluation.values["reference"]["bas_motion_to_music"])
    named = {p.clip for p in evaluation.problems if p.label == "reference"}
    assert [
        name for name, done in zip(evaluation.dances, scored, strict=True) if not done
    ] == sorted(named)
