"""Poses and curves that arrive as messages: a bounded buffer, and the motion of its last seconds.

Positions are x, y, z in any unit with any axis up. Joints are called as SMPL's or as those of
MediaPipe and COCO; hips, knees, ankles, shoulders, elbows and wrists are needed, the rest is put
between them. Axes: T frames, J = 22 joints.
"""

import math
import re
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import KinetuneError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip
from kinetune.motion.curves.puppet import clip_from_curves
from kinetune.motion.curves.reading import curves_of
from kinetune.motion.retargeting.position_fit import clip_from_positions

Array = NDArray[np.float64]

_JOINTS = skeleton.JOINT_NAMES[:22]
NEEDED = tuple(
    f"{side}_{part}"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("left", "right")
)
_OTHER_NAMES = {
    "nose": "head", "hips": "pelvis", "spine": "spine1", "chest": "spine3",
    "left_foot_index": "left_foot", "right_foot_index": "right_foot",
}  # fmt: skip
#: Beyond these a message is refused, and older frames are dropped.
MAX_JOINTS, MAX_CURVES, MAX_FRAMES = 256, 64, 4096
_MAX_VALUE = 1e6
# Frames a second that motion is brought to, at most.
_FPS = 60.0
# After so long without a message there is no window.
_STALE_S = 2.0


class BadMessage(ValueError):
    """A message that can't be used; the text says why, in a few words."""


class PoseStream:
    """What has arrived of a pose stream, as a source of motion.

    It may be filled from one thread and read from another. Times are those of arrival, less the
    session's beginning; a sender's own times, where messages have them, give the distances.
    """

    def __init__(self) -> None:
        self._frames: deque[tuple[float, Array]] = deque(maxlen=MAX_FRAMES)
        self._curves: deque[tuple[float, dict[str, float]]] = deque(maxlen=MAX_FRAMES)
        self._lock = threading.Lock()
        self._offset_s: float | None = None
        self.received = 0
        self.skipped: Counter[str] = Counter()

    def add_joints(
        self, joints: Mapping[str, Sequence[float]], now_s: float, sent_s: float | None = None
    ) -> None:
        """Take a pose.

        Args:
            joints: x, y and z by name.
            now_s: When it arrived.
            sent_s: The sender's own time.

        Raises:
            BadMessage: A joint is missing, or a value is no number.
        """
        positions = _positions(joints)
        self._append(self._frames, positions, now_s, sent_s)

    def add_curves(
        self, curves: Mapping[str, float], now_s: float, sent_s: float | None = None
    ) -> None:
        """Take a value of each curve; see :meth:`add_joints`.

        Raises:
            BadMessage: There are none or too many, or a value is no number.
        """
        if not 1 <= len(curves) <= MAX_CURVES:
            raise BadMessage("wrong number of curves")
        values = {str(name)[:80]: _number(value) for name, value in curves.items()}
        self._append(self._curves, values, now_s, sent_s)

    def skip(self, reason: str) -> None:
        """Count a message that can't be used."""
        with self._lock:
            self.skipped[reason] += 1

    def _append(self, frames: deque, content: object, now_s: float, sent_s: float | None) -> None:
        with self._lock:
            time_s = now_s if sent_s is None else self._in_session(sent_s, now_s)
            if frames and time_s <= frames[-1][0]:
                raise BadMessage("not later than the one before")
            frames.append((time_s, content))
            self.received += 1

    def _in_session(self, sent_s: float, now_s: float) -> float:
        """A sender's time in the session's: the quickest message had the least delay."""
        offset_s = now_s - sent_s
        # A leap of more than a second is another clock.
        if self._offset_s is None or offset_s > self._offset_s + 1.0:
            self._offset_s = offset_s
        self._offset_s = min(self._offset_s, offset_s)
        return sent_s + self._offset_s

    def window(self, now_s: float, length_s: float) -> tuple[MotionClip, float] | None:
        """Return the motion of the last seconds and where it begins; None if there is none."""
        with self._lock:
            poses = [row for row in self._frames if row[0] >= now_s - length_s]
            curves = [row for row in self._curves if row[0] >= now_s - length_s]
        latest = poses if len(poses) >= len(curves) else curves
        if len(latest) < 4 or now_s - latest[-1][0] > _STALE_S:
            return None
        try:
            return _pose_clip(poses) if latest is poses else _curve_clip(curves)
        except KinetuneError:
            # Legs without length, or curves without change: nothing to follow yet.
            return None

    def is_finished(self, now_s: float) -> bool:
        """Return False: a stream may go on at any time."""
        return False


def _pose_clip(rows: Sequence[tuple[float, Array]]) -> tuple[MotionClip, float]:
    times_s = np.array([time_s for time_s, _ in rows])
    positions = np.stack([pose for _, pose in rows])
    fps = min(_FPS, 1.0 / float(np.median(np.diff(times_s))))
    count = max(2, timebase.frames_in(float(times_s[-1] - times_s[0]), fps))
    at_s = times_s[0] + timebase.frame_times(count, fps)
    flat = positions.reshape(len(positions), -1)
    even = np.stack([np.interp(at_s, times_s, column) for column in flat.T], axis=1)
    clip = clip_from_positions(even.reshape(count, -1, 3), fps=fps, name="stream")
    return clip, float(times_s[0])


def _curve_clip(rows: Sequence[tuple[float, dict[str, float]]]) -> tuple[MotionClip, float]:
    names = set(rows[-1][1])
    same = [(time_s, values) for time_s, values in rows if set(values) == names]
    columns: dict[str, list[float]] = {name: [v[name] for _, v in same] for name in names}
    columns["time"] = [time_s for time_s, _ in same]
    return clip_from_curves(curves_of(columns), name="stream"), same[0][0]


def _positions(joints: Mapping[str, Sequence[float]]) -> Array:
    """All 22 joints from those of a message, (22, 3)."""
    if len(joints) > MAX_JOINTS:
        raise BadMessage("too many joints")
    points = {}
    for name, value in joints.items():
        if (known := _joint_name(str(name))) in _JOINTS:
            if not isinstance(value, Sequence) or isinstance(value, str) or len(value) < 3:
                raise BadMessage("a joint without x, y, z")
            points[known] = np.array([_number(each) for each in value[:3]])
    if any(name not in points for name in NEEDED):
        raise BadMessage("a joint is missing")
    whole = _with_spine(points)
    return np.stack([whole[name] for name in _JOINTS])


def _joint_name(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:80]).lower()
    snake = re.sub(r"[^a-z0-9]+", "_", snake).strip("_")
    return _OTHER_NAMES.get(snake, snake)


def _with_spine(points: dict[str, Array]) -> dict[str, Array]:
    """The points, and those of the spine, head, collars and feet where they are missing."""
    hips = 0.5 * (points["left_hip"] + points["right_hip"])
    shoulders = 0.5 * (points["left_shoulder"] + points["right_shoulder"])
    up = shoulders - hips
    out = {
        "pelvis": hips + 0.12 * up,
        "neck": shoulders + 0.1 * up,
        "head": shoulders + 0.35 * up,
        **{f"spine{k}": hips + share * up for k, share in ((1, 0.3), (2, 0.5), (3, 0.65))},
    }
    for side in ("left", "right"):
        shoulder, ankle = points[f"{side}_shoulder"], points[f"{side}_ankle"]
        out[f"{side}_collar"] = shoulders + 0.35 * (shoulder - shoulders)
        forward = np.cross(points["right_hip"] - points["left_hip"], up)
        length = max(float(np.linalg.norm(forward)), 1e-9)
        reach = 0.3 * float(np.linalg.norm(up))
        out[f"{side}_foot"] = ankle - 0.1 * up + reach * forward / length
    return {**out, **points}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadMessage("a value that is no number")
    number = float(value)
    if not math.isfinite(number) or abs(number) > _MAX_VALUE:
        raise BadMessage("a value that is not finite, or absurdly large")
    return number
