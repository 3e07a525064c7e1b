"""Do the beats of the music fall where they should: beat F-measure, continuity, tempo.

Conventions: beat times in seconds from the start, ascending, all of them (mir_eval's habit of
leaving out the first five seconds would leave nothing of a five-second clip). The truth is the
reference music's beats as librosa hears them, or a list of beats that is given.

Sources: mir_eval.beat (Raffel et al. 2014); Davies, Degara and Plumbley, "Evaluation Methods for
Musical Audio Beat Tracking Algorithms", 2009: F-measure at 70 ms; CMLt and AMLt, the share of beats
in continuously correct stretches (17.5 % of a beat) at the annotated metrical level, or at any
allowed one (half, double, off-beat). Tempo after Gouyon et al. 2006: within 4 %, octave allowed.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Times = NDArray[np.float64]
NAN = float("nan")
_TOLERANCE = 0.04
_OCTAVES = (0.5, 1.0, 2.0)
# Continuity is about steps from beat to beat.
_LEAST_BEATS = 2


def validate(true_s: Times, heard_s: Times) -> None:
    """See that both are lists of beats.

    Raises:
        MetricError: They are not 1-D, not finite, negative, or not ascending.
    """
    for name, beats in (("true", true_s), ("heard", heard_s)):
        if beats.ndim != 1:
            raise MetricError(f"{name} beats: expected times (K,), found shape {beats.shape}")
        if not np.isfinite(beats).all() or (beats < 0).any() or (np.diff(beats) <= 0).any():
            raise MetricError(f"{name} beats: expected ascending times of 0 s or later")


def f_measure(true_s: Times, heard_s: Times) -> float:
    """Return the beat F-measure at 70 ms, 0 to 1; 0 where none is heard, NaN where none is true."""
    from mir_eval import beat

    validate(true_s, heard_s)
    if len(true_s) == 0:
        return NAN
    return float(beat.f_measure(true_s, heard_s)) if len(heard_s) else 0.0


def cmlt(true_s: Times, heard_s: Times) -> float:
    """Return the share of beats in correct stretches at the true metrical level, 0 to 1."""
    return _continuity(true_s, heard_s)[1]


def amlt(true_s: Times, heard_s: Times) -> float:
    """Return the same with half, double and off-beat allowed, 0 to 1."""
    return _continuity(true_s, heard_s)[3]


def _continuity(true_s: Times, heard_s: Times) -> tuple[float, float, float, float]:
    """CMLc, CMLt, AMLc, AMLt; NaN below two true beats, 0 below two heard."""
    from mir_eval import beat

    validate(true_s, heard_s)
    if len(true_s) < _LEAST_BEATS:
        return NAN, NAN, NAN, NAN
    if len(heard_s) < _LEAST_BEATS:
        return 0.0, 0.0, 0.0, 0.0
    one, two, three, four = (float(value) for value in beat.continuity(true_s, heard_s))
    return one, two, three, four


def tempo_accuracy(true_bpm: float, heard_bpm: float) -> float:
    """Return 1 where the tempo is within 4 % of the true one, its half or its double, else 0.

    Args:
        true_bpm: Beats a minute; NaN comes back where it is not positive (unknown).
        heard_bpm: Beats a minute; 0 where none is heard.
    """
    if not (np.isfinite(true_bpm) and true_bpm > 0):
        return NAN
    return float(min(abs(heard_bpm / (true_bpm * k) - 1.0) for k in _OCTAVES) < _TOLERANCE)


def evaluate(
    true_s: Times, heard_s: Times, *, true_bpm: float, heard_bpm: float
) -> dict[str, float]:
    """Return all scores of one clip by name."""
    steady = _continuity(true_s, heard_s)
    return {
        "beat_f": f_measure(true_s, heard_s),
        "cmlt": steady[1],
        "amlt": steady[3],
        "tempo_accuracy": tempo_accuracy(true_bpm, heard_bpm),
    }
