"""Real motion warped to a beat: cut, mirrored, joined and time-warped.

A clip's own beats are found by the tracker of ``motion/beats/tempo.py`` from its kinematic events.
A span of them is mapped to consecutive beats of the grid, in double or half time where that
warps it less. Stretches are rotated and moved so that each starts where the last one ended.
Seconds, metres, y up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from kinetune import genres, timebase
from kinetune.corpus.choreography import foot_lock
from kinetune.corpus.choreography.dance import Dance, DanceRequest, annotate
from kinetune.corpus.choreography.labelled_dances import labelled_beats
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.beats import tempo
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]

# Lengths of a segment to draw from, in beats.
_LENGTHS_BEATS = (6, 8, 8, 12, 16)
_FEWEST_BEATS = 4
# Length of the cross-fade between two segments.
_CROSSFADE_S = 0.4
# Slowest and fastest playback; beyond it movement looks unnatural.
_SLOWEST, _FASTEST = 0.65, 1.5
# Tempo of a clip without kinematic events.
_DEFAULT_BPM = 105.0
_MAX_DRAWS = 40
_FLOOR_PERCENTILE = 2.0
_MIRRORED = tuple(
    skeleton.joint_index(
        name.replace("left", "right") if "left" in name else name.replace("right", "left")
    )
    for name in skeleton.JOINT_NAMES
)
_FORWARD = np.array([0.0, 0.0, 1.0])


def warp_to_beats(seed: int, clips: Sequence[MotionClip], request: DanceRequest) -> Dance:
    """Return a dance made of spans of real clips, warped to the beats.

    Args:
        seed: Same seed and clips, same dance.
        clips: What it is cut from.
        request: Properties of the dance; the genre is a label, the movement is that of the clips.

    Raises:
        ConfigError: No clip can be warped to the tempo.
    """
    code, period_s = request.code, request.period_s
    rng = np.random.default_rng([seed, 111, genres.genre_index(code)])
    offset_s = request.draw_first_beat_s(rng)
    start_s = offset_s % period_s - period_s
    builder = _DanceBuilder(request.frame_times_s)
    while start_s < request.duration_s + _CROSSFADE_S:
        segment = _draw_segment(rng, clips, period_s)
        builder.append(segment, start_s, period_s)
        start_s += period_s * segment.beats
    quats, root_m = foot_lock.lock_feet(builder.quats, builder.root_m, request.fps)
    name = f"{code.lower()}-{seed}"
    clip = MotionClip(rotations.make_continuous(quats), root_m, request.fps, name, "warped")
    return annotate(clip, offset_s, request.bpm, code)


@dataclass(frozen=True, eq=False)
class _Segment:
    """A span of a clip with the clip's beats in it, (n,), one for each beat of the grid."""

    clip: MotionClip
    clip_beats_s: Array

    @property
    def beats(self) -> int:
        """Its length in beats."""
        return len(self.clip_beats_s) - 1

    def at(self, beats: Array) -> tuple[Array, Array]:
        """Rotations (n, 24, 4) and root (n, 3) at beats counted from its start."""
        number = np.arange(len(self.clip_beats_s), dtype=np.float64)
        inside = PchipInterpolator(number, self.clip_beats_s)(beats.clip(0.0, number[-1]))
        pace = (self.clip_beats_s[-1] - self.clip_beats_s[0]) / number[-1]
        beyond = np.minimum(beats, 0.0) + np.maximum(beats - number[-1], 0.0)
        return _sample_clip(self.clip, inside + pace * beyond)


class _DanceBuilder:
    """A dance made segment by segment: ``quats`` (T, 24, 4) and ``root_m`` (T, 3)."""

    def __init__(self, times_s: Array) -> None:
        self.times_s = times_s
        self.quats = np.tile([1.0, 0.0, 0.0, 0.0], (len(times_s), skeleton.JOINT_COUNT, 1))
        self.root_m = np.zeros((len(times_s), 3))
        self._end: tuple[Array, Array] | None = None

    def append(self, segment: _Segment, start_s: float, period_s: float) -> None:
        """Add a segment from ``start_s`` on, aligned with the end of the last one."""
        quats, root_m = segment.at((self.times_s - start_s) / period_s)
        edges = segment.at(np.array([0.0, float(segment.beats)]))
        if self._end is not None:
            rotation, shift = _alignment(edges[0][0], edges[1][0], *self._end)
            quats, root_m = _align(quats, root_m, rotation, shift)
            edges = _align(*edges, rotation, shift)
            share = np.clip((self.times_s - start_s) / _CROSSFADE_S + 0.5, 0.0, 1.0)
            share = share * share * (3.0 - 2.0 * share)
            wide = np.broadcast_to(share[:, None], quats.shape[:2])
            quats = rotations.slerp(self.quats, quats, wide)
            root_m = self.root_m + share[:, None] * (root_m - self.root_m)
        self.quats, self.root_m = quats, root_m
        self._end = edges[0][1], edges[1][1]


def _draw_segment(
    rng: np.random.Generator, clips: Sequence[MotionClip], period_s: float
) -> _Segment:
    """Draw a span of some clip that this tempo does not warp too far."""
    for _ in range(_MAX_DRAWS):
        number = int(rng.integers(len(clips)))
        beat_times = _match_octave(own_beats(clips[number]), period_s)
        length = int(rng.choice(_LENGTHS_BEATS))
        beats = min(length, len(beat_times) - 1)
        if beats < _FEWEST_BEATS:
            continue
        first = int(rng.integers(len(beat_times) - beats))
        stretch = beat_times[first : first + beats + 1]
        pace = np.diff(stretch) / period_s
        if pace.min() < _SLOWEST or pace.max() > _FASTEST:
            continue
        clip = mirror_clip(clips[number]) if rng.random() < 0.5 else clips[number]
        return _Segment(clip, stretch)
    raise ConfigError(
        f"none of the {len(clips)} clips can be danced at {timebase.bpm_of(period_s):.0f} bpm; "
        "give longer ones, or another tempo"
    )


@lru_cache(maxsize=512)
def own_beats(clip: MotionClip) -> Array:
    """Return the times of a clip's own beats, seconds, ascending."""
    known_s = labelled_beats(clip)
    if known_s is not None:
        return known_s
    # Without the beat network, whose training would feed on what it found.
    evidence = tempo.collect_evidence(clip)
    clip_bpm = tempo.strongest_tempi(evidence)[0][0] if evidence.minima_count else _DEFAULT_BPM
    times = tempo.track(evidence, clip_bpm)
    return times[times <= timebase.duration_of(clip.frame_count - 1, clip.fps)]


def _match_octave(clip_beats_s: Array, period_s: float) -> Array:
    """Beats in double, plain or half time, whichever is nearest to a period."""
    if len(clip_beats_s) < 3:
        return clip_beats_s
    octaves = np.log2(float(np.median(np.diff(clip_beats_s))) / period_s)
    if octaves > 0.5:
        between = 0.5 * (clip_beats_s[1:] + clip_beats_s[:-1])
        return np.sort(np.concatenate([clip_beats_s, between]))
    return clip_beats_s[::2] if octaves < -0.5 else clip_beats_s


def _sample_clip(clip: MotionClip, times_s: Array) -> tuple[Array, Array]:
    """Rotations and root at any times, constant beyond the clip's ends; the floor at zero."""
    frame = np.clip(times_s * clip.fps, 0.0, clip.frame_count - 1.0)
    low = np.minimum(frame.astype(int), max(clip.frame_count - 2, 0))
    high = np.minimum(low + 1, clip.frame_count - 1)
    share = frame - low
    wide = np.broadcast_to(share[:, None], (len(frame), skeleton.JOINT_COUNT))
    quats = rotations.slerp(clip.rotations[low], clip.rotations[high], wide)
    root_m = clip.root_m[low] + share[:, None] * (clip.root_m[high] - clip.root_m[low])
    return quats, root_m - [0.0, _floor_m(clip), 0.0]


@lru_cache(maxsize=512)
def _floor_m(clip: MotionClip) -> float:
    lowest = kinematics.joint_positions(clip)[..., 1].min(axis=1)
    return float(np.percentile(lowest, _FLOOR_PERCENTILE))


@lru_cache(maxsize=512)
def mirror_clip(clip: MotionClip) -> MotionClip:
    """Return the mirror image of a clip: left and right exchanged."""
    quats = clip.rotations[:, list(_MIRRORED)] * [1.0, 1.0, -1.0, -1.0]
    return replace(clip, rotations=quats, root_m=clip.root_m * [-1.0, 1.0, 1.0])


def _alignment(
    quats: Array, position: Array, end_quats: Array, end_position: Array
) -> tuple[Array, Array]:
    """Rotation (4,) about the vertical and shift (3,) that align one pose with another."""
    angle = _heading(end_quats[0]) - _heading(quats[0])
    rotation = np.array([np.cos(angle / 2.0), 0.0, np.sin(angle / 2.0), 0.0])
    shift = (end_position - rotations.rotate(rotation, position)) * [1.0, 0.0, 1.0]
    return rotation, shift


def _align(quats: Array, root_m: Array, rotation: Array, shift: Array) -> tuple[Array, Array]:
    out = quats.copy()
    out[:, 0] = rotations.quat_multiply(rotation, quats[:, 0])
    return out, rotations.rotate(rotation, root_m) + shift


def _heading(quat: Array) -> float:
    """Direction a pelvis faces, radians about the vertical."""
    facing = rotations.rotate(quat, _FORWARD)
    return float(np.arctan2(facing[0], facing[2]))
