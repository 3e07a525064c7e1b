"""Changes to the content of files, for the fuzzer of the readers: to any bytes, and by format.

A mutator takes a file's content and a generator of random numbers, and returns other content.
"""

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence

import numpy as np

Mutator = Callable[[bytes, random.Random], bytes]

_NUMBERS = ("0", "-1", "1e9", "-1e9", "1e154", "nan", "inf", "2147483648", "4294967295",
            "9" * 20, "9" * 400, "9" * 5000, "0x" + "f" * 5000, "0.0", "1e-300", "65536",
            "-0.5")  # fmt: skip
_WORDS = (b"\x00", b"\xff" * 8, b"\x1b[31m", b"{" * 500, b"[" * 5000, b"(" * 500, b"\r", b"\r\n",
          b"\n", b"\xef\xbb\xbf", b"\x80", "左足".encode(), b"-" * 300,
          b"\xed\xa0\x80")  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_VALUES = (None, -1, 0, 1, 2**31, 2**64, 10**400, 0.5, 1e300, True, "", "x", "\ud800", [], {}, [0],
           [[]], "\x1b[2J" * 10)  # fmt: skip


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    """Replace some bytes by any others."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if out:
            out[_position(out, rng)] = rng.randrange(256)
    return bytes(out)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Drop the end, or a part."""
    start = _position(data, rng)
    return data[:start] if rng.random() < 0.5 else data[:start] + data[start + rng.randrange(64) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Put a part in again, somewhere else or several times."""
    start = _position(data, rng)
    part = data[start : start + rng.randrange(1, 256)] * rng.choice((1, 1, 2, 50))
    at = _position(data, rng)
    return data[:at] + part + data[at:]


def insert_word(data: bytes, rng: random.Random) -> bytes:
    """Insert bytes that mean something to some parser."""
    at = _position(data, rng)
    return data[:at] + rng.choice(_WORDS) + data[at:]


def change_integer(data: bytes, rng: random.Random) -> bytes:
    """Overwrite four or eight bytes by a small or a huge integer."""
    at = _position(data, rng)
    value = rng.choice((0, 1, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1))
    packed = struct.pack(rng.choice(("<I", ">I", "<Q")), value)
    return data[:at] + packed + data[at + len(packed) :]


def change_number(data: bytes, rng: random.Random) -> bytes:
    """Replace a number written as text."""
    at = _position(data, rng)
    match = _NUMBER.search(data, at)
    if match is None:
        return flip_bytes(data, rng)
    return data[: match.start()] + rng.choice(_NUMBERS).encode() + data[match.end() :]


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, drop or repeat a value anywhere in JSON text."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return flip_bytes(data, rng)
    holder: object = document
    while isinstance(holder, dict | list) and holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = rng.choice(keys)
        below = holder[key]  # type: ignore[index]
        if not (isinstance(below, dict | list) and below) or rng.random() < 0.15:
            if isinstance(holder, list) and rng.random() < 0.2:
                holder.extend([below] * rng.choice((1, 400)))
            else:
                holder[key] = rng.choice(_VALUES)  # type: ignore[index]
            break
        holder = below
    return json.dumps(document).encode()


def change_glb_json(data: bytes, rng: random.Random) -> bytes:
    """Change the JSON chunk of a .glb and mend the lengths around it."""
    if len(data) < 20:
        return data
    length = struct.unpack_from("<I", data, 12)[0]
    text = change_json(data[20 : 20 + length], rng)
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<II", len(text), 0x4E4F534A) + text + rest


def change_npz_member(data: bytes, rng: random.Random) -> bytes:
    """Change one array of a .npz and pack it again, so that its checksum is right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError):
        return flip_bytes(data, rng)
    name = rng.choice(list(members))
    members[name] = change_npy(members[name], rng)
    if rng.random() < 0.1:
        members.pop(rng.choice(list(members)))
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def change_npy(data: bytes, rng: random.Random) -> bytes:
    """Change the header of an array, its type, its numbers, or blow it up."""
    kind = rng.randrange(4)
    if kind == 0:
        end = data.find(b"\n")
        return rng.choice((change_number, flip_bytes, insert_word))(data[:end], rng) + data[end:]
    if kind == 1:
        types = ("i1", "f2", "f8", "c16", "O", "S0", "U4", "M8[s]", "V8", "b1", "u8")
        return re.sub(rb"'[<>|][a-zA-Z]\d+'", f"'<{rng.choice(types)}'".encode(), data, count=1)
    if kind == 2:
        try:
            array = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            return flip_bytes(data, rng)
        out = io.BytesIO()
        count = rng.choice(
            (0, 1, 100_000, 20_000_000 // max(1, array[:1].size if array.ndim else 1))
        )
        shape = (count, *array.shape[1:])
        np.save(out, np.zeros(shape, dtype=rng.choice((np.int8, np.float32))))
        return out.getvalue()
    return flip_bytes(data, rng)


def change_ogg_page(data: bytes, rng: random.Random) -> bytes:
    """Change the content of a page of an OGG file, and mend the page's checksum."""
    starts = [match.start() for match in re.finditer(b"OggS", data)]
    start = rng.choice(starts)
    end = min((other for other in starts if other > start), default=len(data))
    page = bytearray(data[start:end])
    # The header and its table of segments stay, or now and then one of its fields does not.
    body = 27 + page[26]
    first = 4 if rng.random() < 0.2 else body
    for _ in range(rng.choice((1, 2, 8))):
        page[rng.randrange(first, len(page))] = rng.randrange(256)
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _ogg_checksum(page))
    return data[:start] + bytes(page) + data[end:]


def _ogg_checksum(content: bytearray) -> int:
    value = 0
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = ((value << 1) ^ (0x04C1_1DB7 if value & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return value


ANY: tuple[Mutator, ...] = (
    flip_bytes, cut, repeat, insert_word, change_integer, change_number,
)  # fmt: skip


def mutated(seeds: Sequence[bytes], special: Sequence[Mutator], rng: random.Random) -> bytes:
    """Return a seed with one to three changes, ``special`` ones of its format among them."""
    data = rng.choice(seeds)
    if rng.random() < 0.05:
        other = rng.choice(seeds)
        return data[: _position(data, rng)] + other[_position(other, rng) :]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        by_format = special and rng.random() < 0.6
        mutator = rng.choice(special if by_format else ANY)
        try:
            data = mutator(data, rng)
        except Exception:  # noqa: BLE001 - what is damaged already may not be changed so.
            data = flip_bytes(data, rng)
    return data


def _position(data: bytes | bytearray, rng: random.Random) -> int:
    """Return a position, half of the time near the beginning, where headers are."""
    size = max(1, len(data))
    return rng.randrange(min(size, 400)) if rng.random() < 0.5 else rng.randrange(size)
