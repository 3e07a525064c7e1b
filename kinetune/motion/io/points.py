"""Joint positions without rotations: .npy and .npz of points, turned into a clip.

Conventions: (T, 22, 3) as HumanML3D has them or (T, 24, 3) as EDGE and SMPL do, joints in our
order; any unit, y or z up, both found from the body. The turns are fitted: pelvis and chest to
the three joints that hang from each (Kabsch 1976), every other bone swung to where it points. Of a
thigh's or upper arm's twist the bent knee or elbow tells; while the limb is straight, the twist
comes to rest at that of the trunk. The path is scaled so that the legs have our length.
Source: Guo et al. 2022 for HumanML3D's layout and its 20 frames a second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.io import smpl
from kinetune.motion.io.npz import load_array, load_arrays, shape_of, shapes_in
from kinetune.motion.retargeting.skeletal_animation import MAX_DURATION_S, MAX_RATE_HZ

Array = NDArray[np.float64]

# HumanML3D's rate, which its bare arrays can't say.
DEFAULT_FPS = 20.0
JOINT_COUNTS = (22, skeleton.JOINT_COUNT)
# What archives call their points and their rate, likeliest first.
KEYS = ("positions", "joints", "joint_positions", "joints3d", "keypoints3d", "full_pose", "motion")
_RATE_KEYS = ("fps", "frame_rate", "framerate", "mocap_framerate", "mocap_frame_rate")

_J = skeleton.joint_index
_SIDES = ("left", "right")
# Joints from which three hang: their turn is fitted to all three.
_HIPS = [_J("left_hip"), _J("right_hip")]
_PELVIS, _CHEST = _J("pelvis"), _J("spine3")
_FANS = {
    _PELVIS: [*_HIPS, _J("spine1")],
    _CHEST: [_J("neck"), _J("left_collar"), _J("right_collar")],
}
# How much of the way from the pelvis's turn to the chest's the joints between have turned.
_SPINE_SHARE = {_J("spine1"): 1 / 3, _J("spine2"): 2 / 3}
# The joint whose bone each joint swings, and for limbs that bend one way only the way the lower
# bone goes, in the axes of the upper at rest: knees bend backwards, elbows forwards.
_BONES = {
    parent: joint
    for joint, parent in enumerate(skeleton.PARENTS)
    if parent >= 0 and parent not in _FANS
}
_BENDS = {
    _J(f"{side}_{upper}"): np.array([0.0, 0.0, way])
    for side in _SIDES
    for upper, way in (("hip", -1.0), ("shoulder", 1.0))
}
# A lower bone that reaches less far to the side than this share of its length tells little of
# the twist. Measured on real dances: less lets straight limbs spin, more hides what is bent.
_LEAST_BEND = 0.25
# Twist is smoothed over this time: it is read from a small reach, and noise there turns it fast.
_TWIST_S = 0.05
# Beyond any unit a body is measured in.
_LARGEST = 1e9
# How much more a body must stand along z than along y to be taken for z up.
_Y_VOTE = 0.1


@dataclass(frozen=True, eq=False)
class Points:
    """Joint positions as a file holds them.

    Attributes:
        positions: Any unit, y or z up, (T, 22 or 24, 3).
        fps: Frames a second, None where the file doesn't say.
    """

    positions: Array
    fps: float | None


def contains_positions(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Return whether an archive of arrays of these shapes holds joint positions."""
    return any(name in KEYS for name in shapes) or any(map(_fits, shapes.values()))


def read_points(path: Path, *, archive: bool) -> Points:
    """Read a .npy file or a .npz archive of joint positions.

    Args:
        path: The file.
        archive: Whether it is a .npz.

    Raises:
        MotionError: The file is damaged, or holds no array of the right shape.
    """
    if not archive:
        _check_shape(path, shape_of(path), "an array")
        return Points(smpl.numbers(load_array(path), str(path)), None)
    shapes = shapes_in(path)
    name = next((key for key in KEYS if key in shapes and _fits(shapes[key])), None)
    name = name or next((key for key, shape in shapes.items() if _fits(shape)), None)
    if name is None:
        name = next(key for key in (*KEYS, *shapes) if key in shapes)
        _check_shape(path, shapes[name], name)
    arrays = load_arrays(path, [name, *_RATE_KEYS])
    return Points(smpl.numbers(arrays[name], f"{path}: {name}"), _rate(path, arrays))


def clip_from_positions(
    positions: Array, *, fps: float, name: str = "clip", context: str = "points"
) -> MotionClip:
    """Fit our skeleton's turns to joint positions.

    Args:
        positions: Any unit, y or z up, (T, 22 or 24, 3).
        fps: Frames a second.
        name: What to call the clip.
        context: What to call the file in errors.

    Raises:
        MotionError: There are no frames, a value isn't finite, or the legs have no length.
    """
    _check_shape(context, positions.shape, "positions")
    _check_values(positions, fps, context)
    points = _upright(positions)
    scale = _OUR_LEG_M / _leg_length(points, context)
    world = _world(scale * points, fps)
    hips = scale * points[:, _HIPS].mean(axis=1)
    root_m = hips - rotations.rotate(world[:, _PELVIS], skeleton.OFFSETS_M[_HIPS].mean(axis=0))
    local = rotations.make_continuous(_local(world))
    return MotionClip(local, root_m, float(fps), name, "positions")


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] in JOINT_COUNTS and shape[2] == 3


def _check_shape(context: object, shape: tuple[int, ...], what: str) -> None:
    if not _fits(shape):
        raise MotionError(
            f"{context}: expected joint positions (T, 22, 3) or (T, 24, 3), found {what} of shape "
            f"{shape}; save x, y, z of each joint"
        )


def _rate(path: Path, arrays: dict[str, NDArray]) -> float | None:
    for key in _RATE_KEYS:
        if key in arrays:
            rate = smpl.numbers(arrays[key], f"{path}: {key}").reshape(-1)
            if len(rate) == 1 and 0.0 < rate[0] <= MAX_RATE_HZ:
                return float(rate[0])
            raise MotionError(f"{path}: expected one number up to {MAX_RATE_HZ:g} in {key}")
    return None


def _check_values(positions: Array, fps: float, context: str) -> None:
    if not len(positions):
        raise MotionError(f"{context}: the motion has no frames")
    duration_s = timebase.duration_of(len(positions), fps)
    if duration_s > MAX_DURATION_S:
        raise MotionError(
            f"{context}: expected at most {MAX_DURATION_S:g} s, found {duration_s:.0f} s"
        )
    bad = np.atleast_1d(~(np.abs(positions) < _LARGEST).all(axis=(1, 2)))
    if bad.any():
        raise MotionError(
            f"{context}: frame {int(np.argmax(bad))} holds NaN, infinite or absurdly large values "
            f"({int(bad.sum())} of {len(bad)} frames do); clean the clip and try again"
        )


def _upright(positions: Array) -> Array:
    """Turn a world with z up into one with y up: most of the time a head is above its feet."""
    ankles = positions[:, [_J("left_ankle"), _J("right_ankle")]].mean(axis=1)
    standing = _unit(positions[:, _J("neck")] - ankles).mean(axis=0)
    return smpl.y_up(positions) if standing[2] > standing[1] + _Y_VOTE else positions


def _leg_length(points: Array, context: str) -> float:
    bones = [
        np.linalg.norm(points[:, _J(f"{s}_{low}")] - points[:, _J(f"{s}_{up}")], axis=-1)
        for s in _SIDES
        for up, low in (("hip", "knee"), ("knee", "ankle"))
    ]
    lengths = np.median(bones, axis=1)
    if lengths.min() <= 0.0:
        raise MotionError(f"{context}: expected legs of some length, found joints in one place")
    return float(lengths.sum()) / len(_SIDES)


def _world(points: Array, fps: float) -> Array:
    """Return world rotations (T, 24, 4) of our joints, parents first."""
    world = np.zeros((len(points), skeleton.JOINT_COUNT, 4))
    fans = {joint: _fanned(points, joint) for joint in _FANS}
    for joint, parent in enumerate(skeleton.PARENTS):
        if joint in fans:
            world[:, joint] = fans[joint]
            continue
        above = world[:, parent]
        if joint in _SPINE_SHARE:
            share = np.full(len(points), _SPINE_SHARE[joint])
            above = rotations.slerp(fans[_PELVIS], fans[_CHEST], share)
        end = _BONES.get(joint)
        if end is None or end >= points.shape[1]:
            world[:, joint] = above
            continue
        world[:, joint] = _swung(above, joint, end, points)
        if joint in _BENDS:
            world[:, joint] = _twisted(world[:, joint], joint, points, fps)
    return world


def _fanned(points: Array, joint: int) -> Array:
    """Return the rotation (T, 4) that best brings a joint's children to where they are.

    Kabsch's method on the directions, with the triangle the children span beside the three bones,
    so that a body of other proportions than ours doesn't tilt.
    """
    children = _FANS[joint]
    ours, theirs = skeleton.OFFSETS_M[children], points[:, children] - points[:, [joint]]
    ours, theirs = (_unit(_with_sides(bones)) for bones in (ours, theirs))
    left, _, right = np.linalg.svd(np.swapaxes(theirs, -1, -2) @ ours)
    fix = np.tile(np.eye(3), (len(points), 1, 1))
    fix[:, 2, 2] = np.linalg.det(left @ right)
    return rotations.quat_from_matrix(left @ fix @ right)


def _with_sides(bones: Array) -> Array:
    return np.concatenate([bones, bones - np.roll(bones, 1, axis=-2)], axis=-2)


def _swung(above: Array, joint: int, end: int, points: Array) -> Array:
    """Swing our bone, without twist, from where ``above`` (T, 4) leaves it to where it points."""
    ours = rotations.rotate(above, _unit(skeleton.OFFSETS_M[end]))
    theirs = _unit(points[:, end] - points[:, joint])
    swung = rotations.quat_multiply(rotations.shortest_rotation(ours, theirs), above)
    return np.where(theirs.any(axis=-1, keepdims=True), swung, above)


def _twisted(world: Array, joint: int, points: Array, fps: float) -> Array:
    """Twist a limb's upper bone (T, 4) so that its lower bone bends the way a body's does."""
    middle = _BONES[joint]
    bone = _unit(skeleton.OFFSETS_M[middle])
    lower = _unit(points[:, _BONES[middle]] - points[:, middle])
    bend = rotations.rotate(rotations.quat_inverse(world), lower)
    wanted = _unit(_BENDS[joint] - bone * (_BENDS[joint] @ bone))
    across = np.cross(bone, wanted)
    # As a point in the plane across the bone: far out where the limb is bent, and the twist clear.
    reach = np.stack([bend @ wanted + _LEAST_BEND, bend @ across], axis=-1)
    smooth = gaussian_filter1d(reach, _TWIST_S * fps, axis=0, mode="nearest")
    twist = np.arctan2(smooth[:, 1], smooth[:, 0])
    return rotations.quat_multiply(world, rotations.quat_from_axis_angle(twist[:, None] * bone))


def _local(world: Array) -> Array:
    local = world.copy()
    for joint, parent in enumerate(skeleton.PARENTS):
        if parent >= 0:
            above = rotations.quat_inverse(world[:, parent])
            local[:, joint] = rotations.quat_multiply(above, world[:, joint])
    return local / np.linalg.norm(local, axis=-1, keepdims=True)


def _unit(vector: Array) -> Array:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0.0, length, 1.0)


_OUR_LEG_M = (
    sum(
        float(np.linalg.norm(skeleton.OFFSETS_M[_J(f"{side}_{end}")]))
        for side in _SIDES
        for end in ("knee", "ankle")
    )
    / 2
)
