"""Files as written by common software: read correctly, or refused with the true reason."""

import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.io.formats import (
    ReadOptions,
    read_motion,
    read_motion_file,
    read_skeletal_animation,
    write_motion,
)
from kinetune.motion.io.text_encoding import decode_text
from kinetune.motion.retargeting.joint_mapping import JointMapping, read_mapping, write_draft
from tests.motion.glb_writer import Gltf, add_above, add_animation, gltf_of
from tests.motion.retargeting.test_joint_names import named


def positions(clip):
    return kinematics.joint_positions(clip)


@pytest.fixture
def bvh(tmp_path, dance):
    write_motion(tmp_path / "dance.bvh", dance)
    return tmp_path / "dance.bvh"


@pytest.fixture
def npz(tmp_path, dance):
    write_motion(tmp_path / "dance.npz", dance)
    return tmp_path / "dance.npz"


def amass(path, clip, axis, **changes):
    """Write AMASS's layout in a world whose up is ``axis``."""
    back = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP[axis])
    quat = clip.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(back, quat[:, 0])
    arrays = {
        "poses": rotations.axis_angle_from_quat(quat).reshape(len(quat), -1),
        "trans": rotations.rotate(back, clip.root_m),
        "mocap_framerate": clip.fps,
    }
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})


@pytest.mark.parametrize("axis", ["+z", "+y", "-y"])
def test_amass_files_of_other_worlds_are_upright(tmp_path, dance, axis):
    amass(tmp_path / "a.npz", dance, axis)
    assert np.abs(positions(read_motion(tmp_path / "a.npz")) - positions(dance)).max() < 1e-6


@pytest.mark.parametrize("axis", ["+y", "+z", "-y"])
def test_aist_pickles_of_other_worlds_are_upright(tmp_path, dance, axis):
    back = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP[axis])
    quat = dance.rotations.copy()
    quat[:, 0] = rotations.quat_multiply(back, quat[:, 0])
    content = {
        "smpl_poses": rotations.axis_angle_from_quat(quat).reshape(-1, 72),
        "smpl_trans": rotations.rotate(back, dance.root_m),
        "smpl_scaling": 1.0,
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    assert np.abs(positions(read_motion(tmp_path / "a.pkl")) - positions(dance)).max() < 1e-6


def test_a_rate_that_is_missing_can_be_given(tmp_path, dance):
    amass(tmp_path / "a.npz", dance, "+z", mocap_framerate=None)
    with pytest.raises(MotionError, match="found neither; give the rate with --fps"):
        read_motion(tmp_path / "a.npz")
    assert read_motion(tmp_path / "a.npz", ReadOptions(fps=60.0)).fps == 60.0


@pytest.mark.parametrize("suffix", ["bvh", "npz", "pkl"])
def test_a_rate_given_replaces_the_files_own(tmp_path, bvh, npz, dance, suffix):
    content = {"pos": dance.root_m, "q": dance.axis_angle.reshape(-1, 72)}
    (tmp_path / "dance.pkl").write_bytes(pickle.dumps(content))
    clip = read_motion(tmp_path / f"dance.{suffix}", ReadOptions(fps=90.0))
    assert (clip.fps, clip.frame_count) == (90.0, dance.frame_count)


def test_a_broken_frame_time_can_be_given(bvh, dance):
    text = bvh.read_text()
    line = next(line for line in text.splitlines() if line.startswith("Frame Time"))
    bvh.write_text(text.replace(line, "Frame Time: 0"))
    with pytest.raises(MotionError, match="above 0, found '0'; correct it, or give .* --fps"):
        read_motion(bvh)
    assert read_motion(bvh, ReadOptions(fps=30.0)).fps == 30.0


def test_options_that_would_do_nothing_are_refused(tmp_path, bvh, npz, dance):
    (tmp_path / "a.glb").write_bytes(gltf_of(dance).glb())
    for path in (bvh, npz):
        with pytest.raises(MotionError, match="--animation is for glTF and FBX"):
            read_motion(path, ReadOptions(animation="dance"))
    with pytest.raises(MotionError, match="--fps is for files that count frames"):
        read_motion(tmp_path / "a.glb", ReadOptions(fps=60.0))
    with pytest.raises(MotionError, match="a mapping is for"):
        read_motion(npz, ReadOptions(mapping=JointMapping("a.toml", {})))


@pytest.mark.parametrize(("end", "name"), [("\r", "CR"), ("\r\n", "CRLF"), ("\n", "LF")])
def test_lines_may_end_in_any_way(bvh, dance, end, name):
    bvh.write_bytes(bvh.read_bytes().replace(b"\n", end.encode()))
    assert np.abs(positions(read_motion(bvh)) - positions(dance)).max() < 1e-6, name


@pytest.mark.parametrize(
    ("rig", "encoding"),
    [("MMD", "cp932"), ("Chinese", "gb18030"), ("Chinese, traditional", "big5"),
     ("Spanish", "latin1"), ("MMD", "utf-8-sig")],
)  # fmt: skip
def test_names_in_the_encoding_of_another_computer_are_read(bvh, dance, rig, encoding):
    text = bvh.read_text()
    for joint, name in named(rig).items():
        text = text.replace(f"ROOT {joint}\n", f"ROOT {name}\n")
        text = text.replace(f"JOINT {joint}\n", f"JOINT {name}\n")
    bvh.write_bytes(text.encode(encoding))
    assert set(named(rig).values()) <= set(read_skeletal_animation(bvh).names)
    got, want = (positions(clip)[:, 1:12] for clip in (read_motion(bvh), dance))
    assert np.abs(got - want).max() < 1e-6


def test_words_of_latin_languages_are_not_taken_for_east_asian_ones():
    assert decode_text("Knöchel_é".encode("latin1")) == "Knöchel_é"


def test_an_end_site_may_declare_zero_channels(bvh, dance):
    lines, in_end_site = [], False
    for line in bvh.read_text().splitlines():
        lines.append(line)
        in_end_site = in_end_site or "End Site" in line
        if in_end_site and "OFFSET" in line:
            lines.append("\t\tCHANNELS 0")
            in_end_site = False
    bvh.write_text("\n".join(lines))
    assert "CHANNELS 0" in bvh.read_text()
    assert np.abs(positions(read_motion(bvh)) - positions(dance)).max() < 1e-6
    bvh.write_text("\n".join(lines).replace("CHANNELS 0", "CHANNELS 1 Xrotation", 1))
    with pytest.raises(MotionError, match="an End Site has no channels"):
        read_motion(bvh)


def test_animation_pointers_are_followed(tmp_path, dance):
    gltf = gltf_of(dance)
    for channel in gltf.json["animations"][0]["channels"]:
        target = channel["target"]
        pointer = f"/nodes/{target.pop('node')}/{target['path']}"
        target["path"] = "pointer"
        target["extensions"] = {"KHR_animation_pointer": {"pointer": pointer}}
    gltf.json["animations"][0]["channels"].append(
        {
            "sampler": 0,
            "target": {
                "path": "pointer",
                "extensions": {"KHR_animation_pointer": {"pointer": "/materials/0/alphaCutoff"}},
            },
        }
    )
    (tmp_path / "a.glb").write_bytes(gltf.glb())
    got = read_motion(tmp_path / "a.glb")
    assert np.abs(positions(got) - positions(dance)).max() < 1e-4


def with_turntable(dance, *, last_s):
    """The dance, and a longer animation of an object beside the dancer."""
    gltf = gltf_of(dance)
    node = gltf.listed("nodes", {"name": "Turntable"})
    times, angles = np.array([0.0, last_s / 2, last_s]), np.array([0.0, 2.0, 4.0])
    axis_angle = np.stack([0 * angles, angles, 0 * angles], axis=1)
    quat = rotations.quat_from_axis_angle(axis_angle)
    at, values = gltf.accessor(times), gltf.accessor(np.roll(quat, -1, axis=1))
    gltf.listed(
        "animations",
        {
            "name": "TurntableAction",
            "samplers": [{"input": at, "output": values}],
            "channels": [{"sampler": 0, "target": {"node": node, "path": "rotation"}}],
        },
    )
    return gltf


def test_the_longest_animation_that_moves_a_body_is_read_and_named(tmp_path, dance):
    (tmp_path / "a.glb").write_bytes(with_turntable(dance, last_s=20.0).glb())
    file = read_motion_file(tmp_path / "a.glb")
    assert file.clip.frame_count == dance.frame_count
    assert file.note == "read animation 'dance' (3.97 s); --animation for 'TurntableAction'"
    gltf = gltf_of(dance)
    still = np.repeat(dance.rotations[:1], 3, axis=0)
    add_animation(gltf, [0.0, 10.0, 20.0], still, dance.root_m[:3], name="rest")
    (tmp_path / "b.glb").write_bytes(gltf.glb())
    assert "read animation 'dance'" in read_motion_file(tmp_path / "b.glb").note


def test_of_two_animations_that_move_the_body_the_longer_is_read(tmp_path, dance):
    gltf = gltf_of(dance)
    add_animation(
        gltf, [0.0, 5.0, 9.0], dance.rotations[[0, 50, 99]], dance.root_m[:3], name="long"
    )
    (tmp_path / "a.glb").write_bytes(gltf.glb())
    assert "read animation 'long' (9.00 s)" in read_motion_file(tmp_path / "a.glb").note


@pytest.mark.parametrize("scale", [[0, 0, 0], [-1, 1, 1]])
def test_only_the_scales_above_the_body_matter(tmp_path, dance, scale):
    gltf = gltf_of(dance)
    hand = gltf.json["nodes"][skeleton.joint_index("right_hand")]
    sword = gltf.listed("nodes", {"name": "Sword", "scale": scale})
    gltf.listed("nodes", {"name": "Tip", "translation": [0, 1, 0]})
    gltf.json["nodes"][sword]["children"] = [sword + 1]
    hand["children"] = [sword]
    (tmp_path / "a.glb").write_bytes(gltf.glb())
    got = read_motion(tmp_path / "a.glb")
    assert np.abs(positions(got) - positions(dance)).max() < 1e-4
    above = gltf_of(dance)
    add_above(above, 0, scale=scale)
    (tmp_path / "b.glb").write_bytes(above.glb())
    with pytest.raises(MotionError, match="'Armature' is mirrored or of no size"):
        read_motion(tmp_path / "b.glb")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_spoilt_by_a_transfer_as_text(tmp_path, dance, protocol):
    content = {"pos": dance.root_m, "q": dance.axis_angle.reshape(-1, 72)}
    raw = pickle.dumps(content, protocol)
    (tmp_path / "a.pkl").write_bytes(raw.replace(b"\n", b"\r\n"))
    if protocol == 0:  # Text, in which the line ends can be put right.
        assert np.abs(positions(read_motion(tmp_path / "a.pkl")) - positions(dance)).max() < 1e-6
        return
    with pytest.raises(MotionError, match="sent as text; copy it as binary"):
        read_motion(tmp_path / "a.pkl")


def test_half_of_a_character_in_a_name_can_be_mapped(tmp_path):
    gltf = Gltf()
    gltf.listed("nodes", {"name": "\ud800Knie"})
    at, values = gltf.accessor([0.0, 1.0]), gltf.accessor(np.zeros((2, 3)))
    channel = {"sampler": 0, "target": {"node": 0, "path": "translation"}}
    gltf.listed(
        "animations", {"samplers": [{"input": at, "output": values}], "channels": [channel]}
    )
    (tmp_path / "a.gltf").write_bytes(gltf.embedded())
    animation = read_skeletal_animation(tmp_path / "a.gltf")
    assert animation.names == ("\ufffdKnie",)
    write_draft(tmp_path / "map.toml", animation, "a.gltf")
    assert "\ufffdKnie" in (tmp_path / "map.toml").read_text(encoding="utf-8")


def test_names_with_quotes_and_control_characters_survive_a_draft(tmp_path, bvh, dance):
    text = bvh.read_text()
    for joint, name in named("Mixamo without a prefix").items():
        text = text.replace(f" {joint}\n", f" {name}\n")
    bvh.write_text(text.replace("LeftHand\n", 'Left"Hand\x07\\\n'))
    write_draft(tmp_path / "map.toml", read_skeletal_animation(bvh), str(bvh))
    drafted = (tmp_path / "map.toml").read_text(encoding="utf-8")
    assert "\x07" not in drafted
    assert "left_hip" in read_mapping(tmp_path / "map.toml").joints


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "dance.bvh")
    with pytest.raises(MotionError, match="no regular file but a pipe"):
        read_motion(tmp_path / "dance.bvh")


def test_names_of_files_that_are_not_utf8_are_shown_escaped(tmp_path):
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/tanz\xff.bvh")
    with pytest.raises(MotionError, match=r"tanz\\udcff\.bvh: no such file") as caught:
        read_motion(path)
    str(caught.value).encode("utf-8")


def test_whatever_a_reader_raises_names_the_file(bvh, monkeypatch):
    def fail(path, fps):
        raise ArithmeticError("a\nbug\x1b[2J")

    monkeypatch.setattr("kinetune.motion.io.formats.read_bvh", fail)
    with pytest.raises(MotionError, match=r"dance.bvh: can't be read, .*ArithmeticError: a bug"):
        read_motion(bvh)
    with pytest.raises(MotionError, match=r"dance.bvh: can't be read, .*ArithmeticError: a bug"):
        read_skeletal_animation(bvh)


def test_a_path_far_from_the_origin_is_refused(tmp_path, dance):
    write_motion(tmp_path / "a.bvh", replace(dance, root_m=dance.root_m + 2e4))
    with pytest.raises(MotionError, match="within 10000 m of the origin, found 2e"):
        read_motion(tmp_path / "a.bvh")
    amass(tmp_path / "a.npz", replace(dance, root_m=dance.root_m + 2e4), "+z")
    with pytest.raises(MotionError, match="absurdly large"):
        read_motion(tmp_path / "a.npz")


def test_what_was_recognised_is_logged(bvh, caplog):
    caplog.set_level("INFO", logger="kinetune.motion")
    read_motion(bvh)
    assert "dance.bvh: rig of 24 joints: pelvis=pelvis, left_hip=left_hip" in caplog.text
    assert "dance.bvh: up axis +y (expected +y)" in caplog.text
