"""The dancer: a mannequin of rounded limbs, lit from above, with smooth edges.

Conventions: every part is a capsule between two points with a radius at each, seen in perspective
and shaded as the round body it is. Parts are drawn far to near into a depth buffer. The dancer's
left is blue and the right orange, as in every picture of the project.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.motion import skeleton
from kinetune.render.camera import HEIGHT, WIDTH, Camera
from kinetune.render.kernels import draw_capsule

Array = NDArray[np.float64]
Pixels = NDArray[np.float32]

TRUNK, LEFT, RIGHT = (226, 230, 238), (84, 160, 235), (244, 148, 84)
_FACE = (70, 78, 98)
# Directions in camera axes (right, up, towards the camera): where the light comes from.
_LIGHT = np.array([-0.42, 0.72, 0.55]) / np.linalg.norm([0.42, 0.72, 0.55])
_AMBIENT, _DIFFUSE, _RIM = 0.46, 0.62, 46.0
_SOFT_PX = 0.75
_SHADING = (*map(float, _LIGHT), _AMBIENT, _DIFFUSE, _RIM, _SOFT_PX)
_HEAD_UP_M, _HEAD_TOP_M, _HEAD_M = 0.035, 0.115, 0.095
_FACE_AHEAD_M, _FACE_M = 0.058, 0.052


@dataclass(frozen=True)
class _Part:
    """A capsule from joint to joint: radii in metres, and how far it goes beyond the second."""

    start: str
    end: str
    radii_m: tuple[float, float]
    beyond: float = 1.0


_TRUNK_PARTS = (
    _Part("left_hip", "right_hip", (0.098, 0.098)),
    _Part("pelvis", "spine1", (0.115, 0.112)),
    _Part("spine1", "spine2", (0.112, 0.118)),
    _Part("spine2", "spine3", (0.118, 0.122)),
    _Part("spine3", "neck", (0.118, 0.062)),
    _Part("neck", "head", (0.05, 0.046)),
)
_SIDE_PARTS = (
    _Part("spine2", "collar", (0.1, 0.078)),
    _Part("spine3", "shoulder", (0.1, 0.05)),
    _Part("collar", "shoulder", (0.056, 0.05)),
    _Part("shoulder", "elbow", (0.062, 0.044)),
    _Part("elbow", "wrist", (0.043, 0.03)),
    _Part("wrist", "hand", (0.032, 0.034), 1.35),
    _Part("hip", "knee", (0.094, 0.06)),
    _Part("knee", "ankle", (0.058, 0.04)),
    _Part("ankle", "foot", (0.042, 0.036), 1.3),
)
# The shoulders belong to the trunk's colour, arms and legs to their side's.
_TRUNK_COLOURED = 3


@dataclass(frozen=True, eq=False)
class _Capsules:
    """All parts of one pose: ends (n, 2, 3) in metres, radii (n, 2), colours (n, 3)."""

    ends: Array
    radii_m: Array
    colours: Array


def draw_body(
    picture: NDArray[np.uint8], camera: Camera, aim: Array, side: Array, pose: Array, face: Array
) -> None:
    """Draw a dancer into a picture.

    Args:
        picture: (H, W, 3), changed in place.
        camera: What it is seen through.
        aim: What the camera looks at, (3,).
        side: The camera's right-hand side on the floor, (2,).
        pose: Joint positions, metres, (24, 3).
        face: The direction of the face, a unit vector (3,).
    """
    capsules = _capsules_of(pose, face)
    viewed = camera.view(capsules.ends.reshape(-1, 3), aim, side)
    flat, size = camera.project(viewed)
    flat, size = flat.reshape(-1, 2, 2), size.reshape(-1, 2)
    depth_m, radii = viewed[:, 2].reshape(-1, 2), capsules.radii_m * size
    reach = radii.max(axis=1)[:, None] + 2.0
    low = np.floor(flat.min(axis=1) - reach).clip(0, [WIDTH, HEIGHT]).astype(int)
    high = np.ceil(flat.max(axis=1) + reach).clip(0, [WIDTH, HEIGHT]).astype(int)
    corner, end = low.min(axis=0), high.max(axis=0)
    canvas = picture[corner[1] : end[1], corner[0] : end[0]].astype(np.float32)
    nearest = np.full(canvas.shape[:2], np.inf, np.float32)
    for part in np.argsort(-depth_m.mean(axis=1)):
        (left, top), (right, bottom) = low[part] - corner, high[part] - corner
        if left < right and top < bottom:
            window = (slice(top, bottom), slice(left, right))
            _draw_capsule(
                canvas[window], nearest[window], flat[part] - low[part], radii[part],
                depth_m[part], capsules.radii_m[part], capsules.colours[part],
            )  # fmt: skip
    picture[corner[1] : end[1], corner[0] : end[0]] = canvas.clip(0.0, 255.0)


def _draw_capsule(
    canvas: Pixels,
    nearest: Pixels,
    ends: Array,
    radii: Array,
    depth_m: Array,
    radii_m: Array,
    colour: Array,
) -> None:
    """Draw one capsule into its window of the canvas and of the depth buffer."""
    draw_capsule(canvas, nearest, ends, radii, depth_m, radii_m, colour, _SHADING)


def _capsules_of(pose: Array, face: Array) -> _Capsules:
    ends, radii, colours = [], [], []

    def add(part: _Part, prefix: str, colour: tuple[int, int, int]) -> None:
        start, end = (pose[_joint(name, prefix)] for name in (part.start, part.end))
        ends.append((start, start + (end - start) * part.beyond))
        radii.append(part.radii_m)
        colours.append(colour)

    for part in _TRUNK_PARTS:
        add(part, "", TRUNK)
    for prefix, colour in (("left_", LEFT), ("right_", RIGHT)):
        for number, part in enumerate(_SIDE_PARTS):
            add(part, prefix, TRUNK if number < _TRUNK_COLOURED else colour)
        ends.append(_heel(pose, prefix))
        radii.append((0.046, 0.04))
        colours.append(colour)
    for part_ends, radius, colour in _head(pose, face):
        ends.append(part_ends)
        radii.append(radius)
        colours.append(colour)
    return _Capsules(np.array(ends), np.array(radii), np.array(colours, np.float64))


def _joint(name: str, prefix: str) -> int:
    sided = prefix + name
    return skeleton.joint_index(sided if sided in skeleton.JOINT_NAMES else name)


def _heel(pose: Array, prefix: str) -> tuple[Array, Array]:
    """The sole from the heel, a little behind the ankle, to the ball of the foot."""
    ankle = pose[skeleton.joint_index(prefix + "ankle")]
    ball = pose[skeleton.joint_index(prefix + "foot")]
    heel = (
        ankle + 0.75 * ((ball - ankle) * [0.0, 1.0, 0.0]) - 0.3 * ((ball - ankle) * [1.0, 0.0, 1.0])
    )
    return heel, ball


def _head(
    pose: Array, face: Array
) -> list[tuple[tuple[Array, Array], tuple[float, float], tuple[int, int, int]]]:
    """The skull along the neck, and a dark visor that shows where the dancer looks."""
    head, neck = (pose[skeleton.joint_index(name)] for name in ("head", "neck"))
    up = (head - neck) / max(float(np.linalg.norm(head - neck)), 1e-6)
    low, top = head + _HEAD_UP_M * up, head + _HEAD_TOP_M * up
    across = np.cross(up, face)
    eyes = head + 0.085 * up + _FACE_AHEAD_M * face
    return [
        ((low, top), (0.082, _HEAD_M), TRUNK),
        ((eyes - 0.03 * across, eyes + 0.03 * across), (_FACE_M, _FACE_M), _FACE),
    ]
