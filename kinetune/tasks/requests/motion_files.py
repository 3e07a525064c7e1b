"""Which motion files a request means."""

from collections.abc import Sequence
from pathlib import Path

from kinetune.errors import ConfigError


def find_motions(paths: Sequence[Path]) -> list[Path]:
    """Return the files named, and for every folder the motion files directly in it, by name.

    Raises:
        ConfigError: A folder holds none.
    """
    from kinetune.motion.io.formats import MOTION_SUFFIXES

    motions: list[Path] = []
    for path in paths:
        if not path.is_dir():
            motions.append(path)
            continue
        inside = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in MOTION_SUFFIXES and file.is_file() and file.name[0] != "."
        )
        if not inside:
            raise ConfigError(f"{path}: no motion files ({', '.join(MOTION_SUFFIXES)}) in it")
        motions += inside
    return motions
