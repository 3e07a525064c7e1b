import os
import subprocess
import sys

import pytest

from kinetune.errors import OutputError
from kinetune.files import (
    atomic_file,
    atomic_folder,
    check_writable,
    is_plain_name,
    recover_folder,
    remove_abandoned,
    write_json,
)


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


def test_a_file_where_a_folder_should_be_is_reported(tmp_path):
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


def versions(folder):
    return sorted(path.name for path in folder.parent.iterdir())


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    for version in ("one", "two"):
        with atomic_folder(folder, markers=("name.txt",)) as temporary:
            (temporary / "name.txt").write_text(version)
            (temporary / version).write_text("")
    assert sorted(p.name for p in folder.iterdir()) == ["name.txt", "two"]
    assert versions(folder) == ["model"]
    with pytest.raises(KeyError), atomic_folder(folder, markers=("name.txt",)):
        raise KeyError
    assert (folder / "name.txt").read_text() == "two"
    assert versions(folder) == ["model"]


def test_a_folder_with_other_files_is_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("")
    with (
        pytest.raises(OutputError, match="holds other files"),
        atomic_folder(tmp_path / "mine", markers=("state.json",)),
    ):
        pass
    assert (tmp_path / "mine" / "letter.txt").is_file()


@pytest.mark.parametrize("name", [".model-old", ".model-old-123-0"])
def test_what_a_kill_left_does_not_block_later_saves(tmp_path, name):
    """Killed before the old version was deleted, or between the two renames."""
    folder = tmp_path / "model"
    (tmp_path / name).mkdir()
    (tmp_path / name / "state.json").write_text("old")
    recover_folder(folder)
    assert (folder / "state.json").read_text() == "old"
    (tmp_path / name).mkdir()
    (tmp_path / name / "state.json").write_text("older")
    with atomic_folder(folder, markers=("state.json",)) as temporary:
        (temporary / "state.json").write_text("new")
    assert (folder / "state.json").read_text() == "new"
    assert versions(folder) == ["model"]


def test_two_writers_of_one_folder_both_succeed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from kinetune.files import atomic_folder\n"
        "for k in range(150):\n"
        "    with atomic_folder(Path(sys.argv[1]), markers=('a', )) as temporary:\n"
        "        (temporary / 'a').write_text('x'); (temporary / 'b').write_text('x')\n"
    )
    folder = tmp_path / "model"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(folder)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]
    assert versions(folder) == ["model"]


def test_temporary_files_of_dead_processes_are_removed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from kinetune import files\n"
        "folder = Path(sys.argv[1])\n"
        "with files.atomic_file(folder / 'a b.flac'), "
        "files.atomic_folder(folder / 'm', markers=()): os._exit(1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ended:
        ended.stdout.read()
        # Not waited for yet: it may be a zombie, which counts as dead.
        assert len(list(tmp_path.iterdir())) == 2
        (tmp_path / ".gitignore").write_text("")
        with atomic_file(tmp_path / "mine.txt"):
            while len(list(tmp_path.iterdir())) > 2:
                remove_abandoned(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".gitignore", "mine.txt"}


def test_names_that_leave_the_folder_are_not_plain():
    assert all(is_plain_name(name) for name in ("a", "gBR_sBM.v1", "with space", "tänzer", "a..b"))
    assert not any(
        is_plain_name(name)
        for name in ("", ".", "..", "../x", "a/b", "a\\b", "C:x", "a\x00", "a\nb", "x" * 201)
    )
