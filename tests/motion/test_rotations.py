import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from kinetune.motion import rotations


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(200, 3)), np.zeros((1, 3)), 1e-9 * np.ones((1, 3))])


def scipy_quat(rotation):
    return rotation.as_quat(scalar_first=True, canonical=True)


def test_axis_angle_to_quaternion_is_scipys(vectors):
    ours = rotations.quat_from_axis_angle(vectors)
    ours = np.where(ours[:, :1] < 0, -ours, ours)
    np.testing.assert_allclose(ours, scipy_quat(Rotation.from_rotvec(vectors)), atol=1e-12)


def test_axis_angle_round_trips(vectors):
    again = rotations.axis_angle_from_quat(rotations.quat_from_axis_angle(vectors))
    np.testing.assert_allclose(again, Rotation.from_rotvec(vectors).as_rotvec(), atol=1e-9)


def test_matrices_are_scipys_and_round_trip(vectors):
    quat = rotations.quat_from_axis_angle(vectors)
    matrix = rotations.matrix_from_quat(quat)
    np.testing.assert_allclose(matrix, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)
    np.testing.assert_allclose(
        rotations.matrix_from_quat(rotations.quat_from_matrix(matrix)), matrix, atol=1e-9
    )


def test_half_turns_survive_the_matrix():
    half = np.pi * np.eye(3)
    matrix = Rotation.from_rotvec(half).as_matrix()
    again = rotations.matrix_from_quat(rotations.quat_from_matrix(matrix))
    np.testing.assert_allclose(again, matrix, atol=1e-9)


def test_product_inverse_and_action_are_scipys(vectors):
    left, right = Rotation.from_rotvec(vectors), Rotation.from_rotvec(vectors[::-1])
    product = rotations.quat_multiply(
        rotations.quat_from_axis_angle(vectors), rotations.quat_from_axis_angle(vectors[::-1])
    )
    matrix = rotations.matrix_from_quat(product)
    np.testing.assert_allclose(matrix, (left * right).as_matrix(), atol=1e-9)
    identity = rotations.quat_multiply(product, rotations.quat_inverse(product))
    np.testing.assert_allclose(identity[:, 1:], 0.0, atol=1e-12)
    np.testing.assert_allclose(
        rotations.rotate(product, vectors), (left * right).apply(vectors), atol=1e-9
    )


def test_sixd_is_two_rows_and_round_trips(vectors):
    quat = rotations.quat_from_axis_angle(vectors)
    matrix = Rotation.from_rotvec(vectors).as_matrix()
    sixd = rotations.sixd_from_quat(quat)
    np.testing.assert_allclose(sixd, matrix[:, :2].reshape(-1, 6), atol=1e-12)
    np.testing.assert_allclose(rotations.matrix_from_sixd(sixd), matrix, atol=1e-9)


def test_slerp_is_scipys():
    ends = Rotation.from_rotvec([[0.1, 0.2, 0.3], [1.0, -0.5, 0.7]])
    fractions = np.linspace(0, 1, 11)
    quat = scipy_quat(ends)
    ours = rotations.slerp(np.tile(quat[0], (11, 1)), np.tile(-quat[1], (11, 1)), fractions)
    expected = Slerp([0, 1], ends)(fractions).as_matrix()
    np.testing.assert_allclose(rotations.matrix_from_quat(ours), expected, atol=1e-9)


def test_make_continuous_only_flips_signs():
    quat = rotations.quat_from_axis_angle(np.linspace(0, 9, 50)[:, None] * [0.0, 1.0, 0.0])
    rng = np.random.default_rng(1)
    flipped = quat * rng.choice([-1.0, 1.0], size=(50, 1))
    again = rotations.make_continuous(flipped[:, None])[:, 0]
    assert (np.sum(again[1:] * again[:-1], axis=1) > 0).all()
    np.testing.assert_allclose(np.abs(np.sum(again * quat, axis=1)), 1.0)


def test_the_shortest_rotation_turns_one_direction_into_the_other(vectors):
    source = vectors[:100] / np.linalg.norm(vectors[:100], axis=1, keepdims=True)
    target = np.concatenate([source[1:], -source[-1:]])
    turned = rotations.rotate(rotations.shortest_rotation(source, target), source)
    np.testing.assert_allclose(turned, target, atol=1e-6)


def test_slerp_goes_the_shorter_way_whatever_the_signs():
    start = rotations.quat_from_axis_angle(np.array([0.0, 0.2, 0.0]))
    end = rotations.quat_from_axis_angle(np.array([0.0, 1.0, 0.0]))
    for sign in (1.0, -1.0):
        got = rotations.slerp(start, sign * end, np.array(0.25))
        want = rotations.quat_from_axis_angle(np.array([0.0, 0.4, 0.0]))
        assert abs(got @ want) == pytest.approx(1.0, abs=1e-12)


def test_the_mean_of_rotations_is_scipys_whatever_their_signs():
    rng = np.random.default_rng(0)
    quat = rotations.quat_from_axis_angle(0.3 * rng.normal(size=(20, 3)))
    quat[::3] *= -1.0
    want = Rotation.from_quat(quat, scalar_first=True).mean().as_quat(scalar_first=True)
    assert abs(rotations.mean_rotation(quat) @ want) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_array_equal(rotations.mean_rotation(quat[:1]), quat[0])


def test_unit_vectors_are_one_long_and_zeros_stay():
    got = rotations.unit(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(got, [[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]])
