"""Motions and groups as the reading worker takes them in.

A group is a motion of several files, copied from motions that were uploaded; all begin at the same
moment. Beside its files stand a table of the skeleton and the positions of the joints, which the
studio shows.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinetune.errors import MotionError
from kinetune.files import atomic_file, write_json
from kinetune.motion import skeleton
from kinetune.motion.clip import resample
from kinetune.motion.group import Dancers, dance_of, dancers_of, mean_joint_speed
from kinetune.motion.io.formats import MotionFile, ReadOptions, read_motion_file
from kinetune.motion.kinematics import joint_positions
from kinetune.serve.store import Store, Work
from kinetune.serve.work_files import POSITIONS, SKELETON, without_folder
from kinetune.tasks.inspect import describe_group, describe_motion
from kinetune.tasks.requests.serialisation import to_json

# Enough for a smooth picture of any dance.
SKELETON_FPS = 30.0
_FLOOR_PERCENTILE = 5.0


def read_motion(work: Work, store: Store, max_motion_s: float) -> Any:  # noqa: ANN401 - JSON
    """Read an uploaded motion or a group; return what it holds.

    Raises:
        MotionError: A file can't be read or lasts too long, or a motion of the group is gone.
    """
    folder = store.folder_of("motion", work.id)
    if members := work.request.get("members"):
        _copy_members(members, motion_files(work, store), store)
    paths = motion_files(work, store)
    read = read_options(work.request)
    files = [read_motion_file(path, read) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.clip.duration_s > max_motion_s:
            raise MotionError(
                f"{path.name}: lasts {file.clip.duration_s:.1f} s; this server takes up to "
                f"{max_motion_s:g} s"
            )
    result = _describe(paths, files)
    _write_skeleton(folder, dance_of([file.clip for file in files]))
    return without_folder(result, folder)


def motion_files(work: Work, store: Store) -> list[Path]:
    """Return the files of a motion, several of a group."""
    folder = store.folder_of("motion", work.id)
    return [folder / name for name in work.request.get("files") or [work.request["name"]]]


def group_request(motions: Sequence[Work]) -> dict[str, Any]:
    """Return a group of motions as it is stored; equal names get numbers."""
    files: list[str] = []
    for motion in motions:
        path, number = Path(motion.request["name"]), 2
        name = path.name
        while name in files:
            name, number = f"{path.stem}-{number}{path.suffix}", number + 1
        files.append(name)
    return {
        **{key: motions[0].request.get(key) for key in ("fps", "animation")},
        "name": " + ".join(files),
        "bytes": sum(motion.request["bytes"] for motion in motions),
        "files": files,
        "members": [motion.id for motion in motions],
    }


def read_options(request: dict[str, Any]) -> ReadOptions:
    """Return what a motion's request says of its file."""
    return ReadOptions(animation=request.get("animation"), fps=request.get("fps"))


def _copy_members(members: Sequence[str], targets: Sequence[Path], store: Store) -> None:
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    for motion_id, target in zip(members, targets, strict=True):
        motion = store.find("motion", motion_id)
        if motion is None or motion.status != "done":
            raise MotionError(f"{target.name}: was deleted or can't be read")
        shutil.copyfile(motion_files(motion, store)[0], target)


def _describe(paths: Sequence[Path], files: Sequence[MotionFile]) -> dict[str, Any]:
    """What ``kinetune inspect`` says of each file, and of a group the beats that all share."""
    each = [describe_motion(path, file) for path, file in zip(paths, files, strict=True)]
    if len(each) == 1:
        return dict(to_json(each[0]))
    longest = max(each, key=lambda one: one.duration_s)
    group = describe_group(paths, files)
    return {
        **to_json(longest),
        **to_json(group),
        "format": ", ".join(dict.fromkeys(one.format for one in each)),
        "note": "; ".join(dict.fromkeys(one.note for one in each if one.note)),
        "motion_beats_s": sorted({beat for one in each for beat in one.motion_beats_s}),
    }


def _write_skeleton(folder: Path, dance: Dancers) -> None:
    fps = min(dance.fps, SKELETON_FPS)
    slow = dance_of([resample(clip, fps) for clip in dancers_of(dance)])
    each = [joint_positions(clip).astype("<f4") for clip in dancers_of(slow)]
    for positions in each:
        # The floor is where the lowest joint mostly is; a few frames may lie below.
        positions[..., 1] -= np.percentile(positions[..., 1].min(axis=1), _FLOOR_PERCENTILE)
    count = slow.frame_count
    # Who has finished keeps the last pose.
    together = np.stack([p[np.minimum(np.arange(count), len(p) - 1)] for p in each], axis=1)
    with atomic_file(folder / POSITIONS) as partial:
        partial.write_bytes(together.tobytes())
    table = {
        "joints": list(skeleton.JOINT_NAMES),
        "parents": list(skeleton.PARENTS),
        "dancers": len(each),
        "fps": slow.fps,
        "frames": count,
        "positions": {
            "dtype": "float32",
            "order": "frame, dancer, joint, xyz",
            "unit": "m",
            "up": "y",
            "floor": 0.0,
        },
        "mean_joint_speed_m_s": [round(float(v), 4) for v in mean_joint_speed(slow)[0]],
    }
    write_json(folder / SKELETON, table)
