"""Dancers together: one time line, one mean body."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.errors import ConfigError, MotionError
from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import grid_of_beats
from kinetune.motion.clip import cut
from kinetune.motion.features import mean_speed, rhythm_features
from kinetune.motion.group import (
    DanceGroup,
    dance_features,
    dance_of,
    dancers_of,
    first_bars,
    mean_joint_speed,
    mean_over_dancers,
)
from tests.conftest import swaying_clip


def pair():
    return swaying_clip(seed=1, fps=30.0), swaying_clip(seed=2, fps=30.0)


def test_a_group_lasts_as_long_as_its_longest_dancer():
    one, two = swaying_clip(duration_s=2.0), swaying_clip(duration_s=3.5, fps=30.0)
    group = DanceGroup((one, two))
    assert (group.duration_s, group.frame_count, group.fps) == (3.5, 105, 30.0)
    assert group.name == "sway + sway"
    assert DanceGroup((one, two) * 3).name == "sway + sway + sway + 3 more"


def test_one_dancer_is_no_group():
    one = swaying_clip()
    assert dance_of([one]) is one
    assert dancers_of(one) == (one,)
    assert dancers_of(dance_of([one, one])) == (one, one)
    with pytest.raises(MotionError, match="two dancers or more, found 1"):
        DanceGroup((one,))


def test_the_first_bars_of_a_group_are_those_of_each_dancer():
    """Two bars of four at 120 bpm last 4 s; a frame more, as a dance ends with its last frame."""
    one, two = swaying_clip(duration_s=6.0), swaying_clip(duration_s=5.0, fps=30.0)
    grid = grid_of_beats(np.arange(0.0, 6.0, 0.5), 6.0)
    group = first_bars(DanceGroup((one, two)), 2, grid)
    assert [clip.frame_count for clip in dancers_of(group)] == [4 * 60 + 1, 4 * 30 + 1]
    with pytest.raises(MotionError, match="less than 4 bars of 2.00 s at 120.0 bpm; take 3"):
        first_bars(one, 4, grid)


def test_the_mean_is_over_those_who_still_dance():
    values = [np.array([1.0, 1.0, 5.0]), np.array([3.0])]
    np.testing.assert_allclose(mean_over_dancers(values), [2.0, 1.0, 5.0])
    rows = [np.ones((2, 2)), 3.0 * np.ones((1, 2))]
    np.testing.assert_allclose(mean_over_dancers(rows), [[2.0, 2.0], [1.0, 1.0]])


def test_the_speed_of_a_group_is_the_mean_of_its_dancers_speeds():
    one, two = pair()
    alone = [kinematics.joint_speeds(clip).mean(axis=1) for clip in (one, two)]
    speed, fps = mean_joint_speed(DanceGroup((one, two)))
    assert fps == 30.0
    np.testing.assert_allclose(speed, np.mean(alone, axis=0))
    features = dance_features(DanceGroup((one, two)), "rhythm")
    each = [mean_speed(rhythm_features(clip), "rhythm") for clip in (one, two)]
    np.testing.assert_allclose(mean_speed(features, "rhythm"), np.mean(each, axis=0), rtol=1e-5)


def test_the_same_dancer_twice_has_the_features_of_one():
    one, _ = pair()
    twice = dance_features(DanceGroup((one, one)), "rhythm")
    np.testing.assert_allclose(twice, rhythm_features(one), atol=1e-5)
    np.testing.assert_array_equal(dance_features(one, "rhythm"), rhythm_features(one))


def test_a_still_partner_halves_the_speed():
    one, _ = pair()
    still = replace(
        one, rotations=one.rotations[:1].repeat(120, 0), root_m=one.root_m[:1].repeat(120, 0)
    )
    speed, _ = mean_joint_speed(DanceGroup((one, still)))
    np.testing.assert_allclose(speed, 0.5 * mean_joint_speed(one)[0])


def test_after_a_dancer_has_left_the_others_count():
    one, two = pair()
    features = dance_features(DanceGroup((one, cut(two, 0.0, 1.0))), "rhythm")
    np.testing.assert_allclose(features[32:], rhythm_features(one)[32:], atol=1e-5)


def test_features_of_one_bodys_pose_are_refused_for_a_group():
    with pytest.raises(ConfigError, match="sees the pose of one body"):
        dance_features(DanceGroup(pair()), "paper")
