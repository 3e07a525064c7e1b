"""Learned similarity and retrieval of every row, from the networks' outputs.

Conventions: those of :mod:`kinetune.metrics.similarity`. Outputs are vectors (T', D) of sounds, by
label and dance, one array a variation; a row's retrieval chooses among its own music of all dances.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.runner import ClipAnalysis
from kinetune.metrics.evaluation.scores import columns
from kinetune.metrics.similarity import Vectors, motion_vectors, retrieval, similarity
from kinetune.motion.clip import MotionClip, cut
from kinetune.motion.io.formats import read_motion

Array = NDArray[np.float64]
Outputs = dict[str, dict[str, list[Vectors]]]
NAME = "similarity"
RECALLED = (1, 5)
# Of fewer each finds its own music by chance.
_FEWEST_DANCES = 10


def similarity_values(
    by_label: Outputs, analyses: Sequence[ClipAnalysis], *, draws: int, seed: int
) -> dict[str, dict[str, Array]]:
    """Return similarity and retrieval by label, one value a dance; NaN where it has no motion.

    Args:
        by_label: Vectors of the sounds.
        analyses: All dances.
        draws: Random partners a dance.
        seed: Of the random partners.
    """
    motions = {
        analysis.clip.name: motion_vectors(_motion(analysis))
        for analysis in analyses
        if analysis.clip.motion is not None and analysis.motion is not None
    }
    if not motions:
        return {}
    references = by_label.get(baselines.REFERENCE, {})
    values = {}
    for label, by_name in by_label.items():
        if label == baselines.RANDOM:
            partners = _partners(references, motions, draws=draws, seed=seed)
            scores_by_dance = _similarities(motions, partners)
        else:
            scores_by_dance = _similarities(motions, by_name)
            _add_retrieval(scores_by_dance, motions, by_name)
        values[label] = columns(
            [scores_by_dance.get(analysis.clip.name, {}) for analysis in analyses]
        )
    return values


def _motion(analysis: ClipAnalysis) -> MotionClip:
    path = analysis.clip.motion
    if path is None:
        raise ValueError(f"{analysis.clip.name} has no motion")
    return cut(read_motion(path), 0.0, analysis.duration_s)


def _partners(
    references: dict[str, list[Vectors]], motions: dict[str, Vectors], *, draws: int, seed: int
) -> dict[str, list[Vectors]]:
    """The reference music of other dances, for every dance that has some itself."""
    names = sorted(references)
    return {
        name: [
            references[partner][0]
            for partner in baselines.random_partners(names, name, draws=draws, seed=seed)
        ]
        for name in motions
    }


def _similarities(
    motions: dict[str, Vectors], music: dict[str, list[Vectors]]
) -> dict[str, dict[str, float]]:
    return {
        name: {NAME: float(np.mean([similarity(motion, each) for each in music[name]]))}
        for name, motion in motions.items()
        if music.get(name)
    }


def _add_retrieval(
    scores_by_dance: dict[str, dict[str, float]],
    motions: dict[str, Vectors],
    music: dict[str, list[Vectors]],
) -> None:
    """Add the places of each dance's own music, meaned over variations."""
    names = list(scores_by_dance)
    if len(names) < _FEWEST_DANCES:
        return
    rounds = max(len(music[name]) for name in names)
    tables = [
        np.array(
            [
                [similarity(motions[name], music[other][turn % len(music[other])])
                 for other in names]
                for name in names
            ]
        )
        for turn in range(rounds)
    ]  # fmt: skip
    for k in RECALLED:
        shares = np.mean([retrieval(table, k) for table in tables], axis=0)
        for name, share in zip(names, shares, strict=True):
            scores_by_dance[name][f"retrieval_{k}"] = float(share)
