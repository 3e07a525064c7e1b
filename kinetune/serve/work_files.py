"""The files of a motion or a job, in its folder."""

import os
from pathlib import Path
from typing import Any

SKELETON, POSITIONS = "skeleton.json", "positions.f32"


def file_names(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; none if there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )


def without_folder(value: Any, folder: Path) -> Any:  # noqa: ANN401 - JSON
    """Return a result with paths inside ``folder`` as bare names."""
    if isinstance(value, dict):
        return {key: without_folder(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [without_folder(item, folder) for item in value]
    if isinstance(value, str):
        return value.replace(f"{folder}{os.sep}", "").replace(f"{folder.as_posix()}/", "")
    return value
