import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinetune.errors import OutputError
from kinetune.motion import skeleton
from kinetune.motion.clip import cut, resample
from kinetune.motion.io.bvh import (
    Bvh,
    joint_positions,
    joint_rotations,
    read_bvh,
    write_bvh,
    zxy_degrees,
)
from kinetune.motion.io.bvh_text import Hierarchy
from kinetune.motion.retargeting.retarget import retarget_animation

ORDERS = ["".join(axes) for n in (1, 2, 3) for axes in itertools.permutations("XYZ", n)]


def one_joint(channels, values):
    zeros = np.zeros((1, 3))
    return Bvh(Hierarchy(("a",), (-1,), zeros + 5.0, zeros, (tuple(channels),)), values, 30.0)


def same_turn(quat, rotation, atol=1e-9):
    wxyz = np.roll(rotation.as_quat(), 1, axis=-1)
    np.testing.assert_allclose(np.abs(np.sum(quat * wxyz, axis=-1)), 1.0, atol=atol)


@pytest.mark.parametrize("order", ORDERS)
def test_channels_turn_in_the_order_listed_as_scipy_computes(order):
    degrees = np.random.default_rng(0).uniform(-720.0, 720.0, (20, len(order)))
    bvh = one_joint([f"{axis}rotation" for axis in order], degrees)
    oracle = Rotation.from_euler(order, degrees, degrees=True)
    same_turn(joint_rotations(bvh, 0), oracle)


def test_bvh_position_channels_in_any_order():
    bvh = one_joint(["Zposition", "Xrotation", "Xposition"], np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(joint_positions(bvh, 0), [[3.0, 5.0, 1.0]])
    assert joint_positions(one_joint(["Xrotation"], np.zeros((1, 1))), 0) is None


def test_zxy_angles_give_back_the_rotation_as_scipy_computes():
    rotation = Rotation.random(200, np.random.default_rng(0))
    quat = np.roll(rotation.as_quat(), 1, axis=-1)
    z, x, y = np.moveaxis(zxy_degrees(quat[:, None])[:, 0], -1, 0)
    same_turn(quat, Rotation.from_euler("ZXY", np.stack([z, x, y], -1), degrees=True))


@pytest.mark.parametrize("x", [90.0, -90.0, 89.9999999])
def test_zxy_angles_hold_where_two_axes_fall_together(x):
    rotation = Rotation.from_euler("ZXY", [[30.0, x, 20.0]], degrees=True)
    quat = np.roll(rotation.as_quat(), 1, axis=-1)
    again = Rotation.from_euler("ZXY", zxy_degrees(quat[:, None])[:, 0], degrees=True)
    same_turn(quat, again, atol=1e-7)


def test_zxy_angles_do_not_jump_by_a_full_turn():
    angle = np.radians(np.arange(0.0, 1080.0, 10.0)) / 2.0
    quat = np.stack([np.cos(angle), 0 * angle, 0 * angle, np.sin(angle)], axis=-1)
    assert np.abs(np.diff(zxy_degrees(quat[:, None]), axis=0)).max() < 11.0


@pytest.mark.parametrize("fps", [5.0, 23.976, 30.0, 33.3, 60.0, 1000.0])
def test_what_is_written_round_trips(tmp_path, dance, fps):
    clip = replace(dance, fps=fps)
    write_bvh(tmp_path / "dance.bvh", clip)
    again = retarget_animation(read_bvh(tmp_path / "dance.bvh"))
    dots = np.abs(np.sum(again.rotations * clip.rotations, axis=-1))
    np.testing.assert_allclose(dots, 1.0, atol=1e-12)
    np.testing.assert_allclose(again.root_m, clip.root_m, atol=1e-7)
    assert again.fps == pytest.approx(fps, rel=1e-9)


def test_one_frame_survives(tmp_path, dance):
    write_bvh(tmp_path / "still.bvh", cut(dance, 0.0, 1 / 30))
    assert retarget_animation(read_bvh(tmp_path / "still.bvh")).frame_count == 1


def test_the_file_has_our_24_joints_in_centimetres(tmp_path, dance):
    write_bvh(tmp_path / "dance.bvh", dance)
    tree = read_bvh(tmp_path / "dance.bvh").hierarchy
    assert sorted(tree.names) == sorted(skeleton.JOINT_NAMES)
    knee = tree.names.index("left_knee")
    np.testing.assert_allclose(tree.offsets[knee], skeleton.OFFSETS_M[4] * 100, atol=1e-6)
    assert all(tree.ends[tree.names.index(leaf)].any() for leaf in ("head", "left_foot"))


def test_a_long_dance_is_read_whole(tmp_path, dance):
    long = resample(dance, 1000.0)
    write_bvh(tmp_path / "long.bvh", long)
    assert read_bvh(tmp_path / "long.bvh").values.shape == (4000, 75)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin1"])
def test_byte_order_marks_and_old_encodings_are_read(tmp_path, dance, encoding):
    path = tmp_path / "dance.bvh"
    write_bvh(path, dance)
    path.write_bytes(path.read_text().replace("pelvis", "pelvis_ü").encode(encoding))
    assert read_bvh(path).hierarchy.names[0] == "pelvis_ü"


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path, dance):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_bvh(tmp_path / "file" / "dance.bvh", dance)


@pytest.mark.slow
def test_every_real_file_parses(shared_motions):
    expected = {"cmu05": (31, 120.0), "cmu85": (22, 30.0)}
    for path in sorted(shared_motions.rglob("*.bvh")):
        bvh = read_bvh(path)
        if path.parent.name in expected:
            assert (len(bvh.hierarchy.names), bvh.fps) == expected[path.parent.name]
        assert bvh.values.shape[1] == bvh.hierarchy.channel_count
