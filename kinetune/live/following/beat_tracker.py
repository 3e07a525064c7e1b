"""The running reading of the beat: hypotheses whose belief is carried from window to window.

Windows that overlap share most of their evidence, so each counts only in part (its probability to a
power below 1). A hypothesis of a new window takes over the belief of the one it continues: the same
tempo, and its beats where that one has them. So a single window that reads half a beat off, or
double time, changes nothing, and several in a row do. Seconds of the body's time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinetune.live.following.window_reading import BeatHypothesis

# Two hypotheses this near in tempo (octaves) and position (share of a beat) are the same.
_SAME_TEMPO, _SAME_POSITION = 0.08, 0.16
# How much of a window's evidence is new, and the belief in what was not followed before.
_NEW_SHARE, _UNKNOWN_BELIEF = 0.3, 0.03
_LEAST_PROBABILITY = 5e-3
_MOST = 12


@dataclass(frozen=True)
class Belief:
    """A hypothesis and how much it is believed.

    Attributes:
        hypothesis: As the last window that contains it has it.
        weight: Belief, 0 to 1; all together 1.
    """

    hypothesis: BeatHypothesis
    weight: float


class BeatTracker:
    """Belief in ways to count the beat, window by window."""

    def __init__(self) -> None:
        self._beliefs: list[Belief] = []

    @property
    def best(self) -> Belief | None:
        """The hypothesis that is believed most; None before there is one."""
        return self._beliefs[0] if self._beliefs else None

    @property
    def confidence(self) -> float:
        """Probability of the best: its belief times that of its own last window, 0 to 1."""
        best = self.best
        return 0.0 if best is None else best.weight * best.hypothesis.probability

    def update(self, hypotheses: Sequence[BeatHypothesis], end_s: float) -> None:
        """Weigh the beliefs by a window's reading.

        Args:
            hypotheses: Of the window; none leaves the beliefs as they are.
            end_s: Where it ends.
        """
        if not hypotheses:
            return
        followed: set[int] = set()
        beliefs = []
        for hypothesis in hypotheses:
            matching = [
                index
                for index, belief in enumerate(self._beliefs)
                if is_same(hypothesis, belief.hypothesis, end_s)
            ]
            followed |= set(matching)
            before = sum(self._beliefs[index].weight for index in matching)
            beliefs.append(_weighed(hypothesis, max(before, _UNKNOWN_BELIEF)))
        for index, belief in enumerate(self._beliefs):
            if index not in followed:
                unlikely = replace(belief.hypothesis, probability=_LEAST_PROBABILITY)
                beliefs.append(_weighed(unlikely, belief.weight))
        total = sum(belief.weight for belief in beliefs)
        beliefs = [replace(belief, weight=belief.weight / total) for belief in beliefs]
        self._beliefs = sorted(beliefs, key=lambda belief: -belief.weight)[:_MOST]


def is_same(hypothesis: BeatHypothesis, other: BeatHypothesis, at_s: float) -> bool:
    """Return whether two hypotheses count the same beats at a time."""
    if abs(np.log2(hypothesis.period_s / other.period_s)) >= _SAME_TEMPO:
        return False
    phases = [(at_s - each.beat_s) / each.period_s for each in (hypothesis, other)]
    away = phases[0] - phases[1]
    return bool(abs(away - round(away)) < _SAME_POSITION)


def _weighed(hypothesis: BeatHypothesis, before: float) -> Belief:
    likelihood = max(hypothesis.probability, _LEAST_PROBABILITY) ** _NEW_SHARE
    return Belief(hypothesis, before * likelihood)
