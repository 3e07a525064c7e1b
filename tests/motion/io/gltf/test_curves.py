"""Curves against SciPy's interpolators."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline, interp1d
from scipy.spatial.transform import Rotation, Slerp

from kinetune.errors import MotionError
from kinetune.motion.io.gltf.curves import Curve, build_curve, rotation_curve

# Uneven, so that a tangent that isn't scaled by its interval shows.
TIMES_S = np.array([0.5, 0.7, 1.9, 2.0, 4.0])
SAMPLES_S = np.linspace(0.5, 4.0, 200)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_cubic_spline_is_scipys_hermite_spline(rng):
    values, incoming, outgoing = rng.normal(size=(3, 5, 3))
    # Keys as glTF stores them: the tangent in, the value, the tangent out.
    stored = np.stack([incoming, values, outgoing], axis=1).reshape(15, 3)
    curve = build_curve(TIMES_S[:, None], stored, "CUBICSPLINE", "a")
    got = curve.values_at(SAMPLES_S)
    for k in range(4):
        inside = (TIMES_S[k] <= SAMPLES_S) & (TIMES_S[k + 1] >= SAMPLES_S)
        ends = [outgoing[k], incoming[k + 1]]
        oracle = CubicHermiteSpline(TIMES_S[k : k + 2], values[k : k + 2], ends)
        np.testing.assert_allclose(got[inside], oracle(SAMPLES_S[inside]), atol=1e-12)


def test_cubic_spline_rotation_is_normalised_hermite(rng):
    values, tangents = rng.normal(size=(2, 5, 4))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    stored = np.stack([tangents, values, tangents], axis=1).reshape(15, 4)
    curve = rotation_curve(build_curve(TIMES_S[:, None], stored, "CUBICSPLINE", "a"), "a")
    oracle = CubicHermiteSpline(TIMES_S, values, tangents)(SAMPLES_S)
    oracle /= np.linalg.norm(oracle, axis=1, keepdims=True)
    # glTF's numbers are x, y, z, w, ours w, x, y, z.
    np.testing.assert_allclose(curve.rotations_at(SAMPLES_S), oracle[:, [3, 0, 1, 2]], atol=1e-12)


def test_lines_are_scipys(rng):
    values = rng.normal(size=(5, 3))
    curve = build_curve(TIMES_S[:, None], values, "LINEAR", "a")
    oracle = interp1d(TIMES_S, values, axis=0)
    np.testing.assert_allclose(curve.values_at(SAMPLES_S), oracle(SAMPLES_S), atol=1e-12)


def test_a_step_curve_keeps_the_previous_key(rng):
    values = rng.normal(size=(5, 3))
    curve = build_curve(TIMES_S[:, None], values, "STEP", "a")
    oracle = interp1d(TIMES_S, values, axis=0, kind="previous")
    np.testing.assert_array_equal(curve.values_at(SAMPLES_S), oracle(SAMPLES_S))


def test_linear_rotations_are_scipys_slerp(rng):
    quat = rng.normal(size=(5, 4))
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    curve = rotation_curve(build_curve(TIMES_S[:, None], quat, "LINEAR", "a"), "a")
    oracle = Slerp(TIMES_S, Rotation.from_quat(quat))(SAMPLES_S).as_matrix()
    got = Rotation.from_quat(curve.rotations_at(SAMPLES_S), scalar_first=True).as_matrix()
    np.testing.assert_allclose(got, oracle, atol=1e-9)


@pytest.mark.parametrize("interpolation", ["LINEAR", "STEP"])
def test_before_its_first_key_and_after_its_last_a_curve_holds(interpolation):
    curve = Curve(np.array([1.0, 2.0]), np.array([[3.0], [5.0]]), interpolation)
    np.testing.assert_array_equal(curve.values_at(np.array([0.0, 9.0])), [[3.0], [5.0]])


def test_times_that_run_backwards_are_refused():
    with pytest.raises(MotionError, match="run backwards"):
        build_curve(np.array([[1.0], [0.5]]), np.zeros((2, 3)), "LINEAR", "a")
