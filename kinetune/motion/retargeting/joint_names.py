"""Matching of a file's joints to the 24 SMPL joints, by name and position in the hierarchy.

Limbs are found by name: prefixes and separators fall away, the side is read from a word, and what
remains is looked up in a table. The trunk is found by its position, since no two rigs name their
spine alike: the pelvis is where the legs meet, the chest where the arms meet, and our three spine
joints are taken from the chain between. Names of which software are known: see
:mod:`kinetune.motion.retargeting.joint_words`.
"""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.retargeting.joint_words import KNOWN_KEYS, LIMB_NAMES, sided_keys

_REQUIRED = ("hip", "knee", "ankle", "shoulder", "elbow")
# Each limb from the trunk outwards; a joint must hang below the one before it.
_CHAINS = (("hip", "knee", "ankle", "foot"), ("shoulder", "elbow", "wrist", "hand"))
_LINKS = [link for chain in _CHAINS for link in itertools.pairwise(chain)] + [
    ("collar", "shoulder")
]
_HEAD_NAMES = ("head", "skull")
_NECK_NAMES = ("neck", "neckbase", "lowerneck", "necklower")
SIDES = ("left", "right")
# Rigs that hold every limb several times mark by a prefix the bones that bend the body.
_LAYERS = ("DEF-", "ORG-")
# Limbs of rigs that only count their joints (CesiumMan), from the trunk outwards.
_COUNTED = {"leg": ("hip", "knee", "ankle", "foot"), "arm": ("shoulder", "elbow", "wrist", "hand")}
_MIN_COUNTED = 3


def recognise_joints(
    names: Sequence[str], parents: Sequence[int], *, context: str
) -> tuple[int, ...]:
    """Find our 24 joints among those of another skeleton.

    Args:
        names: Its joint names.
        parents: Index of each one's parent, -1 for a root.
        context: What to call the file in errors.

    Returns:
        For each of our joints the file's index, -1 where there is none.

    Raises:
        MotionError: Legs or arms can't be found; the message lists them and the file's names.
    """
    missing: list[str] = []
    for keys in _rig_layers(names):
        limbs = _limbs_of(keys, parents)
        missing = missing_joints(limbs)
        if not missing:
            misplaced = _drop_misplaced(limbs, parents)
            missing = [misplaced[name] for name in missing_joints(limbs)]
        if not missing:
            return complete_joints(
                _head_and_neck(keys, parents, limbs) | limbs, parents, context=context
            )
    listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    raise MotionError(
        f"{context}: expected a human skeleton, but found no {', '.join(missing)} among its "
        f"joints ({listed}); rename the joints, for example to LeftUpLeg, LeftLeg, LeftFoot, "
        "LeftArm, LeftForeArm, or say which is which in a mapping file (kinetune inspect FILE "
        "--make-mapping OUT.toml)"
    )


def complete_joints(
    given: Mapping[str, int], parents: Sequence[int], *, context: str
) -> tuple[int, ...]:
    """Complete our 24 joints by their position in the tree.

    Args:
        given: For our joints by name the file's index; all that :func:`missing_joints` needs.
        parents: Index of each file joint's parent, -1 for a root.
        context: What to call the file in errors.

    Returns:
        For each of our joints the file's index, -1 where there is none.

    Raises:
        MotionError: The limbs given don't hang together.
    """
    indices = dict(given)
    if misplaced := _drop_misplaced(indices, parents):
        raise MotionError(
            f"{context}: expected {', '.join(misplaced.values())} in the skeleton's tree"
        )
    indices = _trunk(parents, indices, context) | indices
    return tuple(indices.get(name, -1) for name in skeleton.JOINT_NAMES)


def missing_joints(given: Iterable[str]) -> list[str]:
    """Return which of the required joints are not among ``given``."""
    return [name for side in SIDES for part in _REQUIRED if (name := f"{side}_{part}") not in given]


def guess_joints(names: Sequence[str], parents: Sequence[int]) -> dict[str, int]:
    """Return our joints that are recognised in any skeleton, by name the file's index."""
    best: dict[str, int] = {}
    for keys in _rig_layers(names):
        limbs = _limbs_of(keys, parents)
        _drop_misplaced(limbs, parents)
        joints = limbs | (_head_and_neck(keys, parents, limbs) if _has_arms(limbs) else {})
        if not missing_joints(limbs):
            with contextlib.suppress(MotionError):  # No trunk: the limbs are still worth telling.
                joints = _trunk(parents, limbs, "") | joints
        best = max(best, joints, key=len)
    return best


def limb_joints(names: Sequence[str]) -> set[int]:
    """Return the indices of the names that mean a limb of either side."""
    return {
        index for index, (side, key) in enumerate(sided_keys(names)) if side and key in KNOWN_KEYS
    }


def path_to_root(parents: Sequence[int], joint: int) -> list[int]:
    """Return a joint and all above it, from it to the root."""
    path = []
    while joint >= 0:
        path.append(joint)
        joint = parents[joint]
    return path


def _rig_layers(names: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Yield sided keys of a rig's layers alone, where it has any, then those of all joints."""
    keys = sided_keys(names)
    for mark in _LAYERS:
        inside = [re.split(r"[:|]", name)[-1].startswith(mark) for name in names]
        if any(inside):
            yield [key if kept else ("", "") for key, kept in zip(keys, inside, strict=True)]
    yield keys


def _limbs_of(keys: list[tuple[str, str]], parents: Sequence[int]) -> dict[str, int]:
    limbs = {f"{s}_{part}": index for s in SIDES for part, index in _limbs(keys, s).items()}
    counted = _counted_limbs(keys, parents) if missing_joints(limbs) else {}
    return limbs if missing_joints(counted) else counted


def _counted_limbs(keys: list[tuple[str, str]], parents: Sequence[int]) -> dict[str, int]:
    """Return the limbs of a rig that calls all joints of a leg or an arm alike."""
    limbs: dict[str, int] = {}
    for side, (key, parts) in itertools.product(SIDES, _COUNTED.items()):
        same_kind = {index for index, each in enumerate(keys) if each == (side, key)}
        chain: list[int] = []
        below = [index for index in same_kind if parents[index] not in same_kind]
        while len(below) == 1:
            chain += below
            below = [index for index in same_kind if parents[index] == chain[-1]]
        if len(chain) >= _MIN_COUNTED:
            limbs |= {f"{side}_{part}": index for part, index in zip(parts, chain, strict=False)}
    return limbs


def _limbs(keys: list[tuple[str, str]], side: str) -> dict[str, int]:
    first_of: dict[str, int] = {}
    for index, (joint_side, key) in enumerate(keys):
        if joint_side == side:
            first_of.setdefault(key, index)
    joints: dict[str, int] = {}
    for part, candidates in LIMB_NAMES.items():
        for candidate in candidates:
            if candidate in first_of and first_of[candidate] not in joints.values():
                joints[part] = first_of[candidate]
                break
    return joints


def _drop_misplaced(indices: dict[str, int], parents: Sequence[int]) -> dict[str, str]:
    """Drop joints that hang elsewhere, and return for each what it should have been."""
    misplaced: dict[str, str] = {}
    for side, (upper_part, lower_part) in itertools.product(SIDES, _LINKS):
        upper, lower = f"{side}_{upper_part}", f"{side}_{lower_part}"
        # A collar may be missing and the arm still hang; anything else hangs from something.
        dropped = upper if upper_part == "collar" else lower
        if lower not in indices or dropped not in indices:
            continue
        if upper in indices and indices[upper] in path_to_root(parents, indices[lower])[1:]:
            continue
        del indices[dropped]
        misplaced[dropped] = f"{lower} below {upper}"
    return misplaced


def _top_of_arms(indices: Mapping[str, int]) -> list[int]:
    return [indices[f"{s}_collar" if f"{s}_collar" in indices else f"{s}_shoulder"] for s in SIDES]


def _has_arms(indices: Mapping[str, int]) -> bool:
    return all(f"{side}_shoulder" in indices for side in SIDES)


def _trunk(parents: Sequence[int], indices: Mapping[str, int], context: str) -> dict[str, int]:
    hips = [indices["left_hip"], indices["right_hip"]]
    arms = _top_of_arms(indices)
    body, pelvis, chest = (
        _common_ancestor(parents, joints) for joints in (hips + arms, hips, arms)
    )
    if body < 0 or pelvis in hips or chest in arms:
        raise MotionError(
            f"{context}: expected legs that meet in a pelvis and arms that meet in a chest, found "
            "limbs that hang from nothing in common"
        )
    ancestors = path_to_root(parents, body)
    spine = [joint for joint in reversed(path_to_root(parents, chest)) if joint not in ancestors]
    joints = {"pelvis": pelvis}
    # Our joints stand at a third, two thirds and the end of the chain, whatever its length.
    for third in (1, 2, 3):
        count = round(third / 3 * len(spine))
        joints[f"spine{third}"] = spine[count - 1] if count else pelvis
    return joints


def _common_ancestor(parents: Sequence[int], joints: list[int]) -> int:
    """Return the lowest joint that all ``joints`` hang from (or are), -1 if there is none."""
    paths = [path_to_root(parents, joint) for joint in joints]
    return next((joint for joint in paths[0] if all(joint in path for path in paths)), -1)


def _head_and_neck(
    keys: list[tuple[str, str]], parents: Sequence[int], limbs: Mapping[str, int]
) -> dict[str, int]:
    chest = _common_ancestor(parents, _top_of_arms(limbs))
    if chest < 0:
        return {}

    def named(wanted: tuple[str, ...]) -> int:
        return next(
            (
                index
                for index, (side, key) in enumerate(keys)
                if not side and key in wanted and chest in path_to_root(parents, index)[1:]
            ),
            -1,
        )

    head, neck = named(_HEAD_NAMES), named(_NECK_NAMES)
    if head < 0 and neck < 0:
        head = _end_of_spine(keys, parents, chest)
    joints = {}
    if head >= 0:
        joints["head"] = head
        path = path_to_root(parents, head)
        between = path[1 : path.index(chest)][::-1]
        # Of two neck joints the upper: the lower often sits in the chest itself (CMU).
        neck = between[len(between) // 2] if between else neck
    if neck >= 0:
        joints["neck"] = neck
    return joints


def _end_of_spine(keys: list[tuple[str, str]], parents: Sequence[int], chest: int) -> int:
    """Return the last of the joints that continue above the chest by its name, -1 for none.

    Rigify counts its spine up to the head: spine.003 is the chest, spine.006 the head.
    """
    end = chest
    for index, parent in enumerate(parents):
        if parent == end and keys[index] == keys[chest] != ("", ""):
            end = index
    return end if end != chest else -1
