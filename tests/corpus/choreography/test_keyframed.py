import numpy as np
import pytest

from kinetune import timebase
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.keyframed import keyframe_dance
from kinetune.errors import ConfigError
from kinetune.motion import kinematics


def keyed(seed=0, **told):
    told = {"genre": "house", "bpm": 100.0, "duration_s": 9.0, "first_beat_s": 0.25, **told}
    return keyframe_dance(seed, motion_library.library(), DanceRequest(**told))


def test_the_body_rests_on_beats():
    # Over many dances: some key half-beats, some every other beat.
    on, off = [], []
    for seed in range(12):
        dance = keyed(seed)
        speed = kinematics.joint_speeds(dance.clip).mean(axis=1)
        beats, middles = dance.beats_s[1:-1], dance.beats_s[1:-1] + 0.6 * 0.3
        for out, times in ((on, beats), (off, middles)):
            out.append(np.interp(times * 60.0, np.arange(len(speed)), speed).mean())
    assert np.mean(on) < 0.5 * np.mean(off)


def test_beats_are_those_requested():
    dance = keyed()
    np.testing.assert_allclose(dance.beats_s, timebase.beat_times(100.0, 0.25, 9.0))
    assert dance.downbeats_s[0] == pytest.approx(0.25)
    assert dance.clip.frame_count == 540


def test_poses_round_trip():
    clip = keyed(3, duration_s=40.0).clip
    # Sixteen keys two beats apart at most.
    later = timebase.frames_in(16 * 2 * 0.6, 60.0)
    np.testing.assert_allclose(clip.root_m[later:], clip.root_m[:-later], atol=1e-9)


def test_the_same_seed_is_the_same_dance_and_another_is_not():
    np.testing.assert_array_equal(keyed(1).clip.rotations, keyed(1).clip.rotations)
    assert not np.allclose(keyed(1).clip.rotations, keyed(2).clip.rotations)


def test_a_first_beat_is_drawn_when_none_is_named():
    first = {keyed(seed, first_beat_s=None).downbeats_s[0] for seed in range(3)}
    assert len(first) == 3


@pytest.mark.parametrize("told", [{"bpm": 20.0}, {"duration_s": 0.0}, {"genre": "polka"}])
def test_impossible_dances_are_refused(told):
    with pytest.raises(ConfigError):
        keyed(**told)
