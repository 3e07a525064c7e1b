import mir_eval
import numpy as np
import pytest

from kinetune.errors import MetricError
from kinetune.metrics import beats

TRUE_S = np.arange(0.4, 20.0, 0.5)
NAMES = ("beat_f", "cmlt", "amlt", "tempo_accuracy")


def scores(reference_s, estimated_s, reference_bpm=120.0, estimated_bpm=120.0):
    found = beats.evaluate(
        reference_s, estimated_s, reference_bpm=reference_bpm, estimated_bpm=estimated_bpm
    )
    return [found[name] for name in NAMES]


def test_perfect_beats_score_one():
    assert scores(TRUE_S, TRUE_S) == [1.0] * 4


def test_scores_are_mir_evals():
    heard = np.sort(TRUE_S + np.random.default_rng(0).normal(0, 0.05, len(TRUE_S)))
    continuity = mir_eval.beat.continuity(TRUE_S, heard)
    assert beats.f_measure(TRUE_S, heard) == mir_eval.beat.f_measure(TRUE_S, heard)
    assert beats.cmlt(TRUE_S, heard) == continuity[1]
    assert beats.amlt(TRUE_S, heard) == continuity[3]
    assert 0.0 < beats.cmlt(TRUE_S, heard) < 1.0


def test_short_clips_count_from_their_first_beat():
    short = TRUE_S[TRUE_S < 5.0]
    assert scores(short, short) == [1.0] * 4


def test_double_time_is_another_level_and_an_allowed_one():
    double = np.arange(0.4, 20.0, 0.25)
    found = beats.evaluate(TRUE_S, double, reference_bpm=120.0, estimated_bpm=240.0)
    assert found["beat_f"] == pytest.approx(2 / 3, abs=0.01)
    assert found["cmlt"] == 0.0
    assert found["amlt"] == 1.0
    assert found["tempo_accuracy"] == 1.0


def test_a_common_shift_does_not_change_scores():
    heard = np.sort(TRUE_S + np.random.default_rng(1).normal(0, 0.05, len(TRUE_S)))
    assert scores(TRUE_S, heard) == pytest.approx(scores(TRUE_S + 3.0, heard + 3.0))


def test_a_shift_of_one_side_lowers_the_score():
    assert scores(TRUE_S, TRUE_S + 0.15)[:2] == [0.0, 0.0]
    assert scores(TRUE_S, TRUE_S + 0.05)[0] == 1.0


def test_beats_without_detections_score_zero():
    nothing = np.empty(0)
    assert scores(TRUE_S, nothing, estimated_bpm=0.0) == [0.0] * 4
    assert np.isnan(scores(nothing, TRUE_S, reference_bpm=0.0)).all()
    assert scores(TRUE_S, TRUE_S[:1])[1:3] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("estimated_bpm", "right"),
    [(120.0, 1), (124.0, 1), (126.0, 0), (60.0, 1), (240.0, 1), (180.0, 0), (40.0, 0), (0.0, 0)],
)
def test_tempo_is_right_within_four_percent_and_octaves(estimated_bpm, right):
    assert beats.tempo_accuracy(120.0, estimated_bpm) == right


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.array([1.0, 0.5]), "ascending"),
        (np.array([-1.0, 0.5]), "ascending times of 0 s or later"),
        (np.array([0.5, np.nan]), "ascending"),
        (np.zeros((2, 2)), "found shape"),
    ],
)
def test_malformed_input_is_reported(bad, words):
    for score in (beats.f_measure, beats.cmlt, beats.amlt):
        with pytest.raises(MetricError, match=f"estimated beats: .*{words}"):
            score(TRUE_S, bad)
        with pytest.raises(MetricError, match=f"reference beats: .*{words}"):
            score(bad, TRUE_S)


def test_beats_reject_duplicates_and_allow_two_beats():
    with pytest.raises(MetricError, match="reference beats: expected ascending"):
        beats.f_measure(np.array([0.5, 0.5, 1.0]), np.array([0.5]))
    two = np.array([1.0, 1.5])
    assert np.isfinite(beats.cmlt(two, two))
