"""Arrays of .npy and .npz files, looked at before they are loaded, and never unpickled.

A shape is read from the head of an array, so that one that claims terabytes costs nothing.
Source: NumPy's own file format, versions 1 to 3.
"""

import contextlib
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError

_SUFFIX = ".npy"
# Two hours of SMPL-X poses at 120 frames a second are just below.
_MOST_BYTES = 1 << 30
# All that reading a damaged archive or head may raise; heads hold Python text.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, KeyError, TypeError,
    OSError, OverflowError, NotImplementedError, RuntimeError, SyntaxError, tokenize.TokenError,
)  # fmt: skip


def shape_of(path: Path) -> tuple[int, ...]:
    """Return the shape of the array in a .npy file.

    Raises:
        MotionError: The file is damaged, or shorter than its head says.
    """
    with _damage_said(path, ".npy file"), path.open("rb") as file:
        return _checked_shape(file, path.stat().st_size)


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays in a .npz archive by their names.

    Raises:
        MotionError: The archive is damaged, or an array shorter than its head says.
    """
    found = {}
    with _damage_said(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(_SUFFIX):
                with archive.open(info) as file:
                    name = info.filename.removesuffix(_SUFFIX)
                    found[name] = _checked_shape(file, info.file_size)
    return found


def load_array(path: Path) -> NDArray:
    """Return the array in a .npy file.

    Raises:
        MotionError: The file is damaged, absurdly large, or holds objects.
    """
    shape_of(path)
    with _damage_said(path, ".npy file"):
        return np.asarray(np.load(path, allow_pickle=False))


def load_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray]:
    """Return those of ``names`` that a .npz archive holds.

    Raises:
        MotionError: The archive is damaged, absurdly large, or an array holds objects.
    """
    wanted = [name for name in names if name in shapes_in(path)]
    with (
        _damage_said(path, ".npz archive"),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return {name: arrays[name] for name in wanted}


def _checked_shape(file: IO[bytes], size: int) -> tuple[int, ...]:
    """Read the head of an array that takes ``size`` bytes with it, and return its shape."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    needed = dtype.itemsize * math.prod(shape)
    if not dtype.hasobject and needed > size:
        raise ValueError(f"it is cut short, expected {needed} bytes for {shape}, found {size}")
    if size > _MOST_BYTES:
        raise ValueError(f"{size >> 20} MB of numbers, expected at most {_MOST_BYTES >> 20} MB")
    return tuple(shape)


@contextlib.contextmanager
def _damage_said(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split())
        raise MotionError(f"{path}: the {kind} can't be read ({reason})") from error
