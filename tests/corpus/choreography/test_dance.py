"""A request's checks, and the beats, bars and energy of a dance."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.corpus.choreography import choreographer, time_warp
from kinetune.corpus.choreography.dance import DanceRequest, annotate
from kinetune.corpus.choreography.moves import Event
from kinetune.errors import ConfigError
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip


def drifting(speed_m_s, duration_s=4.0, fps=60.0):
    """A stiff body carried along x at a speed."""
    frames = round(duration_s * fps)
    quats = np.zeros((frames, skeleton.JOINT_COUNT, 4))
    quats[..., 0] = 1.0
    root = np.zeros((frames, 3))
    root[:, 0] = np.cumsum(np.broadcast_to(speed_m_s, frames)) / fps
    return MotionClip(quats, root, fps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genre": "polka"}, "polka"), ({"bpm": 59.9}, "60 to 180"), ({"bpm": 181.0}, "60 to 180"),
        ({"duration_s": 0.0}, "duration"), ({"duration_s": np.inf}, "duration"),
        ({"fps": 0.0}, "frame rate"), ({"duration_s": 0.001}, "no frame"),
    ],
)  # fmt: skip
def test_an_impossible_dance_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        DanceRequest(**({"genre": "HO", "bpm": 100.0, "duration_s": 4.0} | change))


def test_a_request_has_its_own_numbers():
    request = DanceRequest("Street Jazz", 120.0, 2.0, fps=30.0)
    assert request.code == "JS"
    assert request.period_s == 0.5
    np.testing.assert_allclose(request.frame_times_s, np.arange(60) / 30.0)
    drawn = [request.draw_first_beat_s(np.random.default_rng(s)) for s in range(50)]
    assert 0.0 <= min(drawn) < 0.3
    assert 1.7 < max(drawn) < 2.0
    given = replace(request, first_beat_s=5.0)
    assert given.draw_first_beat_s(np.random.default_rng(0)) == 5.0


def test_beats_and_bars_are_a_grid_through_the_first_beat():
    dance = annotate(drifting(1.0), 1.2, 120.0, "HO")
    np.testing.assert_allclose(dance.beats_s, np.arange(0.2, 4.0, 0.5))
    np.testing.assert_allclose(dance.downbeats_s, [1.2, 3.2])
    later = annotate(drifting(1.0), 3.2, 120.0, "HO")
    np.testing.assert_allclose(later.downbeats_s, [1.2, 3.2])


def test_energy_is_speed_against_full_speed():
    for speed, energy in ((0.55, 0.5), (0.11, 0.1), (2.0, 1.0)):
        dance = annotate(drifting(speed), 0.0, 120.0, "HO")
        np.testing.assert_allclose(dance.energy, energy, atol=1e-6)


def test_energy_belongs_to_the_beat_that_it_follows():
    speed = np.where(np.arange(240) < 120, 0.0, 1.1)
    dance = annotate(drifting(speed), 0.0, 120.0, "HO")
    np.testing.assert_allclose(dance.energy, np.repeat([0.0, 1.0], 4), atol=0.07)


def test_a_plan_counts_for_a_fifth():
    # One bar before the clip, then its two bars.
    planned = np.array([9.0, 0.0, 1.0])
    dance = annotate(drifting(0.55), 0.0, 120.0, "HO", planned=planned)
    np.testing.assert_allclose(dance.energy, np.repeat([0.4, 0.6], 4), atol=1e-6)


@pytest.mark.parametrize(
    ("event", "mirrored"),
    [
        (Event("left_foot_x", 1.0, 0.3), Event("right_foot_x", 1.0, -0.3)),
        (Event("right_foot_yaw", 1.0, 12.0), Event("left_foot_yaw", 1.0, -12.0)),
        (Event("left_foot_z", 1.0, 0.3), Event("right_foot_z", 1.0, 0.3)),
        (Event("left_lift", 1.0, 80.0, 0.5), Event("right_lift", 1.0, 80.0, 0.5)),
        (Event("spine_yaw", 1.0, 8.0), Event("spine_yaw", 1.0, -8.0)),
        (Event("spine_pitch", 1.0, 8.0), Event("spine_pitch", 1.0, 8.0)),
        (Event("drop", 1.0, 0.1), Event("drop", 1.0, 0.1)),
    ],
)
def test_the_mirror_image_of_a_move(event, mirrored):
    assert choreographer._mirror_event(event) == mirrored


def test_a_segment_plays_each_of_its_beats_on_a_beat_of_the_grid():
    times = np.arange(240) / 60.0
    clip = drifting(np.gradient(times**2) * 60.0)
    beats_s = np.array([0.5, 0.9, 1.7, 2.2, 3.0])
    segment = time_warp._Segment(clip, beats_s)
    assert segment.beats == 4
    _, root = segment.at(np.arange(5.0))
    expected = np.interp(beats_s * 60.0, np.arange(240), clip.root_m[:, 0])
    np.testing.assert_allclose(root[:, 0], expected, atol=1e-9)
    # Beyond its ends it goes on at its mean pace.
    _, after = segment.at(np.array([4.5]))
    pace = (3.0 - 0.5) / 4
    there = np.interp((3.0 + 0.5 * pace) * 60.0, np.arange(240), clip.root_m[:, 0])
    np.testing.assert_allclose(after[0, 0], there, atol=1e-9)


@pytest.mark.parametrize(
    ("spacing_s", "expected"), [(0.5, 0.5), (1.0, 0.5), (0.25, 0.5), (0.6, 0.6)]
)
def test_warp_uses_double_or_half_time_if_nearer(spacing_s, expected):
    beats = np.arange(0.0, 6.0, spacing_s)
    np.testing.assert_allclose(np.diff(time_warp._match_octave(beats, 0.5)), expected)


def test_a_segment_continues_where_the_last_one_ended():
    angle = np.deg2rad(np.array([0.0, 70.0, 0.0]))
    start = rotations.quat_from_axis_angle(np.deg2rad(np.array([0.0, -20.0, 0.0])))[None]
    end = rotations.quat_from_axis_angle(angle)[None]
    position, end_position = np.array([1.0, 0.9, 2.0]), np.array([-3.0, 0.8, 0.5])
    rotation, shift = time_warp._alignment(start, position, end, end_position)
    quats, root = time_warp._align(start[None], position[None], rotation, shift)
    assert time_warp._heading(quats[0, 0]) == pytest.approx(np.deg2rad(70.0))
    np.testing.assert_allclose(root[0], [-3.0, 0.9, 0.5])
