"""BVH text of a posed skeleton; plain Python, without Blender.

Conventions: metres and Blender's world (z up) come in; centimetres, y up, ZXY angles in degrees go
out. Matrices are three rows of three numbers. A joint's rotation is that of its pose in the world
times the inverse of its rest pose in the world, so that no joint is turned at rest. Source: the
Biovision description as kept by the University of Wisconsin (M. Meredith, S. Maddock).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_CM_PER_M = 100.0
# A joint that leaves its place by more than this gets position channels, metres.
_STILL_M = 1e-3
# End site of a leaf: BVH asks for one, along the bone's way from its parent.
_END_CM = 5.0
_ROOT_CHANNELS = "6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
_TURN_CHANNELS = "3 Zrotation Xrotation Yrotation"


@dataclass(frozen=True)
class Joint:
    """A joint at rest.

    Attributes:
        name: As the file shall name it.
        parent: Index of its parent among the joints, which comes before it; -1 for the root.
        head: Where it is at rest, in the world, metres, z up.
    """

    name: str
    parent: int
    head: Vector


@dataclass(frozen=True)
class Pose:
    """One frame.

    Attributes:
        heads: Where each joint is in the world, metres, z up.
        turns: Each joint's rotation in the world, from its rest pose.
    """

    heads: tuple[Vector, ...]
    turns: tuple[Matrix, ...]


def bvh_text(joints: Sequence[Joint], poses: Sequence[Pose], fps: float) -> str:
    """Return a motion as BVH.

    Args:
        joints: The skeleton, parents first; one root.
        poses: Its frames, one or more.
        fps: Frames per second.

    Raises:
        ValueError: There is no frame, or there are no joints with one root before all others.
    """
    if not poses:
        raise ValueError("expected one frame or more")
    if [joint.parent for joint in joints].count(-1) != 1 or joints[0].parent != -1:
        raise ValueError("expected one root, before all other joints")
    moving = _moving(joints, poses)
    order = list(_depth_first(joints, 0))
    lines = ["HIERARCHY", *_hierarchy(joints, moving, 0, 0)]
    lines += ["MOTION", f"Frames: {len(poses)}", f"Frame Time: {1.0 / fps:.12g}"]
    lines += [" ".join(_numbers(joints, pose, moving, order)) for pose in poses]
    return "\n".join(lines) + "\n"


def y_up(vector: Vector) -> Vector:
    """Return a vector of a world with z up in one with y up."""
    x, y, z = vector
    return (x, z, -y)


def turn_y_up(turn: Matrix) -> Matrix:
    """Return a rotation of a world with z up in one with y up."""
    columns = [y_up(column) for column in zip(*turn, strict=True)]
    x, y, z = columns
    # The same change of axes on the other side: the columns swap as the rows did.
    swapped = (x, z, (-y[0], -y[1], -y[2]))
    return tuple(zip(*swapped, strict=True))  # type: ignore[return-value]


def zxy_degrees(m: Matrix) -> Vector:
    """Return the angles Z, X, Y of a rotation, degrees: R = Rz Rx Ry."""
    x = math.asin(min(1.0, max(-1.0, m[2][1])))
    if math.hypot(m[0][1], m[1][1]) < 1e-7:
        # With x at a quarter turn z and y turn about the same axis: give it all to z.
        return math.degrees(math.atan2(m[1][0], m[0][0])), math.degrees(x), 0.0
    z = math.atan2(-m[0][1], m[1][1])
    y = math.atan2(-m[2][0], m[2][2])
    return math.degrees(z), math.degrees(x), math.degrees(y)


def transposed_times(a: Matrix, b: Matrix) -> Matrix:
    """Return the product of the transpose of ``a`` and ``b``."""
    # Written out: a rig has hundreds of joints, a dance thousands of frames.
    columns = tuple(zip(*b, strict=True))
    return tuple(  # type: ignore[return-value]
        tuple(p * x + q * y + r * z for x, y, z in columns) for p, q, r in zip(*a, strict=True)
    )


def _local_m(joints: Sequence[Joint], pose: Pose, index: int) -> Vector:
    """Where a joint is, seen from its parent as it is turned, metres, z up."""
    parent = joints[index].parent
    if parent < 0:
        return pose.heads[index]
    away = _minus(pose.heads[index], pose.heads[parent])
    turn = pose.turns[parent]
    x, y, z = away
    return tuple(  # type: ignore[return-value]
        p * x + q * y + r * z for p, q, r in zip(*turn, strict=True)
    )


def _offset_m(joints: Sequence[Joint], index: int) -> Vector:
    joint = joints[index]
    return joint.head if joint.parent < 0 else _minus(joint.head, joints[joint.parent].head)


def _moving(joints: Sequence[Joint], poses: Sequence[Pose]) -> set[int]:
    """Joints that leave their place: the root, and what slides or stretches."""
    moving = {0}
    for index in range(1, len(joints)):
        offset = _offset_m(joints, index)
        if any(math.dist(_local_m(joints, pose, index), offset) > _STILL_M for pose in poses):
            moving.add(index)
    return moving


def _depth_first(joints: Sequence[Joint], index: int) -> Iterator[int]:
    yield index
    for child in _children(joints, index):
        yield from _depth_first(joints, child)


def _children(joints: Sequence[Joint], index: int) -> list[int]:
    return [child for child, joint in enumerate(joints) if joint.parent == index]


def _hierarchy(joints: Sequence[Joint], moving: set[int], index: int, depth: int) -> Iterator[str]:
    pad, inner = "  " * depth, "  " * (depth + 1)
    offset = y_up(_offset_m(joints, index))
    yield f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {joints[index].name}"
    yield f"{pad}{{"
    yield f"{inner}OFFSET {_joined(_CM_PER_M * part for part in offset)}"
    yield f"{inner}CHANNELS {_ROOT_CHANNELS if index in moving else _TURN_CHANNELS}"
    children = _children(joints, index)
    for child in children:
        yield from _hierarchy(joints, moving, child, depth + 1)
    if not children:
        length = math.hypot(*offset)
        end = [_END_CM * part / length for part in offset] if length else [0.0, _END_CM, 0.0]
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}  OFFSET {_joined(end)}"
        yield f"{inner}}}"
    yield f"{pad}}}"


def _numbers(
    joints: Sequence[Joint], pose: Pose, moving: set[int], order: Sequence[int]
) -> Iterator[str]:
    for index in order:
        if index in moving:
            yield from _texts(_CM_PER_M * p for p in y_up(_local_m(joints, pose, index)))
        parent = joints[index].parent
        above = IDENTITY if parent < 0 else pose.turns[parent]
        yield from _texts(zxy_degrees(turn_y_up(transposed_times(above, pose.turns[index]))))


def _minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _texts(numbers) -> Iterator[str]:  # noqa: ANN001
    return (f"{number:.5f}" for number in numbers)


def _joined(numbers) -> str:  # noqa: ANN001
    return " ".join(_texts(numbers))
