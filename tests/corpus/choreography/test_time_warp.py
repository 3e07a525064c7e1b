"""Real motion bent to a beat."""

from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.time_warp import _mirrored, _strong_moments, bend
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats import tempo
from kinetune.motion.clip import cut


def bent(seed=1, **change):
    settings = {"genre": "house", "bpm": 118.0, "duration_s": 9.0} | change
    return bend(seed, motion_library.library(), **settings)


def test_the_same_seed_bends_the_same_dance():
    one, two, other = bent(1), bent(1), bent(2)
    np.testing.assert_array_equal(one.clip.rotations, two.clip.rotations)
    assert not np.allclose(one.clip.rotations, other.clip.rotations)


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("bpm", [70.0, 150.0])
def test_it_is_as_long_and_as_fast_as_asked(bpm, fps):
    dance = bent(3, bpm=bpm, fps=fps, duration_s=10.0, first_beat_s=0.3)
    assert dance.clip.frame_count == 10.0 * fps
    np.testing.assert_allclose(np.diff(dance.beats_s), 60.0 / bpm)
    assert np.abs(dance.beats_s - 0.3).min() < 1e-9
    assert len(dance.energy) == len(dance.beats_s)
    assert 0.0 <= dance.energy.min() <= dance.energy.max() <= 1.0


def test_the_clips_own_moments_fall_on_the_beats():
    """Moments near the given beats weigh more than moments anywhere."""
    shares = []
    for seed in range(12):
        dance = bent(seed, bpm=80.0 + 5 * seed, duration_s=20.0)
        evidence = tempo.gather(dance.clip)
        on = tempo.evidence_at(evidence, dance.beats_s)
        off = tempo.evidence_at(evidence, dance.beats_s + 0.5 * np.diff(dance.beats_s)[0])
        shares.append(on / (on + off))
    assert np.mean(shares) > 0.6


def test_a_steady_dance_is_bent_to_another_tempo():
    source = choreograph(8, genre="JS", bpm=100.0, duration_s=30.0)
    scores = []
    for seed in range(6):
        dance = bend(seed, [source.clip], genre="JS", bpm=125.0, duration_s=12.0)
        found = _strong_moments(dance.clip)
        scores.append(mir_eval.beat.f_measure(dance.beats_s, found))
    assert np.median(scores) > 0.7


def test_the_body_never_jumps_where_pieces_meet():
    for seed in range(6):
        dance = bent(seed, duration_s=20.0)
        pelvis = kinematics.joint_speeds(dance.clip)[:, 0]
        assert pelvis.max() < 6.0


def test_a_mirror_swaps_left_and_right():
    clip = motion_library.library()[0]
    places, seen = (kinematics.joint_positions(c) for c in (clip, _mirrored(clip)))
    left, right = (skeleton.joint_index(f"{side}_wrist") for side in ("left", "right"))
    np.testing.assert_allclose(seen[:, left], places[:, right] * [-1, 1, 1], atol=0.06)
    again = _mirrored(replace(_mirrored(clip)))
    np.testing.assert_allclose(kinematics.joint_positions(again), places, atol=1e-9)


def test_clips_too_short_to_dance_are_said():
    short = cut(motion_library.library()[0], 0.0, 1.2)
    with pytest.raises(ConfigError, match="give longer ones"):
        bend(0, [short], genre="house", bpm=120.0, duration_s=5.0)
