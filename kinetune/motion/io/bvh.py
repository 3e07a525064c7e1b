"""BVH text: a hierarchy of joints and a table of numbers, read and written.

Conventions: offsets in the file's own unit, angles in degrees; a joint's rotation is the product
of its channels in the order listed (the first turns last in the world: R = R1 R2 R3). Lines may
end in LF, CRLF or CR; names may hold spaces and colons. What is written is in centimetres, y up,
ZXY. Source: the Biovision description as kept by the University of Wisconsin (M. Meredith, S.
Maddock).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.files import atomic_file
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.frame_rate import check_length, checked_rate_hz, rate_from_frame_time
from kinetune.motion.io.bvh_text import Hierarchy, Table, parse_hierarchy
from kinetune.motion.io.text_encoding import decode_text
from kinetune.motion.retargeting.skeletal_animation import Frames

Array = NDArray[np.float64]

_CM_PER_M = 100.0
# Length of a leaf's end site when written, along the bone before it.
_END_SITE_CM = 8.0
_HEADING = re.compile(r"\s*Frames\s*:\s*(\S+)\s+Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)
# No count of frames has more digits; Python refuses to read thousands of them.
_MAX_DIGITS = 9


@dataclass(frozen=True, eq=False)
class Bvh:
    """A BVH file as written.

    Attributes:
        hierarchy: Its joints.
        values: The table of numbers, file units and degrees, (T, channels).
        fps: Frames per second.
    """

    hierarchy: Hierarchy
    values: Array
    fps: float

    @property
    def names(self) -> tuple[str, ...]:
        """Joint names as written."""
        return self.hierarchy.names

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each joint's parent, -1 for a root."""
        return self.hierarchy.parents

    @property
    def offsets(self) -> Array:
        """From the parent at rest, file units, (J, 3)."""
        return self.hierarchy.offsets

    @property
    def end_offsets(self) -> Array:
        """Offset of each joint's End Site, zeros where it has none, file units, (J, 3)."""
        return self.hierarchy.ends

    @property
    def rest_rotations(self) -> Array:
        """No joint is turned at rest, (J, 4)."""
        return np.tile([1.0, 0.0, 0.0, 0.0], (len(self.names), 1))

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return len(self.values)

    def local_rotations(self, joint: int, frames: Frames = slice(None)) -> Array:
        """See :func:`joint_rotations`."""
        return joint_rotations(self, joint, frames)

    def local_translations(self, joint: int, frames: Frames = slice(None)) -> Array | None:
        """See :func:`joint_positions`."""
        return joint_positions(self, joint, frames)


def read_bvh(path: Path, *, fps: float | None = None) -> Bvh:
    """Read a BVH file.

    Args:
        path: The file, in UTF-8 or one of the encodings names are written in.
        fps: Frames per second, in place of the file's own.

    Raises:
        MotionError: The text isn't BVH, or its numbers don't fit its hierarchy; the line is named.
    """
    return parse_bvh(decode_text(Path(path).read_bytes()), context=str(path), fps=fps)


def parse_bvh(text: str, *, context: str = "BVH text", fps: float | None = None) -> Bvh:
    """Parse BVH text.

    Args:
        text: The whole file.
        context: What to call it in errors.
        fps: Frames per second, in place of the file's own.

    Raises:
        MotionError: As :func:`read_bvh`.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    motion = re.search(r"^[ \t]*MOTION[ \t]*$", text, re.MULTILINE | re.IGNORECASE)
    if motion is None:
        raise MotionError(
            f"{context}: expected a line MOTION after the hierarchy, found none in "
            f"{text.count(chr(10)) + 1} lines; the file is cut short"
        )
    hierarchy = parse_hierarchy(text[: motion.start()], context)
    heading = _HEADING.match(text, motion.end())
    line = text.count("\n", 0, motion.end()) + 2
    if heading is None:
        raise MotionError(f"{context}, line {line}: expected 'Frames: N' and 'Frame Time: seconds'")
    frame_count = _frame_count(heading[1], f"{context}, line {line}")
    rate_hz = _rate_hz(heading[2], f"{context}, line {line + 1}") if fps is None else fps
    check_length(frame_count, rate_hz, f"{context}, line {line}")
    table = Table(context, text.count("\n", 0, heading.end()) + 1, hierarchy.channel_count)
    return Bvh(hierarchy, table.parse(text[heading.end() :], frame_count), rate_hz)


def joint_rotations(bvh: Bvh, joint: int, frames: Frames = slice(None)) -> Array:
    """Return a joint's local rotations as quaternions, (T, 4), in the given frames."""
    hierarchy = bvh.hierarchy
    first = hierarchy.first_column(joint)
    quat = np.zeros((len(bvh.values[frames]), 4))
    quat[:, 0] = 1.0
    for column, channel in enumerate(hierarchy.channels[joint], start=first):
        if channel.endswith("rotation"):
            half = np.radians(bvh.values[frames, column]) / 2.0
            step = np.zeros_like(quat)
            step[:, 0] = np.cos(half)
            step[:, 1 + "XYZ".index(channel[0])] = np.sin(half)
            quat = rotations.quat_multiply(quat, step)
    return quat


def joint_positions(bvh: Bvh, joint: int, frames: Frames = slice(None)) -> Array | None:
    """Return a joint's position channels, (T, 3), file units, or None where it has none.

    An axis without a channel keeps the joint's offset.
    """
    hierarchy = bvh.hierarchy
    first = hierarchy.first_column(joint)
    columns = {
        "XYZ".index(channel[0]): first + index
        for index, channel in enumerate(hierarchy.channels[joint])
        if channel.endswith("position")
    }
    if not columns:
        return None
    out = np.tile(hierarchy.offsets[joint], (len(bvh.values[frames]), 1))
    for axis, column in columns.items():
        out[:, axis] = bvh.values[frames, column]
    return out


def write_bvh(path: Path, clip: MotionClip) -> None:
    """Write a clip as BVH: 24 joints, centimetres, y up, ZXY; whole or not at all.

    Args:
        path: Where; the name should end in .bvh.
        clip: What.

    Raises:
        OutputError: It can't be written.
    """
    angles = zxy_degrees(clip.rotations)
    columns = np.concatenate(
        [clip.root_m * _CM_PER_M, angles[:, _depth_first(0)].reshape(clip.frame_count, -1)], axis=1
    )
    frame_time_s = timebase.duration_of(1, clip.fps)
    with atomic_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("HIERARCHY\n" + "\n".join(_joint_lines(0, 0)) + "\n")
        file.write(f"MOTION\nFrames: {clip.frame_count}\nFrame Time: {frame_time_s:.12g}\n")
        np.savetxt(file, columns, fmt="%.6f")


def zxy_degrees(quat: Array) -> Array:
    """Turn quaternions (T, J, 4) into Z, X, Y angles in degrees, (T, J, 3), smooth over time."""
    m = rotations.matrix_from_quat(quat)
    x = np.arcsin(np.clip(m[..., 2, 1], -1.0, 1.0))
    # With x at a quarter turn z and y turn about the same axis: give it all to z.
    locked = np.hypot(m[..., 0, 1], m[..., 1, 1]) < 1e-7
    z = np.where(
        locked, np.arctan2(m[..., 1, 0], m[..., 0, 0]), np.arctan2(-m[..., 0, 1], m[..., 1, 1])
    )
    y = np.where(locked, 0.0, np.arctan2(-m[..., 2, 0], m[..., 2, 2]))
    return np.degrees(np.unwrap(np.stack([z, x, y], axis=-1), axis=0))


def _children(joint: int) -> list[int]:
    return [child for child, parent in enumerate(skeleton.PARENTS) if parent == joint]


def _depth_first(joint: int) -> list[int]:
    return [joint, *(below for child in _children(joint) for below in _depth_first(child))]


def _joint_lines(joint: int, depth: int) -> list[str]:
    pad = "\t" * depth
    offset = skeleton.OFFSETS_M[joint] * _CM_PER_M
    positions = "6 Xposition Yposition Zposition" if depth == 0 else "3"
    lines = [
        f"{pad}{'JOINT' if depth else 'ROOT'} {skeleton.JOINT_NAMES[joint]}",
        pad + "{",
        f"{pad}\tOFFSET {_triple(offset)}",
        f"{pad}\tCHANNELS {positions} Zrotation Xrotation Yrotation",
    ]
    for child in _children(joint):
        lines += _joint_lines(child, depth + 1)
    if not _children(joint):
        end = _triple(offset / np.linalg.norm(offset) * _END_SITE_CM)
        lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {end}", pad + "\t}"]
    return [*lines, pad + "}"]


def _triple(values: Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _frame_count(text: str, context: str) -> int:
    if not text.isdecimal() or len(text) > _MAX_DIGITS:
        raise MotionError(f"{context}: expected a number of frames, found {text[:40]!r}")
    return int(text)


def _rate_hz(text: str, context: str) -> float:
    try:
        rate_hz = rate_from_frame_time(text)
    except ValueError as error:
        raise MotionError(
            f"{context}: expected a frame time in seconds above 0, found {text[:40]!r}; correct "
            "it, or give the rate with --fps"
        ) from error
    return checked_rate_hz(rate_hz, f"{context}: Frame Time {text[:40]}")
