"""A dance retimed to a song: the same poses at other times, so feet stand where they stood.

A BVH file keeps its own skeleton and rate: its channels are interpolated between frames. A glTF
file keeps everything but the times of its keys. Any other motion is retimed on our 24 joints.
Seconds.
"""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.files import atomic_file
from kinetune.fitting.time_map import TimeMap
from kinetune.motion import rotations
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.bvh import Bvh, read_bvh
from kinetune.motion.io.gltf.buffers import MAGIC
from kinetune.motion.io.gltf.document import Document, read_accessor, read_document
from kinetune.motion.skeleton import JOINT_COUNT

Array = NDArray[np.float64]
# Maps times in seconds to times in seconds, same shape.
TimeFunction = Callable[[Array], Array]

# Angles of two neighbouring frames further apart have flipped to another reading of the same turn:
# between them no value is right, so the nearer frame's is taken.
_FLIP_DEGREES = 90.0
_GLB_VERSION, _JSON_CHUNK, _BINARY_CHUNK = 2, 0x4E4F534A, 0x004E4942
_FLOAT = 5126
GLTF_SUFFIXES = (".glb", ".gltf", ".vrm", ".vrma")


def smooth_times(time_map: TimeMap, start_s: float) -> TimeFunction:
    """Return the dance time of each time of a song from ``start_s`` on, without jumps of pace.

    Args:
        time_map: Song time to dance time; between its markers the pace changes gradually.
        start_s: Time in the song that becomes 0.
    """
    if len(time_map.song_s) <= 2:
        return lambda times: time_map.in_dance(start_s + times)
    inner = PchipInterpolator(time_map.song_s, time_map.dance_s)
    first, last = time_map.song_s[0], time_map.song_s[-1]

    def dance_s(times: Array) -> Array:
        song_s = start_s + np.asarray(times, np.float64)
        inside = (song_s >= first) & (song_s <= last)
        return np.where(inside, inner(song_s.clip(first, last)), time_map.in_dance(song_s))

    return dance_s


def retime_clip(clip: MotionClip, old_times: TimeFunction, duration_s: float) -> MotionClip:
    """Return a clip whose frame at time t shows the pose of ``old_times(t)``.

    Args:
        clip: The dance.
        old_times: New time to old time, seconds.
        duration_s: New length, seconds.

    Returns:
        The retimed dance, at its rate.
    """
    low, high, share = _frames(clip.frame_count, clip.fps, old_times, duration_s)
    wide = np.broadcast_to(share[:, None], (len(low), JOINT_COUNT))
    quats = rotations.slerp(clip.rotations[low], clip.rotations[high], wide)
    root_m = clip.root_m[low] + share[:, None] * (clip.root_m[high] - clip.root_m[low])
    return MotionClip(rotations.make_continuous(quats), root_m, clip.fps, clip.name, clip.source)


def _frames(
    count: int, fps: float, old_times: TimeFunction, duration_s: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Frames below and above each new frame's old time, and how far it is between them."""
    new = max(1, timebase.frames_in(duration_s, fps))
    frame = np.clip(old_times(timebase.frame_times(new, fps)) * fps, 0.0, count - 1.0)
    low = np.floor(frame + 1e-9).astype(int)
    return low, np.minimum(low + 1, count - 1), np.maximum(frame - low, 0.0)


def retime_bvh(source: Path, target: Path, old_times: TimeFunction, duration_s: float, *,
               fps: float | None = None) -> None:  # fmt: skip
    """Write a BVH file with its motion retimed: same skeleton, channels and rate.

    Args:
        source: The file.
        target: The file to write.
        old_times: New time to old time, seconds.
        duration_s: New length, seconds.
        fps: Frames per second, in place of the file's own.

    Raises:
        MotionError: The file isn't BVH.
        OutputError: It can't be written.
    """
    bvh = read_bvh(source, fps=fps)
    values = retimed_values(bvh, old_times, duration_s)
    with atomic_file(target) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write("HIERARCHY\n" + "\n".join(_joint_lines(bvh, 0, 0)) + "\n")
        file.write(f"MOTION\nFrames: {len(values)}\n")
        file.write(f"Frame Time: {timebase.duration_of(1, bvh.fps):.12g}\n")
        np.savetxt(file, values, fmt="%.6f")


def retimed_values(bvh: Bvh, old_times: TimeFunction, duration_s: float) -> Array:
    """Return the table of numbers of a BVH file at other times, (T', channels)."""
    low, high, share = _frames(bvh.frame_count, bvh.fps, old_times, duration_s)
    before, after = bvh.values[low], bvh.values[high].copy()
    channels = [name for joint in bvh.hierarchy.channels for name in joint]
    turns = np.array([name.endswith("rotation") for name in channels])
    step = after - before
    step[:, turns] = (step[:, turns] + 180.0) % 360.0 - 180.0
    flips = (np.abs(step) > _FLIP_DEGREES) & turns
    between = before + share[:, None] * step
    nearer = np.where(share[:, None] < 0.5, before, after)
    first = 0
    for joint in bvh.hierarchy.channels:
        # The angles of a joint flip together.
        columns = slice(first, first + len(joint))
        flipped = flips[:, columns].any(axis=1)
        between[flipped, columns] = nearer[flipped, columns]
        first += len(joint)
    return between


def _joint_lines(bvh: Bvh, joint: int, depth: int) -> list[str]:
    pad, hierarchy = "\t" * depth, bvh.hierarchy
    channels = hierarchy.channels[joint]
    lines = [
        f"{pad}{'JOINT' if depth else 'ROOT'} {hierarchy.names[joint]}",
        pad + "{",
        f"{pad}\tOFFSET {_triple(hierarchy.offsets[joint])}",
        f"{pad}\tCHANNELS {' '.join([str(len(channels)), *channels])}",
    ]
    children = [child for child, parent in enumerate(hierarchy.parents) if parent == joint]
    for child in children:
        lines += _joint_lines(bvh, child, depth + 1)
    if not children:
        end = _triple(hierarchy.ends[joint])
        lines += [f"{pad}\tEnd Site", pad + "\t{", f"{pad}\t\tOFFSET {end}", pad + "\t}"]
    return [*lines, pad + "}"]


def _triple(values: Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def retime_gltf(source: Path, target: Path, new_times: TimeFunction) -> None:
    """Write a glTF file as .glb with the times of all animation keys mapped.

    Args:
        source: A .glb, .gltf, .vrm or .vrma file.
        target: The .glb file to write.
        new_times: Old time to new time, seconds; those before 0 become 0.

    Raises:
        MotionError: The file isn't glTF or has no animation.
        OutputError: It can't be written.
    """
    document = read_document(source, str(source))
    table = json.loads(json.dumps(document.json))
    blob = bytearray(b"".join(_aligned(data) for data in document.buffers))
    _join_buffers(table, document)
    for number in _key_accessors(document):
        old = read_accessor(document, number, 1)[:, 0]
        new = _ascending(np.maximum(new_times(old), 0.0)).astype("<f4")
        view = {"buffer": 0, "byteOffset": len(blob), "byteLength": new.nbytes}
        table.setdefault("bufferViews", []).append(view)
        table["accessors"][number] = {
            "bufferView": len(table["bufferViews"]) - 1, "componentType": _FLOAT,
            "count": len(new), "type": "SCALAR", "min": [float(new[0])], "max": [float(new[-1])],
        }  # fmt: skip
        blob += new.tobytes()
    table["buffers"] = [{"byteLength": len(blob)}]
    with atomic_file(target) as aside:
        aside.write_bytes(_glb(table, bytes(blob)))


def _aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _join_buffers(table: dict[str, Any], document: Document) -> None:
    """Let all views point into one buffer that holds the file's one after another."""
    starts = np.concatenate([[0], np.cumsum([len(_aligned(data)) for data in document.buffers])])
    for view in table.get("bufferViews", []):
        view["byteOffset"] = int(view.get("byteOffset", 0) + starts[int(view["buffer"])])
        view["buffer"] = 0


def _key_accessors(document: Document) -> list[int]:
    """Accessors of the times of keys, each once."""
    inputs = {
        int(sampler["input"])
        for animation in document.entries("animations")
        for sampler in animation.get("samplers", [])
    }
    if not inputs:
        raise MotionError(f"{document.context}: expected an animation, found none")
    return sorted(inputs)


def _ascending(times_s: Array) -> Array:
    """Key times that strictly ascend, as glTF wants them: equal ones move on by a microsecond."""
    steps = np.arange(len(times_s)) * 1e-6
    return np.asarray(np.maximum.accumulate(times_s - steps) + steps)


def _glb(table: dict[str, Any], blob: bytes) -> bytes:
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    blob = _aligned(blob)
    body = struct.pack("<II", len(text), _JSON_CHUNK) + text
    body += struct.pack("<II", len(blob), _BINARY_CHUNK) + blob
    return struct.pack("<4sII", MAGIC, _GLB_VERSION, 12 + len(body)) + body
