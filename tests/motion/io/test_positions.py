"""Files of joint positions: rates, keys, hostile archives, and what real ones give."""

import zipfile

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics, world_axes
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import MOTION_SUFFIXES, ReadOptions, read_motion, read_motion_file
from kinetune.motion.retargeting.position_fit import clip_from_positions


@pytest.fixture
def points(dance):
    return kinematics.joint_positions(dance)


@pytest.mark.parametrize("joints", [22, 24])
def test_real_dances_are_within_a_millimetre(shared_motions, joints):
    # The robot of g1_moves has 20 joints of its own.
    files = (p for p in shared_motions.rglob("*") if "g1_moves" not in p.parts)
    for path in sorted(p for p in files if p.suffix in MOTION_SUFFIXES):
        dance = cut(read_motion(path), 0.0, 10.0)
        given = kinematics.joint_positions(dance)[:, :joints]
        clip = clip_from_positions(world_axes.z_up_from_y_up(given), fps=dance.fps)
        off_m = np.linalg.norm(kinematics.joint_positions(clip)[:, :joints] - given, axis=-1)
        assert off_m.max() < 1e-3, path.name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bare_array_is_read_at_20_fps_with_a_note(tmp_path, points, dtype):
    np.save(tmp_path / "a.npy", points[:, :22].astype(dtype))
    file = read_motion_file(tmp_path / "a.npy")
    assert (file.format, file.joints, file.clip.fps) == ("joint positions", 22, 20.0)
    assert "taken as 20 frames a second; --fps gives another" in file.note
    given = read_motion_file(tmp_path / "a.npy", ReadOptions(fps=30.0))
    assert (given.clip.fps, given.note) == (30.0, "")


@pytest.mark.parametrize("key", ["positions", "joints", "full_pose", "whatever"])
@pytest.mark.parametrize("rate", ["fps", "mocap_frame_rate"])
def test_the_rate_is_read_from_an_archive(tmp_path, points, key, rate):
    np.savez_compressed(tmp_path / "a.npz", **{key: points, rate: 60, "names": ["a", "b"]})
    file = read_motion_file(tmp_path / "a.npz")
    assert (file.format, file.joints, file.clip.fps) == ("joint positions", 24, 60.0)
    assert file.note == ""
    assert np.abs(kinematics.joint_positions(file.clip) - points).max() < 1e-6


def test_the_stated_rate_outdoes_the_files(tmp_path, points):
    np.savez(tmp_path / "a.npz", positions=points, fps=60)
    assert read_motion(tmp_path / "a.npz", ReadOptions(fps=120.0)).fps == 120.0


def test_an_archive_of_poses_is_still_amass(tmp_path, dance, points):
    np.savez(
        tmp_path / "a.npz", poses=dance.axis_angle, trans=dance.root_m, mocap_framerate=30,
        joints=points,
    )  # fmt: skip
    assert read_motion(tmp_path / "a.npz").source == "amass"


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((10, 17, 3)), r"\(T, 22, 3\) or \(T, 24, 3\), found an array of shape \(10, 17"),
        (np.zeros((10, 66)), "found an array of shape"),
        (np.zeros((10, 22, 2)), "found an array of shape"),
        (np.zeros((0, 22, 3)), "no frames"),
        (np.zeros((10, 22, 3)), "legs of some length"),
        (np.full((10, 22, 3), np.nan), "frame 0 holds NaN.*10 of 10"),
        (np.array([{"a": 1}]), "can't be read|of shape"),
        (np.full((10, 22, 3), "x"), "expected an array of numbers"),
        (np.zeros((200_000, 22, 3), dtype=np.int8), "at most 7200 s .*found 10000 s"),
    ],
)
def test_an_array_that_is_no_dance_gives_a_one_line_error(tmp_path, array, said):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(MotionError, match=said) as caught:
        read_motion(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


def test_pickled_objects_are_never_loaded(tmp_path, points):
    held = np.empty((10, 22, 3), dtype=object)
    np.save(tmp_path / "a.npy", held)
    np.savez(tmp_path / "a.npz", positions=held)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(MotionError, match="can't be read .*allow_pickle"):
            read_motion(tmp_path / name)


@pytest.mark.parametrize("fps", [0, -1, np.nan, 1e6, "fast"])
def test_an_impossible_rate_is_refused(tmp_path, points, fps):
    np.savez(tmp_path / "a.npz", positions=points, fps=fps)
    with pytest.raises(MotionError, match="expected"):
        read_motion(tmp_path / "a.npz")


def test_an_archive_of_wrong_points_names_them(tmp_path, points):
    np.savez(tmp_path / "a.npz", joints=points[:, :17])
    with pytest.raises(MotionError, match="found joints of shape"):
        read_motion(tmp_path / "a.npz")


def test_a_head_that_claims_terabytes_costs_nothing(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 22, 3)))
    raw = (tmp_path / "a.npy").read_bytes()
    claimed = raw.replace(b"(10, 22, 3)", b"(10000000000000, 22, 3)").replace(b" " * 12, b"", 1)
    (tmp_path / "a.npy").write_bytes(claimed)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("positions.npy", claimed)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(MotionError, match=r"can't be read .*cut short"):
            read_motion(tmp_path / name)


def test_an_array_cut_short_is_an_error(tmp_path, points):
    np.save(tmp_path / "a.npy", points)
    raw = (tmp_path / "a.npy").read_bytes()
    for kept in (7, 60, 5000):
        (tmp_path / "a.npy").write_bytes(raw[:kept])
        with pytest.raises(MotionError, match="can't be read"):
            read_motion(tmp_path / "a.npy")
