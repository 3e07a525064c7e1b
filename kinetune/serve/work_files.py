"""The files of a motion or a job, in its folder."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

SKELETON, POSITIONS = "skeleton.json", "positions.f32"
# Fixed, so that the same files give the same archive; the earliest date the format knows.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


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


def zip_folder(folder: Path) -> Path:
    """Replace a folder of files by an archive beside it, FOLDER.zip; return the archive."""
    archive = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(archive, "w") as file:
        for name in file_names(folder):
            entry = zipfile.ZipInfo(f"{folder.name}/{name}", _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            with (folder / name).open("rb") as source, file.open(entry, "w") as target:
                shutil.copyfileobj(source, target)
    shutil.rmtree(folder)
    return archive
