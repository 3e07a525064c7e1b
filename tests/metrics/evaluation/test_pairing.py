import json

import pytest

from kinetune.errors import ConfigError
from kinetune.metrics.evaluation.pairing import (
    Folders,
    Problem,
    count_problems,
    pair_folders,
    read_genres,
    variations_by_stem,
)


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def folders(tmp_path):
    return Folders(
        {"ours": touch(tmp_path / "ours", "a.wav", "b.flac", ".hidden.wav", "notes.txt")},
        touch(tmp_path / "reference", "a.mp3", "b.wav"),
        touch(tmp_path / "motions", "a.pkl", "b.bvh"),
    )


def test_files_belong_together_by_stem_whatever_their_format(folders):
    found = pair_folders(folders)
    assert [clip.name for clip in found.clips] == ["a", "b"]
    one = found.clips[1]
    assert one.variations["ours"][0].name == "b.flac"
    assert (one.reference.name, one.motion.name) == ("b.wav", "b.bvh")
    assert found.problems == []


def test_missing_files_are_reported_and_counted(folders):
    (folders.systems["ours"] / "b.flac").unlink()
    touch(folders.systems["ours"], "c.wav")
    found = pair_folders(folders)
    assert [clip.name for clip in found.clips] == ["a", "b", "c"]
    assert set(found.problems) == {
        Problem("ours", "b", "missing"),
        Problem("reference", "c", "missing"),
        Problem("motions", "c", "missing"),
    }
    assert count_problems(found.problems)[("ours", "missing")] == 1


def test_subfolders_are_takes(tmp_path):
    for variation, names in (("0", ("a.wav", "b.wav")), ("1", ("a.wav",))):
        touch(tmp_path / "ours" / variation, *names)
    variations = variations_by_stem(tmp_path / "ours")
    assert [len(variations[name]) for name in ("a", "b")] == [2, 1]
    (problem,) = pair_folders(Folders({"ours": tmp_path / "ours"})).problems
    assert (problem.clip, problem.kind, problem.detail) == (
        "b",
        "fewer variations",
        "1 of 2 variations",
    )
    assert not problem.loses_value


def test_a_subfolder_without_sounds_is_no_take(tmp_path):
    touch(tmp_path / "ours" / "pictures", "a.png")
    assert list(variations_by_stem(touch(tmp_path / "ours", "a.wav"))) == ["a"]


def test_genres_come_from_the_file_or_from_an_aist_name(tmp_path):
    ours = touch(tmp_path / "ours", "a.wav", "gKR_sBM_cAll_d30_mKR2_ch02_slice1.wav")
    (tmp_path / "genres.csv").write_text("name,genre\na.wav,House\n")
    found = pair_folders(Folders({"ours": ours}, genres=tmp_path / "genres.csv"))
    assert [clip.genre for clip in found.clips] == ["HO", "KR"]
    assert found.problems == []
    assert [clip.genre for clip in pair_folders(Folders({"ours": ours})).clips] == [None, "KR"]


def test_a_clip_without_genre_is_reported(tmp_path):
    ours = touch(tmp_path / "ours", "a.wav", "b.wav")
    (tmp_path / "genres.csv").write_text("a,BR\n")
    found = pair_folders(Folders({"ours": ours}, genres=tmp_path / "genres.csv"))
    assert found.problems == [Problem("genres", "b", "missing")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", "a.b,krump\nc,HO\n"),
        ("g.txt", "name,genre\na.b,krump\nc,house\n"),
        ("g.json", json.dumps({"a.b": "KR", "c": "house"})),
        ("g.jsonl", '{"id": "a.b", "genre": "KR", "bpm": 90}\n{"id": "c", "genre": "HO"}\n'),
    ],
)
def test_genres_are_read_as_lines_json_or_a_manifest(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_genres(tmp_path / name) == {"a.b": "KR", "c": "HO"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("g.csv", "a,polka\n", "unknown genre 'polka'"),
        ("g.csv", "a,BR,1\n", "two columns"),
        ("g.csv", "", "holds no genres"),
        ("g.json", "[1, 2]", "expected lines of name,genre"),
        ("g.json", "{", "expected lines of name,genre"),
        ("g.jsonl", '{"name": "a"}\n', "expected lines of name,genre"),
    ],
)
def test_a_file_that_contains_no_genres_is_reported(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=f"{name}: .*{words}|{name}: {words}"):
        read_genres(tmp_path / name)


def test_missing_and_empty_folders_are_reported(folders, tmp_path):
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        pair_folders(Folders({"ours": tmp_path / "nowhere"}))
    with pytest.raises(ConfigError, match=r"empty: no files found; expected .wav"):
        pair_folders(Folders({"ours": touch(tmp_path / "empty")}))
    with pytest.raises(ConfigError, match="genres.csv: no such file of genres"):
        pair_folders(Folders(folders.systems, genres=tmp_path / "genres.csv"))


def test_names_that_nowhere_agree_are_reported(folders, tmp_path):
    other = touch(tmp_path / "other", "x.wav", "y.wav")
    with pytest.raises(ConfigError, match=r"other: no name matches those of ours: x, y there"):
        pair_folders(Folders(folders.systems, other))


def test_two_files_of_one_name_are_reported(folders):
    touch(folders.systems["ours"], "a.flac")
    with pytest.raises(ConfigError, match="a.flac and a.wav share a name"):
        pair_folders(folders)


def test_sounds_beside_subfolders_of_sounds_are_reported(folders):
    touch(folders.systems["ours"] / "more", "a.wav")
    with pytest.raises(ConfigError, match="holds sounds and subfolders"):
        pair_folders(folders)
