"""Beats coverage and hit scores as published, in the two senses the names have.

Conventions: onset times in seconds from the start, ascending; one bin a second, true where it holds
any onset; S bins. They count seconds with *any* onset, so they saturate: a click track of 60 bpm
or more sets every bin (docs/metrics.md). Onsets are those of
:mod:`kinetune.metrics.evaluation.audio_analysis`.

Sources: Zhu et al., "Quantized GAN for Complex Music Generation from Dance Videos" (D2M-GAN), ECCV
2022, and the same script in Tan et al. 2023: coverage = generated bins / reference bins, hit = bins
set in both / reference bins. Yu et al., "Long-Term Rhythmic Video Soundtracker" (LORIS), ICML 2023:
coverage = hits / generated bins (a precision), hit = hits / reference bins (a recall), CSD and HSD
their standard deviations over clips, F1 of the two means.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MetricError

Times = NDArray[np.float64]
Bins = NDArray[np.bool_]
NAN = float("nan")


def validate(reference: Bins, generated: Bins) -> None:
    """Check that both are bins of the same span.

    Raises:
        MetricError: They are not 1-D, not boolean, or differ in length.
    """
    for name, bins in (("reference", reference), ("generated", generated)):
        if bins.ndim != 1 or bins.dtype != np.bool_:
            raise MetricError(
                f"{name}: expected bins (S,) of bool, found {bins.shape} {bins.dtype}"
            )
    if len(reference) != len(generated):
        raise MetricError(
            f"expected bins of one span, found {len(reference)} s and {len(generated)} s"
        )


def onset_bins(onsets_s: Times, duration_s: float) -> Bins:
    """Return which seconds hold an onset, (S,); the last second may be a part of one."""
    if not np.isfinite(onsets_s).all() or (onsets_s < 0).any():
        raise MetricError("expected onset times of 0 s or later")
    bins = np.zeros(int(np.ceil(duration_s)), dtype=np.bool_)
    seconds = np.trunc(onsets_s).astype(int)
    bins[seconds[seconds < len(bins)]] = True
    return bins


def coverage_as_published(reference: Bins, generated: Bins) -> float:
    """Return generated bins over reference bins; can exceed 1. NaN where the reference has none."""
    validate(reference, generated)
    return float(generated.sum() / reference.sum()) if reference.any() else NAN


def hit_as_published(reference: Bins, generated: Bins) -> float:
    """Return bins set in both over reference bins, 0 to 1. NaN where the reference has none."""
    validate(reference, generated)
    return float((reference & generated).sum() / reference.sum()) if reference.any() else NAN


def loris_coverage(reference: Bins, generated: Bins) -> float:
    """Return bins set in both over generated bins, 0 to 1; 0 where nothing was generated."""
    validate(reference, generated)
    return float((reference & generated).sum() / generated.sum()) if generated.any() else 0.0


def loris_hit(reference: Bins, generated: Bins) -> float:
    """Return bins set in both over reference bins, 0 to 1; 0 where the reference has none."""
    validate(reference, generated)
    return float((reference & generated).sum() / reference.sum()) if reference.any() else 0.0


def loris_deviation(scores: Times) -> float:
    """Return CSD or HSD: the standard deviation of a score over clips (ddof 1), NaN below two."""
    return float(np.std(scores, ddof=1)) if len(scores) > 1 else NAN


def loris_f1(coverage: float, hit: float) -> float:
    """Return F1 of the two scores' means; 0 where both are."""
    return 2.0 * coverage * hit / (coverage + hit) if coverage + hit > 0 else 0.0


def evaluate(
    reference_s: Times, generated_s: Times, reference_loris_s: Times, generated_loris_s: Times,
    *, duration_s: float,
) -> dict[str, float]:  # fmt: skip
    """Return the four scores of one clip by name.

    Args:
        reference_s: Onsets of the reference with D2M-GAN's settings, seconds.
        generated_s: Onsets of the generated sound, likewise.
        reference_loris_s: Onsets of the reference with LORIS's settings.
        generated_loris_s: Onsets of the generated sound, likewise.
        duration_s: Length of both sounds.
    """
    d2m_gan = onset_bins(reference_s, duration_s), onset_bins(generated_s, duration_s)
    loris = onset_bins(reference_loris_s, duration_s), onset_bins(generated_loris_s, duration_s)
    return {
        "bcs_as_published": coverage_as_published(*d2m_gan),
        "bhs_as_published": hit_as_published(*d2m_gan),
        "loris_coverage": loris_coverage(*loris),
        "loris_hit": loris_hit(*loris),
    }
