from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinetune.errors import ConfigError
from kinetune.motion import features, kinematics, rotations, skeleton
from kinetune.motion.clip import resample


def z_up(vector):
    return np.stack([vector[..., 0], -vector[..., 2], vector[..., 1]], axis=-1)


def test_the_papers_columns_stand_in_its_order(clip):
    found = features.paper_features(clip).reshape(-1, 24, 15)
    slow = resample(clip, 30.0)
    positions = z_up(kinematics.joint_positions(slow))
    assert found.shape == (120, 24, 15)
    matrix = Rotation.from_quat(slow.rotations[:, 7], scalar_first=True).as_matrix()
    np.testing.assert_allclose(found[:, 7, :6], matrix[:, :2].reshape(-1, 6), atol=1e-5)
    np.testing.assert_allclose(found[..., 6:9], positions, atol=1e-5)
    middle = (positions[2:] - positions[:-2]) * 15.0
    np.testing.assert_allclose(found[1:-1, :, 9:12], middle, atol=1e-4)
    spin = kinematics.angular_velocities(slow)
    np.testing.assert_allclose(found[..., 12:], spin, atol=1e-4)


def test_the_roots_orientation_is_turned_with_the_axes(clip):
    root = features.paper_features(clip).reshape(-1, 24, 15)[:, 0, :6]
    turn = Rotation.from_rotvec([np.pi / 2, 0, 0])
    slow = Rotation.from_quat(resample(clip, 30.0).rotations[:, 0], scalar_first=True)
    expected = (turn * slow).as_matrix()[:, :2].reshape(-1, 6)
    np.testing.assert_allclose(root, expected, atol=1e-5)


def test_rhythm_features_do_not_change_when_the_dancer_turns_or_stands_elsewhere(clip):
    turn = rotations.quat_from_axis_angle(np.array([0.0, 1.2, 0.0]))
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(turn, quat[:, 0])
    root = rotations.rotate(turn, clip.root_m) + [3.0, 0.0, -2.0]
    turned = replace(clip, rotations=quat, root_m=root)
    np.testing.assert_allclose(
        features.rhythm_features(turned), features.rhythm_features(clip), atol=1e-4
    )


def test_rhythm_features_change_with_the_movement(clip):
    still = replace(clip, rotations=clip.rotations[:1].repeat(clip.frame_count, axis=0))
    moving, resting = features.rhythm_features(clip), features.rhythm_features(still)
    assert moving.shape == (120, features.RHYTHM_FEATURE_COUNT)
    assert moving[:, 48].mean() > 2 * resting[:, 48].mean()


def test_the_genre_is_one_hot_on_every_frame():
    hot = features.genre_one_hot("JS", 7)
    assert hot.shape == (7, 10)
    assert (hot.sum(axis=1) == 1).all()
    assert (hot[:, 3] == 1).all()


def test_features_are_chosen_by_name(clip):
    assert features.features_named("paper")(clip).shape[1] == 15 * skeleton.JOINT_COUNT
    with pytest.raises(ConfigError, match="unknown features"):
        features.features_named("nothing")


@pytest.mark.parametrize("name", ["rhythm", "paper"])
def test_a_long_dance_in_pieces_has_the_rows_of_the_whole(clip, name, monkeypatch):
    whole = features.features_named(name)(clip)
    monkeypatch.setattr("kinetune.motion.features._PIECE_FRAMES", 17)
    np.testing.assert_allclose(features.features_named(name)(clip), whole, atol=1e-5)


def test_effort_scales_speeds_and_leaves_places(clip):
    twice = np.full(120, 2.0)
    rows = features.rhythm_features(clip)
    found = features.scale_effort(rows, twice, "rhythm")
    np.testing.assert_allclose(np.expm1(found[:, :50]), 2 * np.expm1(rows[:, :50]), rtol=1e-4)
    np.testing.assert_allclose(found[:, 51], 2 * rows[:, 51], rtol=1e-5)
    np.testing.assert_array_equal(found[:, [50, *range(52, 58)]], rows[:, [50, *range(52, 58)]])
    rows = features.paper_features(clip).reshape(-1, 24, 15)
    found = features.scale_effort(rows.reshape(-1, 360), twice, "paper").reshape(-1, 24, 15)
    np.testing.assert_allclose(found[..., 9:], 2 * rows[..., 9:], rtol=1e-5)
    np.testing.assert_array_equal(found[..., :9], rows[..., :9])


@pytest.mark.parametrize("name", ["paper", "rhythm"])
def test_an_effort_of_one_changes_nothing(clip, name):
    rows = features.features_named(name)(clip)
    np.testing.assert_allclose(features.scale_effort(rows, np.ones(120), name), rows, atol=1e-5)


@pytest.mark.parametrize("name", ["paper", "rhythm"])
def test_effort_is_the_mean_speed_of_the_joints_and_follows_its_factor(clip, name):
    slow = resample(clip, 30.0)
    rows = features.features_named(name)(slow)
    speed = kinematics.joint_speeds(slow).mean(axis=1)
    np.testing.assert_allclose(features.mean_speed(rows, name), speed, atol=1e-4)
    half = features.scale_effort(rows, np.full(len(rows), 0.5), name)
    np.testing.assert_allclose(features.mean_speed(half, name), 0.5 * speed, atol=1e-4)
