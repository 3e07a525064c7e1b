"""Motion clips: :class:`MotionClip`, resampling, cutting and checks.

Metres, y up, radians; rotations are local (relative to the parent joint), as SMPL's axis-angle
pose is. Axes: T frames, J = 24 joints.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.memmap import CHUNK_FRAMES, chunks, zeros_or_memmap
from kinetune.motion import rotations, skeleton


@dataclass(frozen=True)
class KnownBeats:
    """Beats that a motion's source names itself, such as curves.

    Attributes:
        bpm: Beats per minute; the mean where the tempo drifts.
        beats_s: All beats, seconds, ascending.
        bar_start_s: Time of a beat that opens a bar.
        confidence: How sure they are, 0 to 1.
        readings: Other ways to count, best first, this one among them: beats per minute, first
            beat in seconds, and probability.
    """

    bpm: float
    beats_s: tuple[float, ...]
    bar_start_s: float = 0.0
    confidence: float = 1.0
    readings: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class MotionClip:
    """One dance of one body.

    Attributes:
        rotations: Local rotations as unit quaternions (w, x, y, z), shape (T, 24, 4).
        root_m: Path of the pelvis, metres, y up, shape (T, 3).
        fps: Frames per second.
        name: What to call the clip, usually the file's stem.
        source: Where it came from: a format such as ``"bvh"``, or what made it.
        known_beats: Its beats, where the source names them; else they are estimated.

    Raises:
        MotionError: A shape is wrong, a value is not finite, or the rate is not positive.
    """

    rotations: NDArray[np.float64]
    root_m: NDArray[np.float64]
    fps: float
    name: str = "clip"
    source: str = "memory"
    known_beats: KnownBeats | None = None

    def __post_init__(self) -> None:
        expected = (len(self.root_m), skeleton.JOINT_COUNT, 4)
        if self.rotations.shape != expected or self.root_m.shape != (expected[0], 3):
            raise MotionError(
                f"{self.name}: expected rotations {expected} and root path ({expected[0]}, 3), "
                f"found {self.rotations.shape} and {self.root_m.shape}"
            )
        if expected[0] == 0:
            raise MotionError(f"{self.name}: the motion has no frames")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise MotionError(f"{self.name}: the frame rate must be positive, found {self.fps}")
        bad = np.zeros(expected[0], dtype=bool)
        for part in chunks(self.rotations, size=CHUNK_FRAMES):
            quat, root_m = self.rotations[part], self.root_m[part]
            bad[part] = ~(np.isfinite(quat).all(axis=(1, 2)) & np.isfinite(root_m).all(axis=1))
        if bad.any():
            raise MotionError(
                f"{self.name}: frame {int(np.argmax(bad))} holds NaN or infinite values "
                f"({int(bad.sum())} of {len(bad)} frames do); clean the clip and try again"
            )

    def __repr__(self) -> str:
        return (
            f"<MotionClip {self.name}: {self.frame_count} frames at {self.fps:g} fps = "
            f"{self.duration_s:.2f} s, from {self.source}>"
        )

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.root_m)

    @property
    def duration_s(self) -> float:
        """Length in seconds, each frame counted whole."""
        return timebase.duration_of(self.frame_count, self.fps)

    @property
    def axis_angle(self) -> NDArray[np.float64]:
        """Local rotations as axis-angle, radians, shape (T, 24, 3)."""
        return rotations.axis_angle_from_quat(self.rotations)


def clip_from_axis_angle(
    pose: NDArray[np.float64],
    root_m: NDArray[np.float64],
    *,
    fps: float,
    name: str = "clip",
    source: str = "memory",
) -> MotionClip:
    """Make a clip from SMPL's own numbers.

    Args:
        pose: Axis-angle, radians, shape (T, 72) or (T, 24, 3).
        root_m: Pelvis path, metres, y up, shape (T, 3).
        fps: Frames per second.
        name: What to call the clip.
        source: Where it came from.
    """
    pose = np.asarray(pose, dtype=np.float64).reshape(len(pose), -1, 3)
    quat = rotations.make_continuous(rotations.quat_from_axis_angle(pose)) if len(pose) else pose
    return MotionClip(quat, np.asarray(root_m, dtype=np.float64), fps, name=name, source=source)


def resampled_count(clip: MotionClip, fps: float) -> int:
    """Return how many frames :func:`resample` gives; the duration is kept to the nearest frame.

    Raises:
        MotionError: ``fps`` is not positive.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise MotionError(f"{clip.name}: the frame rate must be positive, found {fps}")
    return max(1, timebase.frames_in(clip.duration_s, fps))


def resample(clip: MotionClip, fps: float, *, frames: slice | None = None) -> MotionClip:
    """Return the clip at another frame rate: slerp for rotations, lines for the path.

    Frame ``i`` of the result is at ``i / fps`` seconds; the last source frame is repeated for the
    fraction of a frame that may lie beyond it.

    Args:
        clip: Any clip.
        fps: The new rate.
        frames: Which frames of the result to give, when not all; long clips in little memory.

    Raises:
        MotionError: ``fps`` is not positive, or ``frames`` contains none.
    """
    wanted = np.arange(resampled_count(clip, fps))[frames or slice(None)]
    if fps == clip.fps:
        part = frames or slice(None)
        return replace(clip, rotations=clip.rotations[part], root_m=clip.root_m[part])
    position = np.minimum(wanted / fps * clip.fps, clip.frame_count - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, clip.frame_count - 1)
    fraction = (position - low)[:, None]
    root = clip.root_m[low] + fraction * (clip.root_m[high] - clip.root_m[low])
    quat = zeros_or_memmap((len(wanted), *clip.rotations.shape[1:]), np.float64)
    for part in chunks(quat, clip.rotations, size=CHUNK_FRAMES):
        start, end = clip.rotations[low[part]], clip.rotations[high[part]]
        quat[part] = rotations.slerp(start, end, np.broadcast_to(fraction[part], start.shape[:-1]))
    rotations.make_continuous_in_place(quat)
    return replace(clip, rotations=quat, root_m=root, fps=float(fps))


def cut(clip: MotionClip, start_s: float, duration_s: float) -> MotionClip:
    """Return the part of ``clip`` from ``start_s`` on, ``duration_s`` long (or to its end).

    Raises:
        MotionError: The span contains no frame.
    """
    first = timebase.frames_in(start_s, clip.fps)
    last = first + timebase.frames_in(duration_s, clip.fps)
    part = slice(max(0, first), max(0, last))
    if len(clip.root_m[part]) == 0:
        raise MotionError(
            f"{clip.name}: {start_s:g} s + {duration_s:g} s lies outside its {clip.duration_s:g} s"
        )
    moved = _moved_beats(clip.known_beats, timebase.duration_of(part.start, clip.fps))
    return replace(
        clip, rotations=clip.rotations[part], root_m=clip.root_m[part], known_beats=moved
    )


def _moved_beats(known: KnownBeats | None, start_s: float) -> KnownBeats | None:
    """Beats seen from a later start."""
    if known is None:
        return None
    beats_s = tuple(beat_s - start_s for beat_s in known.beats_s if beat_s >= start_s - 1e-9)
    readings = tuple(
        (bpm, (first_s - start_s) % timebase.beat_period_s(bpm), probability)
        for bpm, first_s, probability in known.readings
    )
    return replace(
        known, beats_s=beats_s, bar_start_s=known.bar_start_s - start_s, readings=readings
    )
