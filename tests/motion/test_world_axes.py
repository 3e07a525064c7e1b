"""For any up axis in a file, the body becomes upright, and left stays left."""

import numpy as np
import pytest

from kinetune.motion import kinematics, rotations, world_axes
from kinetune.motion.retargeting.position_fit import clip_from_positions

AXES = ["+y", "-y", "+z", "-z", "+x", "-x"]


def test_points_of_a_world_with_z_up_keep_x_and_face_the_same_way():
    points = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    np.testing.assert_array_equal(world_axes.y_up_from(points, "+z"), np.eye(3))
    np.testing.assert_array_equal(world_axes.z_up_from_y_up(np.eye(3)), points)


@pytest.mark.parametrize("axis", AXES)
def test_each_axis_is_turned_to_y_by_a_proper_rotation(axis):
    vertical = {"x": [1, 0, 0], "y": [0, 1, 0], "z": [0, 0, 1]}[axis[1]]
    vertical = np.array(vertical, dtype=float) * (1.0 if axis[0] == "+" else -1.0)
    np.testing.assert_array_equal(world_axes.y_up_from(vertical, axis), [0.0, 1.0, 0.0])
    turned = rotations.rotate(world_axes.ROTATION_TO_Y_UP[axis], np.eye(3))
    np.testing.assert_allclose(world_axes.y_up_from(np.eye(3), axis), turned, atol=1e-15)
    assert np.linalg.det(turned) == pytest.approx(1.0)


@pytest.mark.parametrize("axis", AXES)
def test_a_body_in_any_world_ends_upright(dance, axis):
    upright = kinematics.joint_positions(dance)
    back = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP[axis])
    clip = clip_from_positions(rotations.rotate(back, upright), fps=30.0)
    assert np.abs(kinematics.joint_positions(clip) - upright).max() < 1e-6


@pytest.mark.parametrize(
    ("upright", "expected", "margin", "want"),
    [
        ([0.0, 0.2, 0.25], "+y", 0.1, "+y"),  # Within the margin the expected axis stays.
        ([0.0, 0.2, 0.35], "+y", 0.1, "+z"),
        ([0.0, 0.5, 0.6], "+z", 0.3, "+z"),
        ([0.0, 0.95, 0.05], "+z", 0.3, "+y"),  # AMASS layout, y up: GVHMR, WHAM.
        ([0.0, -0.95, 0.05], "+z", 0.3, "-y"),  # A camera's world.
        ([0.0, -0.4, 0.0], "+y", 0.1, "+y"),  # Headstands, but not most of the time.
        ([0.0, -0.9, 0.0], "+y", 0.1, "-y"),
    ],
)
def test_the_body_decides_the_up_axis(upright, expected, margin, want):
    got = world_axes.up_axis(
        np.array(upright), expected=expected, margin=margin, context="dance.npz"
    )
    assert got == want
