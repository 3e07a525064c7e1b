import numpy as np
import pytest

from kinetune.motion import skeleton
from kinetune.render import body
from kinetune.render.camera import HEIGHT, WIDTH, Camera

CAMERA = Camera(4.0, 0.8)
POSE = skeleton.rest_positions_m() + [0.0, 0.95, 0.0]
AIM, SIDE = np.zeros(3), np.array([1.0, 0.0])
# The camera looks along -z from z = 4: the dancer left_directions +z.
FRONT = np.array([0.0, 0.0, 1.0])


def drawn(pose=POSE, face=FRONT):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    body.draw_body(picture, CAMERA, AIM, SIDE, pose, face)
    return picture


def capsule(ends, radii, depths=(3.0, 3.0), nearest=None):
    canvas = np.zeros((80, 120, 3), np.float32)
    nearest = np.full((80, 120), np.inf, np.float32) if nearest is None else nearest
    body._draw_capsule(
        canvas, nearest, np.array(ends, float), np.array(radii, float), np.array(depths),
        np.array([0.05, 0.05]), np.array([200.0, 200.0, 200.0]),
    )  # fmt: skip
    return canvas, nearest


def test_a_capsule_covers_its_area_with_smooth_edges():
    canvas, _ = capsule([(30.0, 40.0), (80.0, 40.0)], (12.0, 12.0))
    covered = canvas[..., 0] > 0
    assert covered.sum() == pytest.approx(np.pi * 12**2 + 50 * 24, rel=0.06)
    np.testing.assert_array_equal(covered[40, [15, 19, 91, 95]], [False, True, True, False])


def test_a_capsule_narrows_to_its_second_radius():
    canvas, _ = capsule([(30.0, 40.0), (80.0, 40.0)], (14.0, 6.0))
    height = (canvas[..., 0] > 40).sum(axis=0)
    assert height[30] == pytest.approx(28, abs=2)
    assert height[80] == pytest.approx(12, abs=2)
    assert height[55] == pytest.approx(20, abs=2)


def test_light_comes_from_above_left():
    canvas, _ = capsule([(60.0, 40.0), (60.5, 40.0)], (25.0, 25.0))
    assert canvas[25, 50, 0] > canvas[40, 60, 0] > canvas[56, 70, 0]


def test_what_is_nearer_hides_what_is_farther_in_any_order():
    near, depth = capsule([(60.0, 40.0), (61.0, 40.0)], (20.0, 20.0), (2.0, 2.0))
    behind = near.copy()
    body._draw_capsule(
        behind, depth.copy(), np.array([(55.0, 40.0), (65.0, 40.0)]), np.array([15.0, 15.0]),
        np.array([4.0, 4.0]), np.array([0.05, 0.05]), np.array([255.0, 0.0, 0.0]),
    )  # fmt: skip
    # But for the outermost half of a pixel, whose edge both share.
    assert (behind != near).any(axis=2).sum() <= 4


def test_sides_have_their_colours_and_parts_their_places():
    picture = drawn().astype(int)

    def at(joint):
        flat, _ = CAMERA.project(CAMERA.view(POSE[[skeleton.joint_index(joint)]], AIM, SIDE))
        return picture[int(flat[0, 1]), int(flat[0, 0])]

    for joint in ("left_knee", "left_elbow", "left_wrist", "left_ankle"):
        red, _, blue = at(joint)
        assert blue > red + 50, joint
    for joint in ("right_knee", "right_elbow", "right_wrist", "right_ankle"):
        red, _, blue = at(joint)
        assert red > blue + 50, joint
    red, _, blue = at("spine2")
    assert abs(red - blue) < 40
    assert red > 120


def test_body_parts_extend_beyond_their_joints():
    capsules = body._capsules_of(POSE, FRONT)
    assert capsules.ends[..., 1].max() > POSE[skeleton.joint_index("head"), 1] + 0.09
    assert capsules.ends[..., 0].max() > POSE[skeleton.joint_index("left_hand"), 0] + 0.02
    heel, ball = body._heel(POSE, "left_")
    ankle = POSE[skeleton.joint_index("left_ankle")]
    assert heel[2] < ankle[2] < ball[2]
    assert heel[1] < ankle[1]


def test_the_visor_shows_from_the_front_and_not_from_behind():
    (middle,), _ = CAMERA.project(
        CAMERA.view(POSE[[skeleton.joint_index("head")]] + [0.0, 0.085, 0.0], AIM, SIDE)
    )
    column, row = middle.astype(int)

    def dark(face):
        head = drawn(face=face)[row - 12 : row + 12, column - 12 : column + 12]
        return (head.max(axis=2) < 130).mean()

    assert dark(FRONT) > 0.5
    assert dark(-FRONT) == 0.0


def test_a_dancer_outside_the_picture_is_no_error():
    far = POSE + [50.0, 0.0, 0.0]
    assert drawn(far).sum() == 0
