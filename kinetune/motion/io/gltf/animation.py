"""Skeletal animation of glTF 2.0, as a take: nodes, skins and one animation.

Conventions: the file's own unit and world; quaternions (w, x, y, z). The take holds the tree with
most animated joints: joints of skins, animated nodes and whatever stands above them. The rest pose
is the one the skin was bound in where the file tells it, else the nodes' own. Scales above a joint
are multiplied into its offset and path. Curves are sampled at an even rate from the first key on.
Source: the glTF 2.0 specification (Khronos), sections 3.5, 3.7.3 and 3.11; VRM 0, VRM 1 and VRM
animation say which of their nodes is which bone of a human (VRM Consortium).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion.io.gltf.curves import Curve, build_curve, rotation_curve
from kinetune.motion.io.gltf.document import (
    Document,
    object_list,
    read_accessor,
    read_document,
    valid_index,
)
from kinetune.motion.io.gltf.nodes import Node, bind_pose, humanoid_bones, read_nodes, skin_joints
from kinetune.motion.retargeting.skeletal_animation import MAX_DURATION_S, Frames, nominal_rate_hz

Array = NDArray[np.float64]

# Animation whose densest curve has fewer keys a second was drawn by hand, not recorded.
_SPARSEST_HZ = 18.0
_DRAWN_HZ = 30.0
# No body moves in ways that more frames a second would show.
_FASTEST_HZ = 240.0
# Keys that stand dense in places only don't ask for that rate throughout.
_DENSE_SHARE, _PATCHY_HZ = 0.25, 60.0
# Bodies have tens of joints, crowds and hair some hundreds.
_MOST_NODES = 5000
_WIDTHS = {"rotation": 4, "translation": 3, "scale": 3}


@dataclass(frozen=True, eq=False)
class GltfAnimation:
    """An animation; see :class:`~kinetune.motion.retargeting.skeletal_animation.SkeletalAnimation`.

    Attributes:
        names: Node names, made up where the file has none.
        parents: Place of each one's parent, -1 for a root.
        offsets: From the parent at rest, scales multiplied in, (J, 3).
        rest_rotations: Local rotations in the pose the skin was bound in, (J, 4).
        static_rotations: Local rotations where no curve turns them, (J, 4).
        inherited_scale: Scale of everything above each joint, (J, 3).
        rotation_curves: The curves that turn joints.
        translation_curves: The curves that move joints.
        humanoid_bones: Which joint is which of ours, where the file says so itself.
        fps: Frames a second it is sampled at.
        sample_times_s: When the frames stand in the file, (T,).
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    rest_rotations: Array
    static_rotations: Array
    inherited_scale: Array
    rotation_curves: dict[int, Curve]
    translation_curves: dict[int, Curve]
    humanoid_bones: dict[str, int]
    fps: float
    sample_times_s: Array

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


@dataclass(frozen=True, eq=False)
class _Animation:
    """One animation of a file: the curves of each node and property."""

    name: str
    curves: dict[tuple[int, str], Curve]

    @property
    def start_s(self) -> float:
        return min(float(curve.times_s[0]) for curve in self.curves.values())

    @property
    def length_s(self) -> float:
        return max(float(curve.times_s[-1]) for curve in self.curves.values()) - self.start_s

    def of(self, kept: list[int]) -> "_Animation":
        """Return the part of it that moves these nodes."""
        inside = set(kept)
        return _Animation(self.name, {at: c for at, c in self.curves.items() if at[0] in inside})

    def along(self, path: str, index: dict[int, int]) -> dict[int, Curve]:
        """Return the curves of one property, by the place of the node."""
        return {
            index[node]: c
            for (node, interpolation), c in self.curves.items()
            if interpolation == path
        }


def read_gltf(
    path: Path, *, animation: str | None = None, context: str | None = None
) -> GltfAnimation:
    """Read the skeletal animation of a .glb or .gltf file.

    Args:
        path: The file.
        animation: Which of its animations, by name; None takes the longest.
        context: What to call it in errors, when not by its path.

    Raises:
        MotionError: It isn't glTF, is damaged, or holds no animation of nodes.
    """
    document = read_document(path, context or str(path))
    nodes = read_nodes(document)
    chosen = _chosen(_animations(document, len(nodes)), animation, document.context)
    skins = skin_joints(document, len(nodes))
    kept = _kept(nodes, {node for node, _ in chosen.curves}, {j for skin in skins for j in skin})
    if len(kept) > _MOST_NODES:
        raise MotionError(
            f"{document.context}: expected at most {_MOST_NODES} joints, found {len(kept)}; export "
            "one dancer alone"
        )
    chosen = chosen.of(kept)
    scales = _scales(nodes, kept, chosen, document.context)
    fps = _rate_hz(chosen)
    index = {node: joint for joint, node in enumerate(kept)} | {-1: -1}
    parents = tuple(index[nodes[node].parent] for node in kept)
    growth = _growth(parents, scales)
    rest, offsets = bind_pose(document, nodes, kept, skins)
    return GltfAnimation(
        names=tuple(nodes[node].name for node in kept),
        parents=parents,
        offsets=offsets * growth,
        rest_rotations=rest,
        static_rotations=np.array([nodes[node].rotation for node in kept]),
        inherited_scale=growth,
        rotation_curves=chosen.along("rotation", index),
        translation_curves=chosen.along("translation", index),
        humanoid_bones={
            ours: index[n] for ours, n in humanoid_bones(document).items() if n in index
        },
        fps=fps,
        sample_times_s=_moments_s(chosen, fps, document.context),
    )


def _moments_s(animation: _Animation, fps: float, context: str) -> Array:
    if not 0.0 < animation.length_s <= MAX_DURATION_S:
        raise MotionError(
            f"{context}: expected an animation of up to {MAX_DURATION_S:g} s, found "
            f"{animation.length_s:g} s from its first key to its last"
        )
    count = timebase.frames_in(animation.length_s, fps) + 1
    return animation.start_s + timebase.frame_times(count, fps)


def _animations(document: Document, node_count: int) -> list[_Animation]:
    listed = document.entries("animations")
    made = [_animation(document, entry, number, node_count) for number, entry in enumerate(listed)]
    return [animation for animation in made if animation.curves]


def _animation(
    document: Document, entry: dict[str, Any], number: int, node_count: int
) -> _Animation:
    context = f"{document.context}: animation {number}"
    samplers = object_list(entry, "samplers", context)
    curves = {}
    for channel in object_list(entry, "channels", context):
        target = channel.get("target")
        if not isinstance(target, dict) or "node" not in target:
            continue
        interpolation = str(target.get("path"))
        if interpolation in _WIDTHS:
            node = valid_index(target["node"], node_count, f"{context}: node")
            index = valid_index(channel.get("sampler"), len(samplers), f"{context}: sampler")
            curves[node, interpolation] = _curve(document, samplers[index], interpolation, context)
    return _Animation(str(entry.get("name", number)), curves)


def _curve(document: Document, sampler: dict[str, Any], path: str, context: str) -> Curve:
    times_s = read_accessor(document, sampler.get("input"), 1)
    numbers = read_accessor(document, sampler.get("output"), _WIDTHS[path])
    curve = build_curve(times_s, numbers, str(sampler.get("interpolation", "LINEAR")), context)
    return rotation_curve(curve, context) if path == "rotation" else curve


def _chosen(animations: Sequence[_Animation], asked: str | None, context: str) -> _Animation:
    if not animations:
        raise MotionError(
            f"{context}: expected an animation of a skeleton, found none; export it with animation"
        )
    if asked is None:
        return max(animations, key=lambda animation: animation.length_s)
    for animation in animations:
        if animation.name == asked:
            return animation
    names = ", ".join(animation.name for animation in animations[:20])
    raise MotionError(f"{context}: there is no animation {asked!r}; it holds {names}")


def _kept(nodes: list[Node], animated: set[int], jointed: set[int]) -> list[int]:
    """Return the nodes of the tree in which most nodes move, parents first.

    Kept are joints and what moves, what stands above them, and the bare nodes right below, which
    are the tips of bones.
    """
    trees: list[list[int]] = []
    for node in _depth_first(nodes):
        if nodes[node].parent < 0:
            trees.append([])
        trees[-1].append(node)
    tree = max(trees, key=lambda tree: len(animated.intersection(tree)))
    wanted = animated | jointed
    above: set[int] = set()
    for node in reversed(tree):
        if node in wanted or node in above:
            above.add(nodes[node].parent)
    tips = {n for n in tree if nodes[n].parent in wanted and not nodes[n].has_mesh}
    kept = wanted | above | tips
    return [node for node in tree if node in kept]


def _depth_first(nodes: list[Node]) -> Iterator[int]:
    waiting = [node for node in range(len(nodes) - 1, -1, -1) if nodes[node].parent < 0]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(nodes[node].children))


def _rate_hz(animation: _Animation) -> float:
    """Return the rate of the densest curve, the rate of drawing where there are few keys."""
    rates = {
        1.0 / step: len(curve.times_s) / animation.length_s
        for curve in animation.curves.values()
        if len(curve.times_s) > 2 and (step := float(np.median(np.diff(curve.times_s)))) > 0.0
    }
    if not rates or max(rates) < _SPARSEST_HZ:
        return _DRAWN_HZ
    fastest = max(rates)
    most = _FASTEST_HZ if rates[fastest] > _DENSE_SHARE * fastest else _PATCHY_HZ
    return min(nominal_rate_hz(fastest), most)


def _scales(nodes: list[Node], kept: list[int], animation: _Animation, context: str) -> Array:
    """Return the scale of every node kept, (J, 3), of animated ones in the middle of the take."""
    scales = np.array([nodes[node].scale for node in kept])
    for joint, node in enumerate(kept):
        if (node, "scale") in animation.curves:
            scales[joint] = np.median(animation.curves[node, "scale"].values, axis=0)
    bad = (scales <= 0.0).any(axis=1)
    if bad.any():
        raise MotionError(
            f"{context}: {nodes[kept[int(np.argmax(bad))]].name!r} is mirrored or of no size (a "
            "scale of 0 or less); apply its transform and export again"
        )
    return scales


def _growth(parents: tuple[int, ...], scales: Array) -> Array:
    """Return the scale of everything above each joint, (J, 3), uneven only by the one above.

    Scales that differ by axis further up would shear what is below; bodies aren't sheared, so
    there their mean counts.
    """
    growth = np.ones_like(scales)
    even = np.ones(len(parents))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            growth[joint] = even[parent] * scales[parent]
            even[joint] = even[parent] * float(np.prod(scales[parent]) ** (1.0 / 3.0))
    return growth
