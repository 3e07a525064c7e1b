"""Real dances: the bundled library, and a user's own folder.

The library is one ``.npz`` of 16-bit integers made by ``tools/make_motion_library.py``; the origin
of its clips is in each clip's ``source`` and in NOTICE. Metres, y up, 24 joints.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import files
from kinetune.errors import ConfigError, KinetuneError
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from kinetune.motion.io.formats import MOTION_SUFFIXES, read_motion

LIBRARY = files.CORPUS_DATA / "motions.npz"
STORED_FPS = 30.0
_ROTATION_STEP = np.pi / 32767.0
_POSITION_STEP_M = 1e-4
# Shortest clip that holds a phrase.
_SHORTEST_S = 2.0

Packed = NDArray[np.int16]


@cache
def library() -> tuple[MotionClip, ...]:
    """Return the bundled dances at 30 fps."""
    with np.load(LIBRARY, allow_pickle=False) as stored:
        index = json.loads(stored["index"].tobytes())
        return tuple(
            clip_from_axis_angle(
                stored[f"{entry['name']}.pose"] * _ROTATION_STEP,
                stored[f"{entry['name']}.root"] * _POSITION_STEP_M,
                fps=STORED_FPS,
                name=entry["name"],
                source=entry["credit"],
            )
            for entry in index
        )


def quantise(clip: MotionClip) -> tuple[Packed, Packed]:
    """Return a clip as the library stores it: axis-angle (T, 24, 3) and root (T, 3), 16-bit."""
    middle = clip.root_m.mean(axis=0) * [1.0, 0.0, 1.0]
    root = np.round((clip.root_m - middle) / _POSITION_STEP_M).clip(-32767, 32767)
    quats = np.round(clip.axis_angle / _ROTATION_STEP).clip(-32767, 32767)
    return quats.astype(np.int16), root.astype(np.int16)


@cache
def read_clip_folder(folder: Path) -> tuple[MotionClip, ...]:
    """Return the dances of a user's folder, in order of their names.

    Raises:
        ConfigError: The folder is missing, contains no motion, or a clip of it can't be used.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of clips")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in MOTION_SUFFIXES)
    if not paths:
        raise ConfigError(f"{folder}: no motion files ({', '.join(MOTION_SUFFIXES)}) in it")
    try:
        clips = tuple(read_motion(path) for path in paths)
    except KinetuneError as error:
        raise ConfigError(f"{error}; fix it or take it out of --clips") from error
    for clip, path in zip(clips, paths, strict=True):
        if clip.duration_s < _SHORTEST_S:
            raise ConfigError(
                f"{path}: lasts {clip.duration_s:.1f} s, expected {_SHORTEST_S:g} s or more; "
                "take it out of --clips"
            )
    return clips
