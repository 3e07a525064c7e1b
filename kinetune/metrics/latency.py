"""Latency of onset detectors and beat trackers, measured with clicks.

Conventions: seconds; positive where a detector reports a click after its first sample. librosa's
onset strength is a difference of spectral frames of 93 ms every 23 ms, so its peak stands a little
after the attack. Listeners perceive the beat at the attack. So the metrics subtract the measured
latency from the detector's times, and corpus and model put attacks on the beat. Metrics *as
published* keep the detector's times as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.errors import MetricError
from kinetune.metrics.evaluation.baselines import click_track

Times = NDArray[np.float64]
# Measured by measure_latency on click tracks, of librosa 0.11 at 22,050 Hz with hops of 512
# (benchmarks/detector_latency.py prints them; docs/metrics.md has the table).
ONSET_LATENCY_S = 0.014
ONSET_STRENGTH_LATENCY_S = 0.0195
BEAT_LATENCY_S = 0.0195
# Six tempi and starts that are no multiples of a hop, so that attacks fall anywhere in a frame.
_TRACKS = (
    (80.0, 0.51),
    (93.7, 0.537),
    (107.3, 0.553),
    (120.0, 0.561),
    (131.1, 0.587),
    (149.9, 0.6),
)
_DURATION_S = 20.0
_MARGIN_S = 0.2
# A detection further away than this belongs to no click.
_MATCH_RADIUS_S = 0.1


@dataclass(frozen=True)
class Latency:
    """Detection times minus click times.

    Attributes:
        mean_s: Mean, seconds.
        deviation_s: Standard deviation, seconds; hops of 23.2 ms alone give 6.7 ms.
        detected: Share of the clicks with a detection within 100 ms.
    """

    mean_s: float
    deviation_s: float
    detected: float


def measure_latency(
    detect: Callable[[Sound], Times], *, click: Callable[[Times, float], Sound] = click_track
) -> Latency:
    """Return how late a detector reports clicks.

    Args:
        detect: Maps a sound to detection times in seconds, (K,).
        click: Maps click times (K,) and a duration in seconds to the sound to detect them in.

    Raises:
        MetricError: The detector finds none of the clicks.
    """
    late: list[float] = []
    total = 0
    for bpm, first_s in _TRACKS:
        clicks_s = np.arange(first_s, _DURATION_S - _MARGIN_S, 60.0 / bpm)
        total += len(clicks_s)
        detected_s = np.asarray(detect(click(clicks_s, _DURATION_S)), dtype=np.float64)
        if len(detected_s):
            apart_s = detected_s - clicks_s[:, None]
            nearest = apart_s[np.arange(len(clicks_s)), np.abs(apart_s).argmin(axis=1)]
            late.extend(nearest[np.abs(nearest) <= _MATCH_RADIUS_S])
    if not late:
        raise MetricError(f"none of {total} clicks was detected, so there is no latency")
    return Latency(float(np.mean(late)), float(np.std(late)), len(late) / total)


def without_latency(times_s: Times, latency_s: float) -> Times:
    """Return detection times with a latency taken off, none before 0 s; (K,) -> (k,), ascending."""
    return np.unique(np.maximum(times_s - latency_s, 0.0))
