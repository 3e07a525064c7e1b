"""Round trips through glTF variants, and errors of damaged files."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import ReadOptions, read_motion, read_motion_file
from kinetune.motion.io.gltf.animation import read_gltf
from tests.motion.glb_writer import Gltf, add_above, add_animation, add_skin, gltf_of
from tests.motion.retargeting.test_retarget import degrees_between, directions, turned_degrees

UNREAL_BASES = np.random.default_rng(3).normal(size=(24, 4))
UNREAL_BASES /= np.linalg.norm(UNREAL_BASES, axis=-1, keepdims=True)


@pytest.fixture
def read(tmp_path):
    def read(file, **reading):
        path = tmp_path / "dance.glb"
        path.write_bytes(file.glb() if isinstance(file, Gltf) else file)
        return read_motion(path, ReadOptions(**reading))

    return read


def assert_same(clip, dance, *, degrees=0.05, metres=1e-4):
    assert (clip.fps, clip.frame_count) == (dance.fps, dance.frame_count)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=metres)
    assert turned_degrees(clip.rotations, dance.rotations).max() < degrees


def test_a_clip_written_as_glb_round_trips(tmp_path, dance):
    (tmp_path / "a.txt").write_bytes(gltf_of(dance).glb())
    file = read_motion_file(tmp_path / "a.txt")
    assert (file.format, file.joints, file.clip.source) == ("glTF", 24, "gltf")
    assert file.clip.name == "a"
    assert_same(file.clip, dance)


@pytest.mark.parametrize("bases", [None, UNREAL_BASES], ids=["plain", "own axes"])
@pytest.mark.parametrize("posed", [True, False])
@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_the_pose_it_was_bound_in_is_the_rest_pose(read, dance, bases, posed, unit):
    assert_same(read(gltf_of(dance, bases=bases, posed=posed, unit=unit)), dance)


def test_without_a_skin_the_nodes_are_at_rest(read, dance):
    assert_same(read(gltf_of(dance, bases=UNREAL_BASES, skin=False, posed=False)), dance)


def test_without_a_skin_or_a_rest_pose_bones_keep_their_directions(read, dance):
    clip = read(gltf_of(dance, bases=UNREAL_BASES, skin=False, posed=True))
    assert degrees_between(directions(clip), directions(dance)).max() < 0.05


def test_bind_matrices_that_are_all_the_same_are_not_believed(read, dance):
    file = gltf_of(dance, skin=False, posed=False)
    inverse = np.tile(np.eye(4).reshape(-1), (24, 1))
    skin = {"joints": list(range(24)), "inverseBindMatrices": file.accessor(inverse)}
    file.listed("skins", skin)
    assert_same(read(file), dance)


@pytest.mark.parametrize("interpolation", ["LINEAR", "STEP", "CUBICSPLINE"])
def test_every_interpolation_meets_its_keys(read, dance, interpolation):
    assert_same(read(gltf_of(dance, interpolation=interpolation)), dance)


@pytest.mark.parametrize(
    "how",
    [
        {"stride": 28},
        {"dtype": "<i2", "normalised": True},
        {"dtype": "<i2", "normalised": True, "stride": 12},
    ],
)
def test_strides_and_normalised_integers_are_read(read, dance, how):
    assert_same(read(gltf_of(dance, **how)), dance, degrees=0.1)


def test_bytes_are_enough_for_a_rough_rotation(read, dance):
    clip = read(gltf_of(dance, dtype="<i1", normalised=True))
    assert_same(clip, dance, degrees=2.0)


def test_a_sparse_accessor_replaces_single_elements(read, dance):
    file = gltf_of(dance)
    place = file.json["animations"][0]["samplers"][0]["output"]
    indices = file.view(np.array([3, 5], dtype="<u2").tobytes())
    values = file.view((dance.root_m[[3, 5]] + 1.0).astype("<f4").tobytes())
    file.json["accessors"][place]["sparse"] = {
        "count": 2,
        "indices": {"bufferView": indices, "componentType": 5123},
        "values": {"bufferView": values},
    }
    expected = dance.root_m.copy()
    expected[[3, 5]] += 1.0
    assert_same(read(file), replace(dance, root_m=expected))


def test_buffers_embedded_and_beside_the_file_are_read(tmp_path, dance):
    file = gltf_of(dance)
    (tmp_path / "a.gltf").write_bytes(b"\xef\xbb\xbf" + file.embedded())
    assert_same(read_motion(tmp_path / "a.gltf"), dance)
    (tmp_path / "the data.bin").write_bytes(file.blob)
    (tmp_path / "b.gltf").write_bytes(file.with_buffer("the%20data.bin"))
    assert_same(read_motion(tmp_path / "b.gltf"), dance)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("../secret.bin", "a file beside it"),
        ("%2e%2e/secret.bin", "a file beside it"),
        ("{absolute}", "a file beside it"),
        ("http://example.org/a.bin", "can't be read beside it"),
        ("missing.bin", "can't be read beside it"),
        ("link.bin", "a file beside it"),
        ("short.bin", "it is cut short"),
        ("data:application/octet-stream;base64,====", "base64 is damaged"),
        ("data:text/plain,abc", "expected base64"),
    ],
)
def test_buffers_from_elsewhere_are_refused(tmp_path, dance, uri, said):
    file, folder = gltf_of(dance), tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(file.blob)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "short.bin").write_bytes(file.blob[:100])
    uri = uri.format(absolute=tmp_path / "secret.bin")
    (folder / "a.gltf").write_bytes(file.with_buffer(uri))
    with pytest.raises(MotionError, match=said):
        read_motion(folder / "a.gltf")


def test_what_is_above_the_skeleton_turns_scales_and_moves_it(read, dance):
    quarter = rotations.quat_from_axis_angle(np.array([0.0, np.pi / 2, 0.0]))
    file = gltf_of(dance, unit=100.0)
    add_above(
        file, 0, scale=[0.01] * 3, translation=[1.0, 0.0, 2.0],
        rotation=np.roll(quarter, -1).tolist(),
    )  # fmt: skip
    clip = read(file)
    expected = rotations.rotate(quarter, dance.root_m) + [1.0, 0.0, 2.0]
    np.testing.assert_allclose(clip.root_m, expected, atol=1e-4)
    turned = dance.rotations.copy()
    turned[:, 0] = rotations.quat_multiply(quarter, turned[:, 0])
    assert turned_degrees(clip.rotations, turned).max() < 0.05


def test_a_matrix_equals_its_parts(read, dance):
    quarter = rotations.quat_from_axis_angle(np.array([0.0, np.pi / 2, 0.0]))
    matrix = np.eye(4)
    matrix[:3, :3] = 0.01 * rotations.matrix_from_quat(quarter)
    matrix[:3, 3] = [1.0, 0.0, 2.0]
    whole, parts = gltf_of(dance, unit=100.0), gltf_of(dance, unit=100.0)
    add_above(whole, 0, matrix=matrix.T.reshape(-1).tolist())
    add_above(
        parts, 0, scale=[0.01] * 3, translation=[1.0, 0.0, 2.0],
        rotation=np.roll(quarter, -1).tolist(),
    )  # fmt: skip
    assert_same(read(whole), read(parts), degrees=1e-3, metres=1e-6)


def test_a_path_above_a_scaled_skeleton_is_in_the_same_unit(read, dance):
    """The armature walks in metres while its bones are written in centimetres."""
    still = replace(dance, root_m=0.0 * dance.root_m)
    file = gltf_of(still, unit=100.0)
    above = add_above(file, 0, scale=[0.01] * 3)
    animation = file.json["animations"][0]
    output = file.accessor(dance.root_m)
    animation["samplers"].append({"input": animation["samplers"][0]["input"], "output": output})
    target = {"node": above, "path": "translation"}
    animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})
    assert_same(read(file), dance)


def test_a_world_with_z_up_is_turned_upright(read, dance):
    tilt = rotations.quat_from_axis_angle(np.array([np.pi / 2, 0.0, 0.0]))
    file = gltf_of(dance)
    add_above(file, 0, rotation=np.roll(tilt, -1).tolist())
    assert_same(read(file), dance)


def test_the_longest_animation_is_taken_or_the_one_that_is_named(read, dance):
    file = gltf_of(dance)
    short = cut(dance, 1.0, 1.0)
    times_s = np.arange(short.frame_count) / short.fps
    add_animation(file, times_s, short.rotations, short.root_m, name="short")
    assert_same(read(file), dance)
    assert_same(read(file, animation="short"), short)
    with pytest.raises(MotionError, match="no animation 'shor'; it holds dance, short"):
        read(file, animation="shor")


def test_a_take_begins_at_its_first_key(read, dance):
    assert_same(read(gltf_of(dance, start_s=7.5)), dance)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_an_even_rate_is_kept(read, dance, fps):
    assert_same(read(gltf_of(replace(dance, fps=fps))), replace(dance, fps=fps))


def test_sparse_keys_are_sampled_at_30_frames_a_second(read, dance):
    sparse = replace(dance, rotations=dance.rotations[::6], root_m=dance.root_m[::6], fps=5.0)
    clip = read(gltf_of(sparse))
    assert (clip.fps, clip.frame_count) == (30.0, 115)
    assert_same(
        replace(clip, rotations=clip.rotations[::6], root_m=clip.root_m[::6], fps=5.0), sparse
    )


def test_uneven_keys_are_made_even(read, dance):
    """Every second key of the first second is left out; lines between stay close."""
    file = gltf_of(dance)
    kept = np.concatenate([np.arange(0, 30, 2), np.arange(30, 120)])
    file.json["animations"] = []
    add_animation(file, kept / 30.0, dance.rotations[kept], dance.root_m[kept])
    assert_same(read(file), dance, degrees=3.0, metres=0.02)


def test_of_two_characters_the_one_that_dances_is_read(read, dance):
    file, still = gltf_of(dance), gltf_of(dance, unit=3.0)
    shifted(file, 24)
    file.json["nodes"] = still.json["nodes"] + file.json["nodes"]
    assert_same(read(file), dance)


def test_a_camera_that_moves_along_and_on_does_not_count(read, dance):
    file = gltf_of(dance)
    camera = file.listed("nodes", {"name": "camera"})
    sampler = {"input": file.accessor([0.0, 50.0]), "output": file.accessor(np.ones((2, 3)))}
    animation = file.json["animations"][0]
    animation["samplers"].append(sampler)
    target = {"node": camera, "path": "translation"}
    animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})
    assert_same(read(file), dance)


def test_meshes_called_like_joints_are_not_taken_for_them(read, dance):
    file = gltf_of(dance)
    mesh = file.listed("nodes", {"name": "left_knee", "mesh": 0})
    file.json["nodes"][0]["children"].insert(0, mesh)
    assert_same(read(file), dance)


def shifted(file, by):
    """Count all nodes of a file from ``by`` on."""
    for node in file.json["nodes"]:
        if "children" in node:
            node["children"] = [child + by for child in node["children"]]
    for channel in file.json["animations"][0]["channels"]:
        channel["target"]["node"] += by
    file.json["skins"][0]["joints"] = [joint + by for joint in file.json["skins"][0]["joints"]]


VRM = {
    "hips": 0, "leftUpperLeg": 1, "rightUpperLeg": 2, "spine": 3, "leftLowerLeg": 4,
    "rightLowerLeg": 5, "chest": 6, "leftFoot": 7, "rightFoot": 8, "upperChest": 9, "leftToes": 10,
    "rightToes": 11, "neck": 12, "leftShoulder": 13, "rightShoulder": 14, "head": 15,
    "leftUpperArm": 16, "rightUpperArm": 17, "leftLowerArm": 18, "rightLowerArm": 19,
    "leftHand": 20, "rightHand": 21,
}  # fmt: skip


@pytest.mark.parametrize("extension", ["VRMC_vrm", "VRMC_vrm_animation", "VRM"])
def test_vrm_humanoid_bones_are_used(read, dance, extension):
    file = gltf_of(dance, names=[f"bone {n}" for n in range(24)])
    with pytest.raises(MotionError, match="expected a human skeleton"):
        read(file)
    bones = {bone: {"node": node} for bone, node in VRM.items()}
    if extension == "VRM":
        bones = [{"bone": bone, "node": node} for bone, node in VRM.items()]
    file.json["extensions"] = {extension: {"humanoid": {"humanBones": bones}}}
    clip = read(file)
    np.testing.assert_allclose(directions(clip), directions(dance), atol=1e-3)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-4)


@pytest.mark.parametrize("folder", ["aist", "cmu05", "cmu85", "animated_drawings"])
def test_real_dances_round_trip_through_a_rig_of_its_own_axes(read, shared_motions, folder):
    path = sorted(p for p in (shared_motions / folder).iterdir() if p.suffix in (".pkl", ".bvh"))[0]
    dance = cut(read_motion(path), 0.0, 5.0)
    clip = read(gltf_of(dance, bases=UNREAL_BASES, unit=100.0))
    off_m = kinematics.joint_positions(clip) - kinematics.joint_positions(dance)
    assert np.abs(off_m).max() < 1e-3


def bend(**changes):
    """Return a function that changes the JSON of a file."""

    def change(file):
        damaged = json.loads(json.dumps(file.json))
        for context, value in changes.items():
            holder, *path = damaged, *context.split("__")
            for step in path[:-1]:
                holder = holder[int(step) if step.isdigit() else step]
            holder[int(path[-1]) if path[-1].isdigit() else path[-1]] = value
        file.damage = damaged

    return change


# Of the accessors 0 is the skin's, 1 the times, 2 the path, 3 the pelvis's turns.
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (bend(animations=[]), "expected an animation of a skeleton"),
        (bend(animations=[{"channels": [], "samplers": []}]), "expected an animation of a skel"),
        (bend(nodes=[], skins=[]), "there is no number 0"),
        (bend(nodes__1__name="wing"), "expected a human skeleton"),
        (bend(nodes__23__children=[0]), "are below themselves"),
        (bend(nodes__23__children=[99]), "there is no number 99, only 24"),
        (bend(nodes__22__children=[5]), "has two parents"),
        (bend(nodes__0__children=3), "a list of children"),
        (bend(nodes__0__rotation=[1, 2, 3]), "expected a list of 4 numbers"),
        (bend(nodes__0__translation=[1, 2, "x"]), "expected 3 numbers"),
        (bend(nodes__0__translation=[1, 2, float("nan")]), "holds NaN"),
        (bend(nodes__0__scale=[-1, 1, 1]), "mirrored"),
        (bend(nodes=7), "a list of objects under 'nodes'"),
        (bend(accessors__2__count=10**9), "reach past their bytes"),
        (bend(accessors__2__count=-1), "a whole number"),
        (bend(accessors__2__count=True), "a whole number"),
        (bend(accessors__2__componentType=1), "a component type"),
        (bend(accessors__2__type="VEC2"), "expected 3 numbers each"),
        (bend(accessors__2__bufferView=999), "there is no number 999"),
        (bend(accessors__2__byteOffset=10**6), "reach past their bytes"),
        (bend(bufferViews__2__byteStride=1), "reach past their bytes"),
        (bend(bufferViews__2__byteOffset=10**7), "reach past their bytes"),
        (bend(bufferViews__2__buffer=1), "there is no number 1"),
        (bend(accessors__1__count=3), "1 value a key"),
        (bend(animations__0__samplers__0__interpolation="CUBICSPLINE"), "3 values a key"),
        (bend(animations__0__samplers__0__interpolation="BEZIER"), "LINEAR, STEP, CUBICSPLINE"),
        (bend(animations__0__channels__0__sampler=99), "there is no number 99"),
        (bend(animations__0__channels__0__target={"node": 99, "path": "rotation"}), "number 99"),
        (bend(skins__0__joints=None), "a list of joints"),
        (bend(skins__0__joints=[*range(24), 0]), "fewer bind matrices"),
        (bend(asset={"version": "1.0"}), "found version 1.0"),
        (bend(asset=None), "found no version"),
        (bend(extensionsRequired=["EXT_meshopt_compression"]), "without compression"),
        (bend(buffers=[{"byteLength": 10**9}]), "it is cut short"),
        (bend(buffers=[]), "there is no number 0"),
    ],
)
def test_a_damaged_file_gives_a_one_line_error(read, dance, change, said):
    file = gltf_of(dance)
    change(file)
    with pytest.raises(MotionError, match=said) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    assert "dance.glb" in str(caught.value)


def test_any_json_content_raises_only_motion_errors(tmp_path, dance):
    rng = np.random.default_rng(0)
    strange = [None, -1, 99, 2**40, 0.5, float("nan"), "x", [], {}, True, [1, 2, 3], {"a": 1}]
    file, told = gltf_of(cut(dance, 0.0, 0.3)), 0
    for _ in range(120):
        damaged = json.loads(json.dumps(file.json))
        holder, key = damaged, None
        while key is None or (isinstance(holder[key], dict | list) and holder[key]):
            holder = holder if key is None else holder[key]
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = keys[rng.integers(len(keys))]
        holder[key] = strange[rng.integers(len(strange))]
        (tmp_path / "a.glb").write_bytes(replace(file, damage=damaged).glb())
        try:
            read_motion(tmp_path / "a.glb")
        except MotionError as error:
            told += "\n" not in str(error)
    assert told > 60


def test_counts_without_bytes_are_no_memory_bomb(read, dance):
    file = gltf_of(dance)
    file.json["accessors"][2] = {"componentType": 5126, "type": "VEC3", "count": 10**12}
    with pytest.raises(MotionError, match="name more than"):
        read(file)


def test_two_keys_years_apart_are_no_memory_bomb(read, dance):
    file = gltf_of(dance)
    file.json["animations"] = []
    add_animation(file, [0.0, 1e9], dance.rotations[:2], dance.root_m[:2])
    with pytest.raises(MotionError, match="up to 7200 s, found 1e"):
        read(file)


def test_a_few_dense_keys_in_a_long_take_do_not_set_the_rate(read, dance):
    file = gltf_of(dance)
    file.json["animations"] = []
    times_s = np.array([0.0, 0.001, 0.002, 0.003, 60.0])
    add_animation(file, times_s, dance.rotations[:5], dance.root_m[:5])
    assert read(file).fps == 60.0


@pytest.mark.parametrize(
    ("times_s", "said"),
    [([0.0, 0.0], "found 0 s"), ([1.0, 0.0], "run backwards"), ([0.0, np.nan], "holds NaN")],
)
def test_keys_without_times_are_refused(read, dance, times_s, said):
    file = gltf_of(dance)
    file.json["animations"] = []
    add_animation(file, times_s, dance.rotations[:2], dance.root_m[:2])
    with pytest.raises(MotionError, match=said):
        read(file)


def test_rotations_of_no_length_and_nan_are_refused(read, dance):
    for value, said in ((0.0, "a rotation of length 0"), (np.nan, "holds NaN")):
        bad = dance.rotations.copy()
        file = gltf_of(dance)
        bad[5, 3] = value
        file.json["animations"] = []
        add_animation(file, np.arange(120) / 30.0, bad, dance.root_m)
        with pytest.raises(MotionError, match=said):
            read(file)


def test_a_crowd_is_refused(read, dance):
    file = gltf_of(dance)
    first = len(file.json["nodes"])
    file.json["nodes"] += [{} for _ in range(6000)]
    file.json["nodes"][15]["children"] = list(range(first, first + 6000))
    with pytest.raises(MotionError, match="at most 5000 joints"):
        read(file)


@pytest.mark.parametrize("kept", [4, 11, 19, 200, -300])
def test_a_glb_cut_short_is_an_error(read, dance, kept):
    with pytest.raises(MotionError, match="cut short"):
        read(gltf_of(dance).glb()[:kept])


def test_a_glb_of_chunks_that_do_not_fit_is_an_error(read, dance):
    raw = bytearray(gltf_of(dance).glb())
    raw[12:16] = struct.pack("<I", len(raw))
    with pytest.raises(MotionError, match="reaches past its end"):
        read(bytes(raw))
    raw[4:8] = struct.pack("<I", 1)
    with pytest.raises(MotionError, match="found version 1"):
        read(bytes(raw))


@pytest.mark.parametrize("text", [b'{"asset"', b"{}", b"[1]", b'{"a":' * 100_000])
def test_json_that_is_no_gltf_is_an_error(tmp_path, text):
    (tmp_path / "a.gltf").write_bytes(text)
    with pytest.raises(MotionError, match=r"JSON can't be read|expected glTF 2|begins with"):
        read_motion(tmp_path / "a.gltf")


def test_scales_that_are_animated_count_in_the_middle_of_the_take(read, dance):
    file = gltf_of(dance, unit=100.0)
    add_above(file, 0, scale=[5.0] * 3)
    animation = file.json["animations"][0]
    output = file.accessor(np.full((120, 3), 0.01))
    animation["samplers"].append({"input": animation["samplers"][0]["input"], "output": output})
    target = {"node": 24, "path": "scale"}
    animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})
    assert_same(read(file), dance)


def test_two_skins_on_one_skeleton_agree(read, dance):
    file = gltf_of(dance, bases=UNREAL_BASES)
    add_skin(file, UNREAL_BASES, 1.0, joints=[0, 3, 6, 9, 12, 15])
    assert_same(read(file), dance)


def test_the_json_of_the_writer_is_plain(dance):
    assert json.loads(gltf_of(dance).embedded())["asset"]["version"] == "2.0"


def test_joints_are_sampled_as_requested(tmp_path, dance):
    (tmp_path / "a.glb").write_bytes(gltf_of(dance).glb())
    take = read_gltf(tmp_path / "a.glb")
    knee = skeleton.joint_index("left_knee")
    whole = take.local_rotations(knee)
    np.testing.assert_array_equal(take.local_rotations(knee, np.array([7, 3])), whole[[7, 3]])
    np.testing.assert_array_equal(take.local_rotations(knee, slice(2, 4)), whole[2:4])
    assert take.local_translations(knee) is None
