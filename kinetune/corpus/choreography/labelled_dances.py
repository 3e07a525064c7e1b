"""Real dances whose beats are known: 125 of AIST++ by 18 dancers.

The AIST++ Dance Motion Dataset (Li, Yang, Ross, Kanazawa 2021; CC BY 4.0), retargeted by MotionMind
and packed by ``tools/make_labelled_dances.py``. A dance's name contains its tempo. Basic dances
start on the first beat of a bar and last sixteen beats; of advanced ones the phase is unknown.
Metres, y up, 24 joints, 30 fps.
"""

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kinetune import files, timebase
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from kinetune.motion.skeleton import JOINT_COUNT

DATA = files.CORPUS_DATA / "labelled_dances.npz"
CREDIT = "AIST++ Dance Motion Dataset, Google LLC, CC BY 4.0, retargeted by MotionMind"
STORED_FPS = 30.0
_ROTATION_STEP = np.pi / 3600.0
_POSITION_STEP_M = 5e-4


@dataclass(frozen=True, eq=False)
class LabelledDance:
    """A real dance and its beat.

    Attributes:
        clip: The dance, 30 fps.
        genre: Code of its genre.
        dancer: AIST's number of the dancer, such as ``d04``.
        bpm: Beats per minute of the music it was danced to.
        downbeat_s: Time of a beat that opens a bar, or None where only the tempo is known.
    """

    clip: MotionClip
    genre: str
    dancer: str
    bpm: float
    downbeat_s: float | None

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """All beats inside the clip, seconds; none where the phase is unknown."""
        if self.downbeat_s is None:
            return np.zeros(0)
        return timebase.beat_times(self.bpm, self.downbeat_s, self.clip.duration_s)


@cache
def labelled_dances() -> tuple[LabelledDance, ...]:
    """Return all labelled dances, in order of their names."""
    with np.load(DATA, allow_pickle=False) as stored:
        index = json.loads(stored["index"].tobytes())
        motion = stored["motion"]
    dances, start = [], 0
    for entry in index:
        steps = motion[:, start : start + entry["frames"]]
        start += entry["frames"]
        dances.append(
            LabelledDance(
                clip=_unpacked(steps, entry["name"]),
                genre=entry["genre"],
                dancer=entry["dancer"],
                bpm=entry["bpm"],
                downbeat_s=0.0 if entry["phase_known"] else None,
            )
        )
    return tuple(dances)


def labelled_beats(clip: MotionClip) -> NDArray[np.float64] | None:
    """Return the beats of a clip, seconds, where it is one of these and they are known."""
    if clip.source != CREDIT:
        return None
    known = {dance.clip.name: dance for dance in labelled_dances()}
    beats_s = known[clip.name].beats_s if clip.name in known else np.zeros(0)
    return beats_s if len(beats_s) else None


def packed(clip: MotionClip) -> NDArray[np.int16]:
    """Return a clip as it is stored: differences from frame to frame of 75 columns, (75, T)."""
    pose = clip.axis_angle.reshape(clip.frame_count, -1) / _ROTATION_STEP
    whole = np.concatenate([pose, clip.root_m / _POSITION_STEP_M], axis=1)
    whole = np.round(whole).clip(-16000, 16000).astype(np.int16)
    return np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1])).T


def _unpacked(steps: NDArray[np.int16], name: str) -> MotionClip:
    whole = np.cumsum(steps.T, axis=0, dtype=np.float64)
    pose = np.asarray(whole[:, : 3 * JOINT_COUNT] * _ROTATION_STEP, dtype=np.float64)
    root_m = np.asarray(whole[:, 3 * JOINT_COUNT :] * _POSITION_STEP_M, dtype=np.float64)
    return clip_from_axis_angle(pose, root_m, fps=STORED_FPS, name=name, source=CREDIT)
