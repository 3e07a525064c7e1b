"""Mapping files, and their drafts."""

import tomllib

import numpy as np
import pytest

from kinetune.errors import ConfigError, MotionError
from kinetune.motion import skeleton
from kinetune.motion.io.bvh import write_bvh
from kinetune.motion.io.formats import (
    ReadOptions,
    read_motion,
    read_skeletal_animation,
    write_motion,
)
from kinetune.motion.retargeting.joint_mapping import read_mapping, write_draft
from tests.motion.glb_writer import gltf_of

STRANGE = [f"bone {n}" for n in range(24)]
NEEDED = [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("hip", "knee", "ankle", "shoulder", "elbow")
]


def mapped(path, joints):
    lines = [f'{ours} = "{theirs}"' for ours, theirs in joints.items()]
    path.write_text("[joints]\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def whole(tmp_path):
    joints = dict(zip(skeleton.JOINT_NAMES, STRANGE, strict=True))
    return mapped(tmp_path / "map.toml", joints)


@pytest.fixture
def strange(tmp_path, dance):
    """The dance with meaningless joint names."""
    path = tmp_path / "strange.glb"
    path.write_bytes(gltf_of(dance, names=STRANGE).glb())
    return path


def test_meaningless_names_are_read_with_a_mapping(strange, whole, dance):
    with pytest.raises(MotionError, match="--make-mapping"):
        read_motion(strange)
    clip = read_motion(strange, ReadOptions(mapping=read_mapping(whole)))
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-4)
    np.testing.assert_allclose(np.abs(np.sum(clip.rotations * dance.rotations, -1)), 1, atol=1e-6)


def test_a_mapping_outdoes_the_names(tmp_path, dance):
    """The file's wrist may be what a person wants as elbow."""
    write_bvh(tmp_path / "a.bvh", dance)
    joints = {name: name for name in skeleton.JOINT_NAMES}
    joints |= {"left_elbow": "left_wrist", "left_wrist": "left_hand"}
    del joints["left_hand"]
    mapping = read_mapping(mapped(tmp_path / "map.toml", joints))
    plain = read_motion(tmp_path / "a.bvh")
    other = read_motion(tmp_path / "a.bvh", ReadOptions(mapping=mapping))
    off = np.abs(plain.rotations - other.rotations).max(axis=(0, 2))
    elbow = skeleton.joint_index("left_elbow")
    assert off[elbow] > 0.1
    assert off[skeleton.joint_index("right_elbow")] < 1e-9


def test_only_the_needed_joints_are_enough(tmp_path, strange, dance):
    joints = {ours: STRANGE[skeleton.joint_index(ours)] for ours in NEEDED}
    mapping = read_mapping(mapped(tmp_path / "map.toml", joints))
    clip = read_motion(strange, ReadOptions(mapping=mapping))
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=0.05)
    wrist = skeleton.joint_index("left_wrist")
    np.testing.assert_allclose(clip.rotations[:, wrist, 0], 1.0, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[joints]\n", "expected left_hip, left_knee, .*no dance can do without"),
        ('[joints]\nleft_paw = "a"', "unknown joint 'left_paw'; ours are pelvis"),
        ("[joints]\nleft_hip = 3", "expected a name for left_hip, found 3"),
        ('left_hip = "a"', r"expected one table \[joints\], found left_hip"),
        ("", r"expected one table \[joints\], found nothing"),
        ("[joints", "not valid TOML"),
        ("[joints]\n[bones]\n", "expected one table"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_one_line(tmp_path, text, said):
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_mapping(tmp_path / "map.toml")


def test_a_mapping_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="can't be read"):
        read_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize("lost", NEEDED)
def test_a_mapping_that_misses_a_limb_names_it(tmp_path, lost):
    path = mapped(tmp_path / "map.toml", {ours: "a" for ours in NEEDED if ours != lost})
    with pytest.raises(ConfigError, match=f"expected {lost} in"):
        read_mapping(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"left_knee": "bone 44"}, "no joint is called 'bone 44' .*did you mean bone 4"),
        ({"left_knee": "bone 5", "right_knee": "bone 4"}, "left_knee below left_hip"),
        ({"left_wrist": "bone 15"}, "left_wrist below left_elbow"),
        ({"right_collar": "bone 15"}, "right_shoulder below right_collar"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_one_line(tmp_path, strange, changes, said):
    joints = dict(zip(skeleton.JOINT_NAMES, STRANGE, strict=True)) | changes
    mapping = read_mapping(mapped(tmp_path / "map.toml", joints))
    with pytest.raises(MotionError, match=said) as caught:
        read_motion(strange, ReadOptions(mapping=mapping))
    assert "map.toml" in str(caught.value)


def test_a_name_that_is_twice_is_refused(tmp_path, dance, whole):
    names = [*STRANGE[:-1], STRANGE[4]]
    (tmp_path / "a.glb").write_bytes(gltf_of(dance, names=names).glb())
    whole.write_text(whole.read_text().replace("bone 23", "bone 22"))
    with pytest.raises(MotionError, match="'bone 4' is 2 times"):
        read_motion(tmp_path / "a.glb", ReadOptions(mapping=read_mapping(whole)))


def test_formats_of_fixed_joints_take_no_mapping(tmp_path, dance, whole):
    write_motion(tmp_path / "a.npz", dance)
    with pytest.raises(MotionError, match="a mapping is for BVH, glTF or FBX"):
        read_motion(tmp_path / "a.npz", ReadOptions(mapping=read_mapping(whole)))
    with pytest.raises(MotionError, match="expected BVH, glTF or FBX"):
        read_skeletal_animation(tmp_path / "a.npz")


def test_the_draft_of_a_known_rig_reads_as_it_stands(tmp_path, dance):
    write_bvh(tmp_path / "a.bvh", dance)
    count = write_draft(tmp_path / "map.toml", read_skeletal_animation(tmp_path / "a.bvh"), "a.bvh")
    assert count == 24
    clip = read_motion(tmp_path / "a.bvh", ReadOptions(mapping=read_mapping(tmp_path / "map.toml")))
    np.testing.assert_array_equal(clip.rotations, read_motion(tmp_path / "a.bvh").rotations)


def test_the_draft_of_an_unknown_rig_lists_its_joints(tmp_path, strange):
    draft = tmp_path / "map.toml"
    assert write_draft(draft, read_skeletal_animation(strange), "strange.glb") == 0
    text = draft.read_text()
    assert tomllib.loads(text) == {"joints": {}}
    assert '# left_hip = ""  # needed' in text
    assert '# left_hand = ""\n' in text
    assert all(f'"{name}"' in text for name in STRANGE)
    with pytest.raises(ConfigError, match="no dance can do without"):
        read_mapping(draft)
    for joint, name in enumerate(skeleton.JOINT_NAMES):
        text = text.replace(f'# {name} = ""', f'{name} = "bone {joint}"')
    draft.write_text(text)
    assert read_motion(strange, ReadOptions(mapping=read_mapping(draft))).frame_count == 120


def test_any_name_survives_the_draft(tmp_path, dance):
    names = ['a "b" \\ c', "é\nx", "bone\x7f", "#", *STRANGE[4:]]
    names[16], names[17] = "left_shoulder", "right_shoulder"
    (tmp_path / "a.glb").write_bytes(gltf_of(dance, names=names).glb())
    write_draft(tmp_path / "map.toml", read_skeletal_animation(tmp_path / "a.glb"), "a.glb")
    held = tomllib.loads((tmp_path / "map.toml").read_text())
    assert held["joints"] == {n: n for n in ("left_shoulder", "right_shoulder")}


def test_a_draft_does_not_overwrite_work(tmp_path, strange):
    (tmp_path / "map.toml").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        write_draft(tmp_path / "map.toml", read_skeletal_animation(strange), "a")
    assert (tmp_path / "map.toml").read_text() == "mine"


@pytest.mark.parametrize(
    "text",
    ["[joints]\nleft_hip = " + "[" * 20_000, "[joints]\nleft_hip = " + "9" * 5000, "x" * 2_000_000],
    ids=["deep", "long number", "large"],
)
def test_a_hostile_mapping_is_an_error_of_one_line(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.toml: (not valid TOML|expected a TOML file)"):
        read_mapping(tmp_path / "a.toml")
