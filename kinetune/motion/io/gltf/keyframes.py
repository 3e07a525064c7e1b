"""The animations of a glTF file: the curves of each node and property, and which one to read.

Conventions: seconds; properties are ``rotation``, ``translation`` and ``scale``. Source: the glTF
2.0 specification (Khronos), section 3.11, and the extension KHR_animation_pointer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.curves import Curve, build_curve, rotation_curve
from kinetune.motion.io.gltf.document import Document, read_accessor
from kinetune.motion.io.gltf.json_values import object_list, readable_name, valid_index

_WIDTHS = {"rotation": 4, "translation": 3, "scale": 3}
_POINTER = re.compile(r"/nodes/(\d{1,9})/(rotation|translation|scale)")
# A body moves when this many of its joints turn by more than this angle.
_MIN_MOVING_JOINTS = 4
_MIN_ANGLE = np.radians(0.5)


@dataclass(frozen=True, eq=False)
class KeyframeAnimation:
    """One animation of a file.

    Attributes:
        name: As written, or its number.
        curves: By node and property.
    """

    name: str
    curves: dict[tuple[int, str], Curve]

    @property
    def start_s(self) -> float:
        """Time of the first key, seconds."""
        return min(float(curve.times_s[0]) for curve in self.curves.values())

    @property
    def length_s(self) -> float:
        """Time from the first key to the last, seconds."""
        return max(float(curve.times_s[-1]) for curve in self.curves.values()) - self.start_s

    @property
    def nodes(self) -> set[int]:
        """The nodes that have curves."""
        return {node for node, _ in self.curves}

    def of_nodes(self, nodes: Sequence[int]) -> "KeyframeAnimation":
        """Return the part of it that moves these nodes."""
        inside = set(nodes)
        curves = {key: curve for key, curve in self.curves.items() if key[0] in inside}
        return KeyframeAnimation(self.name, curves)

    def curves_by_joint(self, wanted: str, joint_of: dict[int, int]) -> dict[int, Curve]:
        """Return the curves of one property, by the joint that each node is."""
        return {
            joint_of[node]: curve
            for (node, property_name), curve in self.curves.items()
            if property_name == wanted
        }


def read_animations(document: Document, node_count: int) -> list[KeyframeAnimation]:
    """Return the animations that move nodes.

    Raises:
        MotionError: One is damaged.
    """
    reader = _Reader(document, node_count)
    entries = document.entries("animations")
    animations = [reader.animation(entry, number) for number, entry in enumerate(entries)]
    return [animation for animation in animations if animation.curves]


def choose_animation(
    animations: Sequence[KeyframeAnimation], body: set[int], requested: str | None, context: str
) -> KeyframeAnimation:
    """Return the animation of the requested name, or the longest that moves a body.

    Args:
        animations: All of the file.
        body: Nodes that are joints of a body; where none are known the longest animation is taken.
        requested: A name; None for the longest.
        context: The file, for errors.

    Raises:
        MotionError: There is none, or none of that name.
    """
    if not animations:
        raise MotionError(
            f"{context}: expected an animation of a skeleton, found none; export it with animation"
        )
    if requested is None:
        return max(animations, key=lambda each: (_moves(each, body), each.length_s))
    for animation in animations:
        if animation.name == requested:
            return animation
    names = ", ".join(animation.name[:60] for animation in animations[:20])
    raise MotionError(f"{context}: there is no animation {requested!r}; it holds {names}")


def _moves(animation: KeyframeAnimation, body: set[int]) -> bool:
    moving = sum(
        node in body and property_name == "rotation" and _turns(curve)
        for (node, property_name), curve in animation.curves.items()
    )
    return moving >= _MIN_MOVING_JOINTS


def _turns(curve: Curve) -> bool:
    dots = np.abs(curve.values @ curve.values[0])
    return bool(2.0 * np.arccos(min(1.0, float(dots.min()))) > _MIN_ANGLE)


@dataclass
class _Reader:
    """Reads the curves of one file; samplers that share their arrays share one curve."""

    document: Document
    node_count: int
    curves: dict[tuple[Any, ...], Curve] = field(default_factory=dict)

    def animation(self, entry: dict[str, Any], number: int) -> KeyframeAnimation:
        context = f"{self.document.context}: animation {number}"
        samplers = object_list(entry, "samplers", context)
        curves = {}
        for channel in object_list(entry, "channels", context):
            target = _target(channel.get("target"))
            if target is None:
                continue
            node = valid_index(target[0], self.node_count, f"{context}: node")
            index = valid_index(channel.get("sampler"), len(samplers), f"{context}: sampler")
            curves[node, target[1]] = self._curve(samplers[index], target[1], context)
        return KeyframeAnimation(readable_name(entry.get("name", number)), curves)

    def _curve(self, sampler: dict[str, Any], property_name: str, context: str) -> Curve:
        interpolation = str(sampler.get("interpolation", "LINEAR"))
        key = (str(sampler.get("input"))[:20], str(sampler.get("output"))[:20])
        shared = (*key, property_name, interpolation)
        if shared not in self.curves:
            times_s = read_accessor(self.document, sampler.get("input"), 1)
            values = read_accessor(self.document, sampler.get("output"), _WIDTHS[property_name])
            curve = build_curve(times_s, values, interpolation, context)
            is_rotation = property_name == "rotation"
            self.curves[shared] = rotation_curve(curve, context) if is_rotation else curve
        return self.curves[shared]


def _target(target: object) -> tuple[object, str] | None:
    """Return the node and the property a channel animates, None for what is no node's pose."""
    if not isinstance(target, dict):
        return None
    if "node" in target and str(target.get("path")) in _WIDTHS:
        return target["node"], str(target["path"])
    extensions = target.get("extensions")
    extension = extensions.get("KHR_animation_pointer") if isinstance(extensions, dict) else None
    pointer = extension.get("pointer") if isinstance(extension, dict) else None
    match = _POINTER.fullmatch(pointer) if isinstance(pointer, str) else None
    return (int(match[1]), match[2]) if match else None
