"""The door for motion files: which format one is, by its content, and its clip.

Reads AIST++ and EDGE pickles, AMASS .npz, BVH, glTF, FBX (by way of Blender) and joint positions;
writes AMASS .npz and BVH. The first bytes decide, never the name: a BVH called dance.txt is read
as BVH.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.io import fbx, points
from kinetune.motion.io.aist import read_aist
from kinetune.motion.io.amass import read_amass_with_joints, write_amass
from kinetune.motion.io.bvh import read_bvh, write_bvh
from kinetune.motion.io.gltf import document
from kinetune.motion.io.gltf.animation import GltfAnimation, read_gltf
from kinetune.motion.io.npz import shapes_in
from kinetune.motion.retargeting.joint_mapping import JointMapping, resolve_mapping
from kinetune.motion.retargeting.joint_names import complete_joints, missing_joints
from kinetune.motion.retargeting.retarget import retarget_animation
from kinetune.motion.retargeting.skeletal_animation import (
    MAX_DURATION_S,
    MAX_RATE_HZ,
    SkeletalAnimation,
)

# How motion files are usually called, for listing a folder.
MOTION_SUFFIXES: tuple[str, ...] = (
    ".pkl", ".npz", ".npy", ".bvh", ".glb", ".gltf", ".vrm", ".vrma", ".fbx",
)  # fmt: skip
_EXPECTED = (
    "an AIST++ or EDGE .pkl, an AMASS .npz, a .glb, .gltf or .fbx, joint positions as .npy or "
    ".npz, or a BVH file"
)
# Enough to pass over a byte order mark and blank lines before HIERARCHY.
_HEAD_BYTES = 512


@dataclass(frozen=True)
class ReadOptions:
    """What a person says about a motion file that it doesn't say itself.

    Attributes:
        mapping: Which joint is which, for BVH, glTF and FBX.
        animation: Which animation of a glTF or FBX file, by name; None takes the longest.
        fps: Frames a second of joint positions; None believes the file, or HumanML3D's 20.

    Raises:
        MotionError: The rate is impossible.
    """

    mapping: JointMapping | None = None
    animation: str | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0.0 < self.fps <= MAX_RATE_HZ:
            raise MotionError(f"--fps must be above 0, up to {MAX_RATE_HZ:g}; found {self.fps:g}")


@dataclass(frozen=True)
class MotionFile:
    """A motion file that was read.

    Attributes:
        clip: Its motion on our 24 joints.
        format: The format as people call it: ``AIST++``, ``EDGE``, ``AMASS``, ``BVH``, ``glTF``,
            ``FBX`` or ``joint positions``.
        joints: How many joints the file's own skeleton has.
        note: What had to be assumed, one line; empty if nothing.
    """

    clip: MotionClip
    format: str
    joints: int
    note: str = ""


def read_motion(path: str | Path, options: ReadOptions | None = None) -> MotionClip:
    """Read a motion file of any format we know.

    Args:
        path: The file; its stem names the clip. ``source`` becomes ``"aist"``, ``"edge"``,
            ``"amass"``, ``"bvh"``, ``"gltf"``, ``"fbx"`` or ``"positions"``.
        options: What the file doesn't say itself.

    Raises:
        MotionError: There is no such file, or it can't be used; one line says why.
    """
    return read_motion_file(path, options).clip


def read_motion_file(path: str | Path, options: ReadOptions | None = None) -> MotionFile:
    """Read a motion file, and say which format it is and how many joints it has itself.

    Raises:
        MotionError: As :func:`read_motion`.
    """
    path, options = Path(path), options or ReadOptions()
    try:
        beginning = _beginning_of(path)
        if read_animation := _ANIMATION_READERS.get(beginning):
            file = _read_retargeted(path, read_animation(path, options), beginning, options)
        else:
            _check_no_mapping(path, options)
            file = _READERS[beginning](path, options)
    except OSError as error:
        raise MotionError(f"{path}: can't be read ({error.strerror or error})") from error
    _check_sane(path, file.clip)
    return file


def read_skeletal_animation(
    path: str | Path, options: ReadOptions | None = None
) -> SkeletalAnimation:
    """Read the skeleton and motion of a BVH, glTF or FBX file as they stand.

    Raises:
        MotionError: It can't be read, or its format has fixed joints, so there is nothing to map.
    """
    path, options = Path(path), options or ReadOptions()
    read_animation = _ANIMATION_READERS.get(_beginning_of(path))
    if read_animation is None:
        raise MotionError(f"{path}: expected {_MAPPED}; its format says which joint is which")
    try:
        return read_animation(path, options)
    except OSError as error:
        raise MotionError(f"{path}: can't be read ({error.strerror or error})") from error


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


def _read_pickled(path: Path, _: ReadOptions) -> MotionFile:
    clip = read_aist(path)
    return MotionFile(clip, {"aist": "AIST++", "edge": "EDGE"}[clip.source], skeleton.JOINT_COUNT)


def _read_npz(path: Path, options: ReadOptions) -> MotionFile:
    shapes = shapes_in(path)
    if not {"poses", "root_orient"}.intersection(shapes) and points.contains_positions(shapes):
        return _read_points(path, options, archive=True)
    clip, joints = read_amass_with_joints(path)
    return MotionFile(clip, "AMASS", joints)


def _read_npy(path: Path, options: ReadOptions) -> MotionFile:
    return _read_points(path, options, archive=False)


def _read_points(path: Path, options: ReadOptions, *, archive: bool) -> MotionFile:
    given = points.read_points(path, archive=archive)
    fps, note = options.fps or given.fps, ""
    if fps is None:
        fps = points.DEFAULT_FPS
        note = f"{path}: doesn't say its rate, taken as {fps:g} frames a second; --fps says another"
    clip = points.clip_from_positions(given.positions, fps=fps, name=path.stem, context=str(path))
    return MotionFile(clip, "joint positions", given.positions.shape[1], note)


def _read_retargeted(
    path: Path, animation: SkeletalAnimation, format_name: str, options: ReadOptions
) -> MotionFile:
    context, joints = str(path), None
    if options.mapping is not None:
        joints = resolve_mapping(options.mapping, animation, context)
    elif (
        isinstance(animation, GltfAnimation)
        and animation.humanoid_bones
        and not missing_joints(animation.humanoid_bones)
    ):
        joints = complete_joints(animation.humanoid_bones, animation.parents, context=context)
    source = format_name.lower()
    clip = retarget_animation(
        animation, name=path.stem, context=context, source=source, joints=joints
    )
    return MotionFile(clip, format_name, len(animation.names))


# How a file begins, and what it is then. Pickles of protocol 0 and 1 begin with a dictionary.
_BEGINNINGS: dict[tuple[bytes, ...], str] = {
    (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(d", b"}q"): "pickle",
    (b"PK\x03\x04",): "npz",
    (b"\x93NUMPY",): "npy",
    (b"HIERARCHY",): "BVH",
    (document.MAGIC, b"{"): "glTF",
    (fbx.MAGIC,): "FBX",
}
# Formats with joints of their own, to be brought to joints.
_ANIMATION_READERS: dict[str, Callable[[Path, ReadOptions], SkeletalAnimation]] = {
    "BVH": lambda path, _: read_bvh(path),
    "glTF": lambda path, options: read_gltf(path, animation=options.animation),
    "FBX": lambda path, options: fbx.read_fbx(path, animation=options.animation),
}
_MAPPED = "BVH, glTF or FBX"
_READERS: dict[str, Callable[[Path, ReadOptions], MotionFile]] = {
    "pickle": _read_pickled,
    "npz": _read_npz,
    "npy": _read_npy,
}
_WRITERS: dict[str, Callable[[Path, MotionClip], None]] = {".npz": write_amass, ".bvh": write_bvh}


def _check_no_mapping(path: Path, options: ReadOptions) -> None:
    if options.mapping is not None:
        raise MotionError(
            f"{path}: a mapping is for {_MAPPED}; this format says which joint is which itself"
        )


def _beginning_of(path: Path) -> str:
    """Return what a file is by how it begins."""
    if not path.exists():
        raise MotionError(f"{path}: no such file; expected {_EXPECTED}")
    if path.is_dir():
        raise MotionError(f"{path}: is a folder; expected {_EXPECTED}")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip():
        raise MotionError(f"{path}: the file is empty; expected {_EXPECTED}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    for beginnings, kind in _BEGINNINGS.items():
        if head.startswith(beginnings) or text.startswith(beginnings):
            return kind
    if text.startswith(b"; FBX"):
        raise MotionError(f"{path}: is FBX written as text, which Blender can't read; save binary")
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
