"""The nodes of a glTF file, the pose its skins were bound in, and which VRM bones they are.

Conventions: a node's own numbers, local to its parent; quaternions (w, x, y, z). Source: the glTF
2.0 specification (Khronos), sections 3.5 and 3.7.3; VRM 0.0, VRMC_vrm and VRMC_vrm_animation 1.0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import rotations
from kinetune.motion.io.gltf.document import Document, read_accessor
from kinetune.motion.io.gltf.json_values import readable_name, valid_index

Array = NDArray[np.float64]

# A bone this much longer or shorter in the bind pose than between the nodes means that the bind
# matrices are invented (all the same, or of another body).
_BIND_RATIO = 2.0
# Beyond any unit a body is measured in.
_MAX_VALUE = 1e9
# What VRM calls our joints; the spine is found by its position.
_VRM_BONES: dict[str, str] = {
    f"{side}{source}": f"{side}_{target}"
    for side in ("left", "right")
    for source, target in {
        "UpperLeg": "hip", "LowerLeg": "knee", "Foot": "ankle", "Toes": "foot",
        "Shoulder": "collar", "UpperArm": "shoulder", "LowerArm": "elbow", "Hand": "wrist",
    }.items()
} | {"hips": "pelvis", "neck": "neck", "head": "head"}  # fmt: skip
_VRM_EXTENSIONS = ("VRMC_vrm", "VRMC_vrm_animation", "VRM")


@dataclass(frozen=True, eq=False)
class Node:
    """One node.

    Attributes:
        name: As written, or made up.
        parent: Index of the node above, -1 for none.
        children: Indices of the nodes below.
        rotation: (4,).
        offset: From the parent, (3,).
        scale: (3,); mirrored where the first is negative.
        has_mesh: Whether it shows something.
    """

    name: str
    parent: int
    children: tuple[int, ...]
    rotation: Array
    offset: Array
    scale: Array
    has_mesh: bool


def read_nodes(document: Document) -> list[Node]:
    """Return all nodes of a file.

    Raises:
        MotionError: One hangs from two others or from itself, or contains no proper transform.
    """
    listed, context = document.entries("nodes"), document.context
    parents = [-1] * len(listed)
    children: list[tuple[int, ...]] = []
    for index, entry in enumerate(listed):
        below = entry.get("children", [])
        if not isinstance(below, list):
            raise MotionError(f"{context}: node {index}: expected a list of children")
        children.append(
            tuple(valid_index(c, len(listed), f"{context}: node {index}") for c in below)
        )
        for child in children[-1]:
            if parents[child] >= 0:
                raise MotionError(f"{context}: node {child} has two parents; it is damaged")
            parents[child] = index
    _check_no_circles(parents, children, context)
    return [
        _node(entry, index, parents[index], children[index], context)
        for index, entry in enumerate(listed)
    ]


def bind_pose(
    document: Document, nodes: list[Node], selected: list[int], skins: list[list[int]]
) -> tuple[Array, Array]:
    """Return rotations (J, 4) and offsets (J, 3) of the ``selected`` nodes in the skins' bind pose.

    Where no skin gives one (its topmost joints, and nodes that are none) the node's own is used.

    Args:
        document: The file.
        nodes: All of them.
        selected: The nodes wanted.
        skins: The joints of each skin.
    """
    rotation_of = {node: nodes[node].rotation for node in selected}
    offset_of = {node: nodes[node].offset for node in selected}
    for entry, joints in zip(reversed(document.entries("skins")), reversed(skins), strict=True):
        if "inverseBindMatrices" not in entry:
            continue
        inverse = _matrices(read_accessor(document, entry["inverseBindMatrices"], 16))
        if len(inverse) < len(joints):
            raise MotionError(f"{document.context}: a skin with fewer bind matrices than joints")
        for node, matrix in _bound(nodes, joints, inverse).items():
            rotation_of[node], offset_of[node] = _rotation_of(matrix), matrix[:3, 3]
    return np.array([rotation_of[n] for n in selected]), np.array([offset_of[n] for n in selected])


def humanoid_bones(document: Document) -> dict[str, int]:
    """Return which node is which of our joints, where a VRM extension lists them; else nothing."""
    extensions = document.json.get("extensions")
    for name in _VRM_EXTENSIONS:
        entry_of = extensions.get(name) if isinstance(extensions, dict) else None
        human = entry_of.get("humanoid") if isinstance(entry_of, dict) else None
        bones = human.get("humanBones") if isinstance(human, dict) else None
        if isinstance(bones, list):  # VRM 0
            bones = {str(bone.get("bone")): bone for bone in bones if isinstance(bone, dict)}
        if isinstance(bones, dict):
            count = len(document.entries("nodes"))
            return {
                _VRM_BONES[bone]: valid_index(
                    entry_of.get("node"), count, f"{document.context}: {bone}"
                )
                for bone, entry_of in bones.items()
                if bone in _VRM_BONES and isinstance(entry_of, dict)
            }
    return {}


def skin_joints(document: Document, node_count: int) -> list[list[int]]:
    """Return the joints of each skin.

    Raises:
        MotionError: A skin lists no joints, or one that isn't there.
    """
    skins = []
    for number, skin in enumerate(document.entries("skins")):
        joints, context = skin.get("joints"), f"{document.context}: skin {number}"
        if not isinstance(joints, list):
            raise MotionError(f"{context}: expected a list of joints")
        skins.append([valid_index(joint, node_count, context) for joint in joints])
    return skins


def _node(
    entry: dict[str, Any], index: int, parent: int, children: tuple[int, ...], context: str
) -> Node:
    at = f"{context}: node {index}"
    if "matrix" in entry:
        matrix = _matrices(_numbers(entry["matrix"], 16, at)[None])[0]
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        if np.linalg.det(matrix[:3, :3]) < 0.0:
            scale[0] *= -1.0
        rotation, offset = _rotation_of(matrix), matrix[:3, 3]
    else:
        x, y, z, w = _numbers(entry.get("rotation", [0, 0, 0, 1]), 4, at)
        length = np.sqrt(x * x + y * y + z * z + w * w)
        rotation = np.array([w, x, y, z]) / length if length > 0.0 else np.array([1.0, 0, 0, 0])
        offset = _numbers(entry.get("translation", [0, 0, 0]), 3, at)
        scale = _numbers(entry.get("scale", [1, 1, 1]), 3, at)
    name = readable_name(entry.get("name") or f"node {index}")
    return Node(name, parent, children, rotation, offset, scale, "mesh" in entry)


def _numbers(value: object, count: int, context: str) -> Array:
    if not isinstance(value, list) or len(value) != count:
        raise MotionError(f"{context}: expected a list of {count} numbers")
    if not all(isinstance(number, int | float) for number in value):
        raise MotionError(f"{context}: expected {count} numbers, found something else")
    # Compared as Python has them: whole numbers may be too large for a float.
    if not all(abs(number) < _MAX_VALUE for number in value):
        raise MotionError(f"{context}: holds NaN, infinite or absurdly large numbers")
    return np.array(value, dtype=np.float64)


def _check_no_circles(parents: list[int], children: list[tuple[int, ...]], context: str) -> None:
    # With one parent each, whatever no root leads to hangs from itself.
    pending = [index for index, parent in enumerate(parents) if parent < 0]
    reached = 0
    while pending:
        reached += 1
        pending.extend(children[pending.pop()])
    if reached < len(parents):
        raise MotionError(f"{context}: some nodes are below themselves; the file is damaged")


def _matrices(columns: Array) -> Array:
    """Turn glTF's columns (N, 16) into matrices (N, 4, 4)."""
    return np.swapaxes(columns.reshape(-1, 4, 4), -1, -2)


def _rotation_of(matrix: Array) -> Array:
    """Return the rotation (4,) nearest to a matrix (4, 4) of rotation and scale."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    rotation = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return rotations.quat_from_matrix(rotation)


def _bound(nodes: list[Node], joints: list[int], inverse: Array) -> dict[int, Array]:
    """Return each joint's bind matrix from its parent, where that is a joint of the skin too.

    Nothing comes back if the matrices can't be those of this skeleton.
    """
    index = {node: number for number, node in enumerate(joints)}
    pairs = [node for node in index if nodes[node].parent in index]
    if (np.abs(np.linalg.det(inverse[: len(joints)])) < np.finfo(np.float64).tiny).any():
        return {}
    local = {
        node: inverse[index[nodes[node].parent]] @ np.linalg.inv(inverse[index[node]])
        for node in pairs
    }
    lengths = [
        (np.linalg.norm(local[node][:3, 3]), np.linalg.norm(nodes[node].offset)) for node in pairs
    ]
    fits = [
        bound < _BIND_RATIO * own and own < _BIND_RATIO * bound
        for bound, own in lengths
        if bound > 0.0 or own > 0.0
    ]
    return local if fits and np.mean(fits) > 0.5 else {}
