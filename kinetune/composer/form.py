"""The form of a piece: intro, verse, build, drop, break and outro, from the motion energy.

Phrases of four bars are ranked by the body's energy; short pieces are one verse. Energies 0 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

PHRASE_BARS = 4
# Pieces of fewer phrases have no form of their own.
_LEAST_PHRASES = 6
# Phrases above and below these quantiles are drops and breaks, if they differ by so much.
_STRONG, _CALM, _LEAST_SPREAD = 0.6, 0.2, 0.06
#: Parts that rest in a section; layers by their role.
RESTS: Mapping[str, frozenset[str]] = {
    "intro": frozenset({"hook", "arp", "snare", "layer", "accent", "tom"}),
    "verse": frozenset(),
    "build": frozenset({"hook"}),
    "drop": frozenset(),
    "break": frozenset({"kick", "snare", "layer", "open_hat", "tom", "drop"}),
    "outro": frozenset({"hook", "arp", "accent", "riser"}),
}


@dataclass(frozen=True)
class Section:
    """A section of the form.

    Attributes:
        name: ``intro``, ``verse``, ``build``, ``drop``, ``break`` or ``outro``.
        first_bar: Index of its first bar.
        bars: How many it has.
    """

    name: str
    first_bar: int
    bars: int


def plan_form(energy: NDArray[np.float64], first_bar: int = 0) -> tuple[Section, ...]:
    """Return the sections of a piece.

    Args:
        energy: Mean energy of each bar, (bars,).
        first_bar: The bar that opens the first phrase; what comes before belongs to it.
    """
    edges = list(range(first_bar, len(energy), PHRASE_BARS))
    edges[:1] = [0]
    # A last phrase of a bar or two belongs to the one before.
    if len(edges) > 1 and len(energy) - edges[-1] < PHRASE_BARS // 2:
        edges.pop()
    bounds = [*edges, len(energy)]
    means = np.array([energy[a:b].mean() for a, b in pairwise(bounds)])
    if len(means) < _LEAST_PHRASES:
        return (Section("verse", 0, len(energy)),)
    return _merge(_names(means), bounds)


def _names(means: NDArray[np.float64]) -> list[str]:
    low, high = np.quantile(means, [_CALM, _STRONG])
    names = ["verse"] * len(means)
    if means.max() - means.min() >= _LEAST_SPREAD:
        for index, mean in enumerate(means):
            names[index] = "drop" if mean >= high else "break" if mean <= low else "verse"
    names[0], names[-1] = "intro", "outro"
    for index in range(1, len(names) - 1):
        rises = names[index] == "verse" and names[index + 1] == "drop"
        if rises and means[index + 1] > means[index] + _LEAST_SPREAD:
            names[index] = "build"
    return names


def _merge(names: Sequence[str], bounds: Sequence[int]) -> tuple[Section, ...]:
    sections: list[Section] = []
    for name, (first, end) in zip(names, pairwise(bounds), strict=True):
        if sections and sections[-1].name == name:
            last = sections.pop()
            sections.append(Section(name, last.first_bar, last.bars + end - first))
        else:
            sections.append(Section(name, first, end - first))
    return tuple(sections)
