import pickle
from dataclasses import replace

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import (
    MOTION_SUFFIXES,
    read_motion,
    read_motion_file,
    write_motion,
)


def pickled(dance):
    poses = dance.axis_angle.reshape(dance.frame_count, 72)
    return pickle.dumps(
        {"smpl_poses": poses, "smpl_trans": dance.root_m, "smpl_scaling": np.ones(1)}
    )


@pytest.fixture
def files(tmp_path, dance):
    write_motion(tmp_path / "a.npz", dance)
    write_motion(tmp_path / "a.bvh", dance)
    (tmp_path / "a.pkl").write_bytes(pickled(dance))
    return tmp_path


@pytest.mark.parametrize(
    ("suffix", "source", "name", "joints"),
    [(".pkl", "aist", "AIST++", 24), (".npz", "amass", "AMASS", 52), (".bvh", "bvh", "BVH", 24)],
)
def test_the_content_decides_not_the_name(files, dance, suffix, source, name, joints):
    strange = (files / f"a{suffix}").rename(files / "dance.txt")
    file = read_motion_file(strange)
    assert (file.format, file.joints) == (name, joints)
    assert (file.clip.source, file.clip.name) == (source, "dance")
    np.testing.assert_allclose(
        kinematics.joint_positions(file.clip), kinematics.joint_positions(dance), atol=1e-6
    )


def test_every_usual_suffix_is_listed():
    known = {".pkl", ".npz", ".npy", ".bvh", ".glb", ".gltf", ".vrm", ".vrma", ".fbx"}
    assert set(MOTION_SUFFIXES) == known


def test_an_edge_slice_is_called_edge(tmp_path, dance):
    held = {"pos": dance.root_m, "q": dance.axis_angle.reshape(-1, 72)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held))
    file = read_motion_file(tmp_path / "a.pkl")
    assert (file.format, file.clip.source) == ("EDGE", "edge")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_known_by_their_beginning(tmp_path, dance, protocol):
    held = pickle.loads(pickled(dance))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held, protocol))
    assert read_motion(tmp_path / "a.pkl").source == "aist"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\t ", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n", "expected an AIST.* or a BVH file, but it begins with"),
        (b"RIFF....WAVE", "but it begins with"),
        (b"PK\x03\x04 not a zip", "can't be read"),
        (b"HIERARCHY\n", "expected a line MOTION"),
        (b"\x80\x04 not a pickle", "damaged"),
    ],
)
def test_a_file_that_is_no_motion_is_an_error_of_one_line(tmp_path, content, message):
    path = tmp_path / "thing.bvh"
    path.write_bytes(content)
    with pytest.raises(MotionError, match=message) as caught:
        read_motion(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    with pytest.raises(MotionError, match="no such file; expected an AIST"):
        read_motion(tmp_path / "none.pkl")
    with pytest.raises(MotionError, match="is a folder; expected an AIST"):
        read_motion(tmp_path)


@pytest.mark.parametrize("suffix", [".npz", ".bvh"])
def test_one_frame_is_read(tmp_path, dance, suffix):
    write_motion(tmp_path / f"still{suffix}", cut(dance, 0.0, 1 / 30))
    assert read_motion(tmp_path / f"still{suffix}").frame_count == 1


@pytest.mark.parametrize("fps", [5.0, 1000.0])
@pytest.mark.parametrize("suffix", [".npz", ".bvh"])
def test_rates_from_5_to_1000_are_read(tmp_path, dance, suffix, fps):
    write_motion(tmp_path / f"a{suffix}", replace(dance, fps=fps))
    assert read_motion(tmp_path / f"a{suffix}").fps == fps


@pytest.mark.parametrize(
    ("fps", "message"),
    [(1200.0, "5 to 1000 frames a second, found 1200"), (4.0, "5 to 1000 .* found 4")],
)
def test_absurd_rates_and_lengths_are_refused(tmp_path, dance, fps, message):
    write_motion(tmp_path / "a.npz", replace(dance, fps=fps))
    with pytest.raises(MotionError, match=message):
        read_motion(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["dance.pkl", "dance", "dance.fbx"])
def test_only_npz_and_bvh_are_written(tmp_path, dance, name):
    with pytest.raises(MotionError, match=r"written as \.npz or \.bvh"):
        write_motion(tmp_path / name, dance)


@pytest.mark.slow
def test_every_real_file_is_read(shared_motions):
    # The robot of g1_moves has 20 joints of its own.
    files = (path for path in shared_motions.rglob("*") if "g1_moves" not in path.parts)
    paths = [path for path in files if path.suffix in MOTION_SUFFIXES]
    assert paths
    for path in paths:
        clip = read_motion(path)
        assert clip.name == path.stem
        assert clip.duration_s > 2.0
