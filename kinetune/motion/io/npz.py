"""Arrays of .npy and .npz files, checked before they are loaded, and never unpickled.

A shape is read from the header of an array, so that one that claims terabytes costs nothing.
Arrays keep their stored type: turning bytes into doubles would make them eight times as large.
Source: NumPy's own file format, versions 1 to 3.
"""

import contextlib
import io
import lzma
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
# Two hours of SMPL-X poses at 60 frames per second, as doubles, are just below.
_MAX_BYTES = 600_000_000
# A header holds a type and a shape: some hundred characters. NumPy refuses more than 10,000.
_MAX_HEADER_BYTES = 10_000
_MAX_MEMBERS = 2000
# All that reading a damaged archive or header may raise; headers hold Python text.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError, EOFError, KeyError,
    TypeError, OSError, OverflowError, NotImplementedError, RuntimeError, SyntaxError, MemoryError,
    tokenize.TokenError,
)  # fmt: skip


def shape_of(path: Path) -> tuple[int, ...]:
    """Return the shape of the array in a .npy file.

    Raises:
        MotionError: The file is damaged, too large, or shorter than its header claims.
    """
    with _damage_as_motion_error(path, ".npy file"), path.open("rb") as file:
        return _checked_shape(file, path.stat().st_size)


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays in a .npz archive by their names.

    Raises:
        MotionError: The archive is damaged, or an array is too large or shorter than its header
            claims.
    """
    shapes = {}
    with _damage_as_motion_error(path, ".npz archive"), zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
        if len(members) > _MAX_MEMBERS:
            raise ValueError(f"{len(members)} arrays, expected at most {_MAX_MEMBERS}")
        for info in members:
            with archive.open(info) as file:
                name = info.filename.removesuffix(_SUFFIX)
                shapes[name] = _checked_shape(file, info.file_size)
    return shapes


def load_array(path: Path) -> NDArray:
    """Return the array in a .npy file.

    Raises:
        MotionError: The file is damaged, too large, or contains objects.
    """
    shape_of(path)
    with _damage_as_motion_error(path, ".npy file"):
        return np.asarray(np.load(path, allow_pickle=False))


def load_arrays(path: Path, names: Iterable[str]) -> dict[str, NDArray]:
    """Return those of ``names`` that a .npz archive contains.

    Raises:
        MotionError: The archive is damaged, or an array is too large or contains objects.
    """
    shapes = shapes_in(path)
    wanted = [name for name in names if name in shapes]
    with (
        _damage_as_motion_error(path, ".npz archive"),
        path.open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return {name: arrays[name] for name in wanted}


def _checked_shape(file: IO[bytes], size: int) -> tuple[int, ...]:
    """Read the header of an array that takes ``size`` bytes with it, and return its shape."""
    shape, dtype = _header(file)
    needed = dtype.itemsize * math.prod(shape)
    if not dtype.hasobject and needed > size:
        raise ValueError(f"it is cut short, expected {needed} bytes for {shape}, found {size}")
    if size > _MAX_BYTES:
        raise ValueError(
            f"{size / 1e6:.0f} MB of numbers, expected at most {_MAX_BYTES / 1e6:.0f} MB; cut the "
            "dance into parts"
        )
    if math.prod(shape) > _MAX_BYTES:  # Of elements that take no bytes.
        raise ValueError(f"an array of shape {shape} of {dtype}")
    return shape


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Read the header of an array, never more than a header may be."""
    magic = file.read(np.lib.format.MAGIC_LEN)
    version = np.lib.format.read_magic(io.BytesIO(magic))
    prefix = struct.Struct("<H" if version == (1, 0) else "<I")
    length = file.read(prefix.size)
    (count,) = prefix.unpack(length)
    if count > _MAX_HEADER_BYTES:
        raise ValueError(f"a header of {count} bytes, expected at most {_MAX_HEADER_BYTES}")
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(io.BytesIO(length + file.read(count)))
    return tuple(shape), dtype


@contextlib.contextmanager
def _damage_as_motion_error(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MotionError(f"{path}: the {kind} can't be read ({reason})") from error
