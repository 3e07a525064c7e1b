"""The scores of every row and every dance, from what was heard and seen.

Conventions: one value a dance; several takes, or several random partners, are averaged within the
dance first, so that a row's ``n`` counts dances. NaN is a value that can't be told.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics import alignment, beats, body, diversity, onsets
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import Heard, cut_to, tempo_of
from kinetune.metrics.evaluation.runner import Listened

Array = NDArray[np.float64]
# Values by label, by metric; one a dance, (n_dances,).
Values = dict[str, dict[str, Array]]
NAN = float("nan")


def values_of(
    listened: Sequence[Listened], labels: Iterable[str], *, draws: int, seed: int
) -> Values:
    """Return every row's values of all metrics that need no network.

    Args:
        listened: All dances.
        labels: The rows.
        draws: How many random partners a dance has.
        seed: Of the random partners.
    """
    by_name = {one.clip.name: one for one in listened}
    pairs = [one.clip.name for one in listened if baselines.REFERENCE in one.heard]
    rows: dict[str, list[dict[str, float]]] = {label: [] for label in labels}
    for one in listened:
        for label, out in rows.items():
            if label == baselines.RANDOM:
                heard = random_music(one, by_name, pairs, draws=draws, seed=seed)
                takes = [_one_take(one, sound) for sound in heard]
            else:
                heard = list(one.heard.get(label, ()))
                takes = [_one_take(one, sound) for sound in heard]
                takes += [diversity.evaluate([sound.timbre for sound in heard])]
            out.append(averaged(takes))
    return {label: columns(found) for label, found in rows.items()}


def random_music(
    one: Listened, by_name: dict[str, Listened], pairs: list[str], *, draws: int, seed: int
) -> list[Heard]:
    """Return what is heard in the reference music of other dances, at this dance's length."""
    if not one.heard:
        return []
    partners = baselines.random_partners(pairs, one.clip.name, draws=draws, seed=seed)
    return [
        cut_to(by_name[name].heard[baselines.REFERENCE][0], one.duration_s) for name in partners
    ]


def _one_take(one: Listened, sound: Heard) -> dict[str, float]:
    found = {
        "loudness_lufs": sound.sanity.loudness_lufs,
        "clipped_share": sound.sanity.clipped_share,
        "silent_share": sound.sanity.silent_share,
    }
    if not np.isfinite(found["loudness_lufs"]):
        found["loudness_lufs"] = NAN
    reference = one.heard.get(baselines.REFERENCE)
    if reference:
        found |= onsets.evaluate(
            reference[0].onsets_published_s, sound.onsets_published_s,
            reference[0].onsets_loris_s, sound.onsets_loris_s, duration_s=one.duration_s,
        )  # fmt: skip
    if one.true_beats_s is not None:
        found |= beats.evaluate(
            one.true_beats_s, sound.beats_s,
            true_bpm=tempo_of(one.true_beats_s), heard_bpm=sound.tempo_bpm,
        )  # fmt: skip
    if one.seen is not None:
        seen = one.seen
        found |= alignment.evaluate(seen.beats_s, sound.beats_s)
        found["bas_as_published"] = alignment.as_published(
            seen.beats_published, sound.beats_published
        )
        found |= body.evaluate(
            seen.speed, seen.accents_s, sound.power, sound.strength, sound.onsets_s
        )
    return found


def averaged(takes: Sequence[dict[str, float]]) -> dict[str, float]:
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
