"""Mean opinion scores, differences and preferences with intervals, and statistical power.

Conventions: intervals are 95 % percentile intervals of a bootstrap that draws listeners and dances
anew (crossed, Owen 2007), because both are samples: new listeners, new dances. Differences are
those of the same draws, so what listeners share cancels. Axes: R ratings, L listeners.

Power: a difference of ``delta`` between two conditions is found with probability 1 - beta by
n = ((z(1 - alpha / 2) + z(1 - beta)) s / delta)^2 listeners, where s is the deviation over
listeners of the difference of one listener's means (paired test, normal approximation).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError
from kinetune.metrics.opinion.ratings import Preference, Rating

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_DRAWS = 2000
_ALPHA, _POWER = 0.05, 0.8
_FEWEST_LISTENERS = 3


@dataclass(frozen=True)
class MeanScore:
    """Mean opinion score of a condition.

    Attributes:
        section: ``quality`` or ``correspondence``.
        condition: The condition.
        mean: 1 to 5.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        ratings: How many ratings.
        listeners: Of how many listeners.
    """

    section: str
    condition: str
    mean: float
    low: float
    high: float
    ratings: int
    listeners: int


@dataclass(frozen=True)
class Difference:
    """Mean of one condition minus that of another.

    Attributes:
        section: ``quality`` or ``correspondence``.
        condition: The one.
        other: The other.
        mean: Difference of the means.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        p_value: Two-sided, from the same draws.
    """

    section: str
    condition: str
    other: str
    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class PreferenceShare:
    """How often a condition was preferred to another.

    Attributes:
        condition: The one.
        other: The other.
        share: Share of the choices for it, 0 to 1.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        choices: How many.
    """

    condition: str
    other: str
    share: float
    low: float
    high: float
    choices: int


def mean_scores(ratings: Sequence[Rating], *, seed: int = 0) -> list[MeanScore]:
    """Return the mean of every condition of every section, the best first.

    Args:
        ratings: Ratings of listeners that count, without checks.
        seed: Of the bootstrap.

    Raises:
        MetricError: There are none.
    """
    if not ratings:
        raise MetricError("no ratings are left to score")
    out = []
    for section in sorted({each.section for each in ratings}):
        table = _Table([each for each in ratings if each.section == section])
        draws = table.bootstrap(seed)
        for number, condition in enumerate(table.conditions):
            mine = table.condition == number
            low, high = _interval(draws[:, number])
            out.append(
                MeanScore(
                    section, condition, float(table.score[mine].mean()), low, high,
                    int(mine.sum()), len(np.unique(table.listener[mine])),
                )
            )  # fmt: skip
    return sorted(out, key=lambda each: (each.section, -each.mean))


def differences(ratings: Sequence[Rating], *, seed: int = 0) -> list[Difference]:
    """Return the differences of all pairs of conditions in each section."""
    out = []
    for section in sorted({each.section for each in ratings}):
        table = _Table([each for each in ratings if each.section == section])
        draws = table.bootstrap(seed)
        means = [table.score[table.condition == k].mean() for k in range(len(table.conditions))]
        for one, other in combinations(range(len(means)), 2):
            apart = draws[:, one] - draws[:, other]
            low, high = _interval(apart)
            out.append(
                Difference(
                    section, table.conditions[one], table.conditions[other],
                    float(means[one] - means[other]), low, high, _p_value(apart),
                )
            )  # fmt: skip
    return out


class _Table:
    """Ratings as columns, (R,): numbers of listener, dance and condition, and the score."""

    def __init__(self, ratings: Sequence[Rating]) -> None:
        self.conditions, self.condition = _numbered([each.condition for each in ratings])
        _, self.listener = _numbered([each.listener for each in ratings])
        _, self.item = _numbered([each.item for each in ratings])
        self.score = np.array([each.score for each in ratings], dtype=np.float64)

    def bootstrap(self, seed: int) -> Array:
        """Means of the conditions with listeners and dances drawn anew, (draws, conditions)."""
        rng = np.random.default_rng(seed)
        listeners, items = int(self.listener.max()) + 1, int(self.item.max()) + 1
        out = np.empty((_DRAWS, len(self.conditions)))
        for draw in out:
            weights = (
                rng.multinomial(listeners, np.full(listeners, 1.0 / listeners))[self.listener]
                * rng.multinomial(items, np.full(items, 1.0 / items))[self.item]
            )
            count = np.bincount(self.condition, weights, minlength=len(draw))
            total = np.bincount(self.condition, weights * self.score, minlength=len(draw))
            with np.errstate(invalid="ignore"):
                draw[:] = total / count
        return out


def _numbered(names: Sequence[str]) -> tuple[list[str], Counts]:
    known = sorted(set(names))
    index = {name: number for number, name in enumerate(known)}
    return known, np.array([index[name] for name in names])


def _interval(draws: Array) -> tuple[float, float]:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _p_value(apart: Array) -> float:
    known = apart[np.isfinite(apart)]
    one_sided = min(float(np.mean(known <= 0.0)), float(np.mean(known >= 0.0)))
    return min(1.0, 2.0 * max(one_sided, 1.0 / (len(known) + 1)))


def preference_shares(preferences: Sequence[Preference], *, seed: int = 0) -> list[PreferenceShare]:
    """Return how often each condition was preferred to each other, pair by pair.

    The interval is that of a bootstrap over listeners.
    """
    pairs = sorted({tuple(sorted((each.winner, each.loser))) for each in preferences})
    out = []
    for one, other in pairs:
        mine = [each for each in preferences if {each.winner, each.loser} == {one, other}]
        won = np.array([each.winner == one for each in mine], dtype=np.float64)
        _, listener = _numbered([each.listener for each in mine])
        count = int(listener.max()) + 1
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=_DRAWS)[:, listener]
        low, high = _interval((drawn @ won) / np.maximum(drawn.sum(axis=1), 1))
        out.append(PreferenceShare(one, other, float(won.mean()), low, high, len(mine)))
    return out


def paired_deviation(ratings: Sequence[Rating]) -> float:
    """Return the deviation over listeners of the difference of two conditions, averaged over pairs.

    Args:
        ratings: Ratings of one section.

    Returns:
        In scale points; NaN where fewer than three listeners rated both conditions of any pair.
    """
    table = _Table(ratings)
    means = np.full((int(table.listener.max()) + 1, len(table.conditions)), np.nan)
    for listener, condition in {*zip(table.listener, table.condition, strict=True)}:
        mine = (table.listener == listener) & (table.condition == condition)
        means[listener, condition] = table.score[mine].mean()
    variances = []
    for one, other in combinations(range(means.shape[1]), 2):
        apart = means[:, one] - means[:, other]
        apart = apart[np.isfinite(apart)]
        if len(apart) >= _FEWEST_LISTENERS:
            variances.append(np.var(apart, ddof=1))
    return float(np.sqrt(np.mean(variances))) if variances else float("nan")


def listeners_needed(deviation: float, delta: float, *, power: float = _POWER) -> int:
    """Return how many listeners find a difference with a given probability (two-sided, 5 %).

    Args:
        deviation: See :func:`paired_deviation`, scale points.
        delta: The difference, scale points, above 0.
        power: The probability.
    """
    from scipy.stats import norm

    z = norm.ppf(1.0 - _ALPHA / 2.0) + norm.ppf(power)
    return max(2, int(np.ceil((z * deviation / delta) ** 2)))


def smallest_difference(deviation: float, listeners: int, *, power: float = _POWER) -> float:
    """Return the difference that so many listeners find with a given probability."""
    from scipy.stats import norm

    z = norm.ppf(1.0 - _ALPHA / 2.0) + norm.ppf(power)
    return float(z * deviation / np.sqrt(listeners))
