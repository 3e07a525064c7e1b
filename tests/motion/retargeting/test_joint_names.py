import pytest

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.retargeting.joint_names import (
    complete_joints,
    guess_joints,
    missing_joints,
    recognise_joints,
)
from kinetune.motion.retargeting.joint_words import sided_keys

# How each rig calls hip, knee, ankle, foot, collar, shoulder, elbow, wrist on the left and right,
# then pelvis, spine from below, neck, head. An empty name is a joint the rig doesn't have.
RIGS = {
    "Mixamo": (
        "mixamorig:{Left}UpLeg mixamorig:{Left}Leg mixamorig:{Left}Foot mixamorig:{Left}ToeBase "
        "mixamorig:{Left}Shoulder mixamorig:{Left}Arm mixamorig:{Left}ForeArm mixamorig:{Left}Hand",
        "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck "
        "mixamorig:Head",
    ),
    "Mixamo, imported a second time": (
        "mixamorig1_{Left}UpLeg mixamorig1_{Left}Leg mixamorig1_{Left}Foot "
        "mixamorig1_{Left}ToeBase mixamorig1_{Left}Shoulder mixamorig1_{Left}Arm "
        "mixamorig1_{Left}ForeArm mixamorig1_{Left}Hand",
        "mixamorig1_Hips mixamorig1_Spine mixamorig1_Spine1 mixamorig1_Spine2 mixamorig1_Neck "
        "mixamorig1_Head",
    ),
    "Mixamo without a prefix": (
        "{Left}UpLeg {Left}Leg {Left}Foot {Left}ToeBase {Left}Shoulder {Left}Arm {Left}ForeArm "
        "{Left}Hand",
        "Hips Spine Spine1 Spine2 Neck Head",
    ),
    "Mixamo without colons": (
        "mixamorig{Left}UpLeg mixamorig{Left}Leg mixamorig{Left}Foot mixamorig{Left}ToeBase "
        "mixamorig{Left}Shoulder mixamorig{Left}Arm mixamorig{Left}ForeArm mixamorig{Left}Hand",
        "mixamorigHips mixamorigSpine mixamorigSpine1 mixamorigSpine2 mixamorigNeck mixamorigHead",
    ),
    "Unreal": (
        "thigh_{l} calf_{l} foot_{l} ball_{l} clavicle_{l} upperarm_{l} lowerarm_{l} hand_{l}",
        "pelvis spine_01 spine_02 spine_03 neck_01 head",
    ),
    "Unity": (
        "{Left}UpperLeg {Left}LowerLeg {Left}Foot {Left}Toes {Left}Shoulder {Left}UpperArm "
        "{Left}LowerArm {Left}Hand",
        "Hips Spine Chest UpperChest Neck Head",
    ),
    "VRM": (
        "J_Bip_{L}_UpperLeg J_Bip_{L}_LowerLeg J_Bip_{L}_Foot J_Bip_{L}_ToeBase "
        "J_Bip_{L}_Shoulder J_Bip_{L}_UpperArm J_Bip_{L}_LowerArm J_Bip_{L}_Hand",
        "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head",
    ),
    "Rigify": (
        "DEF-thigh.{L} DEF-shin.{L} DEF-foot.{L} DEF-toe.{L} DEF-shoulder.{L} DEF-upper_arm.{L} "
        "DEF-forearm.{L} DEF-hand.{L}",
        "DEF-spine DEF-spine.001 DEF-spine.002 DEF-spine.003 DEF-neck DEF-head",
    ),
    "Rigify by its spine": (
        "DEF-thigh.{L} DEF-shin.{L} DEF-foot.{L} DEF-toe.{L} DEF-shoulder.{L} DEF-upper_arm.{L} "
        "DEF-forearm.{L} DEF-hand.{L}",
        "DEF-spine DEF-spine.001 DEF-spine.002 DEF-spine.003 DEF-spine.004 DEF-spine.005",
    ),
    "Rigify's ORG bones": (
        "ORG-thigh.{L} ORG-shin.{L} ORG-foot.{L} ORG-toe.{L} ORG-shoulder.{L} ORG-upper_arm.{L} "
        "ORG-forearm.{L} ORG-hand.{L}",
        "ORG-spine ORG-spine.001 ORG-spine.002 ORG-spine.003 ORG-spine.004 ORG-spine.005",
    ),
    "Rokoko": (
        "{Left}Thigh {Left}Shin {Left}Foot {Left}Toe {Left}Shoulder {Left}Arm {Left}ForeArm "
        "{Left}Hand",
        "Hips Spine1 Spine2 Spine3 Neck Head",
    ),
    "Biped": (
        "Bip001_{L}_Thigh Bip001_{L}_Calf Bip001_{L}_Foot Bip001_{L}_Toe0 Bip001_{L}_Clavicle "
        "Bip001_{L}_UpperArm Bip001_{L}_Forearm Bip001_{L}_Hand",
        "Bip001_Pelvis Bip001_Spine Bip001_Spine1 Bip001_Spine2 Bip001_Neck Bip001_Head",
    ),
    "Xsens": (
        "{Left}Hip {Left}Knee {Left}Ankle {Left}Toe {Left}Collar {Left}Shoulder {Left}Elbow "
        "{Left}Wrist",
        "Hips L5 L3 T8 Neck Head",
    ),
    "DAZ": (
        "{l}ThighBend {l}Shin {l}Foot {l}Toe {l}Collar {l}ShldrBend {l}ForearmBend {l}Hand",
        "pelvis abdomenLower abdomenUpper chestLower neckLower head",
    ),
    "ASF": (
        "{l}femur {l}tibia {l}foot {l}toes {l}clavicle {l}humerus {l}radius {l}wrist",
        "root lowerback upperback thorax lowerneck head",
    ),
    "all small": (
        "{left}upleg {left}leg {left}foot {left}toebase {left}shoulder {left}arm {left}forearm "
        "{left}hand",
        "hips spine spine1 spine2 neck head",
    ),
    "a performer's name": (
        "Anna_{Left}UpLeg Anna_{Left}Leg Anna_{Left}Foot Anna_{Left}ToeBase Anna_{Left}Shoulder "
        "Anna_{Left}Arm Anna_{Left}ForeArm Anna_{Left}Hand",
        "Anna_Hips Anna_Spine Anna_Spine1 Anna_Spine2 Anna_Neck Anna_Head",
    ),
    "OptiTrack Motive": (
        "{L}Thigh {L}Shin {L}Foot {L}Toe {L}Shoulder {L}UArm {L}FArm {L}Hand",
        "Hip Ab Ab2 Chest Neck Head",
    ),
    "OptiTrack Motive, with the skeleton's name": (
        "Skeleton_001_{L}Thigh Skeleton_001_{L}Shin Skeleton_001_{L}Foot Skeleton_001_{L}Toe "
        "Skeleton_001_{L}Shoulder Skeleton_001_{L}UArm Skeleton_001_{L}FArm Skeleton_001_{L}Hand",
        "Skeleton_001_Hip Skeleton_001_Ab Skeleton_001_Ab2 Skeleton_001_Chest Skeleton_001_Neck "
        "Skeleton_001_Head",
    ),
    "OptiTrack Motive, with a namespace": (
        "Anna:{L}Thigh Anna:{L}Shin Anna:{L}Foot Anna:{L}Toe Anna:{L}Shoulder Anna:{L}UArm "
        "Anna:{L}FArm Anna:{L}Hand",
        "Anna:Hip Anna:Ab Anna:Ab2 Anna:Chest Anna:Neck Anna:Head",
    ),
    "Auto-Rig Pro": (
        "thigh_stretch.{l} leg_stretch.{l} foot.{l} toes_01.{l} shoulder.{l} arm_stretch.{l} "
        "forearm_stretch.{l} hand.{l}",
        "root.x spine_01.x spine_02.x spine_03.x neck.x head.x",
    ),
    # Assumed for Captury too, with which it was recorded.
    "MPI-INF-3DHP": (
        "{left}_hip {left}_knee {left}_ankle {left}_foot {left}_clavicle {left}_shoulder "
        "{left}_elbow {left}_wrist",
        "pelvis spine spine2 spine3 neck head",
    ),
    "Motion Builder with five spine joints": (
        "{Left}UpLeg {Left}Leg {Left}Foot {Left}ToeBase {Left}Shoulder {Left}Arm {Left}ForeArm "
        "{Left}Hand",
        "Hips Spine Spine1 Spine4 Neck Head",
    ),
    "Spanish": (
        "Muslo{Izq} Pantorrilla{Izq} Pie{Izq} Punta_Pie_{Izq} Clavícula{Izq} Brazo{Izq} "
        "Antebrazo{Izq} Mano{Izq}",
        "Cadera Columna1 Columna2 Pecho Cuello Cabeza",
    ),
    "Spanish in full": (
        "pierna_superior_{izquierda} pierna_inferior_{izquierda} tobillo_{izquierdo} "
        "dedos_pie_{izquierdo} hombro_{izquierdo} brazo_superior_{izquierdo} codo_{izquierdo} "
        "muñeca_{izquierda}",
        "pelvis columna columna2 columna3 cuello cabeza",
    ),
    "Chinese": (
        "{左}大腿 {左}小腿 {左}脚 {左}脚趾 {左}肩 {左}上臂 {左}前臂 {左}手",
        "骨盆 脊柱1 脊柱2 胸 脖子 头",
    ),
    "Chinese, traditional": (
        "{左}大腿骨 {左}膝 {左}腳踝 {左}腳尖 {左}鎖骨 {左}手臂 {左}手肘 {左}手腕",
        "骨盆 脊椎1 脊椎2 脊椎3 頸部 頭部",
    ),
    "MMD": (
        "{左}足 {左}ひざ {左}足首 {左}つま先 {左}肩 {左}腕 {左}ひじ {左}手首",
        "センター 下半身 上半身 上半身2 首 頭",
    ),
    "MMD in half-width kana": (
        "{左}足 {左}ﾋｻﾞ {左}足首 {左}ﾂﾏ先 {左}肩 {左}腕 {左}ﾋｼﾞ {左}手首",
        "ｾﾝﾀｰ 下半身 上半身 上半身2 首 頭",
    ),
    "no collars, toes or neck": (
        "{Left}Hip {Left}Knee {Left}Ankle - - {Left}Shoulder {Left}Elbow {Left}Wrist",
        "Hips Spine1 Spine2 Spine3 - Head",
    ),
}  # fmt: skip
LIMB = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")


def named(rig):
    """Return our skeleton in the names of a rig: what each of our joints is called there."""
    limb, trunk = RIGS[rig]
    names = dict(zip(TRUNK, trunk.split(), strict=True))
    for side, spelled in (
        ("left", "l L left Left izquierdo izquierda Izq 左"),
        ("right", "r R right Right derecho derecha Der 右"),
    ):
        spellings = dict(
            zip(
                ["l", "L", "left", "Left", "izquierdo", "izquierda", "Izq", "左"],
                spelled.split(),
                strict=True,
            )
        )
        for part, name in zip(LIMB, limb.split(), strict=True):
            names[f"{side}_{part}"] = name.format(**spellings)
    return {ours: name for ours, name in names.items() if name != "-"}


def tree(names):
    """Return names and parents of the joints our skeleton keeps in a rig, and whose they are."""
    kept = [joint for joint in skeleton.JOINT_NAMES if joint in names]
    parents = []
    for joint in kept:
        above = skeleton.PARENTS[skeleton.joint_index(joint)]
        while above >= 0 and skeleton.JOINT_NAMES[above] not in kept:
            above = skeleton.PARENTS[above]
        parents.append(kept.index(skeleton.JOINT_NAMES[above]) if above >= 0 else -1)
    return [names[joint] for joint in kept], parents, kept


@pytest.mark.parametrize("rig", RIGS)
def test_every_joint_of_a_known_rig_is_found(rig):
    names, parents, kept = tree(named(rig))
    found = recognise_joints(names, parents, context="a")
    for joint, place in zip(skeleton.JOINT_NAMES, found, strict=True):
        assert place == (kept.index(joint) if joint in kept else -1), joint


# Whole rigs as they are exported, written as paths: what else stands in them must not confuse.
UNREAL_5 = """
root/pelvis/spine_01/spine_02/spine_03/spine_04/spine_05/neck_01/neck_02/head
spine_05/clavicle_l/upperarm_l/lowerarm_l/hand_l/index_metacarpal_l/index_01_l
spine_05/clavicle_r/upperarm_r/lowerarm_r/hand_r/index_metacarpal_r/index_01_r
upperarm_l/upperarm_twist_01_l
upperarm_l/upperarm_twist_02_l
lowerarm_l/lowerarm_twist_01_l
upperarm_r/upperarm_twist_01_r
lowerarm_r/lowerarm_twist_01_r
pelvis/thigh_l/thigh_twist_01_l
thigh_l/calf_l/calf_twist_01_l
calf_l/foot_l/ball_l
pelvis/thigh_r/thigh_twist_01_r
thigh_r/calf_r/calf_twist_01_r
calf_r/foot_r/ball_r
root/ik_foot_root/ik_foot_l
ik_foot_root/ik_foot_r
root/ik_hand_root/ik_hand_gun/ik_hand_l
ik_hand_gun/ik_hand_r
root/interaction
root/center_of_mass
"""
UNREAL_5_JOINTS = {
    "pelvis": "pelvis", "spine3": "spine_05", "neck": "neck_02", "head": "head",
    "left_hip": "thigh_l", "left_knee": "calf_l", "left_ankle": "foot_l", "left_foot": "ball_l",
    "right_collar": "clavicle_r", "right_shoulder": "upperarm_r", "right_elbow": "lowerarm_r",
    "right_wrist": "hand_r", "spine1": "spine_02", "spine2": "spine_03",
}  # fmt: skip
RIGIFY = """
rig/root/ORG-spine/ORG-thigh.L/ORG-shin.L/ORG-foot.L/ORG-toe.L
ORG-spine/ORG-thigh.R/ORG-shin.R/ORG-foot.R/ORG-toe.R
ORG-foot.L/ORG-heel.02.L
root/MCH-thigh_parent.L/thigh_ik.L
MCH-thigh_parent.L/thigh_fk.L/shin_fk.L/foot_fk.L
root/DEF-spine/DEF-pelvis.L
DEF-spine/DEF-pelvis.R
DEF-spine/DEF-thigh.L/DEF-thigh.L.001/DEF-shin.L/DEF-shin.L.001/DEF-foot.L/DEF-toe.L
DEF-spine/DEF-thigh.R/DEF-thigh.R.001/DEF-shin.R/DEF-shin.R.001/DEF-foot.R/DEF-toe.R
DEF-spine/DEF-spine.001/DEF-spine.002/DEF-spine.003/DEF-spine.004/DEF-spine.005/DEF-spine.006
DEF-spine.003/DEF-shoulder.L/DEF-upper_arm.L/DEF-upper_arm.L.001/DEF-forearm.L/DEF-forearm.L.001
DEF-forearm.L.001/DEF-hand.L/DEF-palm.01.L/DEF-thumb.01.L
DEF-spine.003/DEF-shoulder.R/DEF-upper_arm.R/DEF-upper_arm.R.001/DEF-forearm.R/DEF-forearm.R.001
DEF-forearm.R.001/DEF-hand.R/DEF-palm.01.R
DEF-spine.003/DEF-breast.L
DEF-spine.003/DEF-breast.R
DEF-spine.006/DEF-jaw
DEF-spine.006/DEF-ear.L
"""
RIGIFY_JOINTS = {
    "pelvis": "DEF-spine", "spine3": "DEF-spine.003", "head": "DEF-spine.006",
    "neck": "DEF-spine.005", "left_hip": "DEF-thigh.L", "left_knee": "DEF-shin.L",
    "left_ankle": "DEF-foot.L", "right_foot": "DEF-toe.R", "right_collar": "DEF-shoulder.R",
    "left_shoulder": "DEF-upper_arm.L", "left_elbow": "DEF-forearm.L", "left_wrist": "DEF-hand.L",
}  # fmt: skip
VROID = """
Root/J_Bip_C_Hips/J_Bip_C_Spine/J_Bip_C_Chest/J_Bip_C_UpperChest/J_Bip_C_Neck/J_Bip_C_Head
J_Bip_C_Head/J_Adj_L_FaceEye
J_Bip_C_Head/J_Sec_Hair1_01/J_Sec_Hair2_01
J_Bip_C_UpperChest/J_Sec_L_Bust1/J_Sec_L_Bust2
J_Bip_C_UpperChest/J_Bip_L_Shoulder/J_Bip_L_UpperArm/J_Bip_L_LowerArm/J_Bip_L_Hand/J_Bip_L_Index1
J_Bip_C_UpperChest/J_Bip_R_Shoulder/J_Bip_R_UpperArm/J_Bip_R_LowerArm/J_Bip_R_Hand/J_Bip_R_Index1
J_Bip_L_UpperArm/J_Sec_L_TipSleeve
J_Bip_C_Hips/J_Sec_L_CoatSkirtFront/J_Sec_L_CoatSkirtFront2
J_Bip_C_Hips/J_Bip_L_UpperLeg/J_Bip_L_LowerLeg/J_Bip_L_Foot/J_Bip_L_ToeBase
J_Bip_C_Hips/J_Bip_R_UpperLeg/J_Bip_R_LowerLeg/J_Bip_R_Foot/J_Bip_R_ToeBase
"""
VROID_JOINTS = {
    "pelvis": "J_Bip_C_Hips", "spine1": "J_Bip_C_Spine", "spine2": "J_Bip_C_Chest",
    "spine3": "J_Bip_C_UpperChest", "head": "J_Bip_C_Head", "left_foot": "J_Bip_L_ToeBase",
    "right_knee": "J_Bip_R_LowerLeg", "left_wrist": "J_Bip_L_Hand",
    "left_collar": "J_Bip_L_Shoulder", "right_shoulder": "J_Bip_R_UpperArm",
}  # fmt: skip


def planted(paths):
    """Return names and parents of a tree written as paths."""
    names, parents = [], []
    for path in paths.split():
        above = -1
        for name in path.split("/"):
            if name not in names:
                names.append(name)
                parents.append(above)
            above = names.index(name)
    return names, parents


@pytest.mark.parametrize(
    ("paths", "joints"),
    [(UNREAL_5, UNREAL_5_JOINTS), (RIGIFY, RIGIFY_JOINTS), (VROID, VROID_JOINTS)],
    ids=["Unreal 5", "Rigify", "VRoid"],
)
def test_a_whole_rig_with_all_its_helpers_is_known(paths, joints):
    names, parents = planted(paths)
    found = recognise_joints(names, parents, context="a")
    for ours, theirs in joints.items():
        assert names[found[skeleton.joint_index(ours)]] == theirs, ours


def test_joint_names_use_controls_without_bones():
    names, parents = planted(RIGIFY)
    names = [name.replace("DEF-", "MCH-").replace("ORG-", "org of ") for name in names]
    found = recognise_joints(names, parents, context="a")
    assert names[found[skeleton.joint_index("left_elbow")]] == "MCH-forearm.L"


CESIUM_MAN = [
    "Skeleton_torso_joint_1",
    "Skeleton_torso_joint_2",
    "torso_joint_3",
    "Skeleton_neck_joint_1",
    "Skeleton_neck_joint_2",
    "Skeleton_arm_joint_L__4_",
    "Skeleton_arm_joint_L__3_",
    "Skeleton_arm_joint_L__2_",
    "Skeleton_arm_joint_R",
    "Skeleton_arm_joint_R__2_",
    "Skeleton_arm_joint_R__3_",
    "leg_joint_L_1",
    "leg_joint_L_2",
    "leg_joint_L_3",
    "leg_joint_L_5",
    "leg_joint_R_1",
    "leg_joint_R_2",
    "leg_joint_R_3",
    "leg_joint_R_5",
]


def test_joint_names_order_numbered_limbs_from_the_trunk():
    parents = [-1, 0, 1, 2, 3, 2, 5, 6, 2, 8, 9, 0, 11, 12, 13, 0, 15, 16, 17]
    found = dict(
        zip(
            skeleton.JOINT_NAMES,
            recognise_joints(CESIUM_MAN, parents, context="a"),
            strict=True,
        )
    )
    assert [found[f"left_{part}"] for part in ("hip", "knee", "ankle", "foot")] == [11, 12, 13, 14]
    assert [found[f"right_{part}"] for part in ("hip", "knee", "ankle", "foot")] == [15, 16, 17, 18]
    assert [found[f"left_{part}"] for part in ("shoulder", "elbow", "wrist")] == [5, 6, 7]
    assert [found[f"right_{part}"] for part in ("shoulder", "elbow", "wrist")] == [8, 9, 10]
    assert (found["pelvis"], found["spine3"]) == (0, 2)


def test_joints_that_are_given_stand_and_the_spine_is_found_between():
    names, parents = planted(UNREAL_5)
    given = {
        ours: names.index(theirs)
        for ours, theirs in UNREAL_5_JOINTS.items()
        if not ours.startswith("spine")
    }
    with pytest.raises(KeyError):
        complete_joints(given, parents, context="a")
    for side, letter in (("left", "l"), ("right", "r")):
        parts = ("hip", "knee", "ankle", "shoulder", "elbow")
        limbs = ("thigh", "calf", "foot", "upperarm", "lowerarm")
        for part, theirs in zip(parts, limbs, strict=True):
            given[f"{side}_{part}"] = names.index(f"{theirs}_{letter}")
    assert missing_joints(given) == []
    found = complete_joints(given, parents, context="a")
    assert names[found[skeleton.joint_index("spine2")]] == "spine_03"
    moved = complete_joints(given | {"spine2": names.index("spine_04")}, parents, context="a")
    assert names[moved[skeleton.joint_index("spine2")]] == "spine_04"
    assert found[skeleton.joint_index("left_wrist")] == -1


def test_joints_given_where_they_do_not_hang_are_an_error():
    places = {name: place for place, name in enumerate(skeleton.JOINT_NAMES)}
    places["left_knee"], places["right_knee"] = places["right_knee"], places["left_knee"]
    with pytest.raises(MotionError, match="left_knee below left_hip"):
        complete_joints(places, skeleton.PARENTS, context="a")


def test_the_draft_of_an_unknown_rig_contains_guesses():
    names, parents = planted(UNREAL_5)
    whole = {ours: names[place] for ours, place in guess_joints(names, parents).items()}
    assert UNREAL_5_JOINTS.items() <= whole.items()
    strange = [name.replace("calf", "wheel") for name in names]
    part = {ours: names[place] for ours, place in guess_joints(strange, parents).items()}
    assert part["left_hip"] == "thigh_l"
    assert part["head"] == "head"
    assert "left_knee" not in part
    assert guess_joints(["a", "b"], [-1, 0]) == {}


def test_our_own_names_are_found_in_place():
    assert recognise_joints(skeleton.JOINT_NAMES, skeleton.PARENTS, context="a") == tuple(range(24))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mixamorig:LeftUpLeg", ("left", "upleg")),
        ("thigh_r", ("right", "thigh")),
        ("LHipJoint", ("left", "hip")),
        ("RThumb", ("right", "thumb")),
        ("lowerback", ("", "lowerback")),
        ("rfemur", ("right", "femur")),
        ("Bip01 L UpperArm", ("left", "upperarm")),
        ("Armature|upper_arm.L.001", ("left", "upperarm")),
        ("LeftHandIndex1", ("left", "handindex")),
        ("Spine2", ("", "spine")),
        ("Root", ("", "root")),
    ],
)
def test_side_and_bare_name(name, expected):
    assert sided_keys([name]) == [expected]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6])
def test_spines_of_any_length_reach_from_pelvis_to_chest(count):
    names = ["Hips", *(f"Vertebra{n}" for n in range(count))]
    parents = [-1, *range(count)]
    for side in ("Left", "Right"):
        for chain, below in (("UpLeg Leg Foot", 0), ("Arm ForeArm Hand", count)):
            for part in chain.split():
                parents.append(below)
                below = len(names)
                names.append(side + part)
    found = recognise_joints(names, parents, context="a")
    spine = [found[skeleton.joint_index(f"spine{n}")] for n in (1, 2, 3)]
    assert spine == sorted(spine)
    assert spine[-1] == count
    assert found[0] == 0


@pytest.mark.parametrize(
    ("lost", "named_missing"),
    [("Leg", "left_hip, left_knee"), ("Arm", "left_elbow, right_elbow"), ("Foot", "left_ankle")],
)
def test_missing_limbs_are_named_with_the_names_there_are(lost, named_missing):
    names, parents, _ = tree(named("Mixamo"))
    names = [name.replace(lost, "Thing") for name in names]
    with pytest.raises(MotionError, match=named_missing) as caught:
        recognise_joints(names, parents, context="horse.bvh")
    assert "mixamorig:Hips" in str(caught.value)
    assert "horse.bvh" in str(caught.value)


def test_limbs_that_hang_from_nothing_in_common_are_refused():
    names, parents, kept = tree(named("Unity"))
    parents[kept.index("spine1")] = -1
    with pytest.raises(MotionError, match="nothing in common"):
        recognise_joints(names, parents, context="a")


def test_a_knee_that_does_not_hang_below_its_hip_is_refused():
    names, parents, kept = tree(named("Unity"))
    parents[kept.index("left_knee")] = kept.index("head")
    with pytest.raises(MotionError, match="left_knee below left_hip"):
        recognise_joints(names, parents, context="a")
