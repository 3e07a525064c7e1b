"""A corpus made in parts, on one machine each, and the parts joined again.

Shard i of N holds every N-th pair from the i-th on. Which pairs a corpus has follows from its
settings and its seed alone, so the parts need to know nothing of each other, and the joined corpus
is, byte for byte, the one made at once. Each part lists its items in ``shard-I-of-N.json``; the
parts may be in one folder or in several.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from kinetune import config, files
from kinetune.errors import ConfigError

MANIFEST = "manifest.jsonl"
Member = TypeVar("Member")
_SUFFIXES = {"motion": "npz", "audio": "flac", "items": "json"}


@dataclass(frozen=True)
class Shard:
    """One part of several.

    Attributes:
        number: Which, from 1.
        count: How many parts there are.

    Raises:
        ConfigError: There is no such part.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(
                f"shard {self.number}/{self.count}: expected I/N with I from 1 to N, such as 3/8"
            )

    def of(self, whole: Sequence[Member]) -> Sequence[Member]:
        """Return this part's members of a whole."""
        return whole[self.number - 1 :: self.count]

    @property
    def file_name(self) -> str:
        """Name of the file that lists the part's items."""
        return f"shard-{self.number}-of-{self.count}.json"


def parse_shard(text: str) -> Shard:
    """Return the shard that ``I/N`` means.

    Raises:
        ConfigError: It is no such text, or there is no such part.
    """
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if match is None:
        raise ConfigError(f"shard {text!r}: expected I/N with I from 1 to N, such as 3/8")
    return Shard(int(match[1]), int(match[2]))


@config.settings
class ShardFile:
    """Contents of a part's list.

    Attributes:
        corpus: Digest of what makes the whole corpus: settings, length and seed.
        number: Which part.
        count: How many parts.
        items: Names of its items, in order.
    """

    corpus: str
    number: config.Count
    count: config.Count
    items: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.items:
            if not files.is_plain_name(name):
                raise ConfigError(f"items: expected plain file names, found {name[:80]!r}")


def write_shard(folder: Path, shard: Shard, corpus: str, names: Sequence[str]) -> Path:
    """Write a part's list and return its path."""
    path = folder / shard.file_name
    table = ShardFile(corpus, shard.number, shard.count, tuple(names))
    files.write_json(path, msgspec.to_builtins(table))
    return path


def merge_corpus(out: Path, folders: Sequence[Path] = ()) -> Path:
    """Join the parts of a corpus and return the path of its manifest.

    Args:
        out: Folder of the whole corpus.
        folders: Where the parts are; ``out`` itself if none are named. Files of other folders are
            linked into ``out`` where the file system can, and copied where it can't.

    Raises:
        ConfigError: A part or an item is missing, or the parts are of different corpora.
        OutputError: ``out`` can't be written to, or holds another corpus.
    """
    parts = _read_parts([Path(folder) for folder in folders] or [out])
    names = list(_in_turn([part.items for _, part in parts]))
    homes = {name: folder for folder, part in parts for name in part.items}
    lines = []
    for name in names:
        for kind, suffix in _SUFFIXES.items():
            _provide(homes[name] / kind / f"{name}.{suffix}", out / kind / f"{name}.{suffix}")
        lines.append((out / "items" / f"{name}.json").read_text(encoding="utf-8").strip())
    _provide(parts[0][0] / "README.txt", out / "README.txt")
    manifest, text = out / MANIFEST, "\n".join(lines) + "\n"
    if manifest.is_file() and manifest.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{manifest}: lists another corpus; choose a new folder")
    files.write_text(manifest, text)
    return manifest


def _read_parts(folders: Sequence[Path]) -> list[tuple[Path, ShardFile]]:
    """Return all parts in order, each with its folder."""
    parts = [
        (folder, _read_part(path))
        for folder in folders
        for path in sorted(folder.glob("shard-*-of-*.json"))
    ]
    if not parts:
        raise ConfigError(
            f"{folders[0]}: no parts of a corpus; make them with 'kinetune corpus make --shard I/N'"
        )
    first = parts[0][1]
    for folder, part in parts:
        if (part.corpus, part.count) != (first.corpus, first.count):
            raise ConfigError(
                f"{folder}: a part of another corpus than {parts[0][0]}; "
                "all need the same settings, minutes and seed"
            )
    by_number = {part.number: (folder, part) for folder, part in parts}
    missing = sorted(set(range(1, first.count + 1)) - set(by_number))
    if missing:
        names = ", ".join(f"{number}/{first.count}" for number in missing[:8])
        raise ConfigError(f"{folders[0]}: parts missing: {names}; make them, or name their folders")
    return [by_number[number] for number in sorted(by_number)]


def _read_part(path: Path) -> ShardFile:
    try:
        table = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: can't be read ({error})") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: expected the list of a part")
    return config.build(ShardFile, table, context=str(path))


def _in_turn(parts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the first of every part, then the second of every part, and so on."""
    for row in range(max(len(part) for part in parts)):
        for part in parts:
            if row < len(part):
                yield part[row]


def _provide(source: Path, target: Path) -> None:
    """Link or copy a file, unless it is there."""
    if target.is_file():
        return
    if not source.is_file():
        raise ConfigError(f"{source}: missing; make that part of the corpus again")
    with files.atomic_file(target) as aside:
        aside.unlink()
        with contextlib.suppress(OSError):
            os.link(source, aside)
        if not aside.exists():
            shutil.copyfile(source, aside)
