"""Readers of motion: every format's door, and joint mappings."""

import base64
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzzing.mutations import (
    Mutator,
    change_glb_json,
    change_integer,
    change_json,
    change_npy,
    change_npz_member,
    change_number,
)
from fuzzing.target import Target
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from kinetune.motion.io.formats import read_motion_file, write_motion
from kinetune.motion.kinematics import joint_positions
from kinetune.motion.retargeting.joint_mapping import read_mapping


def synthetic_dance(frame_count: int = 12) -> MotionClip:
    """Return a body that sways while it walks, at 30 frames a second."""
    rng = np.random.default_rng(3)
    time_s = np.arange(frame_count) / 30.0
    pose = 0.3 * np.sin(2.0 * time_s[:, None, None] + rng.uniform(0, 6, (24, 3)))
    root_m = np.stack([0.1 * time_s, 0.9 + 0 * time_s, 0 * time_s], axis=1)
    return clip_from_axis_angle(pose, root_m, fps=30.0)


def _written(folder: Path, suffix: str) -> list[bytes]:
    path = folder / f"seed{suffix}"
    write_motion(path, synthetic_dance())
    return [path.read_bytes()]


def _pickles(folder: Path) -> list[bytes]:
    clip = synthetic_dance()
    pose = clip.axis_angle.reshape(-1, 72)
    aist = {"smpl_poses": pose, "smpl_trans": clip.root_m, "smpl_scaling": np.ones(1)}
    edge = {"pos": clip.root_m.astype(np.float32), "q": pose.astype(np.float32), "scale": 2.0}
    lists = {"pos": clip.root_m.tolist(), "q": pose.tolist()}
    return [pickle.dumps(each, protocol) for each in (aist, edge, lists) for protocol in range(6)]


def _gltf_document() -> tuple[dict[str, object], bytes]:
    """Return the JSON and the buffer of a dance: joints, a skin without matrices, animation."""
    clip = synthetic_dance()
    times = (np.arange(clip.frame_count) / clip.fps).astype("<f4")
    arrays = [times.reshape(-1, 1), clip.root_m.astype("<f4")]
    arrays += [np.roll(clip.rotations[:, j], -1, axis=-1).astype("<f4") for j in range(24)]
    views, accessors, blob = [], [], b""
    for array in arrays:
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[array.shape[1]]
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": 5126,
                          "count": len(array), "type": kind})  # fmt: skip
        blob += array.tobytes()
    nodes = []
    for joint, name in enumerate(skeleton.JOINT_NAMES):
        node: dict[str, object] = {"name": name, "translation": skeleton.OFFSETS_M[joint].tolist()}
        children = [child for child, parent in enumerate(skeleton.PARENTS) if parent == joint]
        nodes.append(node | ({"children": children} if children else {}))
    samplers = [{"input": 0, "output": index, "interpolation": "LINEAR"} for index in range(1, 26)]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    channels += [{"sampler": j + 1, "target": {"node": j, "path": "rotation"}} for j in range(24)]
    document = {
        "asset": {"version": "2.0"}, "nodes": nodes, "skins": [{"joints": list(range(24))}],
        "animations": [{"name": "dance", "samplers": samplers, "channels": channels}],
        "accessors": accessors, "bufferViews": views,
    }  # fmt: skip
    return document, blob


def _glb(folder: Path) -> list[bytes]:
    document, blob = _gltf_document()
    text = json.dumps(document | {"buffers": [{"byteLength": len(blob)}]}).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(blob), 0x004E4942) + blob
    return [struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body]


def _gltf(folder: Path) -> list[bytes]:
    document, blob = _gltf_document()
    uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    return [json.dumps(document | {"buffers": [{"byteLength": len(blob), "uri": uri}]}).encode()]


def _positions(folder: Path) -> list[bytes]:
    out = io.BytesIO()
    np.save(out, joint_positions(synthetic_dance()))
    return [out.getvalue()]


def _mappings(folder: Path) -> list[bytes]:
    rows = [f'{name} = "theirs_{name}"' for name in skeleton.JOINT_NAMES]
    return [("[joints]\n" + "\n".join(rows) + "\n").encode()]


def _check_motion(result: object) -> str:
    clip: MotionClip = result.clip  # type: ignore[attr-defined]
    if not np.isfinite(clip.rotations).all() or not np.isfinite(clip.root_m).all():
        return "values that aren't finite"
    if not np.allclose(np.linalg.norm(clip.rotations, axis=-1), 1.0, atol=1e-3):
        return "rotations that aren't unit quaternions"
    if np.abs(clip.root_m).max() > 1e4:
        return f"a path of {np.abs(clip.root_m).max():.3g} m"
    return "" if 5.0 <= clip.fps <= 1000.0 else f"a rate of {clip.fps:g} Hz"


def _motion(suffix: str, seeds: Callable[[Path], list[bytes]], *mutators: Mutator) -> Target:
    return Target(suffix, seeds, read_motion_file, _check_motion, mutators)


MOTION_TARGETS: dict[str, Target] = {
    "bvh": _motion(".bvh", lambda folder: _written(folder, ".bvh"), change_number),
    "npz": _motion(".npz", lambda folder: _written(folder, ".npz"), change_npz_member),
    "npy": _motion(".npy", _positions, change_npy),
    "pkl": _motion(".pkl", _pickles, change_integer),
    "glb": _motion(".glb", _glb, change_glb_json),
    "gltf": _motion(".gltf", _gltf, change_json),
    "mapping": Target(".toml", _mappings, read_mapping),
}
