"""The 24-joint body every motion is brought to, and its mean bone lengths.

Metres, y up, the face looks along +z, the left hand along +x. Joint order and parents are SMPL's;
the offsets of the mean skeleton are those published with EDGE (Tseng et al. 2023, MIT licence).
"""

import numpy as np
from numpy.typing import NDArray

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar",
    "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
JOINT_COUNT = len(JOINT_NAMES)
PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip
# Offset of each joint from its parent in the rest pose (a T-pose), metres, y up, shape (24, 3).
OFFSETS_M: NDArray[np.float64] = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.05858135, -0.08228004, -0.01766408],
        [-0.06030973, -0.09051332, -0.01354254],
        [0.00443945, 0.12440352, -0.03838522],
        [0.04345142, -0.38646945, 0.008037],
        [-0.04325663, -0.38368791, -0.00484304],
        [0.00448844, 0.1379564, 0.02682033],
        [-0.01479032, -0.42687458, -0.037428],
        [0.01905555, -0.4200455, -0.03456167],
        [-0.00226458, 0.05603239, 0.00285505],
        [0.04105436, -0.06028581, 0.12204243],
        [-0.03483987, -0.06210566, 0.13032329],
        [-0.0133902, 0.21163553, -0.03346758],
        [0.07170245, 0.11399969, -0.01889817],
        [-0.08295366, 0.11247234, -0.02370739],
        [0.01011321, 0.08893734, 0.05040987],
        [0.12292141, 0.04520509, -0.019046],
        [-0.11322832, 0.04685326, -0.00847207],
        [0.2553319, -0.01564902, -0.02294649],
        [-0.26012748, -0.01436928, -0.03126873],
        [0.26570925, 0.01269811, -0.00737473],
        [-0.26910836, 0.00679372, -0.00602676],
        [0.08669055, -0.01063603, -0.01559429],
        [-0.0887537, -0.00865157, -0.01010708],
    ]
)
OFFSETS_M.flags.writeable = False


def joint_index(name: str) -> int:
    """Return the index of a joint in the 24, by name."""
    return JOINT_NAMES.index(name)


SIDES = ("left", "right")
# Both bones of both legs: a joint and the joint at its far end.
LEG_BONES: tuple[tuple[int, int], ...] = tuple(
    (joint_index(f"{side}_{upper}"), joint_index(f"{side}_{lower}"))
    for side in SIDES
    for upper, lower in (("hip", "knee"), ("knee", "ankle"))
)
# Limb joints and the joint at the far end of their bone.
LIMB_BONES: dict[int, int] = {
    joint_index(f"{side}_{upper}"): joint_index(f"{side}_{lower}")
    for side in SIDES
    for upper, lower in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
    )
}  # fmt: skip
# How much of the rotation from the pelvis to the chest each spine joint has, from the pelvis on.
SPINE_FRACTIONS: dict[int, float] = {
    joint_index("spine1"): 1 / 3, joint_index("spine2"): 2 / 3, joint_index("spine3"): 1.0,
}  # fmt: skip
# Where the lower bone goes when a hinge bends, in the axes of the upper bone at rest: knees bend
# backwards, elbows (palms down in a T-pose) forwards.
BEND_DIRECTIONS: dict[int, NDArray[np.float64]] = {
    joint_index(f"{side}_{part}"): np.array([0.0, 0.0, z])
    for side in SIDES
    for part, z in (("hip", -1.0), ("shoulder", 1.0))
}


def rest_positions_m() -> NDArray[np.float64]:
    """Return where the joints are in the rest pose, pelvis at the origin, metres, (24, 3)."""
    positions = OFFSETS_M.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            positions[joint] += positions[parent]
    return positions


def leg_length_m() -> float:
    """Return the mean length of the two legs from hip to ankle, metres."""
    lengths = [float(np.linalg.norm(OFFSETS_M[lower])) for _, lower in LEG_BONES]
    return sum(lengths) / len(SIDES)
