"""Skeletal animation of glTF 2.0: nodes, skins and one animation.

Conventions: the file's own unit and world; quaternions (w, x, y, z). The skeleton is the tree with
most animated joints: joints of skins, animated nodes and whatever is above them. The rest pose is
the one the skin was bound in where the file gives it, else the nodes' own. Scales above a joint
are multiplied into its offset and path. Curves are sampled at an even rate from the first key on.
Source: the glTF 2.0 specification (Khronos), sections 3.5, 3.7.3 and 3.11; VRM 0, VRM 1 and VRM
animation list which of their nodes is which bone of a human (VRM Consortium).
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion.frame_rate import MAX_DURATION_S, nominal_rate_hz
from kinetune.motion.io.gltf.curves import Curve
from kinetune.motion.io.gltf.document import Document, read_document
from kinetune.motion.io.gltf.keyframes import KeyframeAnimation, choose_animation, read_animations
from kinetune.motion.io.gltf.nodes import Node, bind_pose, humanoid_bones, read_nodes, skin_joints
from kinetune.motion.retargeting.joint_names import limb_joints
from kinetune.motion.retargeting.skeletal_animation import Frames

Array = NDArray[np.float64]

logger = logging.getLogger("kinetune.motion")

# Animation whose densest curve has fewer keys per second was keyed by hand, not recorded.
_SPARSEST_HZ = 18.0
_KEYED_HZ = 30.0
# No body moves in ways that more frames per second would show.
_FASTEST_HZ = 240.0
# Keys that are dense in parts only don't need that rate throughout.
_DENSE_SHARE, _PATCHY_HZ = 0.25, 60.0
# Bodies have tens of joints, crowds and hair some hundreds.
_MAX_NODES = 5000


@dataclass(frozen=True, eq=False)
class GltfAnimation:
    """See :class:`~kinetune.motion.retargeting.skeletal_animation.SkeletalAnimation`.

    Attributes:
        names: Node names, made up where the file has none.
        parents: Index of each one's parent, -1 for a root.
        offsets: From the parent at rest, scales multiplied in, (J, 3).
        rest_rotations: Local rotations in the pose the skin was bound in, (J, 4).
        static_rotations: Local rotations where no curve turns them, (J, 4).
        scales: Each joint's own scale, (J, 3).
        inherited_scale: Scale of everything above each joint, (J, 3).
        rotation_curves: The curves that turn joints.
        translation_curves: The curves that move joints.
        humanoid_bones: Which joint is which of ours, where the file lists them.
        fps: Frames per second it is sampled at.
        sample_times_s: Times of the frames in the file, seconds, (T,).
        context: What to call the file in errors.
        note: Which of several animations was read, one line; empty if there is one only.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    rest_rotations: Array
    static_rotations: Array
    scales: Array
    inherited_scale: Array
    rotation_curves: dict[int, Curve]
    translation_curves: dict[int, Curve]
    humanoid_bones: dict[str, int]
    fps: float
    sample_times_s: Array
    context: str
    note: str = ""

    @property
    def end_offsets(self) -> Array:
        """The format doesn't say where a leaf's bone ends: zeros, (J, 3)."""
        return np.zeros((len(self.names), 3))

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return len(self.sample_times_s)

    def local_rotations(self, joint: int, frames: Frames = slice(None)) -> Array:
        """Return a joint's local rotations, (T, 4)."""
        times_s = self.sample_times_s[frames]
        if joint in self.rotation_curves:
            return self.rotation_curves[joint].rotations_at(times_s)
        return np.tile(self.static_rotations[joint], (len(times_s), 1))

    def local_translations(self, joint: int, frames: Frames = slice(None)) -> Array | None:
        """Return a joint's own path from its parent, (T, 3), or None where it has none."""
        if joint not in self.translation_curves:
            return None
        return (
            self.translation_curves[joint].values_at(self.sample_times_s[frames])
            * self.inherited_scale[joint]
        )

    def check_scales(self, joints: Collection[int]) -> None:
        """Check that nothing above the joints used is mirrored or of no size.

        Args:
            joints: The joints of the body and everything above them. A joint's own scale counts
                only where it has children among them.

        Raises:
            MotionError: A scale is 0 or less.
        """
        above = {self.parents[joint] for joint in joints}
        for joint in sorted(above.intersection(joints)):
            if (self.scales[joint] <= 0.0).any():
                raise MotionError(
                    f"{self.context}: {self.names[joint]!r} is mirrored or of no size (a scale of "
                    "0 or less); apply its transform and export again"
                )


def read_gltf(
    path: Path,
    *,
    animation: str | None = None,
    context: str | None = None,
    time_factor: float = 1.0,
) -> GltfAnimation:
    """Read the skeletal animation of a .glb or .gltf file.

    Args:
        path: The file.
        animation: Which of its animations, by name; None takes the longest that moves a body.
        context: What to call it in errors, when not by its path.
        time_factor: What key times are multiplied by.

    Raises:
        MotionError: It isn't glTF, is damaged, or contains no animation of nodes.
    """
    context = context or str(path)
    scene = _read_scene(path, context)
    animations = read_animations(scene.document, len(scene.nodes))
    chosen = choose_animation(animations, scene.body_nodes, animation, context)
    note = _note(chosen, animations, time_factor)
    logger.info("%s: %s", context, note or f"animation {chosen.name!r}, the only one")
    selected = _selected_nodes(scene, chosen)
    return _build_animation(scene, selected, chosen.of_nodes(selected), time_factor, note)


@dataclass(frozen=True, eq=False)
class _Scene:
    """The nodes of a file, and which of them belong to a body.

    Attributes:
        document: The file.
        nodes: Its nodes.
        skins: The joints of each skin.
        bones: Which node is which bone of a human, where the file lists them.
    """

    document: Document
    nodes: list[Node]
    skins: list[list[int]]
    bones: dict[str, int]

    @property
    def skinned(self) -> set[int]:
        """The joints of all skins."""
        return {joint for skin in self.skins for joint in skin}

    @property
    def body_nodes(self) -> set[int]:
        """Nodes that are named like limbs, listed as bones, or joints of a skin."""
        limbs = limb_joints([node.name for node in self.nodes])
        return limbs | set(self.bones.values()) | self.skinned


def _read_scene(path: Path, context: str) -> _Scene:
    document = read_document(path, context)
    nodes = read_nodes(document)
    skins = skin_joints(document, len(nodes))
    return _Scene(document, nodes, skins, humanoid_bones(document))


def _selected_nodes(scene: _Scene, animation: KeyframeAnimation) -> list[int]:
    """Return the nodes of the skeleton, parents first; see :func:`_skeleton_nodes`."""
    selected = _skeleton_nodes(scene.nodes, animation.nodes, scene.skinned)
    if len(selected) > _MAX_NODES:
        raise MotionError(
            f"{scene.document.context}: expected at most {_MAX_NODES} joints, found "
            f"{len(selected)}; export one dancer alone"
        )
    return selected


def _build_animation(
    scene: _Scene, selected: list[int], moving: KeyframeAnimation, time_factor: float, note: str
) -> GltfAnimation:
    """Return the animation of the selected nodes, which become joints in their order."""
    nodes, context = scene.nodes, scene.document.context
    joint_of = {node: joint for joint, node in enumerate(selected)} | {-1: -1}
    parents = tuple(joint_of[nodes[node].parent] for node in selected)
    scales = _scales(nodes, selected, moving)
    inherited = _inherited_scale(parents, scales)
    rest, offsets = bind_pose(scene.document, nodes, selected, scene.skins)
    sample_times_s, fps = _sample_times(moving, time_factor, context)
    bones = {name: joint_of[node] for name, node in scene.bones.items() if node in joint_of}
    return GltfAnimation(
        names=tuple(nodes[node].name for node in selected),
        parents=parents,
        offsets=offsets * inherited,
        rest_rotations=rest,
        static_rotations=np.array([nodes[node].rotation for node in selected]),
        scales=scales,
        inherited_scale=inherited,
        rotation_curves=moving.curves_by_joint("rotation", joint_of),
        translation_curves=moving.curves_by_joint("translation", joint_of),
        humanoid_bones=bones,
        fps=fps,
        sample_times_s=sample_times_s,
        context=context,
        note=note,
    )


def _note(
    chosen: KeyframeAnimation, animations: list[KeyframeAnimation], time_factor: float
) -> str:
    if len(animations) == 1:
        return ""
    others = ", ".join(repr(each.name[:40]) for each in animations if each is not chosen)
    length_s = chosen.length_s * time_factor
    others = others if len(others) < 200 else f"{others[:200]}..."
    return f"read animation {chosen.name[:40]!r} ({length_s:.2f} s); --animation for {others}"


def _sample_times(
    animation: KeyframeAnimation, time_factor: float, context: str
) -> tuple[Array, float]:
    """Return the times in the file at which to sample, (T,), and the rate that they make."""
    length_s = animation.length_s * time_factor
    if not 0.0 < length_s <= MAX_DURATION_S:
        raise MotionError(
            f"{context}: expected an animation of more than 0 and up to {MAX_DURATION_S:g} s, "
            f"found {length_s:g} s from its first key to its last"
        )
    fps = _rate_hz(animation, time_factor)
    count = timebase.frames_in(length_s, fps) + 1
    return animation.start_s + timebase.frame_times(count, fps) / time_factor, fps


def _skeleton_nodes(nodes: list[Node], animated: set[int], skinned: set[int]) -> list[int]:
    """Return the nodes of the tree in which most nodes move, parents first.

    Selected are joints and what moves, what is above them, and the bare nodes right below, which
    are the tips of bones.
    """
    trees: list[list[int]] = []
    for node in _depth_first(nodes):
        if nodes[node].parent < 0:
            trees.append([])
        trees[-1].append(node)
    tree = max(trees, key=lambda tree: len(animated.intersection(tree)))
    joints = animated | skinned
    above: set[int] = set()
    for node in reversed(tree):
        if node in joints or node in above:
            above.add(nodes[node].parent)
    tips = {n for n in tree if nodes[n].parent in joints and not nodes[n].has_mesh}
    selected = joints | above | tips
    return [node for node in tree if node in selected]


def _depth_first(nodes: list[Node]) -> Iterator[int]:
    pending = [node for node in range(len(nodes) - 1, -1, -1) if nodes[node].parent < 0]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(nodes[node].children))


def _rate_hz(animation: KeyframeAnimation, time_factor: float) -> float:
    """Return the rate of the densest curve, or that of hand-made keys where there are few."""
    length_s = animation.length_s * time_factor
    rates = {
        1.0 / (step * time_factor): len(curve.times_s) / length_s
        for curve in animation.curves.values()
        if len(curve.times_s) > 2 and (step := float(np.median(np.diff(curve.times_s)))) > 0.0
    }
    if not rates or max(rates) < _SPARSEST_HZ:
        return _KEYED_HZ
    fastest = max(rates)
    most = _FASTEST_HZ if rates[fastest] > _DENSE_SHARE * fastest else _PATCHY_HZ
    return min(nominal_rate_hz(fastest), most)


def _scales(nodes: list[Node], selected: list[int], animation: KeyframeAnimation) -> Array:
    """Return the scale of every node selected, (J, 3), the median of animated ones."""
    scales = np.array([nodes[node].scale for node in selected])
    for joint, node in enumerate(selected):
        if (node, "scale") in animation.curves:
            scales[joint] = np.median(animation.curves[node, "scale"].values, axis=0)
    return scales


def _inherited_scale(parents: tuple[int, ...], scales: Array) -> Array:
    """Return the scale of everything above each joint, (J, 3), uneven only by the one above.

    Scales that differ by axis further up would shear what is below; bodies aren't sheared, so
    there their geometric mean is used. Below a scale of 0 or less nothing is meaningful, see
    :meth:`GltfAnimation.check_scales`; its size is used.
    """
    inherited = np.ones_like(scales)
    even = np.ones(len(parents))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            inherited[joint] = even[parent] * scales[parent]
            mean = float(np.prod(np.abs(scales[parent])) ** (1.0 / 3.0))
            even[joint] = even[parent] * mean
    return inherited
