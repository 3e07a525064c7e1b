"""The scores of every row and every dance, from what was heard and seen.

Conventions: one value a dance; several takes, or several random partners, are averaged within the
dance first, so that a row's ``n`` counts dances. NaN is a value that can't be told.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics import alignment, beats, body, diversity, onsets
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
        draws: How many random partners a dance has.
        seed: Of the random partners.
    """
    by_name = {one.clip.name: one for one in analyses}
    pairs = [one.clip.name for one in analyses if baselines.REFERENCE in one.audio]
    rows: dict[str, list[dict[str, float]]] = {label: [] for label in labels}
    for one in analyses:
        for label, out in rows.items():
            if label == baselines.RANDOM:
                heard = random_pairing_audio(one, by_name, pairs, draws=draws, seed=seed)
                takes = [_score_take(one, sound) for sound in heard]
            else:
                heard = list(one.audio.get(label, ()))
                takes = [_score_take(one, sound) for sound in heard]
                takes += [diversity.evaluate([sound.timbre for sound in heard])]
            out.append(mean_over_takes(takes))
    return {label: columns(found) for label, found in rows.items()}


def random_pairing_audio(
    one: ClipAnalysis, by_name: dict[str, ClipAnalysis], pairs: list[str], *, draws: int, seed: int
) -> list[AudioAnalysis]:
    """Return what is heard in the reference music of other dances, at this dance's length."""
    if not one.audio:
        return []
    partners = baselines.random_partners(pairs, one.clip.name, draws=draws, seed=seed)
    return [
        crop_analysis(by_name[name].audio[baselines.REFERENCE][0], one.duration_s)
        for name in partners
    ]


def _score_take(one: ClipAnalysis, sound: AudioAnalysis) -> dict[str, float]:
    found = {
        "loudness_lufs": sound.sanity.loudness_lufs,
        "clipped_share": sound.sanity.clipped_share,
        "silent_share": sound.sanity.silent_share,
    }
    if not np.isfinite(found["loudness_lufs"]):
        found["loudness_lufs"] = NAN
    reference = one.audio.get(baselines.REFERENCE)
    if reference:
        found |= onsets.evaluate(
            reference[0].onsets_published_s, sound.onsets_published_s,
            reference[0].onsets_loris_s, sound.onsets_loris_s, duration_s=one.duration_s,
        )  # fmt: skip
    if one.reference_beats_s is not None:
        found |= beats.evaluate(
            one.reference_beats_s, sound.beats_s,
            reference_bpm=estimate_tempo(one.reference_beats_s), estimated_bpm=sound.tempo_bpm,
        )  # fmt: skip
    if one.motion is not None:
        seen = one.motion
        found |= alignment.evaluate(seen.beats_s, sound.beats_s)
        found["bas_as_published"] = alignment.as_published(
            seen.beat_frames_published, sound.beat_frames_published
        )
        found |= body.evaluate(
            seen.speed, seen.accents_s, sound.power, sound.strength, sound.onsets_s
        )
    return found


def mean_over_takes(takes: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of every metric over the takes that have it."""
    names = {name: None for take in takes for name in take}
    return {
        name: _mean([take[name] for take in takes if np.isfinite(take.get(name, NAN))])
        for name in names
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else NAN


def columns(rows: Sequence[dict[str, float]]) -> dict[str, Array]:
    """Return one column a metric, NaN where a row lacks it."""
    names = {name: None for row in rows for name in row}
    return {name: np.array([row.get(name, NAN) for row in rows]) for name in names}
