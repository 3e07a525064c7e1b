import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import rbf_kernel

from kinetune.errors import MetricError
from kinetune.metrics.distances import (
    SmallSampleWarning,
    frechet_distance,
    frechet_distance_at_infinity,
    frechet_distance_at_infinity_as_published,
    kernel_distance,
    sample_size_note,
)

ALL = [frechet_distance, frechet_distance_at_infinity, kernel_distance]


def normal(count, width=4, *, seed=0, scale=1.0, shift=0.0):
    return shift + scale * np.random.default_rng(seed).normal(size=(count, width))


def exact(count, width, *, scale, shift, seed=0):
    """Rows whose sample mean is exactly ``shift`` and whose covariance is ``scale`` squared."""
    rows = normal(count, width, seed=seed)
    rows -= rows.mean(axis=0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows, rowvar=False)))).T
    return shift + scale * rows


def test_frechet_of_known_gaussians():
    """|shift|² + D (s - t)² for covariances s² I and t² I."""
    a = exact(200, 5, scale=2.0, shift=0.0)
    b = exact(300, 5, scale=0.5, shift=3.0, seed=1)
    assert frechet_distance(a, b) == pytest.approx(5 * 9.0 + 5 * 1.5**2)


def test_frechet_is_that_of_scipys_square_root():
    a, b = normal(100) @ normal(4, seed=5), normal(80, seed=1) @ normal(4, seed=6) + 0.3
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(axis=0) - b.mean(axis=0)
    expected = gap @ gap + np.trace(one + two - 2.0 * np.real(sqrtm(one @ two)))
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_of_one_dimension():
    a, b = exact(50, 1, scale=2.0, shift=0.0), exact(50, 1, scale=3.0, shift=1.0, seed=1)
    assert frechet_distance(a, b) == pytest.approx(1.0 + 1.0)


def test_singular_covariances_are_borne():
    """Sets on a line in the plane: the distance is that on the line."""
    line = exact(60, 1, scale=1.0, shift=0.0)
    a, b = np.hstack([line, line]), np.hstack([2.0 * line, 2.0 * line])
    assert frechet_distance(a, b) == pytest.approx(2.0)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_turning_shifting_and_reordering_everything_changes_nothing(distance):
    a, b = normal(60), normal(50, seed=1, scale=1.5, shift=0.4)
    turn, _ = np.linalg.qr(normal(4, seed=2))
    moved = distance(a @ turn + 7.0, b[::-1] @ turn + 7.0)
    assert moved == pytest.approx(distance(a, b))


def test_frechet_scales_squared_and_kernel_is_invariant():
    a, b = normal(60), normal(50, seed=1, shift=1.0)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * frechet_distance(a, b))
    assert kernel_distance(3 * a, 3 * b) == pytest.approx(kernel_distance(a, b))


def test_a_set_has_no_frechet_distance_to_itself():
    a = normal(50)
    assert frechet_distance(a, a.copy()) == pytest.approx(0.0, abs=1e-9)


def test_a_small_sample_is_reported():
    a, b = normal(100, 64), normal(500, 64, seed=1)
    with pytest.warns(SmallSampleWarning, match="100 embeddings for 64 dimensions"):
        frechet_distance(a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(normal(128, 64), b)
    assert sample_size_note(normal(128, 64), b) == ""


def test_infinite_samples_take_off_the_bias():
    """Both sets are of one distribution, so the true distance is zero."""
    a, b = normal(20_000, 24), normal(1_200, 24, seed=1)
    biased = frechet_distance(a, b)
    assert biased > 0.1
    assert abs(frechet_distance_at_infinity(a, b)) < 0.3 * biased


def test_published_fad_inf_equals_plain_distance():
    """Drawing with replacement extrapolates to the set itself, its bias included."""
    a, b = normal(20_000, 24), normal(1_200, 24, seed=1)
    published = frechet_distance_at_infinity_as_published(a, b)
    assert published == pytest.approx(frechet_distance(a, b), rel=0.15)


def test_infinite_samples_keep_a_true_distance():
    a, b = normal(20_000, 24), normal(4_000, 24, seed=1, shift=1.0)
    assert frechet_distance_at_infinity(a, b) == pytest.approx(24.0, rel=0.03)


def test_the_seed_draws_the_subsets():
    a, b = normal(2_000), normal(1_000, seed=1)
    assert frechet_distance_at_infinity(a, b, seed=1) == frechet_distance_at_infinity(a, b, seed=1)
    assert frechet_distance_at_infinity(a, b, seed=1) != frechet_distance_at_infinity(a, b, seed=2)


def test_too_few_for_infinity_is_reported():
    with pytest.raises(MetricError, match="1000 scored embeddings or more, found 155"):
        frechet_distance_at_infinity(normal(2_000), normal(155))


def test_kernel_distance_is_the_unbiased_discrepancy_by_hand():
    a, b = normal(30), normal(20, seed=1, shift=0.5)
    distances = [np.linalg.norm(a[i] - a[j]) for i in range(30) for j in range(i)]
    gamma = 1.0 / (2.0 * np.median(distances) ** 2)
    one, two = (
        k - np.eye(len(k)) for k in (rbf_kernel(a, gamma=gamma), rbf_kernel(b, gamma=gamma))
    )
    mixed = rbf_kernel(a, b, gamma=gamma)
    expected = one.sum() / (30 * 29) + two.sum() / (20 * 19) - 2.0 * mixed.mean()
    assert kernel_distance(a, b) == pytest.approx(100.0 * expected)


def test_kernel_distance_is_unbiased_at_31_clips():
    """Frechet's is not: over many draws of one distribution it stays far from zero."""
    draws = [(normal(31, 8, seed=2 * k), normal(31, 8, seed=2 * k + 1)) for k in range(200)]
    kernel = np.array([kernel_distance(a, b) for a, b in draws])
    frechet = np.array([frechet_distance(a, b) for a, b in draws])
    assert abs(kernel.mean()) < 3.0 * kernel.std() / np.sqrt(200)
    assert (kernel < 0).any()
    assert frechet.mean() > 0.5


def clips(count, frames, *, seed):
    """Frames (count * frames, 8) that resemble each other within a clip."""
    centres = normal(count, 8, seed=seed).repeat(frames, axis=0)
    return centres + 0.3 * normal(count * frames, 8, seed=seed + 1)


@pytest.mark.slow
def test_frames_of_one_clip_bias_it_unless_they_are_left_out():
    """Sets of one distribution, 31 clips of 5 frames, 100 draws."""
    clip_of = np.arange(31).repeat(5)
    draws = [(clips(31, 5, seed=4 * k), clips(31, 5, seed=4 * k + 2)) for k in range(100)]
    plain = np.array([kernel_distance(a, b) for a, b in draws])
    apart = np.array([kernel_distance(a, b, clips_a=clip_of, clips_b=clip_of) for a, b in draws])
    assert plain.mean() > 5.0 * plain.std() / 10.0
    assert abs(apart.mean()) < 3.0 * apart.std() / 10.0


def test_copies_of_clips_count_as_one_clip():
    a, b = normal(40, 8), normal(30, 8, seed=1)
    twice = np.concatenate([b, b])
    one = kernel_distance(a, b)
    assert kernel_distance(a, twice) > one + 0.4
    same = kernel_distance(a, twice, clips_b=np.tile(np.arange(30), 2))
    assert same == pytest.approx(one)


def test_clips_that_do_not_fit_the_rows_are_reported():
    a, b = normal(9), normal(9, seed=1)
    with pytest.raises(MetricError, match="clip a row"):
        kernel_distance(a, b, clips_a=np.arange(8))
    with pytest.raises(MetricError, match="2 clips or more"):
        kernel_distance(a, b, clips_b=np.zeros(9))


def test_kernel_distance_grows_with_the_gap_up_to_its_ceiling():
    a = normal(200)
    near, far, apart = (kernel_distance(a, normal(200, seed=1, shift=s)) for s in (0.5, 2.0, 100.0))
    assert near < far < apart < 200.0


def test_large_sets_go_block_by_block_to_the_same_value(monkeypatch):
    a, b = normal(70), normal(50, seed=1, shift=0.2)
    whole = kernel_distance(a, b)
    monkeypatch.setattr("kinetune.metrics.distances._BLOCK", 16)
    assert kernel_distance(a, b) == pytest.approx(whole)


@pytest.mark.parametrize("distance", ALL)
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.empty((0, 4)), normal(9), "needs 2 rows or more, found 0"),
        (normal(9), normal(1), "needs 2 rows or more, found 1"),
        (normal(9)[0], normal(9), r"expected \(N, D\), found \(4,\)"),
        (normal(9), normal(9, 3), "one width, found 4 and 3"),
        (normal(9), np.full((9, 4), np.nan), "9 of 9 rows hold NaN"),
    ],
)
def test_sets_that_cannot_be_compared_are_reported(distance, a, b, message):
    with pytest.raises(MetricError, match=message):
        distance(a, b)


def test_a_reference_without_spread_is_reported():
    with pytest.raises(MetricError, match="no width"):
        kernel_distance(np.ones((9, 4)), normal(9))


def test_frechet_of_two_rows_is_distance_of_means():
    a = np.array([[0.0, 0.0], [2.0, 0.0]])
    with pytest.warns(SmallSampleWarning):
        assert frechet_distance(a, a + [3.0, 4.0]) == pytest.approx(25.0)
