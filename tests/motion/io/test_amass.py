import numpy as np
import pytest

from kinetune.errors import MotionError, OutputError
from kinetune.motion import kinematics
from kinetune.motion.clip import cut
from kinetune.motion.io.amass import read_amass, read_amass_with_joints, write_amass


@pytest.fixture
def arrays(tmp_path, dance):
    path = tmp_path / "whole.npz"
    write_amass(path, dance)
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture
def write(tmp_path):
    def write(arrays):
        path = tmp_path / "walk.npz"
        np.savez(path, **arrays)
        return path

    return write


def without(arrays, *keys):
    return {key: value for key, value in arrays.items() if key not in keys}


def test_what_is_written_round_trips_exactly(tmp_path, dance):
    write_amass(tmp_path / "dance.npz", dance)
    clip = read_amass(tmp_path / "dance.npz")
    np.testing.assert_allclose(clip.rotations, dance.rotations, atol=1e-12)
    np.testing.assert_array_equal(clip.root_m, dance.root_m)
    assert (clip.fps, clip.source, clip.name) == (30.0, "amass", "dance")


def test_one_frame_survives(tmp_path, dance):
    write_amass(tmp_path / "still.npz", cut(dance, 0.0, 1 / 30))
    assert read_amass(tmp_path / "still.npz").frame_count == 1


def test_the_file_is_smplh_with_z_up(arrays, dance):
    assert arrays["poses"].shape == (120, 156)
    np.testing.assert_array_equal(arrays["trans"][:, 2], dance.root_m[:, 1])


def test_the_file_contains_no_pickled_objects(tmp_path, dance):
    write_amass(tmp_path / "dance.npz", dance)
    with np.load(tmp_path / "dance.npz", allow_pickle=False) as archive:
        assert all(archive[key].dtype != object for key in archive.files)


@pytest.mark.parametrize("columns", [66, 156, 165])
def test_the_first_22_joints_are_the_body_and_hands_rest(arrays, write, dance, columns):
    poses = np.ones((120, columns))
    poses[:, :66] = arrays["poses"][:, :66]
    clip, joints = read_amass_with_joints(write(without(arrays, "hands") | {"poses": poses}))
    np.testing.assert_allclose(clip.rotations[:, :22], dance.rotations[:, :22], atol=1e-12)
    np.testing.assert_array_equal(clip.rotations[:, 22:], np.tile([1.0, 0, 0, 0], (120, 2, 1)))
    assert joints * 3 == columns


def test_smpl_has_our_hands_too(arrays, write, dance):
    poses = np.concatenate([arrays["poses"][:, :66], arrays["hands"].reshape(120, 6)], axis=1)
    clip = read_amass(write(without(arrays, "hands") | {"poses": poses}))
    np.testing.assert_allclose(clip.rotations, dance.rotations, atol=1e-12)


def test_a_pose_in_two_parts_is_joined(arrays, write, dance):
    parts = {"root_orient": arrays["poses"][:, :3], "pose_body": arrays["poses"][:, 3:66]}
    clip = read_amass(write(without(arrays, "poses", "hands") | parts))
    np.testing.assert_allclose(
        kinematics.joint_positions(clip)[:, :22], kinematics.joint_positions(dance)[:, :22]
    )


@pytest.mark.parametrize("rate", [np.float64(60), np.array([60]), 60.0])
def test_the_other_name_of_the_rate_is_known(arrays, write, rate):
    changed = without(arrays, "mocap_framerate") | {"mocap_frame_rate": rate}
    assert read_amass(write(changed)).fps == 60.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.zeros((120, 63))}, "expected 156 .* found poses of shape"),
        ({"trans": np.zeros((119, 3))}, r"root path of shape \(120, 3\)"),
        ({"mocap_framerate": np.float64(0)}, "mocap_framerate: expected a positive number"),
        (
            {"mocap_framerate": np.float64(np.nan)},
            "mocap_framerate: expected a positive number",
        ),
        ({"poses": np.full((120, 156), np.nan)}, "frame 0 holds NaN"),
        ({"poses": np.array([{}], dtype=object)}, "can't be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(arrays, write, changes, message):
    with pytest.raises(MotionError, match=message):
        read_amass(write(arrays | changes))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("poses", "expected poses"),
        ("trans", "expected an array trans"),
        ("mocap_framerate", "expected mocap_framerate or mocap_frame_rate"),
    ],
)
def test_a_missing_array_is_named(arrays, write, key, message):
    with pytest.raises(MotionError, match=message):
        read_amass(write(without(arrays, key)))


def test_an_archive_cut_short_is_an_error(tmp_path, dance):
    path = tmp_path / "dance.npz"
    write_amass(path, dance)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(MotionError, match="can't be read"):
        read_amass(path)


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path, dance):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_amass(tmp_path / "file" / "dance.npz", dance)
