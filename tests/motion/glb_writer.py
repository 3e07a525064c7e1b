"""A small writer of glTF for the tests: a clip as nodes, a skin and an animation.

It is made to be bent: every strange thing a file may do has a switch here or can be done to
``Gltf.json`` before it is written.
"""

import base64
import json
import struct
from dataclasses import dataclass, field

import numpy as np

from kinetune.motion import kinematics, rotations, skeleton

COMPONENTS = {
    np.dtype("<f4"): 5126, np.dtype("<u4"): 5125, np.dtype("<u2"): 5123, np.dtype("<i2"): 5122,
    np.dtype("<u1"): 5121, np.dtype("<i1"): 5120,
}  # fmt: skip
TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


@dataclass
class Gltf:
    json: dict = field(default_factory=lambda: {"asset": {"version": "2.0"}})
    blob: bytearray = field(default_factory=bytearray)
    damage: dict = field(default_factory=dict)

    def listed(self, key, entry):
        self.json.setdefault(key, []).append(entry)
        return len(self.json[key]) - 1

    def view(self, raw, **more):
        self.blob += b"\0" * (-len(self.blob) % 4)
        entry = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(raw), **more}
        self.blob += raw
        return self.listed("bufferViews", entry)

    def accessor(self, values, *, dtype="<f4", stride=None, normalised=False):
        """Store an array (count, width), or (count,) of scalars, and return its accessor."""
        dtype = np.dtype(dtype)
        values = np.asarray(values, dtype=np.float64)
        values = values.reshape(len(values), -1)
        if normalised:
            values = np.round(values * np.iinfo(dtype).max)
        rows = np.ascontiguousarray(values.astype(dtype))
        entry = {
            "componentType": COMPONENTS[dtype], "count": len(values),
            "type": TYPES[values.shape[1]],
        }  # fmt: skip
        if normalised:
            entry["normalized"] = True
        if stride is None:
            entry["bufferView"] = self.view(rows.tobytes())
        else:
            # Other data stands before each element, as in interleaved buffers.
            size = dtype.itemsize * values.shape[1]
            padded = b"".join(b"\xff" * (stride - size) + row.tobytes() for row in rows)
            entry["bufferView"] = self.view(padded, byteStride=stride)
            entry["byteOffset"] = stride - size
        return self.listed("accessors", entry)

    def glb(self):
        roots = list(range(len(self.json.get("nodes", []))))
        for node in self.json.get("nodes", []):
            roots = [place for place in roots if place not in node.get("children", [])]
        document = {"scene": 0, "scenes": [{"nodes": roots}]} | self.json | self.damage
        document.setdefault("buffers", [{"byteLength": len(self.blob)}])
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self.blob) + b"\0" * (-len(self.blob) % 4)
        body = struct.pack("<II", len(text), 0x4E4F534A) + text
        body += struct.pack("<II", len(binary), 0x004E4942) + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body

    def embedded(self):
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.blob).decode()
        return self.with_buffer(uri)

    def with_buffer(self, uri):
        buffers = [{"byteLength": len(self.blob), "uri": uri}]
        return json.dumps(self.json | {"buffers": buffers}).encode()


def gltf_of(
    clip,
    *,
    names=skeleton.JOINT_NAMES,
    bases=None,
    interpolation="LINEAR",
    skin=True,
    posed=True,
    unit=1.0,
    start_s=0.0,
    **how,
):
    """Return a clip as glTF, its joints in order as nodes 0 to 23.

    Args:
        clip: What.
        names: What the joints are called.
        bases: World rotations of the joints in the T-pose they are bound in, (24, 4).
        interpolation: CUBICSPLINE gets flat tangents at every key.
        skin: Whether there is a skin with bind matrices.
        posed: Whether the nodes stand as in frame 0, as many exporters leave them.
        unit: File units a metre.
        start_s: When the first key stands.
        how: For the accessors of the rotations.
    """
    out = Gltf()
    bases = np.tile([1.0, 0, 0, 0], (24, 1)) if bases is None else bases
    local, offsets = rebased(clip, bases)
    rest = local_of(bases[None])[0]
    for joint, name in enumerate(names):
        children = [child for child, parent in enumerate(skeleton.PARENTS) if parent == joint]
        node = {
            "name": name,
            "rotation": xyzw(local[0] if posed else rest)[joint].tolist(),
            "translation": (unit * (offsets if joint else clip.root_m)[joint]).tolist(),
        }
        out.listed("nodes", node | ({"children": children} if children else {}))
    if skin:
        add_skin(out, bases, unit)
    times_s = start_s + np.arange(clip.frame_count) / clip.fps
    add_animation(out, times_s, local, unit * clip.root_m, interpolation, **how)
    return out


def rebased(clip, bases):
    """Return local rotations and offsets of the same dance by joints with other axes."""
    world = rotations.quat_multiply(kinematics.global_rotations(clip.rotations), bases)
    offsets = skeleton.OFFSETS_M.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            back = rotations.quat_inverse(bases[parent])
            offsets[joint] = rotations.rotate(back, offsets[joint])
    return local_of(world), offsets


def local_of(world):
    local = world.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            back = rotations.quat_inverse(world[:, parent])
            local[:, joint] = rotations.quat_multiply(back, world[:, joint])
    return local


def add_skin(out, bases, unit, joints=range(24)):
    places = np.zeros((24, 3))
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            places[joint] = places[parent] + skeleton.OFFSETS_M[joint]
    bound = np.tile(np.eye(4), (24, 1, 1))
    bound[:, :3, :3] = rotations.matrix_from_quat(bases)
    bound[:, :3, 3] = unit * places
    inverse = np.swapaxes(np.linalg.inv(bound), -1, -2).reshape(24, 16)
    entry = {"joints": list(joints), "inverseBindMatrices": out.accessor(inverse[list(joints)])}
    out.listed("skins", entry)


def add_animation(out, times_s, local, root, interpolation="LINEAR", name="dance", **how):
    """Add an animation of the 24 nodes and return it."""
    at = out.accessor(times_s)
    bounds = np.asarray(times_s, dtype="<f4").astype(float)
    out.json["accessors"][at] |= {"min": [bounds.min()], "max": [bounds.max()]}
    animation = {"name": name, "samplers": [], "channels": []}

    def add(node, path, values, **how):
        if interpolation == "CUBICSPLINE":
            values = np.stack([0 * values, values, 0 * values], axis=1).reshape(-1, values.shape[1])
        sampler = {
            "input": at,
            "output": out.accessor(values, **how),
            "interpolation": interpolation,
        }
        animation["samplers"].append(sampler)
        target = {"node": node, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})

    add(0, "translation", root)
    for joint in range(24):
        add(joint, "rotation", xyzw(local[:, joint]), **how)
    out.listed("animations", animation)
    return animation


def add_above(out, node, **transform):
    """Hang a node from a new one with a transform, and return the new one's place."""
    return out.listed("nodes", {"name": "Armature", "children": [node], **transform})


def xyzw(quat):
    return np.roll(quat, -1, axis=-1)
