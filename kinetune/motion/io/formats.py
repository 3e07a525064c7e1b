"""Reading of motion files: detection of the format by content, and conversion to a clip.

Reads AIST++ and EDGE pickles, AMASS .npz, BVH, glTF, FBX (by way of Blender), joint positions and
curves; writes AMASS .npz and BVH. The first bytes decide, never the name: a BVH called dance.txt is
read as BVH. Only tables of curves are known by .csv, .tsv or .json.
"""

import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kinetune.errors import KinetuneError, MotionError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.curves.puppet import clip_from_curves
from kinetune.motion.curves.reading import is_curves_archive, read_curves
from kinetune.motion.frame_rate import MAX_RATE_HZ, MIN_RATE_HZ, check_length
from kinetune.motion.io import fbx
from kinetune.motion.io.aist import read_aist
from kinetune.motion.io.amass import read_amass_with_joints, write_amass
from kinetune.motion.io.bvh import read_bvh, write_bvh
from kinetune.motion.io.gltf import buffers
from kinetune.motion.io.gltf.animation import GltfAnimation, read_gltf
from kinetune.motion.io.npz import shapes_in
from kinetune.motion.io.positions import contains_positions, read_positions
from kinetune.motion.io.smpl import MAX_DISTANCE_M
from kinetune.motion.retargeting.joint_mapping import JointMapping, resolve_mapping
from kinetune.motion.retargeting.joint_names import (
    complete_joints,
    missing_joints,
    path_to_root,
    recognise_joints,
)
from kinetune.motion.retargeting.position_fit import clip_from_positions
from kinetune.motion.retargeting.retarget import retarget_animation
from kinetune.motion.retargeting.skeletal_animation import SkeletalAnimation

logger = logging.getLogger("kinetune.motion")

# How motion files are usually called, for listing a folder.
MOTION_SUFFIXES: tuple[str, ...] = (
    ".pkl", ".npz", ".npy", ".bvh", ".glb", ".gltf", ".vrm", ".vrma", ".fbx",
)  # fmt: skip
_EXPECTED = (
    "an AIST++ or EDGE .pkl, an AMASS .npz, a .glb, .gltf or .fbx, joint positions as .npy or "
    ".npz, curves as .csv, .json or .npz, or a BVH file"
)
# Enough to pass over a byte order mark and blank lines before HIERARCHY.
_HEAD_BYTES = 512
# Two hours of text are below; more would not fit into memory.
_MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class ReadOptions:
    """Values that a motion file lacks or has wrong.

    Attributes:
        mapping: Which joint is which, for BVH, glTF and FBX.
        animation: Which animation of a glTF or FBX file, by name; None takes the longest that
            moves a body.
        fps: Frames a second, in place of the file's own, for all but glTF and FBX, whose keys have
            times; None takes the file's, or HumanML3D's 20 for bare joint positions.
        blender: Blender's program, for FBX; None looks for the module ``bpy``, then for the
            program in ``$KINETUNE_BLENDER`` and on the PATH.

    Raises:
        MotionError: The rate is impossible.
    """

    mapping: JointMapping | None = None
    animation: str | None = None
    fps: float | None = None
    blender: Path | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not MIN_RATE_HZ <= self.fps <= MAX_RATE_HZ:
            raise MotionError(
                f"--fps: expected {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} frames a second, found "
                f"{self.fps:g}"
            )


@dataclass(frozen=True)
class MotionFile:
    """A motion file that was read.

    Attributes:
        clip: Its motion on our 24 joints.
        format: The format as people call it: ``AIST++``, ``EDGE``, ``AMASS``, ``BVH``, ``glTF``,
            ``FBX`` or ``joint positions``.
        joints: How many joints the file's own skeleton has.
        note: What was assumed or chosen, one line; empty if nothing.
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
        options: What the file doesn't hold itself.

    Raises:
        MotionError: There is no such file, or it can't be used; one line says why.
    """
    return read_motion_file(path, options).clip


def read_motion_file(path: str | Path, options: ReadOptions | None = None) -> MotionFile:
    """Read a motion file, and return which format it is and how many joints it has itself.

    Raises:
        MotionError: As :func:`read_motion`.
    """
    path, options = Path(path), options or ReadOptions()
    try:
        kind = _kind_of(path)
        _check_options(path, kind, options)
        if read_animation := _ANIMATION_READERS.get(kind):
            file = _retargeted(path, read_animation(path, options), kind, options)
        else:
            file = _READERS[kind](path, options)
        _check_motion(path, file.clip)
    except KinetuneError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    logger.info("%s: %s, %d joints %s", path, file.format, file.joints, file.note)
    return file


def read_skeletal_animation(
    path: str | Path, options: ReadOptions | None = None
) -> SkeletalAnimation:
    """Read the skeleton and motion of a BVH, glTF or FBX file as they stand.

    Raises:
        MotionError: It can't be read, or its format has fixed joints, so there is nothing to map.
    """
    path, options = Path(path), options or ReadOptions()
    try:
        kind = _kind_of(path)
        read_animation = _ANIMATION_READERS.get(kind)
        if read_animation is None:
            raise MotionError(f"{path}: expected {_MAPPED}; its format fixes which joint is which")
        _check_options(path, kind, options)
        return read_animation(path, options)
    except KinetuneError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


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


def _read_pickle(path: Path, options: ReadOptions) -> MotionFile:
    clip = read_aist(path, fps=options.fps)
    return MotionFile(clip, {"aist": "AIST++", "edge": "EDGE"}[clip.source], skeleton.JOINT_COUNT)


def _read_npz(path: Path, options: ReadOptions) -> MotionFile:
    shapes = shapes_in(path)
    if not _BODY_ARRAYS.intersection(shapes) and contains_positions(shapes):
        return _read_positions(path, options, archive=True)
    if not _BODY_ARRAYS.intersection(shapes) and is_curves_archive(shapes):
        return _read_curves(path, options)
    clip, joints = read_amass_with_joints(path, fps=options.fps)
    return MotionFile(clip, "AMASS", joints)


def _read_curves(path: Path, options: ReadOptions) -> MotionFile:
    curves = read_curves(path, fps=options.fps)
    note = f"{path}: {len(curves.names)} curves: {', '.join(curves.names)[:120]}"
    clip = clip_from_curves(curves, name=path.stem)
    return MotionFile(clip, "curves", len(curves.names), note)


def _read_npy(path: Path, options: ReadOptions) -> MotionFile:
    return _read_positions(path, options, archive=False)


def _read_positions(path: Path, options: ReadOptions, *, archive: bool) -> MotionFile:
    data = read_positions(path, archive=archive, fps=options.fps)
    note = ""
    if not data.rate_is_known:
        note = f"{path}: holds no rate, taken as {data.fps:g} frames a second; --fps gives another"
    clip = clip_from_positions(data.positions, fps=data.fps, name=path.stem, context=str(path))
    return MotionFile(clip, "joint positions", data.positions.shape[1], note)


def _retargeted(
    path: Path, animation: SkeletalAnimation, kind: str, options: ReadOptions
) -> MotionFile:
    context = str(path)
    joints = _source_joints(animation, options, context)
    note = ""
    if isinstance(animation, GltfAnimation):
        animation.check_scales({up for j in joints for up in path_to_root(animation.parents, j)})
        note = animation.note
    clip = retarget_animation(
        animation, name=path.stem, context=context, source=kind.lower(), joints=joints
    )
    return MotionFile(clip, kind, len(animation.names), note)


def _source_joints(
    animation: SkeletalAnimation, options: ReadOptions, context: str
) -> tuple[int, ...]:
    """Return for each of our 24 joints its index in the file, -1 for none."""
    if options.mapping is not None:
        return resolve_mapping(options.mapping, animation, context)
    if isinstance(animation, GltfAnimation) and not missing_joints(animation.humanoid_bones):
        return complete_joints(animation.humanoid_bones, animation.parents, context=context)
    return recognise_joints(animation.names, animation.parents, context=context)


# What AMASS and EDGE archives hold.
_BODY_ARRAYS = {"poses", "root_orient"}
# How a file begins, and what it is then. Pickles of protocol 0 and 1 begin with a dictionary.
_BEGINNINGS: dict[tuple[bytes, ...], str] = {
    (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(d", b"}q"): "pickle",
    (b"PK\x03\x04",): "npz",
    (b"\x93NUMPY",): "npy",
    (b"HIERARCHY",): "BVH",
    (buffers.MAGIC, b"{"): "glTF",
    (fbx.MAGIC,): "FBX",
}
# Formats with joints of their own, to be brought to ours.
_ANIMATION_READERS: dict[str, Callable[[Path, ReadOptions], SkeletalAnimation]] = {
    "BVH": lambda path, options: read_bvh(path, fps=options.fps),
    "glTF": lambda path, options: read_gltf(path, animation=options.animation),
    "FBX": lambda path, options: fbx.read_fbx(
        path, animation=options.animation, blender=options.blender
    ),
}
# Tables of curves, by their names: text has no beginning of its own.
_TABLES = (".csv", ".tsv")
_MAPPED = "BVH, glTF or FBX"
_WITH_TIMES = ("glTF", "FBX")
_READERS: dict[str, Callable[[Path, ReadOptions], MotionFile]] = {
    "pickle": _read_pickle,
    "npz": _read_npz,
    "npy": _read_npy,
    "curves": _read_curves,
}
_WRITERS: dict[str, Callable[[Path, MotionClip], None]] = {".npz": write_amass, ".bvh": write_bvh}


def _check_options(path: Path, kind: str, options: ReadOptions) -> None:
    """Refuse options that would do nothing for a file of this kind."""
    if options.mapping is not None and kind not in _ANIMATION_READERS:
        raise MotionError(
            f"{path}: a mapping is for {_MAPPED}; this format fixes which joint is which itself"
        )
    if options.animation is not None and kind not in _WITH_TIMES:
        raise MotionError(
            f"{path}: --animation is for {' and '.join(_WITH_TIMES)}; this file holds one only"
        )
    if options.fps is not None and kind in _WITH_TIMES:
        raise MotionError(
            f"{path}: --fps is for files that count frames; the keys of {kind} have times"
        )


def _kind_of(path: Path) -> str:
    """Return what a file is by how it begins."""
    if not path.exists():
        raise MotionError(f"{path}: no such file; expected {_EXPECTED}")
    if path.is_dir():
        raise MotionError(f"{path}: is a folder; expected {_EXPECTED}")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # Opening a pipe would wait for ever.
        raise MotionError(f"{path}: is no regular file but a pipe or device; save it as a file")
    if status.st_size > _MAX_FILE_BYTES:
        raise MotionError(
            f"{path}: expected at most {_MAX_FILE_BYTES / 1e6:.0f} MB, found "
            f"{status.st_size / 1e6:.0f} MB; cut the dance into parts"
        )
    with path.open("rb") as file:
        return _kind_by_beginning(path, file.read(_HEAD_BYTES))


def _kind_by_beginning(path: Path, head: bytes) -> str:
    if not head.strip():
        raise MotionError(f"{path}: the file is empty; expected {_EXPECTED}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().upper()
    if path.suffix.lower() in _TABLES or _is_json_of_curves(path, text):
        return "curves"
    for beginnings, kind in _BEGINNINGS.items():
        if head.startswith(beginnings) or text.startswith(beginnings):
            return kind
    if text.startswith(b"; FBX"):
        raise MotionError(f"{path}: is FBX written as text, which Blender can't read; save binary")
    raise MotionError(
        f"{path}: expected {_EXPECTED}, but it begins with {head[:12]!r}; convert it to one of them"
    )


def _is_json_of_curves(path: Path, text: bytes) -> bool:
    """Whether JSON is no glTF: a list, or an object without its required ``asset``."""
    if text.startswith(b"["):
        return path.suffix.lower() != ".gltf"
    return (
        path.suffix.lower() == ".json"
        and text.startswith(b"{")
        and (b'"asset"' not in path.read_bytes())
    )


def _unreadable(path: Path, error: Exception) -> MotionError:
    """Return what a reader raised unforeseen as an error that names the file."""
    if isinstance(error, OSError):
        return MotionError(f"{path}: can't be read ({error.strerror or error})")
    logger.debug("%s: unforeseen error", path, exc_info=error)
    return MotionError(
        f"{path}: can't be read, it is damaged ({type(error).__name__}: {error}); export it again"
    )


def _check_motion(path: Path, clip: MotionClip) -> None:
    check_length(clip.frame_count, clip.fps, str(path))
    far_m = max(abs(float(clip.root_m.min())), abs(float(clip.root_m.max())))
    if far_m > MAX_DISTANCE_M:
        raise MotionError(
            f"{path}: expected a path within {MAX_DISTANCE_M:g} m of the origin, found {far_m:.3g} "
            "m; its positions, offsets or units are wrong"
        )
