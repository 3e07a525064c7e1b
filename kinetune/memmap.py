"""Long arrays in temporary files instead of memory.

Beyond :data:`SPILL_BYTES` an array is mapped from a temporary file. Work through it with
:func:`chunks`, which gives its pages back to the system after each chunk: the resident memory is
that of one chunk, whatever the length. The first axis is time. :func:`releasing` does the same for
any loop; only where a loop makes the arrays itself, or reads rows without one, does the code call
:func:`release_pages`.
"""

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import OutputError

Array = NDArray[Any]
Item = TypeVar("Item")

# Bytes; smaller arrays stay in memory. Ten minutes of sound at 22.05 kHz.
SPILL_BYTES = 53_000_000
# Rows (samples) a chunk, and bytes a write.
CHUNK_SIZE = 1 << 20
# Frames of motion or of a spectrogram a chunk.
CHUNK_FRAMES = 4096


# Just below what glibc takes notice of, 32 MB.
_FREED_BYTES = 31 << 20


def reuse_freed_memory() -> None:
    """Let the allocator keep freed memory of up to 62 MB for what is allocated next.

    glibc gives the memory of a freed array back to the system at first, and the next array of
    that size costs a page fault every four kilobytes: a fifth of the time of a loop over blocks of
    sound. Once an array has been freed, it keeps as much as twice that array (mallopt(3),
    M_TRIM_THRESHOLD). This one is never written to, so it takes no memory. Other allocators are
    left as they are.
    """
    np.empty(_FREED_BYTES, np.uint8)


class _SpillFile(mmap.mmap):
    """The mapping behind an array of :func:`zeros_or_memmap`, and of nothing else."""


def zeros_or_memmap(
    shape: tuple[int, ...], dtype: type[np.floating] = np.float32, *, small: int = SPILL_BYTES
) -> Array:
    """Return an array of zeros, in memory up to ``small`` bytes and in a temporary file beyond.

    Raises:
        OutputError: The disk has no room for the file.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= small:
        return np.zeros(shape, dtype=dtype)
    try:
        with tempfile.TemporaryFile(prefix="kinetune-") as file:
            _reserve(file, size)
            mapping = _SpillFile(file.fileno(), size)
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: no room for {size / 1e6:.0f} MB of temporary files "
            f"({error.strerror or error}); free some, or name another folder in TMPDIR"
        ) from error
    return np.ndarray(shape, dtype=dtype, buffer=mapping)


def _reserve(file: IO[bytes], size: int) -> None:
    """Give a file its room, not left sparse: a full disk is an error here, not a crash later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    empty = bytes(CHUNK_SIZE)
    for part in slices(size):
        file.write(memoryview(empty)[: part.stop - part.start])
    file.flush()


def slices(count: int, size: int = CHUNK_SIZE) -> Iterator[slice]:
    """Yield consecutive slices of ``size``, the last one shorter, that cover ``count`` rows."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def chunks(*arrays: Array, size: int = CHUNK_SIZE, count: int | None = None) -> Iterator[slice]:
    """Yield slices over the first axis; after each, the pages of the arrays are released.

    Args:
        *arrays: What each chunk reads or writes.
        size: Rows a chunk.
        count: Rows in all; those of the first array if None.
    """
    return releasing(slices(len(arrays[0]) if count is None else count, size), *arrays)


def releasing(items: Iterable[Item], *arrays: Any) -> Iterator[Item]:
    """Yield the items; after each, release the pages of the arrays, see :func:`release_pages`."""
    for item in items:
        yield item
        release_pages(*arrays)


def release_pages(*arrays: Any) -> None:
    """Give the pages of arrays that lie in temporary files back to the system; values are kept.

    Args:
        *arrays: Arrays of :func:`zeros_or_memmap` and their views; or torch tensors whose storage
            names such an array in its attribute ``spilled``. Other arrays are left alone.
    """
    for array in arrays:
        mapping = _mapping_of(array)
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            # Only advice: a system that refuses will page out when it needs the memory.
            with contextlib.suppress(OSError, ValueError):
                mapping.madvise(mmap.MADV_DONTNEED)


def zeros_like(array: Array) -> Array:
    """Return zeros of the shape, type and order in memory of an array, in a file if it is long.

    Raises:
        OutputError: The disk has no room for the file.
    """
    if array.ndim == 2 and array.flags.f_contiguous:
        return zeros_or_memmap(array.shape[::-1], array.dtype.type).T
    return zeros_or_memmap(array.shape, array.dtype.type)


def copy(array: Array) -> Array:
    """Return a copy, in a file of its own if it is long."""
    out = zeros_like(array)
    rows = max(1, CHUNK_SIZE * len(out) // max(1, out.size))
    for part in chunks(array, out, size=rows):
        out[part] = array[part]
    return out


def _mapping_of(array: Any) -> _SpillFile | None:  # noqa: ANN401
    """Return the temporary file under an array, a view of one, or a tensor."""
    if hasattr(array, "untyped_storage"):
        array = getattr(array.untyped_storage(), "spilled", None)
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, _SpillFile) else None
