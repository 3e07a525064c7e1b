"""A corpus as tar files in WebDataset's layout, for object stores.

A shard holds some pairs, each as three files of one name: ``NAME.npz`` (motion), ``NAME.flac``
(music) and ``NAME.json`` (its line of the manifest). Training reads shards one after another, from
disk or over the network, into its prepared cache. Layout: github.com/webdataset/webdataset.
"""

import io
import json
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kinetune.audio.sound import read_sound
from kinetune.config import build
from kinetune.corpus.folder import CorpusItem, is_held_out, read_manifest
from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.files import atomic_file
from kinetune.motion.io.formats import read_motion
from kinetune.training.data.pairs import TrainingPair, pair_of_item

_SUFFIXES = ("npz", "flac", "json")
# webdataset hands addresses to curl, aws and gsutil through a shell: only what is none of its
# signs. ``pipe:`` would be any command.
_ADDRESS = re.compile(r"((https?|s3|gs)://|(?!\w{2,}:))[\w./~:=%{},+@-]+\.tar")


def is_tar_source(source: str) -> bool:
    """Return whether a source of data is tar shards: ``shards/{000..012}.tar`` or an address."""
    return source.endswith(".tar")


def write_tar_shards(corpus: Path, out: Path, *, pairs_per_shard: int = 200) -> list[Path]:
    """Write a corpus as tar shards ``out/00000.tar`` and so on, and return their paths.

    Args:
        corpus: The corpus folder.
        out: The folder of the shards; those that exist are written again.
        pairs_per_shard: Pairs in each; a pair of 24 s takes 1 to 3 MB.

    Raises:
        ConfigError: The corpus is damaged, or the number is below 1.
        OutputError: The folder can't be written to.
    """
    if pairs_per_shard < 1:
        raise ConfigError(f"pairs a shard must be 1 or more, found {pairs_per_shard}")
    items = read_manifest(corpus)
    paths = []
    for first in range(0, len(items), pairs_per_shard):
        path = out / f"{first // pairs_per_shard:05d}.tar"
        _write_shard(path, corpus, items[first : first + pairs_per_shard])
        paths.append(path)
    return paths


def tar_pairs(source: str, *, held_out_every: int) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a reader for every pair of tar shards, shard by shard.

    Args:
        source: Path or address, with ``{000..012}`` for several shards.
        held_out_every: One pair in about this many is held out.

    Raises:
        ConfigError: The address is none that is read, or a shard can't be.
        MissingExtraError: webdataset isn't installed.
    """
    if not _ADDRESS.fullmatch(source):
        raise ConfigError(
            f"{source}: expected a path or an http, https, s3 or gs address that ends with .tar"
        )
    with extra("webdataset"):
        from braceexpand import braceexpand
        from webdataset.gopen import gopen
    try:
        for shard in braceexpand(source):
            with gopen(shard) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
                for sample in _samples(tar, shard):
                    yield partial(_read_pair, sample, held_out_every)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise ConfigError(f"{source}: can't be read ({error})") from error


def _samples(tar: tarfile.TarFile, shard: str) -> Iterator[dict[str, Any]]:
    """Yield the pairs of a shard: the contents of their files by suffix, and their name."""
    sample: dict[str, Any] = {}
    for entry in tar:
        key, _, suffix = entry.name.partition(".")
        if sample.setdefault("key", key) != key or suffix not in _SUFFIXES:
            raise ConfigError(f"{shard}: {sample['key']} lacks its .npz, .flac or .json")
        content = tar.extractfile(entry)
        sample[suffix] = b"" if content is None else content.read()
        if all(name in sample for name in _SUFFIXES):
            yield sample
            sample = {}
    if sample:
        raise ConfigError(f"{shard}: {sample['key']} lacks its .npz, .flac or .json")


def tar_origin(source: str) -> str:
    """Describe tar shards, for the name of a cache: their names, and sizes where they are files."""
    folder, pattern = Path(source).parent, Path(source).name
    if "://" in source or not folder.is_dir():
        return source
    glob = re.sub(r"\{[^}]*\}", "*", pattern)
    return repr([source, [(path.name, path.stat().st_size) for path in sorted(folder.glob(glob))]])


def _write_shard(path: Path, corpus: Path, items: Sequence[CorpusItem]) -> None:
    with atomic_file(path) as aside, tarfile.open(aside, "w") as tar:
        for item in items:
            # WebDataset's key ends at the first dot.
            key = item.id.replace(".", "_")
            line = (corpus / "items" / f"{item.id}.json").read_bytes()
            parts = {
                "npz": (corpus / item.motion).read_bytes(),
                "flac": (corpus / item.audio).read_bytes(),
                "json": line,
            }
            for suffix, content in parts.items():
                entry = tarfile.TarInfo(f"{key}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def _read_pair(sample: dict[str, Any], held_out_every: int) -> TrainingPair:
    try:
        table = json.loads(sample["json"])
    except ValueError as error:
        raise ConfigError(f"{sample['key']}.json: not valid JSON ({error})") from error
    item = build(CorpusItem, table, context=f"{sample['key']}.json")
    with tempfile.TemporaryDirectory() as folder:
        motion, audio = Path(folder) / "motion.npz", Path(folder) / "audio.flac"
        motion.write_bytes(sample["npz"])
        audio.write_bytes(sample["flac"])
        clip, sound = read_motion(motion), read_sound(audio)
    return pair_of_item(item, clip, sound, held_out=is_held_out(item.id, held_out_every))
