"""Retargeting keeps bone directions and sides, for any rig."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion import kinematics, rotations, skeleton, world_axes
from kinetune.motion.io.bvh import Bvh, joint_rotations, read_bvh, write_bvh, zxy_degrees
from kinetune.motion.retargeting.joint_names import recognise_joints
from kinetune.motion.retargeting.retarget import retarget_animation
from kinetune.motion.skeleton import LIMB_BONES
from tests.motion.retargeting.test_joint_names import RIGS, named

LIMB_JOINTS = [joint for joint in LIMB_BONES if LIMB_BONES[joint] not in (22, 23)]


@pytest.fixture
def bvh(tmp_path, dance):
    write_bvh(tmp_path / "dance.bvh", dance)
    return read_bvh(tmp_path / "dance.bvh")


def directions(clip):
    positions = kinematics.joint_positions(clip)
    bones = np.stack([positions[:, LIMB_BONES[j]] - positions[:, j] for j in LIMB_JOINTS], axis=1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def degrees_between(a, b):
    return np.degrees(np.arccos(np.clip(np.sum(a * b, axis=-1), -1.0, 1.0)))


def turned_degrees(a, b):
    return np.degrees(2 * np.arccos(np.clip(np.abs(np.sum(a * b, axis=-1)), 0.0, 1.0)))


def with_tree(bvh, **changes):
    return replace(bvh, hierarchy=replace(bvh.hierarchy, **changes))


def rewritten(bvh, world, offsets, root):
    """A file of the same names whose joints have these world rotations and offsets."""
    parents = bvh.hierarchy.parents
    local = np.stack(
        [
            world[:, j]
            if parent < 0
            else rotations.quat_multiply(rotations.quat_inverse(world[:, parent]), world[:, j])
            for j, parent in enumerate(parents)
        ],
        axis=1,
    )
    values = np.concatenate([root, zxy_degrees(local).reshape(len(root), -1)], axis=1)
    return replace(with_tree(bvh, offsets=offsets), values=values)


def world_rotations(bvh):
    world = np.empty((len(bvh.values), len(bvh.hierarchy.names), 4))
    for joint, parent in enumerate(bvh.hierarchy.parents):
        local = joint_rotations(bvh, joint)
        world[:, joint] = local if parent < 0 else rotations.quat_multiply(world[:, parent], local)
    return world


def with_strange_rest(bvh, seed):
    """The same motion from a rig whose rest pose is no posture at all: every frame re-based."""
    world = world_rotations(bvh)
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(world.shape[1], 4))
    base /= np.linalg.norm(base, axis=-1, keepdims=True)
    offsets = bvh.hierarchy.offsets.copy()
    for joint, parent in enumerate(bvh.hierarchy.parents):
        if parent >= 0:
            back = rotations.quat_inverse(base[parent])
            offsets[joint] = rotations.rotate(back, offsets[joint])
    return rewritten(bvh, rotations.quat_multiply(world, base), offsets, bvh.values[:, :3])


@pytest.mark.parametrize("rig", RIGS)
def test_a_rig_by_any_name_gives_the_same_dance(bvh, dance, rig):
    names = named(rig) | {"left_hand": "tip", "right_hand": "tip"}
    for joint in skeleton.JOINT_NAMES:
        names.setdefault(joint, f"extra_{joint.replace('left', '').replace('right', '')}")
    clip = retarget_animation(
        with_tree(bvh, names=tuple(names[name] for name in bvh.hierarchy.names))
    )
    np.testing.assert_allclose(directions(clip), directions(dance), atol=1e-6)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1 / 2.54, 10.0])
def test_the_unit_of_the_file_does_not_matter(bvh, dance, scale):
    values = bvh.values.copy()
    values[:, :3] *= scale
    scaled = replace(with_tree(bvh, offsets=bvh.hierarchy.offsets * scale), values=values)
    clip = retarget_animation(scaled)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-6)
    assert turned_degrees(clip.rotations, dance.rotations).max() < 1e-3


@pytest.mark.parametrize("also_the_rest", [True, False])
def test_a_world_with_z_up_is_turned_upright(bvh, dance, also_the_rest):
    to_z_up = rotations.quat_inverse(world_axes.ROTATION_TO_Y_UP["+z"])
    world = rotations.quat_multiply(to_z_up, world_rotations(bvh))
    offsets = bvh.hierarchy.offsets
    if also_the_rest:
        world = rotations.quat_multiply(world, world_axes.ROTATION_TO_Y_UP["+z"])
        offsets = world_axes.z_up_from_y_up(offsets)
    clip = retarget_animation(
        rewritten(bvh, world, offsets, world_axes.z_up_from_y_up(bvh.values[:, :3]))
    )
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-6)
    assert turned_degrees(clip.rotations, dance.rotations).max() < 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_an_implausible_rest_pose_keeps_bones_and_sides(bvh, dance, seed):
    clip = retarget_animation(with_strange_rest(bvh, seed))
    assert degrees_between(directions(clip), directions(dance)).max() < 0.01
    ours, theirs = (kinematics.global_rotations(c.rotations) for c in (clip, dance))
    off = turned_degrees(ours, theirs)
    # Twist has to be guessed there: knees and elbows tell it for thighs and upper arms.
    for name in ("pelvis", "spine3", "left_hip", "right_hip", "left_shoulder", "right_shoulder"):
        assert np.median(off[:, skeleton.joint_index(name)]) < 25.0, name


def test_arms_that_rest_hanging_are_lined_up_too(bvh, dance):
    order = [skeleton.joint_index(name) for name in bvh.hierarchy.names]
    world = world_rotations(bvh)
    offsets = bvh.hierarchy.offsets.copy()
    down = {}
    for side, way in (("left", -1.0), ("right", 1.0)):
        turn = rotations.quat_from_axis_angle(np.array([0.0, 0.0, way * np.radians(75.0)]))
        arm = [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hand")]
        down |= {skeleton.joint_index(name): turn for name in arm}
    for place, joint in enumerate(order):
        if joint in down:
            back = rotations.quat_inverse(down[joint])
            world[:, place] = rotations.quat_multiply(world[:, place], back)
        if skeleton.PARENTS[joint] in down:
            offsets[place] = rotations.rotate(down[skeleton.PARENTS[joint]], offsets[place])
    clip = retarget_animation(rewritten(bvh, world, offsets, bvh.values[:, :3]))
    # Our bones don't lie quite along x, so the swing down differs a little from a turn about z.
    assert np.median(turned_degrees(clip.rotations, dance.rotations), axis=0).max() < 12.0


def test_a_reference_pose_in_frame_0_is_dropped(bvh, dance):
    first = np.zeros_like(bvh.values[:1])
    first[:, :3] = bvh.values[:1, :3]
    clip = retarget_animation(replace(bvh, values=np.concatenate([first, bvh.values])))
    assert clip.frame_count == dance.frame_count
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-6)


def test_a_first_frame_of_the_motion_itself_is_kept(bvh, dance):
    assert retarget_animation(bvh).frame_count == dance.frame_count


def test_positions_carried_by_joints_replace_their_offsets(bvh, dance):
    tree_ = bvh.hierarchy
    channels, columns, column = [], [], 0
    for joint, its in enumerate(tree_.channels):
        if joint:
            its = ("Xposition", "Yposition", "Zposition", *its)
            columns.append(np.tile(tree_.offsets[joint], (len(bvh.values), 1)))
        width = len(tree_.channels[joint])
        columns.append(bvh.values[:, column : column + width])
        column += width
        channels.append(its)
    six = Bvh(
        replace(tree_, channels=tuple(channels), offsets=tree_.offsets * 0.0),
        np.concatenate(columns, axis=1),
        bvh.fps,
    )
    clip = retarget_animation(six)
    np.testing.assert_allclose(clip.root_m, dance.root_m, atol=1e-6)
    assert turned_degrees(clip.rotations, dance.rotations).max() < 1e-3


def test_position_channels_of_zeros_leave_the_offset_standing(bvh, dance):
    tree_ = bvh.hierarchy
    knee = tree_.names.index("left_knee")
    channels = list(tree_.channels)
    channels[knee] = ("Xposition", "Yposition", "Zposition", *channels[knee])
    values = np.insert(bvh.values, [tree_.first_column(knee)] * 3, 0.0, axis=1)
    changed = replace(with_tree(bvh, channels=tuple(channels)), values=values)
    assert turned_degrees(retarget_animation(changed).rotations, dance.rotations).max() < 1e-3


def test_a_joint_above_the_hips_carries_the_dance_along(bvh, dance):
    tree_ = bvh.hierarchy
    above = replace(
        tree_,
        names=("Armature", *tree_.names),
        parents=(-1, *(parent + 1 for parent in tree_.parents)),
        offsets=np.concatenate([np.zeros((1, 3)), tree_.offsets]),
        ends=np.concatenate([np.zeros((1, 3)), tree_.ends]),
        channels=(("Xposition", "Yposition", "Zposition"), *tree_.channels),
    )
    shift = np.tile([100.0, 0.0, 0.0], (len(bvh.values), 1))
    clip = retarget_animation(Bvh(above, np.concatenate([shift, bvh.values], axis=1), bvh.fps))
    np.testing.assert_allclose(clip.root_m, dance.root_m + [1.0, 0.0, 0.0], atol=1e-6)


def test_one_frame_is_enough(bvh):
    for file in (bvh, with_strange_rest(bvh, 0)):
        assert retarget_animation(replace(file, values=file.values[5:6])).frame_count == 1


def test_long_motion_is_handled_in_pieces_without_seams(bvh, dance):
    long = replace(bvh, values=np.tile(bvh.values, (70, 1)))
    clip = retarget_animation(long)
    assert clip.frame_count == 70 * dance.frame_count
    np.testing.assert_allclose(clip.root_m, np.tile(dance.root_m, (70, 1)), atol=1e-6)


def test_legs_of_no_length_are_an_error(bvh):
    offsets = bvh.hierarchy.offsets.copy()
    offsets[bvh.hierarchy.names.index("left_knee")] = 0.0
    with pytest.raises(MotionError, match="legs of some length"):
        retarget_animation(with_tree(bvh, offsets=offsets), context="a.bvh")


def test_a_skeleton_without_legs_is_an_error(bvh):
    names = tuple(name.replace("knee", "wheel") for name in bvh.hierarchy.names)
    with pytest.raises(MotionError, match=r"cart\.bvh.* no left_knee, .*left_wheel"):
        retarget_animation(with_tree(bvh, names=names), context="cart.bvh")


def source_positions(bvh):
    """Joint positions by plain forward kinematics, file units, (T, J, 3)."""
    world, tree_ = world_rotations(bvh), bvh.hierarchy
    positions = np.empty(world[..., 1:].shape)
    positions[:, 0] = bvh.values[:, :3]
    for joint, parent in enumerate(tree_.parents):
        if parent >= 0:
            step = rotations.rotate(world[:, parent], tree_.offsets[joint])
            positions[:, joint] = positions[:, parent] + step
    return positions


REAL = ["cmu05", "cmu85", "animated_drawings"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL)
def test_real_dances_keep_every_limb_bone_in_the_world(shared_motions, folder):
    for path in sorted((shared_motions / folder).glob("*.bvh")):
        bvh = read_bvh(path)
        clip = retarget_animation(bvh)
        found = recognise_joints(bvh.hierarchy.names, bvh.hierarchy.parents, context=str(path))
        positions = source_positions(bvh)[-clip.frame_count :]
        if path.stem == "dab":  # The one file with z up.
            positions = world_axes.y_up_from(positions, "+z")
        ends = np.array([[found[j], found[LIMB_BONES[j]]] for j in LIMB_JOINTS])
        bones = positions[:, ends[:, 1]] - positions[:, ends[:, 0]]
        bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
        assert degrees_between(directions(clip), bones).max() < 0.5, path.name


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL)
def test_real_dancers_are_on_the_floor_at_a_persons_height(shared_motions, folder):
    for path in sorted((shared_motions / folder).glob("*.bvh")):
        clip = retarget_animation(read_bvh(path))
        height_m = kinematics.joint_positions(clip)[..., 1]
        lowest_m = height_m[:, [7, 8, 10, 11]].min(axis=1)
        assert abs(np.percentile(lowest_m, 5)) < 0.1, path.name
        assert 1.4 < np.percentile(height_m[:, 15], 95) < 2.0, path.name


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL)
def test_real_knees_bend_back_and_elbows_forward(shared_motions, folder):
    for path in sorted((shared_motions / folder).glob("*.bvh")):
        clip = retarget_animation(read_bvh(path))
        positions = kinematics.joint_positions(clip)
        world = kinematics.global_rotations(clip.rotations)
        for upper, lower, end, way in (
            (1, 4, 7, -1), (2, 5, 8, -1), (16, 18, 20, 1), (17, 19, 21, 1),
        ):  # fmt: skip
            back = rotations.quat_inverse(world[:, upper])
            bend = rotations.rotate(back, positions[:, end] - positions[:, lower]).mean(axis=0)
            bone = skeleton.OFFSETS_M[lower] / np.linalg.norm(skeleton.OFFSETS_M[lower])
            bend -= bone * (bend @ bone)
            # A limb held straight throughout bends no way at all.
            if np.linalg.norm(bend) > 0.05:
                angle = degrees_between(bend / np.linalg.norm(bend), np.array([0.0, 0.0, way]))
                assert angle < 45.0, (path.name, skeleton.JOINT_NAMES[upper])


@pytest.mark.slow
def test_every_reference_pose_of_cmu_is_dropped_and_no_other_frame(shared_motions):
    for path in sorted(shared_motions.rglob("*.bvh")):
        bvh = read_bvh(path)
        dropped = len(bvh.values) - retarget_animation(bvh).frame_count
        has_one = path.parent.name == "cmu05" or path.stem == "wave_dance"
        assert dropped == int(has_one), path.name
