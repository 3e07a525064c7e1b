"""Pickle files of AIST++ and EDGE.

AIST++ (Li et al. 2021): ``smpl_poses`` (T, 72) axis-angle, ``smpl_trans`` (T, 3),
``smpl_scaling``; metres are trans / scaling; 60 fps, y up.
EDGE (Tseng et al. 2023): slices with ``pos`` (T, 3) and ``q`` (T, 72), 60 fps, y up, metres (or,
before slicing, divided by ``scale``); generated dances with ``smpl_poses``, ``smpl_trans`` and
``full_pose``, 30 fps, z up, metres.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.frame_rate import check_length
from kinetune.motion.io import smpl
from kinetune.motion.io.safe_pickle import read_pickle

AIST_FPS = 60.0
EDGE_GENERATED_FPS = 30.0


@dataclass(frozen=True)
class _Layout:
    """The keys of one kind of pickle, and what its format documents.

    Attributes:
        required: Keys that identify this layout; all must be present.
        pose: Key of the axis-angle pose.
        path: Key of the pelvis path.
        scale: Key of the number the path is divided by, if there is one.
        fps: Frames per second.
        source: The clip's ``source``.
        up: Up axis.
    """

    required: tuple[str, ...]
    pose: str
    path: str
    scale: str | None
    fps: float
    source: str
    up: str


# The first layout whose keys are all there is the file's.
_LAYOUTS = (
    _Layout(
        ("smpl_poses", "smpl_trans", "smpl_scaling"),
        "smpl_poses", "smpl_trans", "smpl_scaling", AIST_FPS, "aist", "+y",
    ),
    _Layout(("pos", "q"), "q", "pos", "scale", AIST_FPS, "edge", "+y"),
    _Layout(
        ("smpl_poses", "smpl_trans", "full_pose"),
        "smpl_poses", "smpl_trans", None, EDGE_GENERATED_FPS, "edge", "+z",
    ),
)  # fmt: skip


def read_aist(path: Path, *, fps: float | None = None) -> MotionClip:
    """Read an AIST++ or EDGE pickle; ``source`` becomes ``"aist"`` or ``"edge"``.

    Args:
        path: The file.
        fps: Frames per second, in place of those the format documents.

    Raises:
        MotionError: The pickle is unsafe or damaged, keys are missing, or a shape is wrong.
    """
    data = read_pickle(path)
    layout = next((each for each in _LAYOUTS if all(key in data for key in each.required)), None)
    if layout is None:
        raise MotionError(
            f"{path}: expected smpl_poses, smpl_trans and smpl_scaling (AIST++), pos and q (EDGE "
            "slice) or smpl_poses, smpl_trans and full_pose (EDGE output), found "
            f"{', '.join(sorted(data)[:40]) or 'no keys'}"
        )
    rate_hz = layout.fps if fps is None else fps
    pose = _pose(path, data, layout.pose)
    check_length(len(pose), rate_hz, str(path))
    root_m = smpl.numbers(data[layout.path], f"{path}: {layout.path}")
    if layout.scale is not None and layout.scale in data:
        scale = smpl.positive_number(data[layout.scale], f"{path}: {layout.scale}")
        root_m = root_m.astype(np.float64) / scale
    return smpl.clip_from_smpl(path, pose, root_m, fps=rate_hz, source=layout.source, up=layout.up)


def _pose(path: Path, data: Mapping[str, object], key: str) -> NDArray[Any]:
    pose = smpl.numbers(data[key], f"{path}: {key}")
    columns = int(np.prod(pose.shape[1:])) if pose.ndim in (2, 3) else 0
    expected = skeleton.JOINT_COUNT * 3
    if columns != expected:
        hint = "; is this SMPL-H? Save it as AMASS .npz" if columns in (156, 165) else ""
        raise MotionError(
            f"{path}: expected {expected} numbers a frame ({skeleton.JOINT_COUNT} joints x 3) in "
            f"{key}, found an array of shape {pose.shape}{hint}"
        )
    return pose.reshape(len(pose), skeleton.JOINT_COUNT, 3)
