"""A corpus as tar shards: the same items as the folder's."""

import sys
import tarfile

import pytest

from kinetune.errors import ConfigError, MissingExtraError
from kinetune.training.config import DataConfig
from kinetune.training.data.prepare import open_dataset
from kinetune.training.data.tar_shards import tar_pairs, write_tar_shards


@pytest.fixture
def shards(corpus, tmp_path):
    return write_tar_shards(corpus, tmp_path / "shards", pairs_per_shard=3)


def test_a_shard_is_in_webdatasets_layout(corpus, shards):
    """Three files a pair, next to each other, of one name up to the first dot."""
    assert [path.name for path in shards] == ["00000.tar", "00001.tar"]
    with tarfile.open(shards[0]) as tar:
        names = tar.getnames()
    assert len(names) == 9
    for first in range(0, 9, 3):
        keys, suffixes = zip(*(n.split(".") for n in names[first : first + 3]), strict=True)
        assert len(set(keys)) == 1
        assert suffixes == ("npz", "flac", "json")


def test_training_data_from_shards_is_that_of_the_folder(corpus, shards, tmp_path):
    pytest.importorskip("webdataset")
    source = f"{shards[0].parent}/{{00000..00001}}.tar"
    one, two = (
        open_dataset(DataConfig(source=s), tmp_path / "cache", features="rhythm")
        for s in (str(corpus), source)
    )
    assert one.items == two.items
    assert one.folder != two.folder


@pytest.mark.parametrize(
    "source", ["pipe:rm -rf x.tar", "http://x/$(ls).tar", "file:///etc/x.tar", "a b.tar", "`x`.tar"]
)
def test_addresses_that_could_run_something_are_refused(source):
    with pytest.raises(ConfigError, match="expected a path or an http"):
        next(tar_pairs(source, held_out_every=0))


def test_without_webdataset_the_extra_is_named(shards, monkeypatch):
    for name in ("webdataset", "webdataset.gopen"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"kinetune\[webdataset\]"):
        next(tar_pairs(str(shards[0]), held_out_every=0))


@pytest.mark.filterwarnings("ignore")
def test_damaged_shards_are_one_clear_line(tmp_path):
    pytest.importorskip("webdataset")
    (tmp_path / "x.tar").write_bytes(b"no tar" * 100)
    with pytest.raises(ConfigError, match=r"x\.tar"):
        open_dataset(DataConfig(source=str(tmp_path / "x.tar")), tmp_path, features="rhythm")


def test_an_impossible_size_is_refused(corpus, tmp_path):
    with pytest.raises(ConfigError, match="must be 1 or more"):
        write_tar_shards(corpus, tmp_path, pairs_per_shard=0)
