"""Distances between two sets of embeddings.

Conventions: embeddings are float arrays (N, D), one row a span of sound, pooled over all clips
of a set; ``a`` is the reference, ``b`` the scored set. All distances are squared (the Fréchet
distance in squared units of the embedding, the kernel distance without any); lower is better.

- Fréchet audio distance (Kilgour et al. 2019): between Gaussians fitted to both sets. With few rows
  the covariances are poor and the distance is biased upwards; below two rows a dimension a
  :class:`SmallSampleWarning` says so.
- The same at infinite samples: a line through the distances of subsets over 1 / size. As meant
  (Chong & Forsyth 2020) the subsets are drawn without replacement. As published for audio (Gui et
  al. 2024, fadtk) they are drawn with replacement, so that the line leads to the plain distance of
  the whole set, with that set's own bias still in it.
- Kernel audio distance (Chung et al. 2025, arXiv 2502.15602): the unbiased squared maximum mean
  discrepancy under a Gaussian kernel, times 100. Being unbiased it can fall below zero: read that
  as "not distinguishable". The kernel's width is the median distance within the reference, as in
  the paper; its toolkit takes the scored set's (kadtk issue 9), so that it depends on the system.
  It is unbiased for independent rows. Rows of one clip are dependent; given the clip of each row,
  the distance leaves pairs within a clip out.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from kinetune.errors import MetricError

Array = NDArray[np.float64]

# A covariance of D dimensions has D (D + 1) / 2 figures; with fewer than two rows a dimension the
# smallest of its eigenvalues are mostly noise.
_ROWS_PER_DIMENSION = 2
# fadtk's subset sizes: this many, evenly from 500 up to all.
_SUBSETS = 25
_SMALLEST_SUBSET = 500
# The scale with which Chung et al. report.
_KERNEL_SCALE = 100.0
# Rows of the kernel matrix in memory at once.
_BLOCK = 1024
# The median over the pairs of so many rows, evenly chosen, is that of all to a percent.
_ROWS_FOR_WIDTH = 2000


class SmallSampleWarning(UserWarning):
    """A distance whose sample is too small for an accurate covariance."""


def validate(a: NDArray, b: NDArray) -> tuple[Array, Array]:
    """Return both sets as float64, checked.

    Args:
        a: (N, D), N >= 2.
        b: (n, D), n >= 2.

    Raises:
        MetricError: A set has another shape, fewer than two rows, or values that are not finite.
    """
    checked = []
    for name, values in (("a", a), ("b", b)):
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] == 0:
            raise MetricError(f"embeddings {name}: expected (N, D), found {array.shape}")
        if len(array) < 2:
            raise MetricError(
                f"embeddings {name}: a distance between sets needs 2 rows or more, "
                f"found {len(array)}; score more or longer clips"
            )
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).any(axis=1).sum())
            raise MetricError(f"embeddings {name}: {bad} of {len(array)} rows hold NaN or infinity")
        checked.append(array)
    if checked[0].shape[1] != checked[1].shape[1]:
        dims = " and ".join(str(array.shape[1]) for array in checked)
        raise MetricError(f"embeddings of one kind have one width, found {dims}")
    return checked[0], checked[1]


def sample_size_note(a: NDArray, b: NDArray) -> str:
    """Return a warning about the sample of a Fréchet distance; empty where it is large enough."""
    rows, dimensions = min(len(a), len(b)), a.shape[1]
    if rows >= _ROWS_PER_DIMENSION * dimensions:
        return ""
    return (
        f"{rows} embeddings for {dimensions} dimensions: the covariance is ill-conditioned and "
        "the Frechet distance biased upwards; compare it only at equal sizes, or use the kernel "
        "distance"
    )


def frechet_distance(a: NDArray, b: NDArray) -> float:
    """Return the squared Fréchet distance of the Gaussians fitted to two sets.

    Args:
        a: Reference, (N, D).
        b: Scored, (n, D).

    Returns:
        0 for equal moments; warns with :class:`SmallSampleWarning` where the sample is small.

    Raises:
        MetricError: As in :func:`validate`.
    """
    first, second = validate(a, b)
    note = sample_size_note(first, second)
    if note:
        warnings.warn(note, SmallSampleWarning, stacklevel=2)
    return _frechet_of_moments(*_moments(first), *_moments(second))


def frechet_distance_at_infinity(a: NDArray, b: NDArray, *, seed: int = 0) -> float:
    """Return the Fréchet distance that a scored set of infinite size would have.

    Of 25 subsets of the scored set, from 500 rows up to all, drawn without replacement, a line is
    fitted over 1 / size and read off at zero.

    Args:
        a: Reference, (N, D).
        b: Scored, (n, D), n >= 1000.
        seed: Of the subsets.

    Returns:
        The line's value at 1 / size = 0; it can be slightly negative.

    Raises:
        MetricError: As in :func:`validate`, or fewer than 1000 scored rows: the sizes must span a
            factor of two for a line through them to mean anything.
    """
    return _extrapolate(a, b, seed=seed, replace=False)


def frechet_distance_at_infinity_as_published(a: NDArray, b: NDArray, *, seed: int = 0) -> float:
    """Return what fadtk calls FAD-inf: as above, but subsets are drawn with replacement.

    Args, returns and errors as in :func:`frechet_distance_at_infinity`.
    """
    return _extrapolate(a, b, seed=seed, replace=True)


def kernel_distance(
    a: NDArray,
    b: NDArray,
    *,
    clips_a: NDArray | None = None,
    clips_b: NDArray | None = None,
) -> float:
    """Return the kernel audio distance: 100 times the unbiased squared MMD.

    Args:
        a: Reference, (N, D); the median distance between its rows is the Gaussian's width.
        b: Scored, (n, D).
        clips_a: Which clip each reference row is from, (N,); rows of one clip are not paired. As
            published, every row is paired with every other, if None.
        clips_b: The same of the scored rows, (n,).

    Returns:
        0 on average for sets of one distribution, 200 at most; below zero by chance alone.

    Raises:
        MetricError: As in :func:`validate`, all reference rows are the same, clips are not one a
            row, or there is but one clip.
    """
    first, second = validate(a, b)
    width = _median_distance(first)
    if width == 0.0:
        raise MetricError(
            "embeddings a: most rows are the same, so the kernel has no width; "
            "are the reference files silent or copies of one another?"
        )
    within = _mean_kernel_within(first, width, clips_a) + _mean_kernel_within(
        second, width, clips_b
    )
    between = _kernel_sum(first, second, width) / (len(first) * len(second))
    return _KERNEL_SCALE * (within - 2.0 * between)


def _extrapolate(a: NDArray, b: NDArray, *, seed: int, replace: bool) -> float:
    first, second = validate(a, b)
    least = 2 * _SMALLEST_SUBSET
    if len(second) < least:
        raise MetricError(
            f"the Frechet distance at infinity needs {least} scored embeddings or more, found "
            f"{len(second)}; score more or longer clips, or use the kernel distance"
        )
    note = sample_size_note(first, second)
    if note:
        warnings.warn(note, SmallSampleWarning, stacklevel=3)
    reference, rng = _moments(first), np.random.default_rng(seed)
    sizes = np.linspace(_SMALLEST_SUBSET, len(second), _SUBSETS).astype(int)
    distances = [
        _frechet_of_moments(*reference, *_moments(rng.choice(second, size, replace=replace)))
        for size in sizes
    ]
    return float(np.polyfit(1.0 / sizes, distances, 1)[1])


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean (D,) and covariance (D, D)."""
    return rows.mean(axis=0), np.atleast_2d(np.cov(rows, rowvar=False))


def _frechet_of_moments(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    """Squared distance of means plus that of covariances, tr(A + B - 2 sqrt(A B)).

    The trace of sqrt(A B) is that of sqrt(√A B √A), which is symmetric: its eigenvalues are real,
    and singular covariances do no harm, unlike in the general matrix square root.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(min=0.0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ cov_b @ root).clip(min=0.0)
    gap = mean_a - mean_b
    distance = gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2.0 * np.sqrt(eigenvalues).sum()
    # Equal sets come out a rounding error below zero.
    return max(0.0, float(distance))


def _median_distance(rows: Array) -> float:
    stride = -(-len(rows) // _ROWS_FOR_WIDTH)
    return float(np.median(pdist(rows[::stride])))


def _mean_kernel_within(rows: Array, width: float, clips: NDArray | None) -> float:
    """Mean kernel over the pairs of a set whose rows are of different clips."""
    clip_of = np.arange(len(rows)) if clips is None else np.asarray(clips)
    if clip_of.shape != (len(rows),):
        raise MetricError(f"expected a clip a row, ({len(rows)},), found {clip_of.shape}")
    members = [np.flatnonzero(clip_of == clip) for clip in np.unique(clip_of)]
    if len(members) < 2:
        raise MetricError("a kernel distance needs rows of 2 clips or more, found 1")
    total = _kernel_sum(rows, rows, width)
    for own in members:
        total -= _kernel_sum(rows[own], rows[own], width)
    return total / (len(rows) ** 2 - sum(len(own) ** 2 for own in members))


def _kernel_sum(a: Array, b: Array, width: float) -> float:
    """Sum over all pairs of exp(-d² / 2 width²), a block of rows at a time."""
    blocks = (a[first : first + _BLOCK] for first in range(0, len(a), _BLOCK))
    scale = -2.0 * width**2
    return sum(float(np.exp(cdist(block, b, "sqeuclidean") / scale).sum()) for block in blocks)
