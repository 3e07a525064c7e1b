"""The scores of every row and every dance, from their analyses.

Conventions: one value per dance; variations, or random partners, are averaged within the
dance first, so that a row's ``n`` counts dances. NaN is an undefined value.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics import alignment, beats, body, diversity, onsets, sanity
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import AudioAnalysis, crop_analysis, estimate_tempo
from kinetune.metrics.evaluation.runner import ClipAnalysis

Array = NDArray[np.float64]
# Values by label, by metric; one a dance, (n_dances,).
Values = dict[str, dict[str, Array]]
NAN = float("nan")


def clip_scores(
    analyses: Sequence[ClipAnalysis], labels: Iterable[str], *, draws: int, seed: int
) -> Values:
    """Return every row's values of all metrics that need no network.

    Args:
        analyses: All dances.
        labels: The rows.
        draws: Random partners a dance.
        seed: Of the random partners.
    """
    by_name = {analysis.clip.name: analysis for analysis in analyses}
    rows: dict[str, list[dict[str, float]]] = {label: [] for label in labels}
    for analysis in analyses:
        for label, scores in rows.items():
            if label == baselines.RANDOM:
                variations = random_pairing_audio(analysis, by_name, draws=draws, seed=seed)
                variety = {}
            else:
                variations = list(analysis.audio.get(label, ()))
                variety = diversity.evaluate([variation.timbre for variation in variations])
            scores.append(
                mean_over_variations(
                    [*(_score_variation(analysis, each) for each in variations), variety]
                )
            )
    return {label: columns(scores) for label, scores in rows.items()}


def random_pairing_audio(
    analysis: ClipAnalysis, by_name: dict[str, ClipAnalysis], *, draws: int, seed: int
) -> list[AudioAnalysis]:
    """Return analyses of the reference music of other dances, cropped to this dance's length."""
    if not analysis.audio:
        return []
    paired = [name for name, other in by_name.items() if baselines.REFERENCE in other.audio]
    partners = baselines.random_partners(paired, analysis.clip.name, draws=draws, seed=seed)
    return [
        crop_analysis(by_name[name].audio[baselines.REFERENCE][0], analysis.duration_s)
        for name in partners
    ]


def _score_variation(analysis: ClipAnalysis, variation: AudioAnalysis) -> dict[str, float]:
    """All scores of one variation that the dance's files allow."""
    scores = sanity.scores(variation.sanity)
    reference = analysis.audio.get(baselines.REFERENCE)
    if reference:
        scores |= onsets.evaluate(
            reference[0].onsets_published_s,
            variation.onsets_published_s,
            reference[0].onsets_loris_s,
            variation.onsets_loris_s,
            duration_s=analysis.duration_s,
        )
    if analysis.reference_beats_s is not None:
        scores |= beats.evaluate(
            analysis.reference_beats_s,
            variation.beats_s,
            reference_bpm=estimate_tempo(analysis.reference_beats_s),
            estimated_bpm=variation.tempo_bpm,
        )
    motion = analysis.motion
    if motion is not None:
        scores |= alignment.evaluate(motion.beats_s, variation.beats_s)
        scores["bas_as_published"] = alignment.as_published(
            motion.beat_frames_published, variation.beat_frames_published
        )
        scores |= body.evaluate(
            motion.speed, motion.accents_s, variation.power, variation.strength, variation.onsets_s
        )
    return scores


def mean_over_variations(variations: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of every metric over the variations that have it."""
    names = {name: None for variation in variations for name in variation}
    return {
        name: _mean(
            [variation[name] for variation in variations if np.isfinite(variation.get(name, NAN))]
        )
        for name in names
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


def columns(rows: Sequence[dict[str, float]]) -> dict[str, Array]:
    """Return one column a metric, NaN where a row lacks it."""
    names = {name: None for row in rows for name in row}
    return {name: np.array([row.get(name, NAN) for row in rows]) for name in names}
