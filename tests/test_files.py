import os
import time

import pytest

from kinetune.errors import OutputError
from kinetune.files import atomic_file, check_writable, remove_abandoned, write_json


def test_a_file_appears_whole(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"x": 1})
    assert (tmp_path / "deep" / "a.json").read_text() == '{\n  "x": 1\n}\n'


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), atomic_file(path) as aside:  # noqa: PT012
        aside.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_where_a_folder_should_be_is_said(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(OutputError, match="can't be written"):
        check_writable(tmp_path / "a" / "b")
    with (
        pytest.raises(OutputError, match="can't be written"),
        atomic_file(tmp_path / "a" / "b.txt"),
    ):
        pass


def test_permissions_are_those_of_a_plain_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_json(tmp_path / "ours", 1)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_abandoned_temporary_files_are_removed(tmp_path):
    with pytest.raises(KeyError), atomic_file(tmp_path / "a.flac") as aside:  # noqa: PT012
        name = aside.name
        raise KeyError
    old, young = tmp_path / name, tmp_path / ".b-abcd_123.flac"
    others = [tmp_path / ".hidden", tmp_path / "a-12345678.flac", tmp_path / ".a-short.flac"]
    for path in (old, young, *others):
        path.write_text("")
    for path in (old, *others):
        os.utime(path, (time.time() - 60.0,) * 2)
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {p.name for p in (young, *others)}
    remove_abandoned(tmp_path / "nowhere")
