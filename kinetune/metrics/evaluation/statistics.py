"""How sure a figure is, and whether two rows differ.

Conventions: one value a dance, NaN where undefined: it is left out and lowers ``n``. Intervals are
95 %. Means and statistics of a few columns are bootstrapped over dances (percentiles); distances
between sets, where drawing a dance twice would itself enlarge the distance, get the jackknife over
groups of dances instead. Rows are compared dance by dance: a sign-flip permutation test of the mean
difference, two-sided; Holm's correction over the rows of one metric. All from a seed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Array = NDArray[np.float64]
NAN = float("nan")
DRAWS = 2000
_FLIPS = 5000
_GROUPS = 20
# Drawn at once, to keep memory flat.
_CHUNK = 100
LEVEL = 0.05
_QUANTILES = (0.025, 0.975)
# Standard errors to either side of a jackknifed value.
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over ``n`` dances; NaN where it can't be told."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference:
    """How one row differs from another on the dances both have.

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
        """Whether the rows can be told apart."""
        return self.p < LEVEL


def bootstrap_mean(values: Array, *, seed: int = 0) -> Estimate:
    """Return the mean of values (N,) with its bootstrap interval."""
    return bootstrap_estimate(lambda table: table[..., 0].mean(axis=-1), values[:, None], seed=seed)


def bootstrap_estimate(
    statistic: Callable[[Array], Array], table: Array, *, seed: int = 0, least: int = 1
) -> Estimate:
    """Return a statistic of rows with its bootstrap interval; rows with NaN are left out.

    Args:
        statistic: Turns (..., N, K) into (...).
        table: A row a dance, (N, K).
        seed: Of the draws.
        least: Rows below which the statistic is undefined.
    """
    clean = table[np.isfinite(table).all(axis=1)]
    count = len(clean)
    if count < max(1, least):
        return Estimate(NAN, NAN, NAN, count)
    value = float(statistic(clean))
    if count < 2:
        return Estimate(value, NAN, NAN, count)
    rng = np.random.default_rng(seed)
    drawn = [
        np.atleast_1d(statistic(clean[rng.integers(count, size=(_CHUNK, count))]))
        for _ in range(DRAWS // _CHUNK)
    ]
    low, high = np.quantile(np.concatenate(drawn), _QUANTILES)
    return Estimate(value, float(low), float(high), count)


def jackknife_estimate(statistic: Callable[[NDArray[np.int64]], float], count: int) -> Estimate:
    """Return a statistic of a set of dances with its jackknife interval.

    Args:
        statistic: Called with the numbers of the dances to use, ascending.
        count: How many dances there are.
    """
    everyone = np.arange(count)
    if count == 0:
        return Estimate(NAN, NAN, NAN, 0)
    value = statistic(everyone)
    # A group with only some of two dances left can't be judged.
    groups = min(_GROUPS, count)
    if count < 4 or not np.isfinite(value):
        return Estimate(value, NAN, NAN, count)
    # Every twentieth dance leaves at a time, not a stretch: folders are sorted by genre.
    left = np.array([statistic(everyone[everyone % groups != k]) for k in range(groups)])
    error = float(np.sqrt((groups - 1) / groups * ((left - left.mean()) ** 2).sum()))
    return Estimate(value, value - _NORMAL_95 * error, value + _NORMAL_95 * error, count)


def paired_difference(one: Array, other: Array, *, seed: int = 0) -> Difference:
    """Return how values (N,) differ from others (N,) of the same dances, uncorrected.

    With few dances all 2^N flips are tried, so p can't be below 2^(1-N): six dances are needed to
    tell two rows apart at 5 %, more for several.
    """
    if one.shape != other.shape:
        raise MetricError(
            f"expected values of the same dances, found {one.shape} and {other.shape}"
        )
    apart = one - other
    apart = apart[np.isfinite(apart)]
    if len(apart) == 0:
        return Difference(NAN, NAN, 0)
    seen = abs(apart.mean())
    flipped = np.abs(_signs(len(apart), seed) @ apart) / len(apart)
    # Rounding must not make a permutation smaller than itself.
    p = float(np.mean(flipped >= seen - 1e-12 * max(1.0, seen)))
    return Difference(float(apart.mean()), p, len(apart))


def _signs(count: int, seed: int) -> Array:
    """All flips of ``count`` signs where they are few, else drawn ones with the unflipped first."""
    if 2**count <= _FLIPS:
        bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(2, size=(_FLIPS, count))
    drawn[0] = 0
    return np.asarray(1.0 - 2.0 * drawn, dtype=np.float64)


def holm_adjust(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979); NaN is not counted."""
    raw = np.asarray(p_values, dtype=np.float64)
    out = np.full(len(raw), NAN)
    known = np.flatnonzero(np.isfinite(raw))
    worst = 0.0
    for place, index in enumerate(known[np.argsort(raw[known], kind="stable")]):
        worst = max(worst, min(1.0, float(raw[index]) * (len(known) - place)))
        out[index] = worst
    return [float(p) for p in out]


def holm_corrected(differences: dict[str, Difference]) -> dict[str, Difference]:
    """Return differences with p-values corrected for their number."""
    p_values = holm_adjust([apart.p for apart in differences.values()])
    return {
        label: replace(apart, p=p)
        for (label, apart), p in zip(differences.items(), p_values, strict=True)
    }


def jackknife_difference(
    one: Callable[[NDArray[np.int64]], float],
    other: Callable[[NDArray[np.int64]], float],
    count: int,
) -> Difference:
    """Return how a statistic of sets differs between rows with the same dances, uncorrected."""

    def apart(chosen: NDArray[np.int64]) -> float:
        return one(chosen) - other(chosen)

    found = jackknife_estimate(apart, count)
    error = (found.high - found.low) / (2.0 * _NORMAL_95)
    if not np.isfinite(error):
        return Difference(found.value, NAN, count)
    # Two equal rows have no error and no difference.
    score = abs(found.value) / error if error > 0 else (0.0 if found.value == 0 else np.inf)
    return Difference(found.value, math.erfc(score / math.sqrt(2.0)), count)
