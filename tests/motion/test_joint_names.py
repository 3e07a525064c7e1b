import pytest

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.joint_names import recognise, sided_keys

# How each rig calls hip, knee, ankle, foot, collar, shoulder, elbow, wrist on the left and right,
# then pelvis, spine from below, neck, head. An empty name is a joint the rig doesn't have.
RIGS = {
    "Mixamo": (
        "mixamorig:{Left}UpLeg mixamorig:{Left}Leg mixamorig:{Left}Foot mixamorig:{Left}ToeBase "
        "mixamorig:{Left}Shoulder mixamorig:{Left}Arm mixamorig:{Left}ForeArm mixamorig:{Left}Hand",
        "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck "
        "mixamorig:Head",
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
        ("left", ("l", "L", "left", "Left")),
        ("right", ("r", "R", "right", "Right")),
    ):
        for part, name in zip(LIMB, limb.split(), strict=True):
            spellings = dict(zip(("l", "L", "left", "Left"), spelled, strict=True))
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
    found = recognise(names, parents, where="a")
    for joint, place in zip(skeleton.JOINT_NAMES, found, strict=True):
        assert place == (kept.index(joint) if joint in kept else -1), joint


def test_our_own_names_are_found_in_place():
    assert recognise(skeleton.JOINT_NAMES, skeleton.PARENTS, where="a") == tuple(range(24))


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
    found = recognise(names, parents, where="a")
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
        recognise(names, parents, where="horse.bvh")
    assert "mixamorig:Hips" in str(caught.value)
    assert "horse.bvh" in str(caught.value)


def test_limbs_that_hang_from_nothing_in_common_are_refused():
    names, parents, kept = tree(named("Unity"))
    parents[kept.index("spine1")] = -1
    with pytest.raises(MotionError, match="nothing in common"):
        recognise(names, parents, where="a")


def test_a_knee_that_does_not_hang_below_its_hip_is_refused():
    names, parents, kept = tree(named("Unity"))
    parents[kept.index("left_knee")] = kept.index("head")
    with pytest.raises(MotionError, match="left_knee below left_hip"):
        recognise(names, parents, where="a")
