"""Files and folders appear whole or not at all: written under a temporary name, then renamed.

A temporary name holds the process that writes it: what a killed process left behind differs from
what another one is writing. Source: ``os.replace`` is atomic within a file system.
"""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kinetune.errors import OutputError

#: Folders of the installed package that hold data: trained weights, and the corpus' material.
_PACKAGE = Path(__file__).parent
WEIGHTS = _PACKAGE / "weights"
CORPUS_DATA = _PACKAGE / "corpus" / "data"

# Two processes may swap the same folder at the same time; each swap takes well under a millisecond.
_SWAP_ATTEMPTS = 50
_LONGEST_NAME = 200
_BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it becomes ``path``.

    Args:
        path: Path of the finished file. Missing parent folders are made. The temporary name keeps
            the suffix, because some writers choose the format by it.

    Raises:
        OutputError: The folder can't be made or written to, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=_temporary_prefix(path.stem), suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private; give it the permissions a plain open() would.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path, *, markers: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on a clean exit it replaces ``folder``.

    Args:
        folder: Path of the finished folder. Missing parent folders are made.
        markers: A folder that exists is replaced only if it is empty or holds one of these files.

    Raises:
        OutputError: The folder can't be written to, or it contains other files.
    """
    recover_folder(folder)
    names = _names_in(folder)
    if names and not names & set(markers):
        raise OutputError(f"{folder}: holds other files; choose a new or empty folder")
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_temporary_prefix(folder.name), dir=folder.parent))
        temporary.chmod(0o755)
        yield temporary
        _swap(temporary, folder)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Bring back the last version of a folder whose writer was killed while it replaced it."""
    versions = sorted(folder.parent.glob(f".{folder.name}-old*"), key=_modified)
    if versions and not folder.exists():
        with contextlib.suppress(OSError):
            versions.pop().rename(folder)
    for version in versions:
        shutil.rmtree(version, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files that killed processes of this machine left in a folder, if any."""
    if not folder.is_dir():
        return
    name = re.compile(rf"\..+-{_MACHINE}-(\d+)-[a-z0-9_]{{8}}(\.[^.]*)?")
    for path in folder.iterdir():
        match = name.fullmatch(path.name)
        if match is None or _is_running(int(match[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` to ``path`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def is_plain_name(name: str) -> bool:
    """Return whether a name from a file can be used as a file name inside a folder.

    Separators, drive letters, control characters and names such as ``..`` would lead out of the
    folder or break a message.
    """
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME
        and name.isprintable()
        and not name.startswith(".")
        and not set(name) & set('/\\:*?"<>|')
    )


def check_writable(folder: Path) -> None:
    """Make ``folder`` and check that a file can be put into it, before long work begins.

    Raises:
        OutputError: It can't.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(_cannot_write(folder, error)) from error


_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"


def _temporary_prefix(name: str) -> str:
    return f".{name}-{_MACHINE}-{os.getpid()}-"


def _names_in(folder: Path) -> set[str]:
    # Another process may just be replacing the folder.
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _swap(temporary: Path, folder: Path) -> None:
    """Put ``temporary`` in the place of ``folder``, whatever other processes do to it."""
    for attempt in range(_SWAP_ATTEMPTS):
        old = folder.with_name(f".{folder.name}-old-{secrets.token_hex(4)}")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
        try:
            temporary.rename(folder)
        except OSError as error:
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            if not taken or attempt == _SWAP_ATTEMPTS - 1:
                with contextlib.suppress(OSError):
                    old.rename(folder)
                raise
            # Another process has put its own version there in the meantime: replace that.
            shutil.rmtree(old, ignore_errors=True)
        else:
            shutil.rmtree(old, ignore_errors=True)
            return


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_running(process: int) -> bool:
    if os.name == "nt":
        # There os.kill would end the process; its temporary files stay.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    # A process that has ended stays in the table, as a zombie, until its parent asks for it.
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[:1] != ["Z"]


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{path}: can't be written ({reason}); choose a folder you may write to with -o"


def update_digest(digest: "hashlib._Hash", path: Path) -> None:
    """Add a file's bytes to a checksum, block by block.

    Args:
        digest: Such as ``hashlib.sha256()``.
        path: The file.

    Raises:
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
