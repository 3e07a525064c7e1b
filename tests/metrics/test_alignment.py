import numpy as np
import pytest

from kinetune.errors import MetricError
from kinetune.metrics import alignment
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from tests.conftest import swaying_clip

MOTION_S = np.array([0.5, 1.0, 2.0, 3.5])
MUSIC_S = np.array([0.5, 1.05, 2.1, 2.9])
NOTHING = np.empty(0)


def test_known_answers_by_hand():
    # Distances from each motion beat: 0, 0.05, 0.1, 0.6 s; from each music beat: 0, 0.05, 0.1, 0.6.
    near = [1.0, np.exp(-0.5), np.exp(-2.0), np.exp(-72.0)]
    assert alignment.motion_to_music(MOTION_S, MUSIC_S) == pytest.approx(np.mean(near))
    assert alignment.music_to_motion(MOTION_S, MUSIC_S) == pytest.approx(np.mean(near))


def test_the_directions_differ():
    double = np.arange(0.0, 5.0, 0.25)
    single = np.arange(0.0, 5.0, 0.5)
    assert alignment.motion_to_music(single, double) == pytest.approx(1.0)
    assert alignment.music_to_motion(single, double) == pytest.approx(0.5, abs=0.01)


def test_alignment_of_clicks_equals_the_formula():
    clip = swaying_clip(duration_s=5.0, bpm=100.0)
    seen, sound = analyse_motion(clip), baselines.click_track(np.arange(0.35, 5.0, 0.6), 5.0)
    heard = analyse_audio(sound)
    apart = np.array([min(abs(m - c) for c in heard.beats_s) for m in seen.beats_s])
    by_hand = np.mean([np.exp(-(d**2) / (2 * 0.05**2)) for d in apart])
    assert alignment.motion_to_music(seen.beats_s, heard.beats_s) == pytest.approx(by_hand)
    # The clicks lie where they were put, so their own times give nearly the same.
    ideal = alignment.motion_to_music(seen.beats_s, np.arange(0.35, 5.0, 0.6))
    assert by_hand == pytest.approx(ideal, abs=0.12)


def test_alignment_is_invariant_to_common_shifts():
    for score in (alignment.motion_to_music, alignment.music_to_motion):
        assert score(MOTION_S + 7.0, MUSIC_S + 7.0) == pytest.approx(score(MOTION_S, MUSIC_S))
        assert score(MOTION_S, MOTION_S) == 1.0
        assert score(MOTION_S, MOTION_S + 0.05) == pytest.approx(np.exp(-0.5))


def test_alignment_without_beats_is_zero_or_nan():
    assert alignment.evaluate(MOTION_S, NOTHING) == {
        "bas_motion_to_music": 0.0,
        "bas_music_to_motion": 0.0,
    }
    assert np.isnan(list(alignment.evaluate(NOTHING, MUSIC_S).values())).all()


def test_as_published_mixes_frames_of_two_rates():
    motion = np.array([30, 60, 120])
    # In perfect time, but counted 43.07 a second instead of 60.
    music = np.round(motion / 60.0 * 22_050 / 512).astype(int)
    assert music.tolist() == [22, 43, 86]
    by_hand = np.mean([np.exp(-(d**2) / 18.0) for d in (8, 13, 26)])
    assert alignment.as_published(motion, music) == pytest.approx(by_hand)
    assert alignment.as_published(motion, motion) == 1.0


def test_as_published_stops_where_the_script_does():
    some, none = np.array([3, 9]), np.empty(0, dtype=int)
    assert np.isnan(alignment.as_published(some, none))
    assert np.isnan(alignment.as_published(none, some))


@pytest.mark.parametrize("bad", [np.zeros((2, 1)), np.array([2.0, 1.0]), np.array([np.inf])])
def test_malformed_input_is_reported(bad):
    for score in (alignment.motion_to_music, alignment.music_to_motion):
        with pytest.raises(MetricError, match="motion beats: expected"):
            score(bad, MUSIC_S)
        with pytest.raises(MetricError, match="music beats: expected"):
            score(MOTION_S, bad)
