"""Keyframed dances: interpolated poses with every key on a beat.

Poses are taken from real clips. Unlike people, such a body arrives exactly on the beat; a beat
network needs both kinds. Seconds, metres, y up.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinetune import genres
from kinetune.corpus.choreography.dance import Dance, DanceRequest, annotate
from kinetune.motion import rotations, skeleton
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]

# Beats from key to key, one choice per dance.
_BEATS_A_KEY = (0.5, 1.0, 1.0, 1.0, 2.0)
# How many poses a dance uses; a bar or two come back again and again.
_POSES = (4, 4, 8, 8, 16)
# Share of the time between two keys in which the body moves.
_SHORTEST_TRAVEL, _LONGEST_TRAVEL = 0.4, 1.0
# Standard deviation of a joint's arrival about its key, seconds.
_OVERLAP_S = 0.02


def keyframe_dance(seed: int, clips: Sequence[MotionClip], request: DanceRequest) -> Dance:
    """Return a dance that goes from pose to pose.

    Args:
        seed: Same seed and clips, same dance.
        clips: Where the poses come from.
        request: Properties of the dance; the genre is a label.
    """
    code, period_s = request.code, request.period_s
    rng = np.random.default_rng([seed, 121, genres.genre_index(code)])
    # Drawn even where it is given, so that the dance is the same either way.
    drawn_s = replace(request, first_beat_s=None).draw_first_beat_s(rng)
    offset_s = drawn_s if request.first_beat_s is None else request.first_beat_s
    quats, positions = _draw_poses(rng, clips)
    spacing_s = period_s * float(rng.choice(_BEATS_A_KEY))
    travel_s = spacing_s * float(rng.uniform(_SHORTEST_TRAVEL, _LONGEST_TRAVEL))
    late_s = rng.normal(0.0, _OVERLAP_S, skeleton.JOINT_COUNT)
    late_s[0] = 0.0
    key, share = _key_progress(
        (request.frame_times_s[:, None] - offset_s - late_s) / spacing_s, travel_s / spacing_s
    )
    here, there = key % len(quats), (key + 1) % len(quats)
    joints = np.arange(skeleton.JOINT_COUNT)
    quat = rotations.slerp(quats[here, joints], quats[there, joints], share)
    before, after = positions[here[:, 0]], positions[there[:, 0]]
    root_m = before + share[:, :1] * (after - before)
    name = f"{code.lower()}-{seed}"
    clip = MotionClip(rotations.make_continuous(quat), root_m, request.fps, name, "keyed")
    return annotate(clip, offset_s, request.bpm, code)


def _key_progress(keys: Array, travel: float) -> tuple[NDArray[np.int64], Array]:
    """The last key, and the share of the way from it to the next, at times in keys."""
    number = np.floor(keys).astype(np.int64)
    share = np.clip((keys - number - (1.0 - travel)) / travel, 0.0, 1.0)
    return number, share * share * (3.0 - 2.0 * share)


def _draw_poses(rng: np.random.Generator, clips: Sequence[MotionClip]) -> tuple[Array, Array]:
    """Draw poses: rotations (P, 24, 4) that face one way, and positions of the pelvis (P, 3)."""
    count = int(rng.choice(_POSES))
    chosen = [clips[int(rng.integers(len(clips)))] for _ in range(count)]
    frames = [int(rng.integers(clip.frame_count)) for clip in chosen]
    quats = np.stack([clip.rotations[frame] for clip, frame in zip(chosen, frames, strict=True)])
    quats[:, 0] = [_face_forward(quat) for quat in quats[:, 0]]
    heights = [clip.root_m[frame, 1] for clip, frame in zip(chosen, frames, strict=True)]
    steps = np.cumsum(rng.normal(0.0, 0.15, (count, 2)), axis=0)
    return quats, np.stack([steps[:, 0], np.array(heights), steps[:, 1]], axis=1)


def _face_forward(quat: Array) -> Array:
    """Turn a pelvis (4,) about the vertical until it faces along z."""
    facing = rotations.rotate(quat, np.array([0.0, 0.0, 1.0]))
    half = -0.5 * np.arctan2(facing[0], facing[2])
    return rotations.quat_multiply(np.array([np.cos(half), 0.0, np.sin(half), 0.0]), quat)
