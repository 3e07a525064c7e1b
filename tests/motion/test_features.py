from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinetune.errors import ConfigError
from kinetune.motion import features, kinematics, rotations, skeleton
from kinetune.motion.clip import clip_from_axis_angle, resample


def z_up(vector):
    return np.stack([vector[..., 0], -vector[..., 2], vector[..., 1]], axis=-1)


def test_the_papers_columns_are_in_its_order(clip):
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


def test_rhythm_features_are_invariant_to_heading_and_place(clip):
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
    monkeypatch.setattr("kinetune.motion.features._CHUNK_FRAMES", 17)
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
def test_effort_is_mean_joint_speed_and_scales(clip, name):
    slow = resample(clip, 30.0)
    rows = features.features_named(name)(slow)
    speed = kinematics.joint_speeds(slow).mean(axis=1)
    np.testing.assert_allclose(features.mean_speed(rows, name), speed, atol=1e-4)
    half = features.scale_effort(rows, np.full(len(rows), 0.5), name)
    np.testing.assert_allclose(features.mean_speed(half, name), 0.5 * speed, atol=1e-4)


# The ten columns of the whole body come after the speeds and angular speeds of 24 joints each.
WHOLE = {
    name: 48 + index
    for index, name in enumerate(
        ["log speed", "log acceleration", "pelvis height", "vertical velocity", "reach of hands",
         "reach of feet", "left foot", "right foot", "pitch", "lean"]
    )
}  # fmt: skip


def posed(rotvecs, count=5, fps=30.0, root=(0.0, 1.0, 0.0)):
    """A dancer at rest but for some joints, held still."""
    pose = np.zeros((count, 24, 3))
    for name, rotvec in rotvecs.items():
        pose[:, skeleton.joint_index(name)] = rotvec
    return clip_from_axis_angle(pose, np.tile(root, (count, 1)), fps=fps)


def column(clip, name):
    return features.rhythm_features(clip)[:, WHOLE[name]]


@pytest.mark.parametrize(("lifted", "other"), [("left", "right"), ("right", "left")])
def test_a_lifted_foot_is_in_the_column_of_its_own_side(lifted, other):
    # A thigh turned back about x by a quarter lifts the foot to the height of the hip.
    clip = posed({f"{lifted}_hip": [-np.pi / 2, 0.0, 0.0]})
    positions = kinematics.joint_positions(clip)[0]
    height_m = positions[skeleton.joint_index(f"{lifted}_foot"), 1] - positions[:, 1].min()
    assert height_m > 0.5
    np.testing.assert_allclose(column(clip, f"{lifted} foot"), height_m, atol=1e-5)
    np.testing.assert_allclose(column(clip, f"{other} foot"), 0.0, atol=1e-5)


@pytest.mark.parametrize("joint", ["left_elbow", "right_knee", "head"])
def test_angular_speed_feature_is_log1p_of_the_rate(joint):
    rate = 2.5  # rad/s
    pose = np.zeros((40, 24, 3))
    index = skeleton.joint_index(joint)
    pose[:, index] = np.arange(40)[:, None] / 30.0 * rate * np.array([0.0, 0.6, 0.8])
    rows = features.rhythm_features(clip_from_axis_angle(pose, np.zeros((40, 3)), fps=30.0))
    np.testing.assert_allclose(rows[:, 24 + index], np.log1p(rate), atol=1e-5)
    np.testing.assert_allclose(np.delete(rows[:, 24:48], index, axis=1), 0.0, atol=1e-6)


def test_speed_feature_is_log1p_of_the_speed():
    root = np.arange(40)[:, None] / 30.0 * np.array([0.9, 1.2, 0.0])  # 1.5 m/s.
    rows = features.rhythm_features(clip_from_axis_angle(np.zeros((40, 72)), root, fps=30.0))
    np.testing.assert_allclose(rows[:, :24], np.log1p(1.5), atol=1e-5)
    np.testing.assert_allclose(rows[:, WHOLE["log speed"]], np.log1p(1.5), atol=1e-5)
    np.testing.assert_allclose(rows[:, WHOLE["vertical velocity"]], 1.2, atol=1e-5)
    np.testing.assert_allclose(rows[2:-2, WHOLE["log acceleration"]], 0.0, atol=1e-3)


def test_acceleration_is_that_of_a_fall():
    time_s = np.arange(30) / 30.0
    root = np.stack([0 * time_s, -0.5 * 9.81 * time_s**2, 0 * time_s], axis=1)
    rows = features.rhythm_features(clip_from_axis_angle(np.zeros((30, 72)), root, fps=30.0))
    np.testing.assert_allclose(rows[3:-3, WHOLE["log acceleration"]], np.log1p(9.81), atol=1e-4)
    np.testing.assert_allclose(
        rows[3:-3, WHOLE["vertical velocity"]], -9.81 * time_s[3:-3], atol=1e-4
    )


def test_heights_and_reaches_at_rest_are_those_of_the_skeleton():
    rest = skeleton.rest_positions_m()
    clip = posed({})
    np.testing.assert_allclose(column(clip, "pelvis height"), -rest[:, 1].min(), atol=1e-5)
    for name, parts in (("reach of hands", "wrist"), ("reach of feet", "ankle")):
        ends = [rest[skeleton.joint_index(f"{side}_{parts}")] for side in ("left", "right")]
        want = np.mean([np.linalg.norm(end) for end in ends])
        np.testing.assert_allclose(column(clip, name), want, atol=1e-5)


def test_trunk_features_have_signs_of_pitch_and_lean():
    upright = posed({})
    # Turned about the left-to-right axis x the trunk falls forwards, to +z where the face looks.
    bow = posed({"pelvis": [np.pi / 6, 0.0, 0.0]})
    neck = kinematics.joint_positions(bow)[0, skeleton.joint_index("neck")]
    assert neck[2] > 0.2
    assert (column(bow, "pitch") - column(upright, "pitch"))[0] == pytest.approx(0.5, abs=0.06)
    assert abs((column(bow, "lean") - column(upright, "lean"))[0]) < 0.06
    # The spine bent about z, backwards, falls to +x, the dancer's left.
    lean = posed({"spine1": [0.0, 0.0, -np.pi / 6]})
    assert kinematics.joint_positions(lean)[0, skeleton.joint_index("neck"), 0] > 0.1
    assert (column(lean, "lean") - column(upright, "lean"))[0] > 0.3


def test_facing_backwards_a_bow_is_a_pitch_forwards_all_the_same():
    turn = Rotation.from_rotvec([0.0, np.pi, 0.0])
    bow = (turn * Rotation.from_rotvec([np.pi / 6, 0.0, 0.0])).as_rotvec()
    got = column(posed({"pelvis": bow}), "pitch")
    np.testing.assert_allclose(
        got, column(posed({"pelvis": [np.pi / 6, 0, 0]}), "pitch"), atol=1e-5
    )


@pytest.mark.parametrize("name", ["rhythm", "paper"])
def test_effort_scales_every_speed_and_nothing_else(clip, name):
    rows = features.features_named(name)(clip)
    factor = np.linspace(0.5, 2.0, len(rows))
    scaled = features.scale_effort(rows, factor, name)
    if name == "paper":
        joints, out = rows.reshape(-1, 24, 15), scaled.reshape(-1, 24, 15)
        np.testing.assert_array_equal(out[..., :9], joints[..., :9])
        np.testing.assert_allclose(
            out[..., 9:], joints[..., 9:] * factor[:, None, None], rtol=1e-5, atol=1e-6
        )
        return
    logs = 2 * 24 + 2
    want = np.log1p(np.expm1(rows[:, :logs].astype(float)) * factor[:, None])
    np.testing.assert_allclose(scaled[:, :logs], want, atol=1e-5)
    vertical = WHOLE["vertical velocity"]
    np.testing.assert_allclose(scaled[:, vertical], rows[:, vertical] * factor, atol=1e-6)
    others = [k for k in range(logs, rows.shape[1]) if k != vertical]
    np.testing.assert_array_equal(scaled[:, others], rows[:, others])
