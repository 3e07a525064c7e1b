"""Confidence intervals and paired tests.

Conventions: one value per dance; NaN where it is undefined, which leaves the dance out and lowers
``n``. Intervals are 95 %. Means and statistics of a few columns get percentile bootstrap intervals
over dances (``scipy.stats.bootstrap``). Distances between sets get the jackknife over groups of
dances instead, because drawing a dance twice would itself enlarge the distance. Rows are compared
dance by dance: a two-sided sign-flip test of the mean difference (``scipy.stats.permutation_test``)
with Holm's correction over the rows of one metric. Everything random takes a seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Array = NDArray[np.float64]
NAN = float("nan")
LEVEL = 0.05
BOOTSTRAP_RESAMPLES = 2000
# All 2^N sign flips are used where they are no more than this, a random choice of them else.
PERMUTATION_RESAMPLES = 5000
_JACKKNIFE_GROUPS = 20
_MIN_JACKKNIFE_DANCES = 4
# Resamples held in memory at once.
_BATCH = 100
# Half-width of a normal 95 % interval in standard errors.
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % interval over ``n`` dances; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """The difference between two rows on the dances that both have.

    Attributes:
        mean: Mean difference.
        p: Two-sided p-value, corrected for the number of rows compared.
        n: Dances compared.
    """

    mean: float
    p: float
    n: int

    @property
    def is_significant(self) -> bool:
        """Whether p is below 5 %."""
        return self.p < LEVEL


def bootstrap_mean(values: Array, *, seed: int = 0) -> Estimate:
    """Return the mean of values (N,) with its bootstrap interval."""
    return bootstrap_estimate(lambda table: table[..., 0].mean(axis=-1), values[:, None], seed=seed)


def bootstrap_estimate(
    statistic: Callable[[Array], Array], table: Array, *, seed: int = 0, least: int = 1
) -> Estimate:
    """Return a statistic of rows with its bootstrap interval; rows with NaN are left out.

    Args:
        statistic: Maps (..., N, K) to (...).
        table: A row a dance, (N, K).
        seed: Of the resamples.
        least: Rows below which the statistic is undefined.
    """
    from scipy.stats import bootstrap

    clean = table[np.isfinite(table).all(axis=1)]
    count = len(clean)
    if count < max(1, least):
        return Estimate(NAN, NAN, NAN, count)
    value = float(statistic(clean))
    if count < 2:
        return Estimate(value, NAN, NAN, count)
    interval = bootstrap(
        tuple(clean.T),
        lambda *columns, axis: statistic(np.stack(columns, axis=-1)),
        paired=True,
        vectorized=True,
        n_resamples=BOOTSTRAP_RESAMPLES,
        batch=_BATCH,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), count)


def jackknife_estimate(statistic: Callable[[NDArray[np.int64]], float], count: int) -> Estimate:
    """Return a statistic of a set of dances with its delete-a-group jackknife interval.

    Args:
        statistic: Called with the indices of the dances to use, ascending.
        count: Number of dances.
    """
    indices = np.arange(count)
    if count == 0:
        return Estimate(NAN, NAN, NAN, 0)
    value = statistic(indices)
    if count < _MIN_JACKKNIFE_DANCES or not np.isfinite(value):
        return Estimate(value, NAN, NAN, count)
    # A group is every twentieth dance, not a span of them: folders are sorted by genre.
    groups = min(_JACKKNIFE_GROUPS, count)
    left_out = np.array([statistic(indices[indices % groups != k]) for k in range(groups)])
    variance = (groups - 1) / groups * ((left_out - left_out.mean()) ** 2).sum()
    margin = _NORMAL_95 * float(np.sqrt(variance))
    return Estimate(value, value - margin, value + margin, count)


def paired_difference(values: Array, baseline: Array, *, seed: int = 0) -> Difference:
    """Return the difference of values (N,) from a baseline's (N,) on the same dances, uncorrected.

    With few dances the test is exact and p can't be below 2^(1-N): six dances are needed for a
    significant difference of two rows, more for several.

    Raises:
        MetricError: The shapes differ.
    """
    from scipy.stats import permutation_test

    if values.shape != baseline.shape:
        raise MetricError(
            f"expected values of the same dances, found {values.shape} and {baseline.shape}"
        )
    difference = values - baseline
    difference = difference[np.isfinite(difference)]
    count = len(difference)
    if count == 0:
        return Difference(NAN, NAN, 0)
    if count == 1:
        # Both sign flips of one value are equally extreme; scipy expects two observations.
        return Difference(float(difference[0]), 1.0, 1)
    # One sample with permutation_type "samples": the signs of the differences are flipped.
    permuted = permutation_test(
        (difference,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATION_RESAMPLES,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return Difference(float(difference.mean()), float(permuted.pvalue), count)


def jackknife_difference(
    statistic: Callable[[NDArray[np.int64]], float],
    baseline: Callable[[NDArray[np.int64]], float],
    count: int,
) -> Difference:
    """Return the difference of a set statistic between two rows of the same dances, uncorrected."""
    from scipy.stats import norm

    estimate = jackknife_estimate(lambda chosen: statistic(chosen) - baseline(chosen), count)
    error = (estimate.high - estimate.low) / (2.0 * _NORMAL_95)
    if not np.isfinite(error):
        return Difference(estimate.value, NAN, count)
    # Two equal rows have no error and no difference.
    score = abs(estimate.value) / error if error > 0 else (0.0 if estimate.value == 0 else np.inf)
    return Difference(estimate.value, float(2.0 * norm.sf(score)), count)


def holm_adjust(p_values: Sequence[float]) -> list[float]:
    """Return p-values with Holm's step-down correction (Holm 1979); NaN is not counted.

    Written out here because SciPy has only false-discovery corrections; statsmodels'
    ``multipletests`` gives the same, but would be a dependency for these lines alone.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    out = np.full(len(raw), NAN)
    known = np.flatnonzero(np.isfinite(raw))
    ascending = known[np.argsort(raw[known], kind="stable")]
    factors = np.arange(len(known), 0, -1)
    out[ascending] = np.maximum.accumulate(raw[ascending] * factors).clip(max=1.0)
    return [float(p) for p in out]


def holm_corrected(differences: dict[str, Difference]) -> dict[str, Difference]:
    """Return differences by label with p-values corrected for their number."""
    p_values = holm_adjust([difference.p for difference in differences.values()])
    return {
        label: replace(difference, p=p)
        for (label, difference), p in zip(differences.items(), p_values, strict=True)
    }
