"""Kinematic events: the moments at which a body marks time.

Four kinds are peaks by rule: local minima of a joint's speed, reversals of a joint's direction,
feet coming to stand, and the pelvis' lowest points. Each kind is an array of weights over analysis
frames (60 a second), zero where nothing happens. :func:`beat_salience` shifts every kind by its
usual lag behind the beat and adds them up, each scaled to its share, so that a dance with few
events of one kind is judged by the others.

How late each kind comes is measured on 119 labelled dances, by genre, in docs/beat-network.md
(``benchmarks/beat_grid.py --of aist --lags``).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune.motion import skeleton

Array = NDArray[np.float64]

ANALYSIS_FPS = 60.0
# Smoothing of speed and position before their extremes are looked for.
_SPEED_SIGMA_S, _POSITION_SIGMA_S = 2.5 / 60.0, 2.0 / 60.0
# Smaller changes than these are the sensor's: metres a second, and metres.
_LEAST_MINIMUM_M_S, _LEAST_REVERSAL_M, _LEAST_SINK_M = 0.02, 0.01, 0.005
# A foot slower than this stands, metres a second.
_STANDING_M_S = 0.35
_FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")
# Weight of speed minima, direction reversals, foot contacts and pelvis minima, and how long after
# its beat each comes, seconds.
_WEIGHT_AND_LAG_S = ((1.0, 0.075), (1.0, 0.045), (0.6, -0.01), (0.6, 0.03))
KINDS = len(_WEIGHT_AND_LAG_S)


def speed_minima(speed: Array) -> Array:
    """Weigh local minima of each joint's speed (T, J) by the root of their prominence: (T, J)."""
    return _prominent_maxima(-_smooth(speed, _SPEED_SIGMA_S), _LEAST_MINIMUM_M_S)


def direction_reversals(positions: Array) -> Array:
    """Weigh the moments each joint turns back along an axis: (T, J, 3) -> (T, J).

    Joints are relative from the pelvis, the pelvis from the world.
    """
    relative = positions - positions[:, :1]
    relative[:, 0] = positions[:, 0]
    flat = _smooth(relative.reshape(len(relative), -1), _POSITION_SIGMA_S)
    both = _prominent_maxima(flat, _LEAST_REVERSAL_M) + _prominent_maxima(-flat, _LEAST_REVERSAL_M)
    return both.reshape(positions.shape).sum(axis=-1)


def foot_contacts(speed: Array) -> Array:
    """Count the feet that come to stand, from joint speeds (T, J): (T,)."""
    feet = [skeleton.JOINT_NAMES.index(name) for name in _FEET]
    standing = _smooth(speed[:, feet], _POSITION_SIGMA_S) < _STANDING_M_S
    return np.diff(standing.astype(float), axis=0, prepend=1.0).clip(0.0).sum(axis=1)


def pelvis_minima(positions: Array) -> Array:
    """Weigh the lowest points of the hips, from positions (T, J, 3): (T,)."""
    return _prominent_maxima(-_smooth(positions[:, :1, 1], _POSITION_SIGMA_S), _LEAST_SINK_M)[:, 0]


def beat_salience(kinds: Array) -> Array:
    """Add all kinds up where their beats lie.

    Args:
        kinds: Weights of the four kinds in the order above, (4, T).

    Returns:
        Weight of a beat at each frame, (T,); each kind's weights sum to its own.
    """
    total = np.zeros(kinds.shape[1])
    for weights, (weight, lag_s) in zip(kinds, _WEIGHT_AND_LAG_S, strict=True):
        moved = _shifted_earlier(weights, lag_s)
        total += weight * moved / max(float(moved.sum()), 1e-9)
    return total


def _shifted_earlier(weights: Array, lag_s: float) -> Array:
    """Move weights (T,) back in time by a lag that need not be whole frames."""
    frames = np.arange(len(weights), dtype=np.float64)
    return np.interp(frames + lag_s * ANALYSIS_FPS, frames, weights, left=0.0, right=0.0)


def _prominent_maxima(values: Array, prominence: float) -> Array:
    """Weigh the local maxima of every column by the root of their prominence: (T, C) -> (T, C)."""
    out = np.zeros_like(values)
    for column, value in enumerate(values.T):
        peaks, about = find_peaks(value, prominence=prominence)
        out[peaks, column] = np.sqrt(about["prominences"])
    return out


def _smooth(values: Array, sigma_s: float) -> Array:
    return np.asarray(gaussian_filter1d(values, sigma_s * ANALYSIS_FPS, axis=0))
