"""A glTF 2.0 document, and the arrays its accessors name.

Conventions: numbers come back as float64, normalised integers already in 0 to 1 or -1 to 1. Every
count is checked against the bytes there are before anything is allocated.
Source: the glTF 2.0 specification (Khronos), section 3.6.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.buffers import MAGIC, buffer_bytes, glb_chunks
from kinetune.motion.io.gltf.json_values import object_list, valid_index, whole_number

Array = NDArray[np.float64]

_DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# Accessors may share their bytes, or have none (all zeros, or sparse), and still name any count.
# All together may hold this many numbers, and one more for every byte of the buffers.
_MIN_BUDGET = 4_000_000
# Beyond any unit a body or a time is measured in.
_MAX_VALUE = 1e10
# What rewrites the very numbers we read; other extensions may be required and still not matter.
_UNREADABLE = ("EXT_meshopt_compression", "KHR_meshopt_compression")


@dataclass(frozen=True, eq=False)
class Document:
    """A glTF file whose buffers are at hand.

    Attributes:
        context: What to call it in errors.
        json: The document.
        buffers: The bytes of each buffer.
        arrays: The accessors read so far, by index.
        counted: How many numbers they hold.
    """

    context: str
    json: dict[str, Any]
    buffers: tuple[bytes, ...]
    arrays: dict[int, Array] = field(default_factory=dict)
    counted: list[int] = field(default_factory=lambda: [0])

    def check_budget(self, count: int, context: str) -> None:
        """Check that ``count`` more numbers may be read.

        Raises:
            MotionError: Accessors share their bytes too often.
        """
        budget = _MIN_BUDGET + sum(map(len, self.buffers))
        self.counted[0] += count
        if self.counted[0] > budget:
            raise MotionError(
                f"{context}: the file's accessors name more than {budget} numbers for the bytes "
                "it has; it is damaged"
            )

    def entries(self, key: str) -> list[dict[str, Any]]:
        """Return the objects listed under ``key``, none if there is no such key."""
        return object_list(self.json, key, self.context)

    def entry(self, key: str, index: object) -> dict[str, Any]:
        """Return the object at ``index`` of the list ``key``."""
        listed = self.entries(key)
        return listed[valid_index(index, len(listed), f"{self.context}: {key}")]


def read_document(path: Path, context: str) -> Document:
    """Read a .glb or .gltf file and the buffers it names.

    Args:
        path: The file.
        context: What to call it in errors.

    Raises:
        MotionError: It isn't glTF 2, it is cut short, or a buffer is missing or lies elsewhere.
    """
    raw = path.read_bytes()
    text, binary = glb_chunks(raw, context) if raw.startswith(MAGIC) else (raw, b"")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise MotionError(f"{context}: its JSON can't be read ({error})") from error
    asset = document.get("asset") if isinstance(document, dict) else None
    version = asset.get("version") if isinstance(asset, dict) else None
    if not str(version).startswith("2"):
        version_text = "no version" if version is None else f"version {str(version)[:20]}"
        raise MotionError(f"{context}: expected glTF 2, found {version_text}; export it as .glb")
    if unreadable := [
        name for name in _UNREADABLE if name in str(document.get("extensionsRequired"))
    ]:
        raise MotionError(
            f"{context}: is packed with {unreadable[0]}; export it without compression"
        )
    listed = object_list(document, "buffers", context)
    buffers = tuple(
        buffer_bytes(entry, path, b"" if index else binary, f"{context}: buffer {index}")
        for index, entry in enumerate(listed)
    )
    return Document(context, document, buffers)


def read_accessor(document: Document, index: object, width: int) -> Array:
    """Return the numbers of an (count, width).

    Args:
        document: The file.
        index: Which accessor.
        width: How many numbers an element must have: 1, 3, 4 or 16.

    Raises:
        MotionError: It reaches past its buffer, or contains something else or no finite numbers.
    """
    entry = document.entry("accessors", index)
    number = int(str(index))
    context = f"{document.context}: accessor {number}"
    if _WIDTHS.get(str(entry.get("type"))) != width:
        raise MotionError(
            f"{context}: expected {width} numbers each, found {str(entry.get('type'))[:20]}"
        )
    if number not in document.arrays:
        count = whole_number(entry.get("count"), f"{context}: count")
        document.arrays[number] = _numbers(document, entry, (count, width), context)
    return document.arrays[number]


def _numbers(
    document: Document, entry: dict[str, Any], shape: tuple[int, int], context: str
) -> Array:
    dtype = _dtype(entry, context)
    if "bufferView" in entry:
        values = _viewed(document, entry, shape, dtype, context)
        document.check_budget(values.size, context)
    else:
        document.check_budget(shape[0] * shape[1], context)
        values = np.zeros(shape, dtype)
    if "sparse" in entry:
        values = _with_sparse(document, entry["sparse"], values, context)
    scaled = _scaled(values, bool(entry.get("normalized")))
    if not (np.abs(scaled) < _MAX_VALUE).all():
        raise MotionError(
            f"{context}: holds NaN, infinite or absurdly large numbers; clean the clip"
        )
    return scaled


def _dtype(entry: dict[str, Any], context: str) -> str:
    kind = entry.get("componentType")
    if not isinstance(kind, int) or kind not in _DTYPES:
        raise MotionError(f"{context}: expected a component type of glTF, found {kind!r}")
    return _DTYPES[kind]


def _viewed(
    document: Document,
    entry: dict[str, Any],
    shape: tuple[int, int],
    dtype: str,
    context: str,
) -> NDArray[Any]:
    """Return an array as it lies in its buffer, bounds checked."""
    view = document.entry("bufferViews", entry.get("bufferView"))
    index = valid_index(view.get("buffer"), len(document.buffers), f"{context}: buffer")
    buffer, size = document.buffers[index], np.dtype(dtype).itemsize
    start = whole_number(view.get("byteOffset", 0), f"{context}: byteOffset")
    length = whole_number(view.get("byteLength"), f"{context}: byteLength")
    inside = whole_number(entry.get("byteOffset", 0), f"{context}: byteOffset")
    element = size * shape[1]
    stride = whole_number(view.get("byteStride", element), f"{context}: byteStride")
    last = inside + stride * (shape[0] - 1) + element if shape[0] else inside
    if stride < element or last > length or start + length > len(buffer):
        raise MotionError(
            f"{context}: {shape[0]} elements reach past their bytes ({last} of {length}, in a "
            f"buffer of {len(buffer)}); the file is damaged"
        )
    if not shape[0]:
        return np.zeros(shape, dtype)
    return np.ndarray(shape, dtype, buffer, start + inside, (stride, size))


def _with_sparse(
    document: Document, sparse: object, values: NDArray[Any], context: str
) -> NDArray[Any]:
    if not isinstance(sparse, dict):
        raise MotionError(f"{context}: expected an object under 'sparse'")
    count = whole_number(sparse.get("count"), f"{context}: sparse count")
    indices, replaced = sparse.get("indices"), sparse.get("values")
    if not isinstance(indices, dict) or not isinstance(replaced, dict):
        raise MotionError(f"{context}: expected indices and values under 'sparse'")
    at = _viewed(document, indices, (count, 1), _dtype(indices, context), context)[:, 0]
    if count and (at.dtype.kind not in "ui" or at.min() < 0 or at.max() >= len(values)):
        raise MotionError(f"{context}: a sparse index lies past its {len(values)} elements")
    new = _viewed(document, replaced, (count, values.shape[1]), values.dtype.str, context)
    values = values.copy()
    values[at] = new
    return values


def _scaled(values: NDArray[Any], normalised: bool) -> Array:
    out = values.astype(np.float64)
    if normalised and values.dtype.kind in "iu":
        out = np.maximum(out / np.iinfo(values.dtype).max, -1.0)
    return out
