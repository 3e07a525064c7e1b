"""Room for what is long: beyond some minutes an array lies in a temporary file, not in memory.

The arrays are NumPy's own, mapped from the file: whoever works through one block by block, and lets
go of it after each, needs memory for a block, whatever the length. The first axis is time.
"""

import contextlib
import mmap
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import OutputError

Array = NDArray[Any]

# Bytes; what is smaller stays in memory. Ten minutes of sound at 22.05 kHz.
SPILL_BYTES = 53_000_000
CHUNK_SIZE = 1 << 20
# Frames of a dance or of a spectrogram that are gone through at a time.
CHUNK_FRAMES = 4096
# What is mapped from files, by where it begins.
_MAPPED: weakref.WeakValueDictionary[int, mmap.mmap] = weakref.WeakValueDictionary()


def zeros_or_memmap(
    shape: tuple[int, ...], dtype: type[np.floating] = np.float32, *, small: int = SPILL_BYTES
) -> Array:
    """Return an array of zeros, in memory up to ``small`` bytes and in a temporary file beyond.

    Raises:
        OutputError: There is no room for the file.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= small:
        return np.zeros(shape, dtype=dtype)
    try:
        with tempfile.TemporaryFile(prefix="kinetune-") as file:
            # Written, not left sparse: a full disk is met here, where it can be told.
            empty = bytes(CHUNK_SIZE)
            for part in slices(size):
                file.write(memoryview(empty)[: part.stop - part.start])
            file.flush()
            array = np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: no room for {size / 1e6:.0f} MB of work in the making "
            f"({error.strerror or error}); free some, or name another folder in TMPDIR"
        ) from error
    mapped: mmap.mmap = vars(array)["_mmap"]
    _MAPPED[array.ctypes.data] = mapped
    return array


def slices(count: int, size: int = CHUNK_SIZE) -> Iterator[slice]:
    """Yield the stretches of ``size``, the last one shorter, that make up ``count``."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def copy(array: Array) -> Array:
    """Return a copy, in a file of its own if it is long."""
    copy = zeros_or_memmap(array.shape, array.dtype.type)
    for part in slices(len(copy), max(1, CHUNK_SIZE * len(copy) // max(1, copy.size))):
        copy[part] = array[part]
        release_pages(array, copy)
    return copy


def release_pages(*arrays: Any) -> None:
    """Give back the memory of what was read and written; what lies in memory stays there.

    Args:
        *arrays: Arrays of this module's, or views and torch tensors that begin where those do.
    """
    for array in arrays:
        is_tensor = hasattr(array, "data_ptr")
        mapped = _MAPPED.get(array.data_ptr() if is_tensor else array.ctypes.data)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            # A system that can't do it will page it out when it needs the memory.
            with contextlib.suppress(OSError, ValueError):
                mapped.madvise(mmap.MADV_DONTNEED)
