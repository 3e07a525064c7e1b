"""Conversion of control curves to joint rotations and the root trajectory.

A *control* is one number over time, such as how far the left elbow is bent; :data:`CONTROLS` names
them all. Legs are solved from the feet by two-bone inverse kinematics, so planted feet stay in
place. Metres, degrees for controls, radians inside, y up, the face looks along +z, left is
+x. Axes: T frames, J = 24 joints.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune.corpus.choreography.leg_ik import BONES_M, LEGS, lower_into_reach, two_bone_ik
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]

_ARM = ("lift", "fore", "twist", "elbow", "wrist")
_FOOT = ("x", "z", "y", "yaw", "heel")
#: Every control, in the order of the columns of a curve array.
CONTROLS: tuple[str, ...] = (
    "sway_x", "sway_z", "drop", "hop",
    "hips_pitch", "hips_yaw", "hips_roll",
    "spine_pitch", "spine_yaw", "spine_roll",
    "head_pitch", "head_yaw", "head_roll",
    "heading",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("shrug", *_ARM)),
    *(f"{side}_foot_{part}" for side in ("left", "right") for part in _FOOT),
)  # fmt: skip
COLUMN: dict[str, int] = {name: index for index, name in enumerate(CONTROLS)}
# Height of a standing foot's ball over the floor, metres.
BALL_M = 0.025
# Height of the ankle of a flat foot, metres.
_ANKLE_M = 0.085
_X, _Y, _Z = np.eye(3)
_MIRROR = np.array([1.0, 1.0, -1.0, -1.0])
_ARMS = {"left": (13, 16, 18, 20), "right": (14, 17, 19, 21)}


def clip_from_controls(curves: Array, *, fps: float, name: str) -> MotionClip:
    """Return the dance of a body whose controls follow ``curves``.

    Args:
        curves: (T, controls) in the order of :data:`CONTROLS`; feet in world metres.
        fps: Frames per second.
        name: Name of the clip.
    """
    local = np.zeros((len(curves), skeleton.JOINT_COUNT, 4))
    local[..., 0] = 1.0
    local[:, 0] = _rotation(_column(curves, "heading") + _column(curves, "hips_yaw"), _Y)
    local[:, 0] = _compose(
        local[:, 0],
        _rotation(_column(curves, "hips_roll"), _Z),
        _rotation(_column(curves, "hips_pitch"), _X),
    )
    _set_trunk(local, curves)
    for side in ("left", "right"):
        _set_arm(local, curves, side)
    root = _root_path(local[:, 0], curves)
    for side in ("left", "right"):
        _set_leg(local, root, curves, side)
    return MotionClip(
        rotations.make_continuous(local), root, fps, name=name, source="kinetune corpus"
    )


def _column(curves: Array, name: str) -> Array:
    return curves[:, COLUMN[name]]


def _rotation(degrees: Array, axis: Array) -> Array:
    return rotations.quat_from_axis_angle(np.deg2rad(degrees)[:, None] * axis)


def _compose(*quats: Array) -> Array:
    out = quats[0]
    for quat in quats[1:]:
        out = rotations.quat_multiply(out, quat)
    return out


def _set_trunk(local: Array, curves: Array) -> None:
    def rotated(part: str, share: float) -> Array:
        return _compose(
            _rotation(share * _column(curves, f"{part}_yaw"), _Y),
            _rotation(share * _column(curves, f"{part}_roll"), _Z),
            _rotation(share * _column(curves, f"{part}_pitch"), _X),
        )

    for joint, share in ((3, 0.35), (6, 0.35), (9, 0.3)):
        local[:, joint] = rotated("spine", share)
    for joint, share in ((12, 0.45), (15, 0.55)):
        local[:, joint] = rotated("head", share)


def _set_arm(local: Array, curves: Array, side: str) -> None:
    collar, shoulder, elbow, wrist = _ARMS[side]
    lift, fore, twist, flexion, hand = (_column(curves, f"{side}_{part}") for part in _ARM)
    # The shoulder blade rises with a raised arm.
    shrug = _column(curves, f"{side}_shrug") + 0.12 * np.maximum(lift - 60.0, 0.0)
    quats = {
        collar: _rotation(shrug, _Z),
        shoulder: _compose(
            _rotation(-fore, _Y), _rotation(lift - 90.0 - 0.5 * shrug, _Z), _rotation(twist, _X)
        ),
        elbow: _rotation(-flexion, _Y),
        wrist: _rotation(hand, _Z),
    }
    for joint, quat in quats.items():
        local[:, joint] = quat if side == "left" else quat * _MIRROR


def ball_position(
    side: str, ankle_x_m: float, ankle_z_m: float, yaw_deg: float
) -> tuple[float, float]:
    """Return x and z of the ball of a flat foot from those of its ankle and its direction."""
    angle, (across, _, ahead) = np.deg2rad(yaw_deg), skeleton.OFFSETS_M[LEGS[side][3]]
    x = ankle_x_m + np.cos(angle) * across + np.sin(angle) * ahead
    return float(x), float(ankle_z_m - np.sin(angle) * across + np.cos(angle) * ahead)


def _foot(curves: Array, side: str) -> tuple[Array, Array]:
    """Ankle (T, 3) and sole (T, 4) of a foot that pivots and rises about its ball."""
    lift = _column(curves, f"{side}_foot_y")
    height = BALL_M + lift + _column(curves, "hop")
    ball = np.stack(
        [_column(curves, f"{side}_foot_x"), height, _column(curves, f"{side}_foot_z")], axis=-1
    )
    # A foot in the air points down a little.
    pitch = _column(curves, f"{side}_foot_heel") + 60.0 * np.clip(lift, 0.0, 0.5)
    sole = _compose(_rotation(_column(curves, f"{side}_foot_yaw"), _Y), _rotation(pitch, _X))
    return ball - rotations.rotate(sole, skeleton.OFFSETS_M[LEGS[side][3]]), sole


def _root_path(pelvis: Array, curves: Array) -> Array:
    """Path of the pelvis: over the feet, as high as the legs allow, metres, (T, 3)."""
    ankles = {side: _foot(curves, side)[0] for side in LEGS}
    middle = 0.5 * (ankles["left"] + ankles["right"])
    sway = np.stack(
        [_column(curves, "sway_x"), 0.0 * middle[:, 0], _column(curves, "sway_z")], axis=-1
    )
    root = gaussian_filter1d(middle, 3.0, axis=0, mode="nearest")
    root += rotations.rotate(_rotation(_column(curves, "heading"), _Y), sway)
    rest = _ANKLE_M + 0.985 * sum(BONES_M["left"]) + 0.086
    root[:, 1] = rest + _column(curves, "hop") - np.clip(_column(curves, "drop"), 0.0, 0.62)
    return lower_into_reach(root, pelvis, ankles)


def _set_leg(local: Array, root: Array, curves: Array, side: str) -> None:
    hip, knee, ankle, _ = LEGS[side]
    foot_turn = _rotation(_column(curves, f"{side}_foot_yaw"), _Y)
    start = root + rotations.rotate(local[:, 0], skeleton.OFFSETS_M[hip])
    target, sole = _foot(curves, side)
    # Knees hinge about the hips' axis and partly about the foot's; so the knee of a standing leg
    # points ahead, and that of a leg kicked forward points up.
    aside = 0.45 * rotations.rotate(foot_turn, _X) + rotations.rotate(local[:, 0], _X)
    thigh, shin = two_bone_ik(start, target, np.cross(target - start, aside), side)
    local[:, hip] = _compose(rotations.quat_inverse(local[:, 0]), thigh)
    local[:, knee] = _compose(rotations.quat_inverse(thigh), shin)
    local[:, ankle] = _compose(rotations.quat_inverse(shin), sole)


def mean_speed_m_s(clip: MotionClip) -> Array:
    """Return the mean joint speed of every frame, m/s, shape (T,)."""
    return np.asarray(kinematics.joint_speeds(clip).mean(axis=1), dtype=np.float64)
