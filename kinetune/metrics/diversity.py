"""How different are several pieces of music for one dance.

Conventions: the distance of two sounds is the Euclidean distance of the means and spreads over time
of their cepstra (19 coefficients without the level; dB). It hears timbre, harmony and instruments,
and is deaf to level and to shifts in time, so the same piece played later is no other piece. In the
corpus the halves of a piece are 31 apart, two pieces of one genre 42, of two genres 61. Higher is
more varied; noise of other seeds scores near 0.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Array = NDArray[np.float64]


def validate(timbres: Sequence[Array]) -> None:
    """See that all describe sounds in the same way.

    Raises:
        MetricError: Shapes differ, or a value is not finite.
    """
    shapes = {timbre.shape for timbre in timbres}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise MetricError(f"expected timbres of one shape (D,), found {sorted(shapes)}")
    if not all(np.isfinite(timbre).all() for timbre in timbres):
        raise MetricError("expected finite values")


def distance(one: Array, other: Array) -> float:
    """Return the distance of two sounds' timbres (D,), dB, 0 or more."""
    validate([one, other])
    return float(np.linalg.norm(one - other))


def diversity(timbres: Sequence[Array]) -> float:
    """Return the mean distance over all pairs of takes of one dance, dB; NaN below two takes."""
    validate(timbres)
    apart = [distance(one, other) for one, other in combinations(timbres, 2)]
    return float(np.mean(apart)) if apart else float("nan")


def evaluate(timbres: Sequence[Array]) -> dict[str, float]:
    """Return the score of one dance's takes by name."""
    return {"diversity": diversity(timbres)}
