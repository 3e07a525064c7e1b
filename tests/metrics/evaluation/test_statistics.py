import numpy as np
import pytest
from scipy import stats

from kinetune.errors import MetricError
from kinetune.metrics.evaluation import statistics

RNG = np.random.default_rng(0)
VALUES = RNG.normal(2.0, 1.0, 40)


def test_the_interval_is_scipys_bootstrap():
    found = statistics.bootstrap_mean(VALUES)
    theirs = stats.bootstrap((VALUES,), np.mean, method="percentile", n_resamples=5000, rng=1)
    low, high = theirs.confidence_interval
    assert found.value == pytest.approx(VALUES.mean())
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    assert found.n == 40


def test_intervals_have_their_nominal_coverage():
    rng = np.random.default_rng(8)
    inside = []
    for _ in range(200):
        found = statistics.bootstrap_mean(rng.normal(0.0, 1.0, 30))
        inside.append(found.low <= 0.0 <= found.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)


def test_undefined_values_lower_n_and_nothing_else():
    with_holes = np.insert(VALUES, [0, 7, 20], np.nan)
    found, whole = (statistics.bootstrap_mean(v) for v in (with_holes, VALUES))
    assert found == whole


def test_few_values_have_no_interval():
    one, none = statistics.bootstrap_mean(np.array([3.0])), statistics.bootstrap_mean(np.empty(0))
    assert (one.value, one.n) == (3.0, 1)
    assert np.isnan(one.low)
    assert np.isnan(none.value)
    assert none.n == 0


def test_a_statistic_with_too_few_rows_is_undefined():
    def spread(table):
        return table[..., 0].std(axis=-1, ddof=1)

    assert np.isnan(statistics.bootstrap_estimate(spread, VALUES[:1, None], least=2).value)
    found = statistics.bootstrap_estimate(spread, VALUES[:, None], least=2)
    assert found.value == pytest.approx(VALUES.std(ddof=1))
    assert found.low < found.value < found.high


def test_the_jackknife_of_a_mean_has_the_standard_error_of_a_mean():
    values = RNG.normal(size=400)
    found = statistics.jackknife_estimate(lambda chosen: values[chosen].mean(), 400)
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std(ddof=1) / 20
    assert found.high - found.value == pytest.approx(half, rel=0.4)
    assert np.isnan(statistics.jackknife_estimate(lambda chosen: 1.0, 0).value)
    assert np.isnan(statistics.jackknife_estimate(lambda chosen: 1.0, 3).low)


def test_the_test_is_scipys_exact_permutation_test():
    one, other = VALUES[:9], VALUES[9:18]
    found = statistics.paired_difference(one, other)
    theirs = stats.permutation_test(
        (one, other), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=np.inf,
    )  # fmt: skip
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.mean == pytest.approx((one - other).mean())


def test_a_real_difference_is_significant_and_no_difference_is_not():
    shifted = VALUES + 0.5 + RNG.normal(0, 0.3, 40)
    assert statistics.paired_difference(shifted, VALUES).is_significant
    same = statistics.paired_difference(VALUES, VALUES)
    assert (same.mean, same.p, same.is_significant) == (0.0, 1.0, False)
    turned = statistics.paired_difference(VALUES, shifted)
    assert turned.mean == -statistics.paired_difference(shifted, VALUES).mean


def test_false_alarms_are_as_rare_as_the_level():
    rng = np.random.default_rng(4)
    told = [
        statistics.paired_difference(*rng.normal(size=(2, 15)), seed=k).is_significant
        for k in range(300)
    ]
    assert np.mean(told) < 0.09


def test_five_dances_cannot_be_significant_and_six_can():
    for count, told in ((5, False), (6, True)):
        assert statistics.paired_difference(np.ones(count), np.zeros(count)).is_significant is told


def test_only_dances_that_both_have_are_compared():
    one, other = np.array([1.0, np.nan, 2.0]), np.array([0.5, 1.0, np.nan])
    found = statistics.paired_difference(one, other)
    assert (found.mean, found.n) == (0.5, 1)
    assert np.isnan(statistics.paired_difference(one[1:2], other[1:2]).p)
    with pytest.raises(MetricError, match="the same dances"):
        statistics.paired_difference(one, other[:2])


def test_holms_correction():
    assert statistics.holm_adjust([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    holm_corrected = statistics.holm_adjust([0.5, float("nan"), 0.02])
    assert holm_corrected[0] == pytest.approx(0.5)
    assert holm_corrected[2] == pytest.approx(0.04)
    assert np.isnan(holm_corrected[1])


def test_sets_are_compared_by_the_jackknife():
    rng = np.random.default_rng(6)
    near, far = rng.normal(1.0, 0.1, 60), rng.normal(2.0, 0.1, 60)
    apart = statistics.jackknife_difference(lambda k: near[k].mean(), lambda k: far[k].mean(), 60)
    assert apart.is_significant
    assert apart.mean == pytest.approx(-1.0, abs=0.1)
    same = statistics.jackknife_difference(lambda k: near[k].mean(), lambda k: near[k].mean(), 60)
    assert (same.mean, same.p) == (0.0, 1.0)


def test_two_values_have_an_interval_between_them():
    found = statistics.bootstrap_mean(np.array([1.0, 3.0]))
    assert (found.value, found.low, found.high) == (2.0, 1.0, 3.0)


def test_a_difference_keeps_its_sign_and_holm_its_order():
    lower, higher = VALUES, VALUES + 0.4
    assert statistics.paired_difference(lower, higher).mean == pytest.approx(-0.4)
    adjusted = statistics.holm_adjust([0.04, 0.001, 0.9, 0.03])
    # By hand: 2 * 0.04 and 3 * 0.03 = 0.09, which the larger p may not undercut.
    assert adjusted == pytest.approx([0.09, 0.004, 0.9, 0.09])


def test_the_jackknife_leaves_every_twentieth_dance_out():
    left_out = []

    def statistic(chosen):
        left_out.append(set(range(40)) - set(chosen.tolist()))
        return float(chosen.mean())

    statistics.jackknife_estimate(statistic, 40)
    assert left_out[0] == set()
    assert left_out[1:] == [{k, k + 20} for k in range(20)]


def test_the_jackknifes_interval_is_centred_on_the_value():
    found = statistics.jackknife_estimate(lambda chosen: float(VALUES[chosen].mean()), 40)
    assert found.value - found.low == pytest.approx(found.high - found.value)
    assert found.low < found.value
