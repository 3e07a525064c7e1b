"""LORIS's figures over all dances together: CSD, HSD and F1 (Yu et al. 2023).

Conventions: columns of coverage and hit, one value a dance, NaN where undefined. CSD and HSD are
standard deviations over dances (ddof 1), F1 is that of the two means. They have no value of a
single dance, so their intervals are bootstrapped over dances and rows are compared by the jackknife
over the dances that both have. The scores of one dance are in ``metrics/onsets.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics import onsets
from kinetune.metrics.evaluation import statistics
from kinetune.metrics.evaluation.statistics import Difference, Estimate

Array = NDArray[np.float64]
# Columns of one row by metric.
Row = Mapping[str, Array]


@dataclass(frozen=True)
class _PooledMetric:
    """A figure of all dances: turns (..., N, K) into (...); which columns; fewest dances."""

    of: Callable[[Array], Array]
    columns: tuple[int, ...]
    least: int


def _deviation(table: Array) -> Array:
    return np.asarray(table[..., 0].std(axis=-1, ddof=1))


def _f1(table: Array) -> Array:
    means = np.atleast_2d(table.mean(axis=-2))
    return np.array([onsets.loris_f1(*pair) for pair in means]).squeeze()


# Of the columns coverage and hit.
_POOLED = {
    "loris_csd": _PooledMetric(_deviation, (0,), 2),
    "loris_hsd": _PooledMetric(_deviation, (1,), 2),
    "loris_f1": _PooledMetric(_f1, (0, 1), 1),
}


def estimates(row: Row, seed: int) -> dict[str, Estimate]:
    """Return CSD, HSD and F1 of a row with bootstrap intervals."""
    return {
        name: statistics.bootstrap_estimate(
            figure.of, _table(row)[:, figure.columns], seed=seed, least=figure.least
        )
        for name, figure in _POOLED.items()
    }


def differences(values: Mapping[str, Row], against: str) -> dict[str, dict[str, Difference]]:
    """Return how rows differ from the chosen one in CSD, HSD and F1, by metric and label.

    Args:
        values: Columns by label and metric, the dances in one order.
        against: Label of the chosen row.
    """
    tables = {label: _table(row) for label, row in values.items() if "loris_coverage" in row}
    chosen = tables.pop(against, None)
    if chosen is None:
        return {}
    return {
        name: statistics.holm_corrected(
            {label: _difference(figure, table, chosen) for label, table in tables.items()}
        )
        for name, figure in _POOLED.items()
    }


def _difference(figure: _PooledMetric, one: Array, other: Array) -> Difference:
    told = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    if told.sum() < figure.least:
        return Difference(statistics.NAN, statistics.NAN, int(told.sum()))
    ours, theirs = one[told][:, figure.columns], other[told][:, figure.columns]
    return statistics.jackknife_difference(
        lambda chosen: float(figure.of(ours[chosen])),
        lambda chosen: float(figure.of(theirs[chosen])),
        int(told.sum()),
    )


def _table(row: Row) -> Array:
    return np.stack([row["loris_coverage"], row["loris_hit"]], axis=1)
