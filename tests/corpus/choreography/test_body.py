"""Controls move the named body part in the named direction; feet reach their targets."""

import numpy as np
import pytest

from kinetune.corpus.choreography import body
from kinetune.corpus.choreography.body import BALL_M, COLUMN, CONTROLS, ball_position
from kinetune.motion import kinematics, rotations, skeleton

FRAMES = 40
LEFT_X = 0.1


def posed(**controls):
    """Joint positions (24, 3) of a body that holds some controls, standing on both feet."""
    curves = np.zeros((FRAMES, len(CONTROLS)))
    values = {"left_foot_x": LEFT_X, "right_foot_x": -LEFT_X} | controls
    for name, value in values.items():
        curves[:, COLUMN[name]] = value
    clip = body.clip_from_controls(curves, fps=60.0, name="pose")
    return kinematics.joint_positions(clip)[FRAMES // 2], clip


def joint(name):
    return skeleton.joint_index(name)


def moved(name, value, joint_name):
    """How far a control moves a joint against the pelvis, metres (3,)."""
    rest, there = posed()[0], posed(**{name: value})[0]
    at, pelvis = joint(joint_name), joint("pelvis")
    return (there[at] - there[pelvis]) - (rest[at] - rest[pelvis])


@pytest.mark.parametrize(("side", "sign"), [("left", 1.0), ("right", -1.0)])
def test_arms_move_to_their_own_side_and_forward(side, sign):
    # Lifted by 90 degrees an arm points to its side, level with the shoulder.
    places = posed(**{f"{side}_lift": 90.0})[0]
    arm = places[joint(f"{side}_wrist")] - places[joint(f"{side}_shoulder")]
    assert sign * arm[0] > 0.45
    assert abs(arm[1]) < 0.1
    other = "right" if side == "left" else "left"
    still = places[joint(f"{other}_wrist")] - places[joint(f"{other}_shoulder")]
    assert still[1] < -0.45
    assert moved(f"{side}_fore", 60.0, f"{side}_wrist")[2] > -0.01
    forward = posed(**{f"{side}_lift": 90.0, f"{side}_fore": 90.0})[0]
    assert (forward[joint(f"{side}_wrist")] - forward[joint(f"{side}_shoulder")])[2] > 0.4
    lifted = posed(**{f"{side}_lift": 90.0, f"{side}_elbow": 90.0})[0]
    assert (lifted[joint(f"{side}_wrist")] - lifted[joint(f"{side}_elbow")])[2] > 0.2


def test_the_body_is_symmetric():
    places, _ = posed(left_lift=70.0, right_lift=70.0, left_elbow=40.0, right_elbow=40.0)
    for left, right in (("left_wrist", "right_wrist"), ("left_knee", "right_knee")):
        mirrored = places[joint(right)] * [-1.0, 1.0, 1.0]
        np.testing.assert_allclose(places[joint(left)], mirrored, atol=0.05)


@pytest.mark.parametrize(
    ("control", "value", "name", "axis", "sign"),
    [
        ("spine_pitch", 30.0, "head", 2, 1),
        ("head_pitch", 30.0, "head", 2, 1),
        ("spine_roll", 30.0, "head", 0, -1),
        ("spine_yaw", 40.0, "left_shoulder", 2, -1),
        ("hips_roll", 15.0, "head", 0, -1),
    ],
)
def test_the_trunk_bends_the_way_it_is_named(control, value, name, axis, sign):
    assert sign * moved(control, value, name)[axis] > 0.01


def test_heading_turns_the_face_towards_x():
    _, clip = posed(heading=90.0)
    facing = rotations.rotate(clip.rotations[0, 0], np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(facing, [1.0, 0.0, 0.0], atol=1e-9)


def test_hop_drop_and_sway_move_the_pelvis():
    rest = posed()[0][0]
    np.testing.assert_allclose(posed(hop=0.2)[0][0] - rest, [0.0, 0.2, 0.0], atol=1e-6)
    assert rest[1] - posed(drop=0.15)[0][0][1] == pytest.approx(0.15, abs=0.03)
    np.testing.assert_allclose((posed(sway_x=0.05)[0][0] - rest)[[0, 2]], [0.05, 0.0], atol=1e-6)
    np.testing.assert_allclose((posed(sway_z=0.04)[0][0] - rest)[[0, 2]], [0.0, 0.04], atol=1e-6)


@pytest.mark.parametrize(("side", "sign"), [("left", 1.0), ("right", -1.0)])
@pytest.mark.parametrize("yaw", [-30.0, 0.0, 45.0])
def test_the_ball_of_a_foot_is_where_it_is_put(side, sign, yaw):
    controls = {f"{side}_foot_x": sign * 0.2, f"{side}_foot_z": 0.1, f"{side}_foot_yaw": yaw,
                "drop": 0.1}  # fmt: skip
    for heel in (0.0, 20.0):
        places = posed(**controls, **{f"{side}_foot_heel": heel})[0]
        ball = places[joint(f"{side}_foot")]
        np.testing.assert_allclose(ball, [sign * 0.2, BALL_M, 0.1], atol=1e-3)
    lifted = posed(**controls, **{f"{side}_foot_y": 0.1})[0][joint(f"{side}_foot")]
    assert lifted[1] == pytest.approx(BALL_M + 0.1, abs=2e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_ball_is_ahead_of_the_ankle_in_the_foots_direction(side):
    offset = skeleton.OFFSETS_M[joint(f"{side}_foot")]
    x, z = ball_position(side, 1.0, 2.0, 0.0)
    np.testing.assert_allclose([x, z], [1.0 + offset[0], 2.0 + offset[2]])
    x, z = ball_position(side, 1.0, 2.0, 90.0)
    # Turned by 90 degrees what was ahead (+z) is to the left (+x).
    np.testing.assert_allclose([x, z], [1.0 + offset[2], 2.0 - offset[0]], atol=1e-12)


def test_knees_point_ahead():
    places = posed(drop=0.2)[0]
    for side in ("left", "right"):
        hip, knee, ankle = (places[joint(f"{side}_{part}")] for part in ("hip", "knee", "ankle"))
        assert knee[2] > max(hip[2], ankle[2])
