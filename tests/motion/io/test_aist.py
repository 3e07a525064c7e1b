import pickle

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics, rotations, world_axes
from kinetune.motion.io.aist import read_aist


@pytest.fixture
def write(tmp_path):
    def write(**held):
        path = tmp_path / "dance.pkl"
        path.write_bytes(pickle.dumps(held))
        return path

    return write


def aistpp(dance, **changes):
    held = {
        "smpl_poses": dance.axis_angle.reshape(len(dance.root_m), 72),
        "smpl_trans": dance.root_m * 93.0,
        "smpl_scaling": np.array([93.0]),
    }
    return held | changes


def same(clip, dance):
    np.testing.assert_allclose(clip.rotations, dance.rotations, atol=1e-12)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-12)


def test_aistpp_is_scaled_to_metres_and_stands_as_it_is(write, dance):
    clip = read_aist(write(**aistpp(dance)))
    same(clip, dance)
    assert (clip.fps, clip.source, clip.name) == (60.0, "aist", "dance")


@pytest.mark.parametrize("shape", [(72,), (24, 3)])
def test_an_edge_slice_is_in_metres_at_60_fps(write, dance, shape):
    q = dance.axis_angle.reshape(-1, *shape)
    clip = read_aist(write(pos=dance.root_m, q=q))
    same(clip, dance)
    assert (clip.fps, clip.source) == (60.0, "edge")


def test_an_edge_motion_before_slicing_is_divided_by_its_scale(write, dance):
    q = dance.axis_angle.reshape(-1, 72)
    same(read_aist(write(pos=dance.root_m * 90.0, q=q, scale=np.array([90.0]))), dance)


def test_a_dance_edge_made_is_turned_upright_at_30_fps(write, dance):
    turn = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP["+z"])
    quat = dance.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(turn, quat[:, 0])
    clip = read_aist(
        write(
            smpl_poses=rotations.axis_angle_from_quat(quat).reshape(-1, 72),
            smpl_trans=world_axes.z_up_from_y_up(dance.root_m),
            full_pose=np.zeros((120, 24, 3)),
        )
    )
    np.testing.assert_allclose(
        kinematics.joint_positions(clip), kinematics.joint_positions(dance), atol=1e-9
    )
    assert (clip.fps, clip.source) == (30.0, "edge")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"smpl_poses": np.zeros((120, 156))}, r"72 numbers a frame .* is this SMPL-H"),
        ({"smpl_poses": np.zeros(72)}, r"found an array of shape \(72,\)"),
        ({"smpl_poses": np.zeros((7, 72))}, r"root path of shape \(7, 3\)"),
        ({"smpl_trans": np.zeros((120, 2))}, r"root path of shape \(120, 3\)"),
        ({"smpl_trans": "nowhere"}, "smpl_trans: expected an array of numbers"),
        ({"smpl_scaling": np.array([0.0])}, "smpl_scaling: expected (a|one) positive number"),
        ({"smpl_scaling": np.array([np.nan])}, "smpl_scaling: expected (a|one) positive number"),
        ({"smpl_trans": np.full((120, 3), np.nan)}, "frame 0 holds NaN"),
        ({"smpl_poses": np.zeros((0, 72)), "smpl_trans": np.zeros((0, 3))}, "no frames"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(write, dance, changes, message):
    with pytest.raises(MotionError, match=message) as caught:
        read_aist(write(**aistpp(dance, **changes)))
    assert "dance.pkl" in str(caught.value)


def test_missing_keys_are_named_with_those_expected(write):
    with pytest.raises(MotionError, match=r"smpl_scaling \(AIST\+\+\).* found poses, trans"):
        read_aist(write(poses=1, trans=2))


def test_real_aistpp_files_give_the_numbers_in_them(shared_motions):
    paths = sorted((shared_motions / "aist").glob("*.pkl"))
    assert paths
    for path in paths:
        held = pickle.loads(path.read_bytes())
        clip = read_aist(path)
        np.testing.assert_allclose(clip.root_m, held["smpl_trans"] / held["smpl_scaling"])
        head_m = np.linalg.norm(kinematics.joint_positions(clip)[:, 15] - clip.root_m, axis=-1)
        assert 0.4 < head_m.mean() < 0.7
        assert clip.frame_count == 576
