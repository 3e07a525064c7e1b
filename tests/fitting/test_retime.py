import json

import numpy as np
import pytest

from kinetune.fitting.retime import (
    retime_bvh,
    retime_clip,
    retime_gltf,
    retimed_values,
    smooth_times,
)
from kinetune.fitting.time_map import TimeMap, steady_map
from kinetune.motion import kinematics
from kinetune.motion.io.bvh import Bvh, read_bvh
from kinetune.motion.io.bvh_text import Hierarchy
from kinetune.motion.io.formats import read_motion, write_motion
from tests.conftest import EXAMPLE
from tests.motion.glb_writer import gltf_of


def faster(times):
    return 0.5 + 1.08 * times


def test_each_frame_shows_the_pose_of_its_old_time(clip):
    made = retime_clip(clip, faster, 3.0)
    assert (made.frame_count, made.fps) == (180, 60.0)
    # The clip swings as cos(pi t 2): the root's height is 0.9 + 0.05 of that.
    times = 0.5 + 1.08 * np.arange(180) / 60.0
    np.testing.assert_allclose(made.root_m[:, 1], 0.9 + 0.05 * np.cos(2 * np.pi * times), atol=1e-3)


def test_feet_stand_where_they_stood():
    """Retiming slides no foot: the way a standing ball covers stays the same."""
    clip = read_motion(EXAMPLE)
    made = retime_clip(clip, lambda times: 1.07 * times, clip.duration_s / 1.07)

    def slide_m(each):
        ball = kinematics.joint_positions(each)[:, 10]
        step = np.linalg.norm(np.diff(ball[:, [0, 2]], axis=0), axis=1)
        low = ball[1:, 1] < np.percentile(ball[:, 1], 30)
        slow = step * each.fps < 0.3
        return float(step[low & slow].sum())

    assert slide_m(made) <= 1.1 * slide_m(clip)


def test_a_bvh_file_keeps_its_skeleton_and_rate(tmp_path, clip):
    write_motion(tmp_path / "a.bvh", clip)
    retime_bvh(tmp_path / "a.bvh", tmp_path / "b.bvh", faster, 3.0)
    old, new = read_bvh(tmp_path / "a.bvh"), read_bvh(tmp_path / "b.bvh")
    assert new.hierarchy.names == old.hierarchy.names
    assert new.hierarchy.channels == old.hierarchy.channels
    np.testing.assert_allclose(new.hierarchy.offsets, old.hierarchy.offsets, atol=1e-6)
    np.testing.assert_allclose(new.hierarchy.ends, old.hierarchy.ends, atol=1e-6)
    assert (new.fps, new.frame_count) == (pytest.approx(60.0), 180)
    expected = retime_clip(clip, faster, 3.0)
    got = read_motion(tmp_path / "b.bvh")
    np.testing.assert_allclose(got.root_m, expected.root_m, atol=1e-3)
    difference = np.abs(np.sum(got.rotations * expected.rotations, axis=-1))
    assert difference.min() > 0.9999


def test_an_angle_that_wraps_is_not_swept_through():
    hierarchy = Hierarchy(("a",), (-1,), np.zeros((1, 3)), np.zeros((1, 3)), (("Zrotation",),))
    bvh = Bvh(hierarchy, np.array([[179.0], [-179.0], [0.0], [170.0]]), 10.0)
    # Half-way between 179 and -179 lies 180; 0 and 170 are a flip, of which the nearer is taken.
    made = retimed_values(bvh, lambda times: times + np.array([0.05, 0.0, 0.04]), 0.3)
    assert made[0, 0] % 360.0 == pytest.approx(180.0)
    assert made[1, 0] == pytest.approx(-179.0)
    assert made[2, 0] == pytest.approx(0.0)


def test_a_gltf_file_keeps_all_but_the_times_of_its_keys(tmp_path, clip):
    gltf = gltf_of(clip)
    gltf.json["extras"] = {"kept": 1}
    (tmp_path / "a.glb").write_bytes(gltf.glb())
    retime_gltf(tmp_path / "a.glb", tmp_path / "b.glb", lambda times: times * 1.25)
    raw = (tmp_path / "b.glb").read_bytes()
    table = json.loads(raw[20 : 20 + int.from_bytes(raw[12:16], "little")])
    assert table["extras"] == {"kept": 1}
    old, new = read_motion(tmp_path / "a.glb"), read_motion(tmp_path / "b.glb")
    last = (old.frame_count - 1) / old.fps
    assert (new.frame_count - 1) / new.fps == pytest.approx(1.25 * last, abs=2.0 / new.fps)
    expected = retime_clip(old, lambda times: times / 1.25, new.duration_s)
    np.testing.assert_allclose(
        np.interp(np.arange(20) / 5, np.arange(new.frame_count) / new.fps, new.root_m[:, 1]),
        np.interp(np.arange(20) / 5, np.arange(expected.frame_count) / expected.fps,
                  expected.root_m[:, 1]), atol=3e-3,
    )  # fmt: skip


def test_smooth_times_pass_the_markers_and_have_no_jump_of_pace():
    steady = smooth_times(steady_map(1.0, 1.05, 10.0), 2.0)
    np.testing.assert_allclose(steady(np.array([0.0, 1.0])), [3.1, 4.15])
    made = TimeMap(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.1, 3.05]))
    times = smooth_times(made, 0.0)
    np.testing.assert_allclose(times(made.song_s), made.dance_s)
    fine = np.linspace(0.0, 3.0, 3001)
    assert np.abs(np.diff(times(fine), 2)).max() < 1e-6
