"""The two halves of BVH text: the hierarchy of joints, and the table of numbers under it.

Conventions: as in :mod:`kinetune.motion.io.bvh`; offsets and numbers stay in the file's own units.
Whatever doesn't fit is refused with its line.
"""

import itertools
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError

Array = NDArray[np.float64]

CHANNEL_NAMES = (
    "Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation",
)  # fmt: skip
# Beyond any angle in degrees or position in any unit: damage.
_MAX_VALUE = 1e9
# Bodies have tens of joints, crowds and hair some hundreds.
_MAX_JOINTS = 5000


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The joints of a BVH file, parents before children.

    Attributes:
        names: Joint names as written, length J.
        parents: Index of each joint's parent, -1 for a root, length J.
        offsets: From the parent at rest, file units, (J, 3).
        ends: Offset of each joint's End Site, zeros where it has none, file units, (J, 3).
        channels: Names of each joint's channels in order, length J.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    ends: Array
    channels: tuple[tuple[str, ...], ...]

    @cached_property
    def _first_columns(self) -> tuple[int, ...]:
        return tuple(itertools.accumulate(map(len, self.channels), initial=0))

    @property
    def channel_count(self) -> int:
        """Numbers in a frame."""
        return self._first_columns[-1]

    def first_column(self, joint: int) -> int:
        """Return the column in which a joint's numbers begin."""
        return self._first_columns[joint]


def parse_hierarchy(text: str, context: str) -> Hierarchy:
    """Parse the lines before MOTION.

    Args:
        text: From the first line on.
        context: What to call the file in errors.

    Raises:
        MotionError: A line can't be understood, or a brace is missing.
    """
    return _HierarchyParser(context).parse(text)


@dataclass(frozen=True)
class Table:
    """How to read the numbers after Frame Time.

    Attributes:
        context: What to call the file in errors.
        first_line: The line the text begins in, counted from 1.
        columns: Numbers in a frame.
    """

    context: str
    first_line: int
    columns: int

    def parse(self, text: str, frame_count: int) -> Array:
        """Return the numbers, (frame_count, columns).

        Raises:
            MotionError: There are too few or too many, or one isn't a finite number.
        """
        flat = _numbers_in(text)
        if self.columns == 0 or len(flat) != frame_count * self.columns:
            self._raise_parse_error(text, frame_count)
        values = flat.reshape(frame_count, self.columns)
        bad = ~((values < _MAX_VALUE) & (values > -_MAX_VALUE)).all(axis=1)
        if bad.any():
            frame = int(np.argmax(bad))
            raise MotionError(
                f"{self.context}, line {self._line_of(text, frame)}: frame {frame} holds NaN, "
                f"infinite or absurdly large values ({int(bad.sum())} of {frame_count} frames do)"
            )
        return values

    def _rows(self, text: str) -> list[tuple[int, list[str]]]:
        lines = enumerate(text.split("\n"), start=self.first_line)
        return [(number, content.split()) for number, content in lines if content.strip()]

    def _line_of(self, text: str, frame: int) -> int:
        rows = self._rows(text)
        return rows[min(frame, len(rows) - 1)][0]

    def _raise_parse_error(self, text: str, frame_count: int) -> None:
        """Raise the error of a table that didn't parse, with the line it is in."""
        rows = self._rows(text)
        for line, tokens in rows:
            unexpected = next((token for token in tokens if not _is_number(token)), None)
            if unexpected is not None:
                raise MotionError(
                    f"{self.context}, line {line}: expected numbers, found {unexpected[:40]!r}"
                )
        for line, tokens in rows:
            if len(tokens) != self.columns:
                raise MotionError(
                    f"{self.context}, line {line}: expected {self.columns} numbers, one for each "
                    f"channel, found {len(tokens)}"
                )
        last = rows[-1][0] if rows else self.first_line
        raise MotionError(
            f"{self.context}, line {last}: expected {frame_count} frames as 'Frames:' says, found "
            f"{len(rows)}; correct the number or complete the file"
        )


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _numbers_in(text: str) -> Array:
    """Read numbers apart by white space; at the first that isn't one, stop or return none."""
    with warnings.catch_warnings():
        # Old versions of numpy stop with this warning, new ones raise.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(text, dtype=np.float64, sep=" ")
        except ValueError:
            return np.zeros(0)


class _HierarchyParser:
    """Reads the lines before MOTION; lives for one file."""

    def __init__(self, context: str) -> None:
        self.context = context
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[Array | None] = []
        self.ends: list[Array] = []
        self.channels: list[tuple[str, ...] | None] = []
        # Open braces: the index of a joint, or None for an End Site.
        self.open: list[int | None] = []
        self.pending: list[int | None] = []

    def parse(self, text: str) -> Hierarchy:
        line = 0
        for line, content in enumerate(text.splitlines(), start=1):
            for piece in re.split(r"([{}])", content):
                if piece.strip():
                    self._parse_piece(piece.strip(), f"{self.context}, line {line}")
        if self.open or self.pending:
            raise MotionError(
                f"{self.context}, line {line}: the hierarchy ends with {len(self.open)} braces "
                "open; the file is cut short"
            )
        if not self.names:
            raise MotionError(
                f"{self.context}: expected ROOT and a joint before MOTION, found none"
            )
        return self._hierarchy()

    def _hierarchy(self) -> Hierarchy:
        for name, offset in zip(self.names, self.offsets, strict=True):
            if offset is None:
                raise MotionError(f"{self.context}: joint {name!r} has no OFFSET")
        return Hierarchy(
            tuple(self.names),
            tuple(self.parents),
            np.array(self.offsets, dtype=np.float64).reshape(-1, 3),
            np.array(self.ends).reshape(-1, 3),
            tuple(channels or () for channels in self.channels),
        )

    def _parse_piece(self, piece: str, context: str) -> None:
        keyword, _, rest = piece.replace("\t", " ").partition(" ")
        handlers = {
            "{": self._brace_open,
            "}": self._brace_close,
            "ROOT": self._joint,
            "JOINT": self._joint,
            "END": self._end_site,
            "OFFSET": self._offset,
            "CHANNELS": self._channels,
            "HIERARCHY": lambda rest, context: None,
        }
        handler = handlers.get(keyword.upper())
        if handler is None:
            raise MotionError(
                f"{context}: expected one of ROOT, JOINT, End Site, OFFSET, CHANNELS or a "
                f"brace, found {piece[:40]!r}"
            )
        handler(rest.strip(), context)

    def _joint(self, name: str, context: str) -> None:
        parent = self.open[-1] if self.open else -1
        if parent is None or self.pending:
            raise MotionError(f"{context}: joint {name[:40]!r} where a brace was expected")
        if len(self.names) >= _MAX_JOINTS:
            raise MotionError(
                f"{context}: expected at most {_MAX_JOINTS} joints; export one dancer"
            )
        self.pending.append(len(self.names))
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(None)
        self.ends.append(np.zeros(3))
        self.channels.append(None)

    def _end_site(self, _: str, context: str) -> None:
        if not self.open or self.open[-1] is None or self.pending:
            raise MotionError(f"{context}: an End Site outside a joint")
        self.pending.append(None)

    def _brace_open(self, _: str, context: str) -> None:
        if not self.pending:
            raise MotionError(f"{context}: a brace opens without ROOT, JOINT or End Site before it")
        self.open.append(self.pending.pop())

    def _brace_close(self, _: str, context: str) -> None:
        if not self.open or self.pending:
            raise MotionError(f"{context}: a brace closes that was never opened")
        self.open.pop()

    def _offset(self, rest: str, context: str) -> None:
        try:
            offset = np.array([float(token) for token in rest.split()])
        except ValueError:
            offset = np.zeros(0)
        if offset.shape != (3,) or not (np.abs(offset) < _MAX_VALUE).all():
            raise MotionError(f"{context}: expected OFFSET and three numbers, found {rest[:60]!r}")
        if not self.open or self.pending:
            raise MotionError(f"{context}: an OFFSET outside the braces of a joint")
        joint = self.open[-1]
        if joint is None:
            self.ends[self._owner()] = offset
        else:
            self.offsets[joint] = offset

    def _owner(self) -> int:
        return next(joint for joint in reversed(self.open) if joint is not None)

    def _channels(self, rest: str, context: str) -> None:
        count, *names = rest.split() or [""]
        channels = tuple(name.capitalize() for name in names)
        known = all(name in CHANNEL_NAMES for name in channels)
        if count != str(len(channels)) or not known or len(set(channels)) != len(channels):
            raise MotionError(
                f"{context}: expected CHANNELS, their number and that many of "
                f"{', '.join(CHANNEL_NAMES)}, found {rest[:60]!r}"
            )
        if not self.open or self.pending:
            raise MotionError(f"{context}: CHANNELS outside the braces of a joint")
        joint = self.open[-1]
        if joint is not None:
            self.channels[joint] = channels
        elif channels:  # An End Site may have CHANNELS 0.
            raise MotionError(f"{context}: an End Site has no channels, found {rest[:60]!r}")
