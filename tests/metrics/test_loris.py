import numpy as np
import pytest

from kinetune.metrics import loris


def row(coverage, hit):
    return {"loris_coverage": np.array(coverage, float), "loris_hit": np.array(hit, float)}


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_figures_are_those_of_the_whole_set():
    told = loris.pooled_estimates(row([0.2, 0.6, 1.0], [1.0, 1.0, 0.4]), seed=0)
    assert told["loris_csd"].value == pytest.approx(0.4)
    assert told["loris_hsd"].value == pytest.approx(np.std([1.0, 1.0, 0.4], ddof=1))
    assert told["loris_f1"].value == pytest.approx(2 * 0.6 * 0.8 / 1.4)


def test_one_dance_has_no_deviation():
    told = loris.pooled_estimates(row([0.5], [0.5]), seed=0)
    assert np.isnan(told["loris_csd"].value)
    assert told["loris_f1"].value == pytest.approx(0.5)


def test_equal_rows_are_not_significantly_different(rng):
    one = row(rng.random(30), rng.random(30))
    found = loris.pooled_differences({"a": one, "b": one}, "a")
    assert {name: told["b"].is_significant for name, told in found.items()} == {
        "loris_csd": False, "loris_hsd": False, "loris_f1": False,
    }  # fmt: skip
    assert all(told["b"].mean == 0.0 for told in found.values())


def test_a_wider_spread_and_a_lower_score_are_measured(rng):
    narrow = row(0.9 + 0.01 * rng.random(40), 0.9 + 0.01 * rng.random(40))
    wide = row(0.5 * rng.random(40), 0.5 * rng.random(40))
    found = loris.pooled_differences({"narrow": narrow, "wide": wide}, "narrow")
    assert all(told["wide"].is_significant for told in found.values())
    assert found["loris_csd"]["wide"].mean > 0.0
    assert found["loris_f1"]["wide"].mean < 0.0


def test_swapped_rows_differ_the_other_way(rng):
    rows = {"a": row(rng.random(20), rng.random(20)), "b": row(rng.random(20), rng.random(20))}
    one, other = loris.pooled_differences(rows, "a"), loris.pooled_differences(rows, "b")
    for name, told in one.items():
        assert told["b"].mean == pytest.approx(-other[name]["a"].mean)
        assert told["b"].p == pytest.approx(other[name]["a"].p)


def test_dances_that_one_row_lacks_are_left_out(rng):
    one, other = row(rng.random(20), rng.random(20)), row(rng.random(20), rng.random(20))
    other["loris_hit"][:5] = np.nan
    found = loris.pooled_differences({"a": one, "b": other}, "a")
    rest = {
        label: {name: column[5:] for name, column in told.items()}
        for label, told in {"a": one, "b": other}.items()
    }
    assert found["loris_f1"]["b"].n == 15
    assert found["loris_f1"]["b"].mean == pytest.approx(
        loris.pooled_differences(rest, "a")["loris_f1"]["b"].mean
    )


def test_rows_without_the_scores_are_not_compared():
    assert loris.pooled_differences({"a": {}, "b": row([1.0], [1.0])}, "a") == {}


def test_one_dance_in_common_has_undefined_deviation():
    found = loris.pooled_differences({"a": row([0.5], [0.5]), "b": row([0.7], [0.2])}, "a")
    assert np.isnan(found["loris_csd"]["b"].p)
    assert not found["loris_csd"]["b"].is_significant
    assert found["loris_csd"]["b"].n == 1
