"""Dances as animators key them: from pose to pose, every key on its beat and held there.

Poses are taken from real clips. Unlike people, such a body arrives on the beat itself; whoever
looks for beats should have seen both. Seconds, metres, y up.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.corpus.choreography.choreographer import Dance, check_asked, measured
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]

# Beats from key to key, one choice a dance.
_BEATS_A_KEY = (0.5, 1.0, 1.0, 1.0, 2.0)
# How many poses a dance uses; a bar or two come back again and again.
_POSES = (4, 4, 8, 8, 16)
# What share of the way to the next key is travelled, not held.
_SHORTEST_TRAVEL, _LONGEST_TRAVEL = 0.4, 1.0
# How much later or earlier a joint may arrive than its key, seconds (deviation).
_OVERLAP_S = 0.02


def key(
    seed: int,
    clips: Sequence[MotionClip],
    *,
    genre: str,
    bpm: float,
    duration_s: float,
    first_beat_s: float | None = None,
    fps: float = 60.0,
) -> Dance:
    """Return a dance at ``bpm`` that goes from pose to pose.

    Args:
        seed: Same seed and clips, same dance.
        clips: Where the poses come from.
        genre: Name or code the dance goes by.
        bpm: Beats a minute, 60 to 180.
        duration_s: Length in seconds, positive.
        first_beat_s: Time of a downbeat; drawn within the first bar when left out.
        fps: Frames a second of the result.

    Raises:
        ConfigError: The genre is unknown or a number is out of range.
    """
    code = genres.genre_code(genre)
    check_asked(bpm, duration_s, fps)
    rng = np.random.default_rng([seed, 121, genres.genre_index(code)])
    period_s = timebase.beat_period_s(bpm)
    drawn_s = float(rng.uniform(0.0, timebase.BEATS_IN_BAR * period_s))
    offset_s = drawn_s if first_beat_s is None else first_beat_s
    turns, places = _poses(rng, clips)
    spacing_s = period_s * float(rng.choice(_BEATS_A_KEY))
    travel_s = spacing_s * float(rng.uniform(_SHORTEST_TRAVEL, _LONGEST_TRAVEL))
    late_s = rng.normal(0.0, _OVERLAP_S, skeleton.JOINT_COUNT)
    late_s[0] = 0.0
    times = timebase.frame_times(timebase.frames_in(duration_s, fps), fps)
    number, share = _on_the_way(
        (times[:, None] - offset_s - late_s) / spacing_s, travel_s / spacing_s
    )
    here, there = number % len(turns), (number + 1) % len(turns)
    joints = np.arange(skeleton.JOINT_COUNT)
    quat = rotations.slerp(turns[here, joints], turns[there, joints], share)
    path = places[here[:, 0]] + share[:, :1] * (places[there[:, 0]] - places[here[:, 0]])
    clip = MotionClip(rotations.make_continuous(quat), path, fps, f"{code.lower()}-{seed}", "keyed")
    return measured(clip, offset_s, bpm, code)


def _on_the_way(keys: Array, travel: float) -> tuple[NDArray[np.int64], Array]:
    """Which key was left last, and what share of the way to the next is done, at times in keys."""
    number = np.floor(keys).astype(np.int64)
    share = np.clip((keys - number - (1.0 - travel)) / travel, 0.0, 1.0)
    return number, share * share * (3.0 - 2.0 * share)


def _poses(rng: np.random.Generator, clips: Sequence[MotionClip]) -> tuple[Array, Array]:
    """Draw poses: rotations (P, 24, 4) that all face one way, and places of the pelvis (P, 3)."""
    count = int(rng.choice(_POSES))
    chosen = [clips[int(rng.integers(len(clips)))] for _ in range(count)]
    frames = [int(rng.integers(clip.frame_count)) for clip in chosen]
    turns = np.stack([clip.rotations[frame] for clip, frame in zip(chosen, frames, strict=True)])
    turns[:, 0] = [_facing_ahead(quat) for quat in turns[:, 0]]
    heights = [clip.root_m[frame, 1] for clip, frame in zip(chosen, frames, strict=True)]
    steps = np.cumsum(rng.normal(0.0, 0.15, (count, 2)), axis=0)
    return turns, np.stack([steps[:, 0], np.array(heights), steps[:, 1]], axis=1)


def _facing_ahead(quat: Array) -> Array:
    """Turn a pelvis (4,) about the vertical until it faces along z."""
    facing = rotations.rotate(quat, np.array([0.0, 0.0, 1.0]))
    half = -0.5 * np.arctan2(facing[0], facing[2])
    return rotations.quat_multiply(np.array([np.cos(half), 0.0, np.sin(half), 0.0]), quat)
