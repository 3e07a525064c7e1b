"""Captions of pieces from their attributes, in varied wording drawn from a seed."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from kinetune.corpus.prompts.vocabulary import INSTRUMENT, attribute, labels

# What almost every piece has is named only where it is missing.
_TACIT = {"instrument:drums": "no drums", "instrument:bass": "no bass"}
# What a more particular name says already.
_GENERAL = {
    "instrument:kick", "instrument:snare", "instrument:hi-hat", "instrument:cymbals",
    "instrument:melody", *_TACIT,
}  # fmt: skip
_COVERED = {
    "instrument:guitar": ("acoustic-guitar", "distorted-guitar", "wah-guitar"),
    "instrument:brass": ("trumpet",),
    "instrument:strings": ("violin", "cello", "pizzicato"),
    "instrument:mallets": ("vibraphone", "marimba", "kalimba", "music-box"),
    "instrument:voice": ("talkbox",),
    "instrument:percussion": (
        "shaker", "conga", "bongo", "tambourine", "cowbell", "triangle", "timbales", "tabla",
        "claves", "scratch",
    ),
}  # fmt: skip
_MOST_INSTRUMENTS = 3
_KEEP_PROBABILITY = 0.75
_NOUNS = ("music", "track", "piece", "tune")
_ARTICLE = {"track": "a ", "piece": "a ", "tune": "a ", "music": ""}
_LINKS = ("with", "featuring", "played on", "with")
# Axes whose values stand before the noun, in the order in which they are read best.
_ADJECTIVES = ("tempo", "energy", "tone", "density", "feel", "space")


def caption(attributes: Collection[str], seed: int) -> str:
    """Return a caption of a piece, such as ``a slow, dark house track in minor with organ``.

    Some attributes are left out by chance, as people leave them out.

    Args:
        attributes: Names of all that the piece has.
        seed: Of the wording.

    Raises:
        ConfigError: An attribute is unknown.
    """
    rng = np.random.default_rng([seed, 606])
    kept = [name for name in attributes if rng.random() < _KEEP_PROBABILITY]
    by_axis = {attribute(name).axis: attribute(name).label for name in kept}
    noun = str(rng.choice(_NOUNS))
    adjectives = [by_axis[axis] for axis in rng.permutation(_ADJECTIVES) if axis in by_axis]
    genre = f" {by_axis['genre']}" if "genre" in by_axis else ""
    head = f"{', '.join(adjectives)}{genre} {noun}".strip()
    text = f"{_article(head, noun)}{head}"
    if "mode" in by_axis:
        text += f" in {by_axis['mode']}"
    played = _instruments(rng, attributes, kept)
    if played:
        text += f" {rng.choice(_LINKS)} {_join(played)}"
    return text + _missing(attributes)


def _article(head: str, noun: str) -> str:
    article = _ARTICLE[noun]
    return "an " if article and head[0].lower() in "aeiou" else article


def _instruments(
    rng: np.random.Generator, attributes: Collection[str], kept: Iterable[str]
) -> list[str]:
    """Some of the instruments, and kinds of bass and drums, by label."""
    covered = {
        general
        for general, special in _COVERED.items()
        if any(f"{INSTRUMENT}:{value}" in attributes for value in special)
    }
    names = [
        name
        for name in kept
        if attribute(name).axis in (INSTRUMENT, "bass", "kit") and name not in covered | _GENERAL
    ]
    return labels([str(name) for name in rng.permutation(names)[:_MOST_INSTRUMENTS]])


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _missing(attributes: Collection[str]) -> str:
    missing = [text for name, text in _TACIT.items() if name not in attributes]
    return f", {' and '.join(missing)}" if missing else ""
