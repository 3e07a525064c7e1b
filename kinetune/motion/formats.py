"""The door for motion files: which format one is, by its content, and its clip.

Reads AIST++ and EDGE pickles, AMASS .npz and BVH; writes AMASS .npz and BVH. The first bytes
decide, never the name: a BVH called dance.txt is read as BVH.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.aist import read_aist
from kinetune.motion.amass import read_amass_with_joints, write_amass
from kinetune.motion.bvh import read_bvh, write_bvh
from kinetune.motion.clip import MotionClip
from kinetune.motion.retarget import clip_from_take

# How motion files are usually called, for listing a folder.
MOTION_SUFFIXES: tuple[str, ...] = (".pkl", ".npz", ".bvh")
# No camera or suit records faster, and no dance lasts longer: beyond this a header is wrong.
MAX_RATE_HZ = 1000.0
MAX_DURATION_S = 2 * 3600.0
_EXPECTED = "an AIST++ or EDGE .pkl, an AMASS .npz or a BVH file"
# Enough to pass over a byte order mark and blank lines before HIERARCHY.
_HEAD_BYTES = 512


@dataclass(frozen=True)
class MotionFile:
    """A motion file that was read.

    Attributes:
        clip: Its motion on our 24 joints.
        format: The format as people call it: ``AIST++``, ``EDGE``, ``AMASS`` or ``BVH``.
        joints: How many joints the file's own skeleton has.
    """

    clip: MotionClip
    format: str
    joints: int


def read_motion(path: str | Path) -> MotionClip:
    """Read a motion file of any format we know.

    Args:
        path: The file; its stem names the clip. ``source`` becomes ``"aist"``, ``"edge"``,
            ``"amass"`` or ``"bvh"``.

    Raises:
        MotionError: There is no such file, or it can't be used; one line says why.
    """
    return read_motion_file(path).clip


def read_motion_file(path: str | Path) -> MotionFile:
    """Read a motion file, and say which format it is and how many joints it has itself.

    Raises:
        MotionError: As :func:`read_motion`.
    """
    path = Path(path)
    try:
        file = _reader_of(path, _head(path))(path)
    except OSError as error:
        raise MotionError(f"{path}: can't be read ({error.strerror or error})") from error
    _check_sane(path, file.clip)
    return file


def write_motion(path: str | Path, clip: MotionClip) -> None:
    """Write a clip in the format the file's suffix names: .npz (AMASS) or .bvh.

    Raises:
        MotionError: The suffix names no format that can be written.
        OutputError: The file can't be written.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise MotionError(
            f"{path}: motion is written as {' or '.join(_WRITERS)}, found "
            f"{path.suffix or 'no suffix'}; choose another name"
        )
    writer(path, clip)


def _read_pickled(path: Path) -> MotionFile:
    clip = read_aist(path)
    return MotionFile(clip, {"aist": "AIST++", "edge": "EDGE"}[clip.source], skeleton.JOINT_COUNT)


def _read_npz(path: Path) -> MotionFile:
    clip, joints = read_amass_with_joints(path)
    return MotionFile(clip, "AMASS", joints)


def _read_bvh(path: Path) -> MotionFile:
    bvh = read_bvh(path)
    clip = clip_from_take(bvh, name=path.stem, where=str(path), source="bvh")
    return MotionFile(clip, "BVH", len(bvh.hierarchy.names))


# How a file begins, and who reads it. Pickles of protocol 0 and 1 begin with a dictionary.
_READERS: dict[tuple[bytes, ...], Callable[[Path], MotionFile]] = {
    (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(d", b"}q"): _read_pickled,
    (b"PK\x03\x04",): _read_npz,
    (b"HIERARCHY",): _read_bvh,
}
_WRITERS: dict[str, Callable[[Path, MotionClip], None]] = {".npz": write_amass, ".bvh": write_bvh}


def _head(path: Path) -> bytes:
    if not path.exists():
        raise MotionError(f"{path}: no such file; expected {_EXPECTED}")
    if path.is_dir():
        raise MotionError(f"{path}: is a folder; expected {_EXPECTED}")
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _reader_of(path: Path, head: bytes) -> Callable[[Path], MotionFile]:
    if not head.strip():
        raise MotionError(f"{path}: the file is empty; expected {_EXPECTED}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    for beginnings, reader in _READERS.items():
        if head.startswith(beginnings) or text.startswith(beginnings):
            return reader
    raise MotionError(
        f"{path}: expected {_EXPECTED}, but it begins with {head[:12]!r}; convert it to one of them"
    )


def _check_sane(path: Path, clip: MotionClip) -> None:
    if clip.fps > MAX_RATE_HZ:
        raise MotionError(
            f"{path}: expected at most {MAX_RATE_HZ:g} frames a second, found {clip.fps:g}"
        )
    duration_s = timebase.duration_of(clip.frame_count, clip.fps)
    if duration_s > MAX_DURATION_S:
        raise MotionError(
            f"{path}: expected at most {MAX_DURATION_S:g} s of motion, found {duration_s:.0f} s; "
            "cut it into parts"
        )
