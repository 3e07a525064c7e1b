"""The bytes of a glTF file: the chunks of a .glb, and the buffers that a document names.

A buffer may be the binary chunk of a .glb, base64 in the JSON, or a file beside it, never
elsewhere. Source: the glTF 2.0 specification (Khronos), sections 3.6.1 and 4.4.
"""

import base64
import binascii
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.json_values import whole_number

MAGIC = b"glTF"
_HEADER = struct.Struct("<4sII")
_CHUNK = struct.Struct("<II")
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def glb_chunks(raw: bytes, context: str) -> tuple[bytes, bytes]:
    """Return the JSON and the binary chunk of a .glb.

    Raises:
        MotionError: It is cut short, of another version, or without JSON.
    """
    if len(raw) < _HEADER.size + _CHUNK.size:
        raise MotionError(f"{context}: the .glb is cut short after {len(raw)} bytes")
    _, version, length = _HEADER.unpack_from(raw)
    if version != 2:
        raise MotionError(f"{context}: expected glTF 2, found version {version}; export it as .glb")
    if length > len(raw):
        raise MotionError(
            f"{context}: the .glb is cut short, expected {length} bytes, found {len(raw)}"
        )
    chunks: dict[int, bytes] = {}
    at = _HEADER.size
    while at + _CHUNK.size <= length:
        size, kind = _CHUNK.unpack_from(raw, at)
        at += _CHUNK.size
        if at + size > length:
            raise MotionError(f"{context}: a chunk of the .glb reaches past its end")
        chunks.setdefault(kind, raw[at : at + size])
        at += size
    if _JSON_CHUNK not in chunks:
        raise MotionError(f"{context}: the .glb has no JSON chunk")
    return chunks[_JSON_CHUNK], chunks.get(_BINARY_CHUNK, b"")


def buffer_bytes(entry: dict[str, Any], path: Path, binary: bytes, context: str) -> bytes:
    """Return the bytes of a buffer.

    Args:
        entry: Its JSON object.
        path: The file that names it.
        binary: The binary chunk of a .glb, empty if there is none.
        context: What to call it in errors.

    Raises:
        MotionError: It is cut short, damaged or missing, or it lies elsewhere.
    """
    length = whole_number(entry.get("byteLength"), f"{context}: byteLength")
    uri = entry.get("uri")
    if uri is None:
        data = binary
    elif not isinstance(uri, str):
        raise MotionError(f"{context}: expected an address as text")
    elif uri.startswith("data:"):
        data = _decoded(uri, context)
    else:
        data = _read_sibling(path, unquote(uri), length, context)
    if len(data) < length:
        raise MotionError(f"{context}: expected {length} bytes, found {len(data)}; it is cut short")
    return data[:length]


def _decoded(uri: str, context: str) -> bytes:
    head, _, payload = uri.partition(",")
    if not head.endswith(";base64"):
        raise MotionError(f"{context}: expected base64, found {head[:40]!r}")
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MotionError(f"{context}: its base64 is damaged ({error})") from error


def _read_sibling(path: Path, name: str, length: int, context: str) -> bytes:
    folder = path.parent.resolve()
    try:
        file = (folder / name).resolve()
        if not file.is_relative_to(folder):
            raise MotionError(f"{context}: expected a file beside it, found {name!r}")
        with file.open("rb") as opened:
            return opened.read(min(length, file.stat().st_size))
    except (OSError, ValueError, RuntimeError) as error:
        raise MotionError(f"{context}: {name[:80]!r} can't be read beside it ({error})") from error
