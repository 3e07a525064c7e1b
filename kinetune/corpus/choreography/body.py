"""From puppet strings to a body: control curves in, joint rotations and a root path out.

A *control* is one number over time, such as how far the left elbow is bent; :data:`CONTROLS` names
them all. Legs are solved from where the feet stand (two-bone inverse kinematics), so planted feet
stay planted. Metres, degrees for controls, radians inside, y up, the face looks along +z, left is
+x. Axes: T frames, J = 24 joints.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune.corpus.choreography.leg_ik import BONES_M, LEGS, two_bones, within_reach
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
# The ankle of a foot that stands flat is so high.
_ANKLE_M = 0.085
_X, _Y, _Z = np.eye(3)
_MIRROR = np.array([1.0, 1.0, -1.0, -1.0])
_ARMS = {"left": (13, 16, 18, 20), "right": (14, 17, 19, 21)}


def clip_from_controls(curves: Array, *, fps: float, name: str) -> MotionClip:
    """Return the dance of a body whose controls follow ``curves``.

    Args:
        curves: (T, controls) in the order of :data:`CONTROLS`; feet in world metres.
        fps: Frames a second.
        name: What to call the clip.
    """
    local = np.zeros((len(curves), skeleton.JOINT_COUNT, 4))
    local[..., 0] = 1.0
    local[:, 0] = _turn(_get(curves, "heading") + _get(curves, "hips_yaw"), _Y)
    local[:, 0] = _chain(
        local[:, 0], _turn(_get(curves, "hips_roll"), _Z), _turn(_get(curves, "hips_pitch"), _X)
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


def _get(curves: Array, name: str) -> Array:
    return curves[:, COLUMN[name]]


def _turn(degrees: Array, axis: Array) -> Array:
    return rotations.quat_from_axis_angle(np.deg2rad(degrees)[:, None] * axis)


def _chain(*quats: Array) -> Array:
    out = quats[0]
    for quat in quats[1:]:
        out = rotations.quat_multiply(out, quat)
    return out


def _set_trunk(local: Array, curves: Array) -> None:
    def bend(part: str, share: float) -> Array:
        return _chain(
            _turn(share * _get(curves, f"{part}_yaw"), _Y),
            _turn(share * _get(curves, f"{part}_roll"), _Z),
            _turn(share * _get(curves, f"{part}_pitch"), _X),
        )

    for joint, share in ((3, 0.35), (6, 0.35), (9, 0.3)):
        local[:, joint] = bend("spine", share)
    for joint, share in ((12, 0.45), (15, 0.55)):
        local[:, joint] = bend("head", share)


def _set_arm(local: Array, curves: Array, side: str) -> None:
    collar, shoulder, elbow, wrist = _ARMS[side]
    lift, fore, twist, bent, hand = (_get(curves, f"{side}_{part}") for part in _ARM)
    # The shoulder blade goes along when the arm goes up.
    shrug = _get(curves, f"{side}_shrug") + 0.12 * np.maximum(lift - 60.0, 0.0)
    quats = {
        collar: _turn(shrug, _Z),
        shoulder: _chain(_turn(-fore, _Y), _turn(lift - 90.0 - 0.5 * shrug, _Z), _turn(twist, _X)),
        elbow: _turn(-bent, _Y),
        wrist: _turn(hand, _Z),
    }
    for joint, quat in quats.items():
        local[:, joint] = quat if side == "left" else quat * _MIRROR


def ball_of(side: str, ankle_x_m: float, ankle_z_m: float, yaw_deg: float) -> tuple[float, float]:
    """Where (x, z) the ball of a flat foot stands whose ankle and direction are given."""
    angle, (across, _, ahead) = np.deg2rad(yaw_deg), skeleton.OFFSETS_M[LEGS[side][3]]
    x = ankle_x_m + np.cos(angle) * across + np.sin(angle) * ahead
    return float(x), float(ankle_z_m - np.sin(angle) * across + np.cos(angle) * ahead)


def _foot(curves: Array, side: str) -> tuple[Array, Array]:
    """Ankle (T, 3) and sole (T, 4) of a foot that turns and rises about its ball."""
    lift = _get(curves, f"{side}_foot_y")
    height = BALL_M + lift + _get(curves, "hop")
    ball = np.stack(
        [_get(curves, f"{side}_foot_x"), height, _get(curves, f"{side}_foot_z")], axis=-1
    )
    # A foot in the air points down a little.
    pitch = _get(curves, f"{side}_foot_heel") + 60.0 * np.clip(lift, 0.0, 0.5)
    sole = _chain(_turn(_get(curves, f"{side}_foot_yaw"), _Y), _turn(pitch, _X))
    return ball - rotations.rotate(sole, skeleton.OFFSETS_M[LEGS[side][3]]), sole


def _root_path(pelvis: Array, curves: Array) -> Array:
    """The pelvis over the feet, as high as the planted legs allow: metres, (T, 3)."""
    ankles = {side: _foot(curves, side)[0] for side in LEGS}
    middle = 0.5 * (ankles["left"] + ankles["right"])
    sway = np.stack([_get(curves, "sway_x"), 0.0 * middle[:, 0], _get(curves, "sway_z")], axis=-1)
    root = gaussian_filter1d(middle, 3.0, axis=0, mode="nearest")
    root += rotations.rotate(_turn(_get(curves, "heading"), _Y), sway)
    rest = _ANKLE_M + 0.985 * sum(BONES_M["left"]) + 0.086
    root[:, 1] = rest + _get(curves, "hop") - np.clip(_get(curves, "drop"), 0.0, 0.62)
    return within_reach(root, pelvis, ankles)


def _set_leg(local: Array, root: Array, curves: Array, side: str) -> None:
    hip, knee, ankle, _ = LEGS[side]
    foot_turn = _turn(_get(curves, f"{side}_foot_yaw"), _Y)
    start = root + rotations.rotate(local[:, 0], skeleton.OFFSETS_M[hip])
    target, sole = _foot(curves, side)
    # Knees hinge about the hips' own axis and a little about the foot's, even when a turn parts
    # the two; so they point ahead of a standing leg and above one kicked forward.
    aside = 0.45 * rotations.rotate(foot_turn, _X) + rotations.rotate(local[:, 0], _X)
    thigh, shin = two_bones(start, target, np.cross(target - start, aside), side)
    local[:, hip] = _chain(rotations.quat_inverse(local[:, 0]), thigh)
    local[:, knee] = _chain(rotations.quat_inverse(thigh), shin)
    local[:, ankle] = _chain(rotations.quat_inverse(shin), sole)


def mean_speed_m_s(clip: MotionClip) -> Array:
    """Mean joint speed of every frame, m/s, shape (T,)."""
    return np.asarray(kinematics.joint_speeds(clip).mean(axis=1), dtype=np.float64)
