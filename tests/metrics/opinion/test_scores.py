"""The score finds the truth of simulated listeners of known bias, the screen the careless ones."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from kinetune.errors import MetricError
from kinetune.metrics.opinion.ratings import Preference, Rating, Session, screening_reasons
from kinetune.metrics.opinion.scores import (
    differences,
    listeners_needed,
    mean_scores,
    paired_deviation,
    preference_shares,
    smallest_difference,
)

TRUTH = {"good": 4.1, "middle": 3.4, "bad": 2.2}


def rating(score, *, listener="a", condition="good", item="d0", played_s=10.0, section="quality"):
    return Rating(listener, section, condition, item, score, played_s, 10.0)


def simulated(listeners, *, items=12, bias=0.4, noise=0.7, seed=0, truth=TRUTH):
    """Ratings with a bias of each listener and each dance, and noise, rounded to the scale."""
    rng = np.random.default_rng(seed)
    of_listener, of_item = rng.normal(0, bias, listeners), rng.normal(0, bias, items)
    out = []
    for listener in range(listeners):
        for item in range(items):
            for condition, mean in truth.items():
                raw = mean + of_listener[listener] + of_item[item] + rng.normal(0, noise)
                score = int(np.clip(np.round(raw), 1, 5))
                out.append(rating(score, listener=f"l{listener}", condition=condition,
                                  item=f"d{item}"))  # fmt: skip
    return out


def test_means_are_those_of_the_ratings_and_intervals_hold_the_truth():
    ratings = simulated(20)
    means = mean_scores(ratings)
    assert [each.condition for each in means] == ["good", "middle", "bad"]
    for each in means:
        mine = [r.score for r in ratings if r.condition == each.condition]
        assert each.mean == pytest.approx(np.mean(mine))
        assert each.low < TRUTH[each.condition] < each.high
        assert (each.ratings, each.listeners) == (240, 20)


def test_intervals_hold_the_truth_about_as_often_as_they_claim():
    truth = {"one": 3.0}
    hits = []
    for seed in range(40):
        (mean,) = mean_scores(simulated(15, seed=seed, truth=truth, noise=0.5), seed=seed)
        hits.append(mean.low <= 3.0 <= mean.high)
    # 95 % claimed; of 40, 33 or more but for one case in a thousand. Too wide would be 40 always
    # with intervals far wider than the spread, which the next test excludes.
    assert sum(hits) >= 33


def test_differences_are_narrower_than_means_because_listeners_share_their_bias():
    ratings = simulated(20, bias=0.8)
    width = np.mean([each.high - each.low for each in mean_scores(ratings)])
    found = {(each.condition, each.other): each for each in differences(ratings)}
    apart = found["good", "middle"]
    assert apart.low < TRUTH["good"] - TRUTH["middle"] + 0.05 < apart.high + 0.1
    assert apart.high - apart.low < 0.6 * width
    assert apart.p_value < 0.01


def test_equal_conditions_are_not_told_apart():
    (apart,) = differences(simulated(12, truth={"one": 3.0, "other": 3.0}, seed=4))
    assert apart.low < 0.0 < apart.high
    assert apart.p_value > 0.05


def test_power_is_what_simulation_finds():
    """Listeners needed for 0.3, tried: a paired t-test finds it about as often as promised."""
    truth = {"one": 3.0, "other": 3.3}
    pilots = (simulated(40, noise=0.9, seed=seed, truth=truth, items=4) for seed in range(8))
    # One pilot of 40 listeners knows the deviation to a third.
    deviation = float(np.mean([paired_deviation(pilot) for pilot in pilots]))
    count = listeners_needed(deviation, 0.3)
    found = []
    for seed in range(60):
        ratings = simulated(count, noise=0.9, seed=100 + seed, truth={"one": 3.0, "other": 3.3},
                            items=4)  # fmt: skip
        means = {
            condition: [
                np.mean([r.score for r in ratings
                         if r.condition == condition and r.listener == f"l{k}"])
                for k in range(count)
            ]
            for condition in ("one", "other")
        }  # fmt: skip
        found.append(ttest_rel(means["one"], means["other"]).pvalue < 0.05)
    assert 0.65 <= np.mean(found) <= 0.95


def test_power_by_hand():
    # (1.96 + 0.8416)^2 (1 / 0.5)^2 = 31.4.
    assert listeners_needed(1.0, 0.5) == 32
    assert smallest_difference(1.0, 32) == pytest.approx(0.495, abs=0.001)
    ratings = [
        rating(score, listener=f"l{k}", condition=condition)
        for k, (one, other) in enumerate([(4, 2), (5, 1), (3, 3)])
        for condition, score in (("one", one), ("other", other))
    ]
    assert paired_deviation(ratings) == pytest.approx(2.0)
    assert np.isnan(paired_deviation(ratings[:4]))


def test_preferences_are_shares_with_intervals_over_listeners():
    choices = [Preference(f"l{k % 10}", f"d{k}", *("ab" if k % 4 else "ba")) for k in range(40)]
    (share,) = preference_shares(choices)
    assert (share.condition, share.other, share.choices) == ("a", "b", 40)
    assert share.share == pytest.approx(0.75)
    assert share.low < 0.75 < share.high
    assert preference_shares([]) == []


def careful(**changes):
    rest = [rating(score, item=f"d{score}{k}") for score in (2, 3, 4) for k in range(3)]
    checks = [rating(2, condition="attention"), rating(1, condition="gold")]
    return Session(
        **{"listener": "a", "headphones_right": 6, "ratings": (*rest, *checks), **changes}
    )


def test_a_careful_listener_counts():
    assert screening_reasons(careful()) == ()
    assert screening_reasons(careful(headphones_right=5)) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headphones_right": 4}, "headphone check 4 of 6 right"),
        ({"complete": False}, "not finished"),
        ({"ratings": (rating(3, condition="attention"),)}, "attention check failed"),
        ({"ratings": (rating(4, condition="gold"),)}, "gold clip rated high"),
        ({"ratings": (rating(3, played_s=2.0), rating(4))}, "only 1 of 2 clips listened to"),
        (
            {"ratings": tuple(rating(3, item=f"d{k}") for k in range(6))},
            "the same rating for everything",
        ),
    ],
)
def test_a_careless_one_does_not_and_the_reason_is_kept(changes, reason):
    assert screening_reasons(careful(**changes)) == (reason,)


@pytest.mark.parametrize("score", [0, 6, 2.5])
def test_ratings_are_on_the_scale(score):
    with pytest.raises(MetricError, match="a rating from 1 to 5"):
        rating(score)


def test_nothing_to_score_is_an_error():
    with pytest.raises(MetricError, match="no ratings"):
        mean_scores([])
