"""Files appear whole or not at all: written aside, then renamed.

Source: rule 24 of the house style; ``os.replace`` is atomic within a file system.
"""

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kinetune.errors import OutputError

#: Folders of the installed package that hold data: trained weights, and the corpus' material.
_PACKAGE = Path(__file__).parent
WEIGHTS = _PACKAGE / "weights"
CORPUS_DATA = _PACKAGE / "corpus" / "data"
# Names of the temporary files of atomic_file: a dot, the stem, what mkstemp adds, the suffix.
_TEMPORARY = re.compile(r"\..+-[a-z0-9_]{8}(\.[^.]*)?")
# No file takes so long to write.
_ABANDONED_S = 10.0


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it becomes ``path``.

    Args:
        path: Where the finished file shall stand. Missing parent folders are made. The temporary
            name keeps the suffix, so that writers which look at it still work.

    Raises:
        OutputError: The folder can't be made or written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes the file private; give it the permissions a plain open() would.
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        aside.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder, which may be missing.

    Files touched within the last seconds may belong to a process that is at work, and stay.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: can't be written ({reason}); choose a folder you may write to with -o"


def check_writable(folder: Path) -> None:
    """Make ``folder`` and see that a file can be put into it, before long work begins.

    Raises:
        OutputError: It can't.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(_cannot_write(folder, error)) from error
