"""LORIS's figures over all dances together: CSD, HSD and F1 (Yu et al. 2023).

Conventions: columns of coverage and hit, one value per dance, NaN where undefined. CSD and HSD are
standard deviations over dances (ddof 1), F1 is that of the two means. None has a value for a single
dance, so intervals are bootstrapped over dances, and rows are compared by the jackknife over the
dances that both have. The scores of one dance are in :mod:`kinetune.metrics.onsets`.
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
    """A figure of all dances.

    Attributes:
        statistic: Maps (..., N, K) to (...).
        columns: The K columns it takes: 0 coverage, 1 hit.
        least: Fewest dances for which it is defined.
    """

    statistic: Callable[[Array], Array]
    columns: tuple[int, ...]
    least: int


def _deviation(table: Array) -> Array:
    return np.asarray(table[..., 0].std(axis=-1, ddof=1))


def _f1(table: Array) -> Array:
    means = np.atleast_2d(table.mean(axis=-2))
    return np.array([onsets.loris_f1(*pair) for pair in means]).squeeze()


_POOLED = {
    "loris_csd": _PooledMetric(_deviation, (0,), 2),
    "loris_hsd": _PooledMetric(_deviation, (1,), 2),
    "loris_f1": _PooledMetric(_f1, (0, 1), 1),
}


def pooled_estimates(row: Row, seed: int) -> dict[str, Estimate]:
    """Return CSD, HSD and F1 of a row with bootstrap intervals."""
    return {
        name: statistics.bootstrap_estimate(
            metric.statistic, _table(row)[:, metric.columns], seed=seed, least=metric.least
        )
        for name, metric in _POOLED.items()
    }


def pooled_differences(values: Mapping[str, Row], against: str) -> dict[str, dict[str, Difference]]:
    """Return the differences of rows from a baseline row in CSD, HSD and F1, by metric and label.

    Args:
        values: Columns by label and metric, the dances in one order.
        against: Label of the baseline row.
    """
    tables = {label: _table(row) for label, row in values.items() if "loris_coverage" in row}
    baseline = tables.pop(against, None)
    if baseline is None:
        return {}
    return {
        name: statistics.holm_corrected(
            {label: _difference(metric, table, baseline) for label, table in tables.items()}
        )
        for name, metric in _POOLED.items()
    }


def _difference(metric: _PooledMetric, table: Array, baseline: Array) -> Difference:
    shared = np.isfinite(table).all(axis=1) & np.isfinite(baseline).all(axis=1)
    count = int(shared.sum())
    if count < metric.least:
        return Difference(statistics.NAN, statistics.NAN, count)
    rows, baseline_rows = (t[shared][:, metric.columns] for t in (table, baseline))
    return statistics.jackknife_difference(
        lambda chosen: float(metric.statistic(rows[chosen])),
        lambda chosen: float(metric.statistic(baseline_rows[chosen])),
        count,
    )


def _table(row: Row) -> Array:
    return np.stack([row["loris_coverage"], row["loris_hit"]], axis=1)
