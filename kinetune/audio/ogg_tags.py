"""Vorbis comments of OGG files (such as loop points for game engines), and the serial number.

Encoders choose the serial number at random. Here it is computed from the content, so that the same
music gives the same bytes. An OGG stream is a sequence of pages; the first packet is Vorbis'
identification header, the second its comments (``KEY=value``), the third its setup. Sources: RFC
3533 (pages), the Vorbis I specification, section 5 (comments).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kinetune.errors import AudioError

_HEAD = struct.Struct("<4sBBqIIIB")
_COMMENT = b"\x03vorbis"
_CONTINUED = 1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MAX_SEGMENTS = 255


@dataclass(frozen=True)
class _Page:
    """One page: its header's fields, and the segments (of 255 bytes or fewer) of its packets."""

    flags: int
    granule: int
    serial: int
    number: int
    segments: tuple[bytes, ...]

    def encoded(self) -> bytes:
        """Return the page's bytes with its checksum."""
        lacing = bytes(map(len, self.segments))
        fields = (b"OggS", 0, self.flags, self.granule, self.serial, self.number)
        body = lacing + b"".join(self.segments)
        blank = _HEAD.pack(*fields, 0, len(lacing)) + body
        return _HEAD.pack(*fields, _checksum(blank), len(lacing)) + body


def finish_ogg(path: Path, comments: dict[str, str]) -> None:
    """Add comments to an OGG Vorbis file, and make its serial number from its content, in place.

    Raises:
        AudioError: It is not OGG Vorbis.
    """
    pages = list(_pages(path, path.read_bytes()))
    # Header pages hold the second and third packet; sound begins on a page of its own.
    last, packets = _header_packets(path, pages)
    vendor, known = _parsed(path, packets[0])
    known += [f"{name}={value}".encode() for name, value in comments.items()]
    header = list(_to_pages([_to_packet(vendor, known), *packets[1:]]))
    sound = [replace(page, number=page.number + len(header) - last) for page in pages[last + 1 :]]
    finished = [pages[0], *header, *sound]
    serial = 0
    for page in finished:
        serial = zlib.crc32(b"".join(page.segments), serial)
    path.write_bytes(b"".join(replace(page, serial=serial).encoded() for page in finished))


def read_comments(path: Path) -> dict[str, str]:
    """Return the comments of an OGG Vorbis file; keys in upper case.

    Raises:
        AudioError: It is not OGG Vorbis.
    """
    _, packets = _header_packets(path, list(_pages(path, path.read_bytes())))
    pairs = (
        entry.decode(errors="replace").partition("=") for entry in _parsed(path, packets[0])[1]
    )
    return {name.upper(): value for name, _, value in pairs}


def _pages(path: Path, content: bytes) -> Iterator[_Page]:
    at = 0
    while at < len(content):
        try:
            capture, _, flags, granule, serial, number, _, count = _HEAD.unpack_from(content, at)
        except struct.error as error:
            raise AudioError(f"{path}: a page of this OGG file is cut off") from error
        lacing = content[at + _HEAD.size : at + _HEAD.size + count]
        at += _HEAD.size + count
        if capture != b"OggS" or at + sum(lacing) > len(content):
            raise AudioError(f"{path}: not a whole OGG file")
        segments = []
        for size in lacing:
            segments.append(content[at : at + size])
            at += size
        yield _Page(flags, granule, serial, number, tuple(segments))


def _header_packets(path: Path, pages: list[_Page]) -> tuple[int, list[bytes]]:
    """Return the index of the last header page, and the comment and the setup packet."""
    packets, open_packet = [], b""
    for index, page in enumerate(pages[1:], start=1):
        for segment in page.segments:
            open_packet += segment
            if len(segment) < _MAX_SEGMENTS:
                packets.append(open_packet)
                open_packet = b""
        if len(packets) >= 2:
            return index, packets
    raise AudioError(f"{path}: the headers of this OGG file are not whole")


def _parsed(path: Path, packet: bytes) -> tuple[bytes, list[bytes]]:
    """Return the vendor and the comments of a comment packet."""
    try:
        if not packet.startswith(_COMMENT):
            raise ValueError
        vendor, at = _entry(packet, len(_COMMENT))
        (count,) = struct.unpack_from("<I", packet, at)
        at, comments = at + 4, []
        for _ in range(count):
            entry, at = _entry(packet, at)
            comments.append(entry)
    except (ValueError, struct.error) as error:
        raise AudioError(f"{path}: the comments of this OGG file can't be read") from error
    return vendor, comments


def _entry(packet: bytes, at: int) -> tuple[bytes, int]:
    """Return the string with its length before it at ``at``, and where it ends."""
    (size,) = struct.unpack_from("<I", packet, at)
    if at + 4 + size > len(packet):
        raise ValueError
    return packet[at + 4 : at + 4 + size], at + 4 + size


def _to_packet(vendor: bytes, comments: list[bytes]) -> bytes:
    parts = [_COMMENT, struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(comments))]
    parts += [struct.pack("<I", len(entry)) + entry for entry in comments]
    # The framing bit.
    return b"".join(parts) + b"\x01"


def _to_pages(packets: list[bytes]) -> Iterator[_Page]:
    """Yield pages, numbered from 1 and without a serial number, that hold header packets."""
    segments: list[bytes] = []
    for packet in packets:
        segments += [packet[k : k + 255] for k in range(0, len(packet), 255)]
        if len(packet) % 255 == 0:
            segments.append(b"")
    continued = False
    for number, first in enumerate(range(0, len(segments), _MAX_SEGMENTS), start=1):
        part = tuple(segments[first : first + _MAX_SEGMENTS])
        # A granule of -1 marks a page on which no packet ends.
        granule = 0 if any(len(segment) < 255 for segment in part) else -1
        yield _Page(_CONTINUED if continued else 0, granule, 0, number, part)
        continued = len(part[-1]) == 255


def _checksum(content: bytes) -> int:
    """Return OGG's checksum: CRC-32 with the plain polynomial, neither reflected nor inverted."""
    # zlib's is both: with the bits of every byte and of the result reversed it is the plain one.
    reflected = zlib.crc32(content.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{reflected:032b}"[::-1], 2)
