"""Real motion bent to a beat: cut, mirrored, joined and time-warped.

A clip's own strong moments (its rests, turns, landings; ``motion/beats/tempo.py``) are followed by
the tracker at the clip's own tempo; a stretch of them is laid on consecutive beats of the grid, in
double or half time where that bends it less. Stretches are turned and moved so that the body goes
on from where it stood. Seconds, metres, y up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from kinetune import genres, timebase
from kinetune.corpus.choreography import foot_lock
from kinetune.corpus.choreography.choreographer import Dance, check_asked, measured
from kinetune.errors import ConfigError
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.beats import tempo
from kinetune.motion.clip import MotionClip
from kinetune.timebase import BEATS_IN_BAR

Array = NDArray[np.float64]

# A stretch is danced on this many beats.
_LENGTHS_BEATS = (6, 8, 8, 12, 16)
_FEWEST_BEATS = 4
# Two stretches melt into each other over so long.
_MELT_S = 0.4
# Bent further than this a body looks wound up or under water.
_SLOWEST, _FASTEST = 0.65, 1.5
# A clip in which no tempo stands out is followed at this one.
_PLAIN_BPM = 105.0
_TRIES = 40
_FLOOR_SHARE = 2.0
_MIRRORED = tuple(
    skeleton.joint_index(
        name.replace("left", "right") if "left" in name else name.replace("right", "left")
    )
    for name in skeleton.JOINT_NAMES
)
_FORWARD = np.array([0.0, 0.0, 1.0])


def bend(
    seed: int,
    clips: Sequence[MotionClip],
    *,
    genre: str,
    bpm: float,
    duration_s: float,
    first_beat_s: float | None = None,
    fps: float = 60.0,
) -> Dance:
    """Return a dance at ``bpm`` made of pieces of real ones.

    Args:
        seed: Same seed and clips, same dance.
        clips: What to cut it from.
        genre: Name or code the dance goes by; the movement is the clips' own.
        bpm: Beats a minute, 60 to 180.
        duration_s: Length in seconds, positive.
        first_beat_s: Time of a downbeat; drawn within the first bar when left out.
        fps: Frames a second of the result.

    Raises:
        ConfigError: The genre is unknown, a number is out of range, or no clip can be bent to the
            tempo.
    """
    code = genres.genre_code(genre)
    check_asked(bpm, duration_s, fps)
    rng = np.random.default_rng([seed, 111, genres.genre_index(code)])
    period_s = timebase.beat_period_s(bpm)
    offset = (
        float(rng.uniform(0.0, BEATS_IN_BAR * period_s)) if first_beat_s is None else first_beat_s
    )
    start_s = offset % period_s - period_s
    times = timebase.frame_times(timebase.frames_in(duration_s, fps), fps)
    danced = _Danced(times)
    while start_s < duration_s + _MELT_S:
        piece = _draw(rng, clips, period_s)
        danced.go_on(piece, start_s, period_s)
        start_s += period_s * piece.beats
    turns, path = foot_lock.planted(danced.turns, danced.path, fps)
    clip = MotionClip(rotations.make_continuous(turns), path, fps, f"{code.lower()}-{seed}", "bent")
    return measured(clip, offset, bpm, code)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A stretch of a clip: its moments (n,), one to be laid on each beat."""

    clip: MotionClip
    marks_s: Array

    @property
    def beats(self) -> int:
        """How many beats it lasts."""
        return len(self.marks_s) - 1

    def at(self, beats: Array) -> tuple[Array, Array]:
        """Rotations (n, 24, 4) and path (n, 3) at beats counted from the piece's start."""
        number = np.arange(len(self.marks_s), dtype=np.float64)
        inside = PchipInterpolator(number, self.marks_s)(beats.clip(0.0, number[-1]))
        pace = (self.marks_s[-1] - self.marks_s[0]) / number[-1]
        beyond = np.minimum(beats, 0.0) + np.maximum(beats - number[-1], 0.0)
        return _sampled(self.clip, inside + pace * beyond)


class _Danced:
    """A dance that grows piece by piece: ``turns`` (T, 24, 4) and ``path`` (T, 3)."""

    def __init__(self, times_s: Array) -> None:
        self.times_s = times_s
        self.turns = np.tile([1.0, 0.0, 0.0, 0.0], (len(times_s), skeleton.JOINT_COUNT, 1))
        self.path = np.zeros((len(times_s), 3))
        self._end: tuple[Array, Array] | None = None

    def go_on(self, piece: _Piece, start_s: float, period_s: float) -> None:
        """Add a piece from ``start_s`` on, where the last one ends."""
        turns, path = piece.at((self.times_s - start_s) / period_s)
        edges = piece.at(np.array([0.0, float(piece.beats)]))
        if self._end is not None:
            turn, move = _carry(edges[0][0], edges[1][0], *self._end)
            turns, path = _carried(turns, path, turn, move)
            edges = _carried(*edges, turn, move)
            share = np.clip((self.times_s - start_s) / _MELT_S + 0.5, 0.0, 1.0)
            share = share * share * (3.0 - 2.0 * share)
            wide = np.broadcast_to(share[:, None], turns.shape[:2])
            turns = rotations.slerp(self.turns, turns, wide)
            path = self.path + share[:, None] * (path - self.path)
        self.turns, self.path = turns, path
        self._end = edges[0][1], edges[1][1]


def _draw(rng: np.random.Generator, clips: Sequence[MotionClip], period_s: float) -> _Piece:
    """Draw a stretch of some clip that this tempo does not bend too far."""
    for _ in range(_TRIES):
        number = int(rng.integers(len(clips)))
        marks = _in_time(_strong_moments(clips[number]), period_s)
        wanted = int(rng.choice(_LENGTHS_BEATS))
        beats = min(wanted, len(marks) - 1)
        if beats < _FEWEST_BEATS:
            continue
        first = int(rng.integers(len(marks) - beats))
        stretch = marks[first : first + beats + 1]
        pace = np.diff(stretch) / period_s
        if pace.min() < _SLOWEST or pace.max() > _FASTEST:
            continue
        clip = _mirrored(clips[number]) if rng.random() < 0.5 else clips[number]
        return _Piece(clip, stretch)
    raise ConfigError(
        f"none of the {len(clips)} clips can be danced at {timebase.bpm_of(period_s):.0f} bpm; "
        "give longer ones, or another tempo"
    )


@lru_cache(maxsize=512)
def _strong_moments(clip: MotionClip) -> Array:
    """Times of a clip's own beats, seconds, ascending."""
    # By the rules alone: the network learns from these dances.
    evidence = tempo.gather(clip, network=False)
    found = tempo.peaks(evidence)[0][0] if evidence.rests else _PLAIN_BPM
    times = tempo.track(evidence, found)
    return times[times <= timebase.duration_of(clip.frame_count - 1, clip.fps)]


def _in_time(marks_s: Array, period_s: float) -> Array:
    """Marks in double, plain or half time, whichever is nearest to a period."""
    if len(marks_s) < 3:
        return marks_s
    octaves = np.log2(float(np.median(np.diff(marks_s))) / period_s)
    if octaves > 0.5:
        between = 0.5 * (marks_s[1:] + marks_s[:-1])
        return np.sort(np.concatenate([marks_s, between]))
    return marks_s[::2] if octaves < -0.5 else marks_s


def _sampled(clip: MotionClip, times_s: Array) -> tuple[Array, Array]:
    """Rotations and path at any times, held beyond the clip's ends; the feet's floor at zero."""
    place = np.clip(times_s * clip.fps, 0.0, clip.frame_count - 1.0)
    low = np.minimum(place.astype(int), max(clip.frame_count - 2, 0))
    high = np.minimum(low + 1, clip.frame_count - 1)
    share = place - low
    wide = np.broadcast_to(share[:, None], (len(place), skeleton.JOINT_COUNT))
    turns = rotations.slerp(clip.rotations[low], clip.rotations[high], wide)
    path = clip.root_m[low] + share[:, None] * (clip.root_m[high] - clip.root_m[low])
    return turns, path - [0.0, _floor_m(clip), 0.0]


@lru_cache(maxsize=512)
def _floor_m(clip: MotionClip) -> float:
    lowest = kinematics.joint_positions(clip)[..., 1].min(axis=1)
    return float(np.percentile(lowest, _FLOOR_SHARE))


@lru_cache(maxsize=512)
def _mirrored(clip: MotionClip) -> MotionClip:
    """The clip seen in a mirror: left is right."""
    turns = clip.rotations[:, list(_MIRRORED)] * [1.0, 1.0, -1.0, -1.0]
    return replace(clip, rotations=turns, root_m=clip.root_m * [-1.0, 1.0, 1.0])


def _carry(turns: Array, place: Array, end_turns: Array, end_place: Array) -> tuple[Array, Array]:
    """Turn (4,) about the vertical and move (3,) that bring one pose onto another's spot."""
    angle = _heading(end_turns[0]) - _heading(turns[0])
    turn = np.array([np.cos(angle / 2.0), 0.0, np.sin(angle / 2.0), 0.0])
    move = (end_place - rotations.rotate(turn, place)) * [1.0, 0.0, 1.0]
    return turn, move


def _carried(turns: Array, path: Array, turn: Array, move: Array) -> tuple[Array, Array]:
    out = turns.copy()
    out[:, 0] = rotations.quat_multiply(turn, turns[:, 0])
    return out, rotations.rotate(turn, path) + move


def _heading(quat: Array) -> float:
    """Which way a pelvis faces, radians about the vertical."""
    facing = rotations.rotate(quat, _FORWARD)
    return float(np.arctan2(facing[0], facing[2]))
