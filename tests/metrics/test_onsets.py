import numpy as np
import pytest

from kinetune.errors import MetricError
from kinetune.metrics import onsets

EMPTY = np.empty(0)


def by_the_script(onsets_s, duration_s):
    bins = [0] * int(np.ceil(duration_s))
    for time in onsets_s:
        bins[int(np.trunc(time))] = 1
    return bins


@pytest.fixture
def both():
    rng = np.random.default_rng(3)
    return [np.sort(rng.uniform(0, 20, 12)) for _ in range(2)]


def bins(*values):
    return np.array(values, dtype=bool)


def test_known_answers():
    reference, generated = bins(1, 1, 0, 1, 1), bins(1, 0, 1, 0, 1)
    assert onsets.coverage_as_published(reference, generated) == 3 / 4
    assert onsets.hit_as_published(reference, generated) == 2 / 4
    assert onsets.loris_coverage(reference, generated) == 2 / 3
    assert onsets.loris_hit(reference, generated) == 2 / 4


def test_the_published_arithmetic_written_out_gives_the_same(both):
    reference, generated = (by_the_script(times, 20.0) for times in both)
    hits = sum(a == b == 1 for a, b in zip(reference, generated, strict=True))
    found = onsets.evaluate(*both, *both, duration_s=20.0)
    assert found["bcs_as_published"] == sum(generated) / sum(reference)
    assert found["bhs_as_published"] == hits / sum(reference)
    assert found["loris_coverage"] == hits / sum(generated)
    assert found["loris_hit"] == hits / sum(reference)


def test_the_same_onsets_score_one(both):
    found = onsets.evaluate(both[0], both[0], both[1], both[1], duration_s=20.0)
    assert set(found.values()) == {1.0}


def test_coverage_can_exceed_one_and_loris_cannot():
    sparse, busy = bins(1, 0, 0, 0), bins(1, 1, 1, 1)
    assert onsets.coverage_as_published(sparse, busy) == 4.0
    assert onsets.loris_coverage(sparse, busy) == 0.25


def test_any_click_of_sixty_a_minute_saturates_against_busy_music():
    busy = np.arange(0.05, 10.0, 0.2)
    for bpm, phase_s in ((60.0, 0.5), (61.0, 0.0), (97.0, 0.3), (173.0, 0.1)):
        click = np.arange(phase_s, 10.0, 60.0 / bpm)
        found = onsets.evaluate(busy, click, busy, click, duration_s=10.0)
        assert set(found.values()) == {1.0}


def test_onsets_empty_is_zero_and_no_reference_nan(both):
    nothing = onsets.evaluate(both[0], EMPTY, both[0], EMPTY, duration_s=20.0)
    assert set(nothing.values()) == {0.0}
    unknown = onsets.evaluate(EMPTY, both[0], EMPTY, both[0], duration_s=20.0)
    assert np.isnan(unknown["bcs_as_published"])
    assert np.isnan(unknown["bhs_as_published"])
    # LORIS's script says 0 here, and so does this.
    assert unknown["loris_coverage"] == unknown["loris_hit"] == 0.0


def test_a_part_of_a_second_is_a_bin():
    np.testing.assert_array_equal(onsets.onset_bins(np.array([0.0, 4.9, 5.05]), 5.1), bins(
        1, 0, 0, 0, 1, 1))  # fmt: skip
    # An onset after the end belongs to no second.
    assert not onsets.onset_bins(np.array([5.0]), 5.0).any()


def test_figures_over_clips():
    scores = np.array([0.2, 0.4, 0.9])
    assert onsets.loris_deviation(scores) == pytest.approx(np.sqrt(0.13))
    assert np.isnan(onsets.loris_deviation(scores[:1]))
    assert onsets.loris_f1(0.5, 1.0) == pytest.approx(2 / 3)
    assert onsets.loris_f1(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("reference", "generated", "words"),
    [
        (bins(1, 0), bins(1), "2 s and 1 s"),
        (np.array([1, 0]), bins(1, 0), "reference: expected bins"),
        (bins(1, 0), np.zeros((2, 1), dtype=bool), "generated: expected bins"),
    ],
)
def test_malformed_input_is_reported(reference, generated, words):
    for score in (onsets.coverage_as_published, onsets.hit_as_published, onsets.loris_coverage,
                  onsets.loris_hit):  # fmt: skip
        with pytest.raises(MetricError, match=words):
            score(reference, generated)


@pytest.mark.parametrize("time", [-0.1, float("nan")])
def test_impossible_times_are_reported(time):
    with pytest.raises(MetricError, match="expected onset times"):
        onsets.onset_bins(np.array([time]), 5.0)
