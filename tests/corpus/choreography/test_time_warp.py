"""Real motion bent to a beat."""

from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.time_warp import mirror_clip, own_beats, warp_to_beats
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats import tempo
from kinetune.motion.clip import cut


def warped(seed=1, **change):
    settings = {"genre": "house", "bpm": 118.0, "duration_s": 9.0} | change
    return warp_to_beats(seed, motion_library.library(), DanceRequest(**settings))


def test_the_same_seed_bends_the_same_dance():
    one, two, other = warped(1), warped(1), warped(2)
    np.testing.assert_array_equal(one.clip.rotations, two.clip.rotations)
    assert not np.allclose(one.clip.rotations, other.clip.rotations)


@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("bpm", [70.0, 150.0])
def test_it_is_as_long_and_as_fast_as_asked(bpm, fps):
    dance = warped(3, bpm=bpm, fps=fps, duration_s=10.0, first_beat_s=0.3)
    assert dance.clip.frame_count == 10.0 * fps
    np.testing.assert_allclose(np.diff(dance.beats_s), 60.0 / bpm)
    assert np.abs(dance.beats_s - 0.3).min() < 1e-9
    assert len(dance.energy) == len(dance.beats_s)
    assert 0.0 <= dance.energy.min() <= dance.energy.max() <= 1.0


def test_the_clips_own_moments_fall_on_the_beats():
    """Moments near the given beats weigh more than moments anywhere."""
    shares = []
    for seed in range(12):
        dance = warped(seed, bpm=80.0 + 5 * seed, duration_s=20.0)
        evidence = tempo.collect_evidence(dance.clip)
        half_s = 0.5 * np.diff(dance.beats_s)[0]
        on = tempo.salience_at(evidence, dance.beats_s).mean()
        off = tempo.salience_at(evidence, dance.beats_s + half_s).mean()
        shares.append(on / (on + off))
    assert np.mean(shares) > 0.6


def test_a_steady_dance_is_bent_to_another_tempo():
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


def test_a_mirror_swaps_left_and_right():
    clip = motion_library.library()[0]
    positions, seen = (kinematics.joint_positions(c) for c in (clip, mirror_clip(clip)))
    left, right = (skeleton.joint_index(f"{side}_wrist") for side in ("left", "right"))
    np.testing.assert_allclose(seen[:, left], positions[:, right] * [-1, 1, 1], atol=0.06)
    again = mirror_clip(replace(mirror_clip(clip)))
    np.testing.assert_allclose(kinematics.joint_positions(again), positions, atol=1e-9)


def test_clips_too_short_to_dance_are_said():
    short = cut(motion_library.library()[0], 0.0, 1.2)
    with pytest.raises(ConfigError, match="give longer ones"):
        warp_to_beats(0, [short], DanceRequest(genre="house", bpm=120.0, duration_s=5.0))
