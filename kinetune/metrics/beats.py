"""Beat metrics: F-measure, continuity, tempo accuracy.

Conventions: beat times in seconds from the start, ascending, all of them (mir_eval's habit of
leaving out the first five seconds would leave nothing of a five-second clip). Reference beats are
annotated, or tracked by librosa in the reference music; estimated beats are tracked in the music
that is scored.

Sources: mir_eval.beat (Raffel et al. 2014); Davies, Degara and Plumbley, "Evaluation Methods for
Musical Audio Beat Tracking Algorithms", 2009: F-measure at 70 ms; CMLt and AMLt, the share of beats
in continuously correct segments (17.5 % of a beat) at the annotated metrical level, or at any
allowed one (half, double, off-beat). Tempo after Gouyon et al. 2006: within 4 %, octave allowed.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Times = NDArray[np.float64]
NAN = float("nan")
_TOLERANCE = 0.04
_METRICAL_LEVELS = (0.5, 1.0, 2.0)
# Continuity compares intervals between beats.
_MIN_BEATS = 2


def validate(reference_s: Times, estimated_s: Times) -> None:
    """Check that both are lists of beats.

    Raises:
        MetricError: They are not 1-D, not finite, negative, or not ascending.
    """
    for name, beats in (("reference", reference_s), ("estimated", estimated_s)):
        if beats.ndim != 1:
            raise MetricError(f"{name} beats: expected times (K,), found shape {beats.shape}")
        if not np.isfinite(beats).all() or (beats < 0).any() or (np.diff(beats) <= 0).any():
            raise MetricError(f"{name} beats: expected ascending times of 0 s or later")


def f_measure(reference_s: Times, estimated_s: Times) -> float:
    """Return the beat F-measure at 70 ms, 0 to 1; NaN without reference beats."""
    from mir_eval import beat

    validate(reference_s, estimated_s)
    if len(reference_s) == 0:
        return NAN
    return float(beat.f_measure(reference_s, estimated_s)) if len(estimated_s) else 0.0


def cmlt(reference_s: Times, estimated_s: Times) -> float:
    """Return the share of beats in correct segments at the reference's metrical level, 0 to 1."""
    return _continuity(reference_s, estimated_s)[1]


def amlt(reference_s: Times, estimated_s: Times) -> float:
    """Return the same with half, double and off-beat allowed, 0 to 1."""
    return _continuity(reference_s, estimated_s)[3]


def _continuity(reference_s: Times, estimated_s: Times) -> tuple[float, float, float, float]:
    """CMLc, CMLt, AMLc, AMLt; NaN below two reference beats, 0 below two estimated."""
    from mir_eval import beat

    validate(reference_s, estimated_s)
    if len(reference_s) < _MIN_BEATS:
        return NAN, NAN, NAN, NAN
    if len(estimated_s) < _MIN_BEATS:
        return 0.0, 0.0, 0.0, 0.0
    cmlc, cmlt_, amlc, amlt_ = map(float, beat.continuity(reference_s, estimated_s))
    return cmlc, cmlt_, amlc, amlt_


def tempo_accuracy(reference_bpm: float, estimated_bpm: float) -> float:
    """Return 1 where the tempo is within 4 % of the reference's, its half or its double, else 0.

    Args:
        reference_bpm: Beats per minute; NaN comes back where it is not positive (unknown).
        estimated_bpm: Beats per minute; 0 where none was found.
    """
    if not (np.isfinite(reference_bpm) and reference_bpm > 0):
        return NAN
    return float(
        min(abs(estimated_bpm / (reference_bpm * k) - 1.0) for k in _METRICAL_LEVELS) < _TOLERANCE
    )


def evaluate(
    reference_s: Times, estimated_s: Times, *, reference_bpm: float, estimated_bpm: float
) -> dict[str, float]:
    """Return all scores of one clip by name."""
    continuity = _continuity(reference_s, estimated_s)
    return {
        "beat_f": f_measure(reference_s, estimated_s),
        "cmlt": continuity[1],
        "amlt": continuity[3],
        "tempo_accuracy": tempo_accuracy(reference_bpm, estimated_bpm),
    }
