"""Dances kept in pickles: AIST++ and EDGE.

AIST++ (Li et al. 2021): ``smpl_poses`` (T, 72) axis-angle, ``smpl_trans`` (T, 3),
``smpl_scaling``; metres are trans / scaling; 60 fps, y up.
EDGE (Tseng et al. 2023): slices with ``pos`` (T, 3) and ``q`` (T, 72), 60 fps, y up, metres (or,
before slicing, divided by ``scale``); generated dances with ``smpl_poses``, ``smpl_trans`` and
``full_pose``, 30 fps, z up, metres.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.io import smpl
from kinetune.motion.io.safe_pickle import read_pickle

AIST_FPS = 60.0
EDGE_GENERATED_FPS = 30.0

Array = NDArray[np.float64]


def read_aist(path: Path) -> MotionClip:
    """Read an AIST++ or EDGE pickle; ``source`` says ``"aist"`` or ``"edge"``.

    Args:
        path: The file.

    Raises:
        MotionError: The pickle is unsafe or damaged, keys are missing, or a shape is wrong.
    """
    held = read_pickle(path)
    for keys, reader in _READERS.items():
        if all(key in held for key in keys):
            return reader(path, held)
    raise MotionError(
        f"{path}: expected smpl_poses, smpl_trans and smpl_scaling (AIST++), pos and q (EDGE "
        "slice) or smpl_poses, smpl_trans and full_pose (EDGE output), found "
        f"{', '.join(sorted(held)) or 'no keys'}"
    )


def _read_aistpp(path: Path, held: dict[str, object]) -> MotionClip:
    pose = _pose(path, held, "smpl_poses")
    root_m = smpl.numbers(held["smpl_trans"], f"{path}: smpl_trans") / _scale(
        path, held, "smpl_scaling"
    )
    return smpl.clip_from_smpl(path, pose, root_m, fps=AIST_FPS, source="aist", z_up=False)


def _read_edge_slice(path: Path, held: dict[str, object]) -> MotionClip:
    pose = _pose(path, held, "q")
    root_m = smpl.numbers(held["pos"], f"{path}: pos")
    if "scale" in held:
        root_m = root_m / _scale(path, held, "scale")
    return smpl.clip_from_smpl(path, pose, root_m, fps=AIST_FPS, source="edge", z_up=False)


def _read_edge_output(path: Path, held: dict[str, object]) -> MotionClip:
    pose = _pose(path, held, "smpl_poses")
    root_m = smpl.numbers(held["smpl_trans"], f"{path}: smpl_trans")
    return smpl.clip_from_smpl(path, pose, root_m, fps=EDGE_GENERATED_FPS, source="edge", z_up=True)


# The first row whose keys are all there reads the file.
_READERS = {
    ("smpl_poses", "smpl_trans", "smpl_scaling"): _read_aistpp,
    ("pos", "q"): _read_edge_slice,
    ("smpl_poses", "smpl_trans", "full_pose"): _read_edge_output,
}


def _pose(path: Path, held: dict[str, object], key: str) -> Array:
    pose = smpl.numbers(held[key], f"{path}: {key}")
    columns = int(np.prod(pose.shape[1:])) if pose.ndim in (2, 3) else 0
    expected = skeleton.JOINT_COUNT * 3
    if columns != expected:
        hint = "; is this SMPL-H? Save it as AMASS .npz" if columns in (156, 165) else ""
        raise MotionError(
            f"{path}: expected {expected} numbers a frame ({skeleton.JOINT_COUNT} joints x 3) in "
            f"{key}, found an array of shape {pose.shape}{hint}"
        )
    return pose.reshape(len(pose), skeleton.JOINT_COUNT, 3)


def _scale(path: Path, held: dict[str, object], key: str) -> float:
    value = smpl.numbers(held[key], f"{path}: {key}").reshape(-1)
    if len(value) != 1 or not (np.isfinite(value[0]) and value[0] > 0):
        raise MotionError(f"{path}: expected one positive number in {key}, found {value.tolist()}")
    return float(value[0])
