"""Moments at which a body marks time: rests, turns, landings, sinking, and what was learned.

The first four are seen by rule; the fifth is what a small network makes of the whole body
(``motion/beats/beat_network.py``). Each kind is an array of weights over analysis frames (60 a
second), zero where nothing happens. :func:`pulses` brings them together: every kind is moved to
where the beat lies that it belongs to, and scaled so that a dance with few of a kind is judged by
the others.

On 160 made-up dances the beat lies 77 ms (median) before a rest, 39 ms before a turn, 29 ms before
the lowest point of the hips and 16 ms after a foot has landed (benchmarks/beat_grid.py);
the network has been taught to speak on the beat itself.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune.motion import skeleton

Array = NDArray[np.float64]

ANALYSIS_FPS = 60.0
# Smoothing of speed and position before their extremes are looked for.
_SPEED_SIGMA_S, _PLACE_SIGMA_S = 2.5 / 60.0, 2.0 / 60.0
# Smaller changes than these are the sensor's: metres a second, and metres.
_LEAST_REST, _LEAST_TURN, _LEAST_SINK = 0.02, 0.01, 0.005
# A foot slower than this stands, metres a second.
_STANDING_M_S = 0.35
_FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")
# How much rests, turns, landings, sinks and the network count, and how long after its beat each
# comes, seconds. Twice the network's share gains little on made-up dances, and of strangers'
# bodies the rules know as much as the network.
_SHARE_AND_LAG_S = ((1.0, 0.075), (1.0, 0.045), (0.6, -0.01), (0.6, 0.03), (1.0, 0.0))
# What the network holds for less likely than this is nothing, or the odd beats of an unsure one
# would drown in its murmur.
_LEAST_LIKELY = 0.15
KINDS = len(_SHARE_AND_LAG_S)


def rests(speed: Array) -> Array:
    """Weigh local minima of each joint's speed (T, J) by the root of their prominence: (T, J)."""
    return _extremes(-_smooth(speed, _SPEED_SIGMA_S), _LEAST_REST)


def local_rotations(places: Array) -> Array:
    """Weigh the moments each joint turns back along an axis: (T, J, 3) -> (T, J).

    Joints are seen from the pelvis, the pelvis from the world.
    """
    seen = places - places[:, :1]
    seen[:, 0] = places[:, 0]
    flat = _smooth(seen.reshape(len(seen), -1), _PLACE_SIGMA_S)
    both = _extremes(flat, _LEAST_TURN) + _extremes(-flat, _LEAST_TURN)
    return both.reshape(places.shape).sum(axis=-1)


def landings(speed: Array) -> Array:
    """Count the feet that come to stand, from joint speeds (T, J): (T,)."""
    feet = [skeleton.JOINT_NAMES.index(name) for name in _FEET]
    standing = _smooth(speed[:, feet], _PLACE_SIGMA_S) < _STANDING_M_S
    return np.diff(standing.astype(float), axis=0, prepend=1.0).clip(0.0).sum(axis=1)


def sinks(places: Array) -> Array:
    """Weigh the lowest points of the hips, from places (T, J, 3): (T,)."""
    return _extremes(-_smooth(places[:, :1, 1], _PLACE_SIGMA_S), _LEAST_SINK)[:, 0]


def learned(likely: Array) -> Array:
    """Weigh frames by how likely they lie on a beat, from probabilities (T,): (T,)."""
    return np.where(likely > _LEAST_LIKELY, likely, 0.0)


def pulses(kinds: Array) -> Array:
    """Bring all kinds together where their beats lie.

    Args:
        kinds: Weights of rests, turns, landings, sinks and of the network, (5, T).

    Returns:
        Weight of a beat at each frame, (T,); each kind's weights sum to its share.
    """
    total = np.zeros(kinds.shape[1])
    for weights, (share, lag_s) in zip(kinds, _SHARE_AND_LAG_S, strict=True):
        moved = _earlier(weights, lag_s)
        total += share * moved / max(float(moved.sum()), 1e-9)
    return total


def _earlier(weights: Array, lag_s: float) -> Array:
    """Move weights (T,) back in time by a lag that need not be whole frames."""
    frames = np.arange(len(weights), dtype=np.float64)
    return np.interp(frames + lag_s * ANALYSIS_FPS, frames, weights, left=0.0, right=0.0)


def _extremes(values: Array, prominence: float) -> Array:
    """Weigh the local maxima of every column by the root of their prominence: (T, C) -> (T, C)."""
    out = np.zeros_like(values)
    for column, value in enumerate(values.T):
        found, about = find_peaks(value, prominence=prominence)
        out[found, column] = np.sqrt(about["prominences"])
    return out


def _smooth(values: Array, sigma_s: float) -> Array:
    return np.asarray(gaussian_filter1d(values, sigma_s * ANALYSIS_FPS, axis=0))
