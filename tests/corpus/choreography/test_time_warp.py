"""Real motion warped to a beat."""

from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.time_warp import (
    _DanceBuilder,
    _Segment,
    mirror_clip,
    own_beats,
    warp_to_beats,
)  # fmt: skip
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats import tempo
from kinetune.motion.clip import clip_from_axis_angle, cut


def warped(seed=1, **change):
    settings = {"genre": "house", "bpm": 118.0, "duration_s": 9.0} | change
    return warp_to_beats(seed, motion_library.library(), DanceRequest(**settings))


def test_the_same_seed_gives_the_same_dance():
    one, two, other = warped(1), warped(1), warped(2)
    np.testing.assert_array_equal(one.clip.rotations, two.clip.rotations)
    assert not np.allclose(one.clip.rotations, other.clip.rotations)


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("bpm", [70.0, 150.0])
def test_it_has_the_length_and_the_tempo_requested(bpm, fps):
    dance = warped(3, bpm=bpm, fps=fps, duration_s=10.0, first_beat_s=0.3)
    assert dance.clip.frame_count == 10.0 * fps
    np.testing.assert_allclose(np.diff(dance.beats_s), 60.0 / bpm)
    assert np.abs(dance.beats_s - 0.3).min() < 1e-9
    assert len(dance.energy) == len(dance.beats_s)
    assert 0.0 <= dance.energy.min() <= dance.energy.max() <= 1.0


def test_the_kinematic_events_of_the_clip_fall_on_the_beats():
    """Salience at the given beats is above that half a beat away."""
    shares = []
    for seed in range(12):
        dance = warped(seed, bpm=80.0 + 5 * seed, duration_s=20.0)
        evidence = tempo.collect_evidence(dance.clip)
        half_s = 0.5 * np.diff(dance.beats_s)[0]
        on = tempo.salience_at(evidence, dance.beats_s).mean()
        off = tempo.salience_at(evidence, dance.beats_s + half_s).mean()
        shares.append(on / (on + off))
    assert np.mean(shares) > 0.6


def test_a_steady_dance_is_warped_to_another_tempo():
    source = choreograph(8, DanceRequest(genre="JS", bpm=100.0, duration_s=30.0))
    scores = []
    for seed in range(6):
        dance = warp_to_beats(
            seed, [source.clip], DanceRequest(genre="JS", bpm=125.0, duration_s=12.0)
        )
        found = own_beats(dance.clip)
        scores.append(mir_eval.beat.f_measure(dance.beats_s, found))
    assert np.median(scores) > 0.7


def test_the_body_never_jumps_where_pieces_meet():
    for seed in range(6):
        dance = warped(seed, duration_s=20.0)
        pelvis = kinematics.joint_speeds(dance.clip)[:, 0]
        assert pelvis.max() < 6.0


def test_segments_cross_fade_around_the_beat_at_which_they_meet():
    """Over 0.4 s, half of it before the beat, by the smooth step 3 s^2 - 2 s^3."""
    elbow = skeleton.joint_index("left_elbow")
    times_s = np.array([0.0, 0.79, 0.9, 1.0, 1.1, 1.21, 2.0])
    builder = _DanceBuilder(times_s)
    for start_s, angle in ((0.0, 0.0), (1.0, 1.0)):
        axis_angle = np.zeros((90, skeleton.JOINT_COUNT, 3))
        axis_angle[:, elbow, 2] = angle
        still = clip_from_axis_angle(axis_angle, np.zeros((90, 3)), fps=30.0)
        builder.append(_Segment(still, 0.5 * np.arange(5.0)), start_s, 0.5)
    angles = 2.0 * np.arccos(np.clip(np.abs(builder.quats[:, elbow, 0]), 0.0, 1.0))
    shares = np.array([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0])
    np.testing.assert_allclose(angles, 3.0 * shares**2 - 2.0 * shares**3, atol=1e-6)


def test_a_segment_keeps_its_pace_beyond_its_ends():
    times = np.arange(120) / 30.0
    root = np.stack([times, np.full(120, 0.9), np.zeros(120)], axis=1)
    walk = clip_from_axis_angle(np.zeros((120, skeleton.JOINT_COUNT, 3)), root, fps=30.0)
    segment = _Segment(walk, 1.0 + 0.5 * np.arange(5.0))
    assert segment.beats == 4
    np.testing.assert_allclose(
        segment.at(np.array([-1.0, 0.0, 1.5, 4.0, 5.0]))[1][:, 0], [0.5, 1.0, 1.75, 3.0, 3.5]
    )


def test_a_mirror_swaps_left_and_right():
    clip = motion_library.library()[0]
    positions, seen = (kinematics.joint_positions(c) for c in (clip, mirror_clip(clip)))
    left, right = (skeleton.joint_index(f"{side}_wrist") for side in ("left", "right"))
    np.testing.assert_allclose(seen[:, left], positions[:, right] * [-1, 1, 1], atol=0.06)
    again = mirror_clip(replace(mirror_clip(clip)))
    np.testing.assert_allclose(kinematics.joint_positions(again), positions, atol=1e-9)


def test_clips_too_short_for_a_segment_are_an_error():
    short = cut(motion_library.library()[0], 0.0, 1.2)
    with pytest.raises(ConfigError, match="give longer ones"):
        warp_to_beats(0, [short], DanceRequest(genre="house", bpm=120.0, duration_s=5.0))
