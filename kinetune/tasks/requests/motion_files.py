"""Expansion of folders to motion files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinetune.errors import ConfigError


@dataclass(frozen=True)
class MotionPath:
    """A motion file of a request.

    Attributes:
        path: The file.
        subfolder: Its folder, seen from the folder that was named; empty for a file that was.
    """

    path: Path
    subfolder: Path = Path()


def find_motions(paths: Sequence[Path], *, recursive: bool = False) -> list[MotionPath]:
    """Return the files named, and of every folder its motion files by name, each file once.

    Args:
        paths: Files and folders.
        recursive: Whether to look into subfolders; hidden ones are passed over.

    Raises:
        ConfigError: A folder contains none, or can't be listed.
    """
    motions: dict[Path, MotionPath] = {}
    for path in paths:
        here = _inside(path, recursive) if path.is_dir() else [MotionPath(path)]
        for motion in here:
            motions.setdefault(motion.path, motion)
    return list(motions.values())


def _inside(folder: Path, recursive: bool) -> list[MotionPath]:
    from kinetune.motion.io.formats import MOTION_SUFFIXES

    try:
        files = sorted(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder}: can't be listed ({error.strerror})") from error
    inside = [
        MotionPath(file, file.parent.relative_to(folder))
        for file in files
        if file.suffix.lower() in MOTION_SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]
    if not inside:
        where = "in it" if recursive else "in it; --recursive looks into its folders too"
        raise ConfigError(f"{folder}: no motion files ({', '.join(MOTION_SUFFIXES)}) {where}")
    return inside
