"""What the fuzzer feeds: one reader, with valid files to change and a look at what it returns."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fuzzing.mutations import Mutator

# Of inputs in one process; readers that take long have fewer.
_BATCH = 250


@dataclass(frozen=True)
class Target:
    """One reader and what to feed it.

    Attributes:
        suffix: Of the files it reads.
        seeds: Returns valid files; the folder is for making them.
        read: Reads a file; raises a KinetuneError, or anything else, which is a finding.
        check: Returns what is wrong with a result, empty if nothing.
        mutators: How files of this kind are changed, beside changes to any bytes.
        batch: How many inputs one process reads.
        uses_torch: Whether the reader needs torch, which maps far more memory than it uses.
    """

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    check: Callable[[object], str] = lambda result: ""
    mutators: tuple[Mutator, ...] = ()
    batch: int = _BATCH
    uses_torch: bool = False


def folder_target(
    build: Callable[[Path], list[str]],
    read: Callable[[Path], object],
    *,
    mutators: Mapping[str, tuple[Mutator, ...]],
    batch: int = _BATCH,
    uses_torch: bool = False,
) -> Target:
    """Return the target of a reader of folders: one file of the folder is changed at a time.

    An input is the file's path within the folder, a line feed, and its content.

    Args:
        build: Fills a folder, and returns the paths within it of the files to change.
        read: Reads the folder.
        mutators: Of files by suffix.
        batch: How many inputs one process reads.
        uses_torch: Whether the reader needs torch.
    """
    built: dict[Path, bytes] = {}

    def seeds(folder: Path) -> list[bytes]:
        whole = folder / "whole"
        whole.mkdir(exist_ok=True)
        names = build(whole)
        built.update({whole / name: (whole / name).read_bytes() for name in names})
        return [name.encode() + b"\n" + (whole / name).read_bytes() for name in names]

    def read_changed(path: Path) -> object:
        name, _, content = path.read_bytes().partition(b"\n")
        whole = path.parent / "whole"
        files = [each for each in built if each.is_relative_to(whole)]
        named = whole / name.decode(errors="replace")
        # A name that was changed itself stands for the first file.
        changed = named if named in files else files[0]
        changed.write_bytes(content)
        try:
            return read(whole)
        finally:
            changed.write_bytes(built[changed])

    def change_content(data: bytes, rng: random.Random) -> bytes:
        name, feed, content = data.partition(b"\n")
        suffix = Path(name.decode()).suffix
        return name + feed + rng.choice(mutators[suffix])(content, rng)

    return Target("", seeds, read_changed, mutators=(change_content,), batch=batch,
                  uses_torch=uses_torch)  # fmt: skip
