"""A corpus made in parts is the corpus made at once."""

import json
import shutil

import pytest

from kinetune.corpus.folder import PairSettings, make_corpus, read_manifest
from kinetune.corpus.shards import Shard, merge_corpus, parse_shard
from kinetune.errors import ConfigError
from tests.conftest import MONO

SETTINGS = {
    "minutes": 0.125, "seed": 3, "settings": PairSettings(duration_s=1.5, **MONO), "workers": 1,
}  # fmt: skip


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("shard-")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus of five pairs made at once, and in three parts in folders of their own."""
    folder = tmp_path_factory.mktemp("shards")
    make_corpus(folder / "whole", **SETTINGS)
    for number in (1, 2, 3):
        make_corpus(folder / f"part{number}", shard=Shard(number, 3), **SETTINGS)
    return folder


def test_merged_parts_are_the_whole_corpus_byte_for_byte(made, tmp_path):
    parts = [made / f"part{number}" for number in (3, 1, 2)]
    manifest = merge_corpus(tmp_path, parts)
    assert manifest.read_bytes() == (made / "whole" / "manifest.jsonl").read_bytes()
    assert contents(tmp_path) == contents(made / "whole")


def test_parts_in_one_folder_are_merged_there(made, tmp_path):
    for number in (1, 2, 3):
        shutil.copytree(made / f"part{number}", tmp_path, dirs_exist_ok=True)
    merge_corpus(tmp_path)
    assert contents(tmp_path) == contents(made / "whole")


def test_the_parts_divide_the_pairs_evenly_and_share_none(made):
    names = [
        json.loads((made / f"part{n}" / f"shard-{n}-of-3.json").read_text())["items"]
        for n in (1, 2, 3)
    ]
    assert [len(part) for part in names] == [2, 2, 1]
    assert sorted(name for part in names for name in part) == sorted(
        item.id for item in read_manifest(made / "whole")
    )


def test_a_missing_part_is_named(made, tmp_path):
    with pytest.raises(ConfigError, match=r"parts missing: 2/3"):
        merge_corpus(tmp_path, [made / "part1", made / "part3"])
    assert not (tmp_path / "manifest.jsonl").exists()


def test_a_missing_file_is_named(made, tmp_path):
    shutil.copytree(made / "part2", tmp_path / "part2")
    lost = next((tmp_path / "part2" / "audio").iterdir())
    lost.unlink()
    with pytest.raises(ConfigError, match=lost.name):
        merge_corpus(tmp_path / "out", [made / "part1", tmp_path / "part2", made / "part3"])


def test_parts_of_different_corpora_are_refused(made, tmp_path):
    other = {**SETTINGS, "minutes": 0.05, "seed": 4}
    make_corpus(tmp_path / "other", shard=Shard(2, 3), **other)
    with pytest.raises(ConfigError, match="another corpus"):
        merge_corpus(tmp_path / "out", [made / "part1", tmp_path / "other", made / "part3"])


def test_a_folder_with_another_corpus_is_kept(made, tmp_path):
    (tmp_path / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="lists another corpus"):
        merge_corpus(tmp_path, [made / f"part{number}" for number in (1, 2, 3)])
    assert (tmp_path / "manifest.jsonl").read_text() == "{}\n"


def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path):
    table = {"corpus": "x", "number": 1, "count": 1, "items": ["../../etc/passwd"]}
    (tmp_path / "shard-1-of-1.json").write_text(json.dumps(table))
    with pytest.raises(ConfigError, match="plain file names"):
        merge_corpus(tmp_path)


def test_a_shard_is_written_as_i_of_n():
    assert parse_shard("2/8") == Shard(2, 8)
    assert list(Shard(2, 3).of(range(8))) == [1, 4, 7]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", ""])
def test_no_shard_is_refused(text):
    with pytest.raises(ConfigError, match="expected I/N"):
        parse_shard(text)
