"""Prompts read without a network: words of the vocabulary, and what negates them.

``dark minimal house with a rubber bass and no piano`` requests ``mode:minor``, ``tone:dark``,
``density:sparse``, ``genre:house`` and ``bass:rubber`` and excludes ``instrument:piano``. A
negation lasts to the end of its clause. Of an axis that has one value the last word counts, and a
word that means one thing more than a mood, which means several. What is in no list is given to a
matcher, if there is one, and else reported.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from kinetune.corpus.prompts.vocabulary import INSTRUMENT, Word, attribute, labels, vocabulary
from kinetune.errors import ConfigError

MOST_CHARACTERS = 2000
# Returns the attributes that each of some phrases means, none where it means nothing known.
Matcher = Callable[[Sequence[str]], Sequence[tuple[str, ...]]]
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[,.;:!?/&+]")
_MOST_WORDS = 4
_JOIN = {"&": "and", "+": "and", "/": "or"}
_ALTERNATIVES = frozenset({"or", "nor", "oder", "ou"})
_SHOWN = 60


@dataclass(frozen=True)
class Prompt:
    """A prompt as it was understood.

    Attributes:
        text: What was written, without control characters.
        requested: Names of the attributes that the music should have.
        excluded: Names of those that it should not have.
        unknown: Words that were not understood.

    Raises:
        ConfigError: The text is too long, or an attribute is unknown.
    """

    text: str
    requested: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_length(self.text)
        for name in (*self.requested, *self.excluded):
            attribute(name)

    def wanted(self, axis: str) -> str | None:
        """Return the requested value of an axis that has one; None without."""
        return next((v for a, v in map(_split, self.requested) if a == axis), None)

    def unwanted(self, axis: str) -> tuple[str, ...]:
        """Return the excluded values of an axis."""
        return tuple(v for a, v in map(_split, self.excluded) if a == axis)

    def summary(self) -> str:
        """Return in one line what was understood, and what was not."""
        parts = labels(self.requested)
        for name in self.excluded:
            is_thing = attribute(name).axis in (INSTRUMENT, "bass", "kit")
            parts.append(f"{'no' if is_thing else 'not'} {attribute(name).label}")
        if not parts:
            return (
                f"nothing of the prompt {_quoted(self.text)} was understood: the music is as "
                "without it (describe instruments, mood, density, tempo or genre in English)"
            )
        unknown = ", ".join(map(_quoted, self.unknown))
        return f"understood: {', '.join(parts)}" + (
            f"; not understood: {unknown}" if unknown else ""
        )


def read_prompt(text: str, matcher: Matcher | None = None) -> Prompt:
    """Return a prompt as it is understood.

    Args:
        text: What was written, at most 2000 characters.
        matcher: Finds attributes for phrases of words that are in no list.

    Raises:
        ConfigError: It is empty or too long.
    """
    _check_length(text)
    text = _clean(text)
    if not text:
        raise ConfigError("the prompt is empty: describe the music, or leave the prompt out")
    mentions = _matched(list(_mentions(_tokens(text))), matcher)
    requested, excluded = _resolved(mentions)
    unknown = tuple(dict.fromkeys(each.phrase for each in mentions if not each.names))
    return Prompt(text, requested, excluded, unknown)


@dataclass(frozen=True)
class _Mention:
    """Words of a prompt: the attributes that they mean, and whether each is negated."""

    phrase: str
    names: tuple[tuple[str, bool], ...]
    negated: bool


def _check_length(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"the prompt has {len(text)} characters; expected {MOST_CHARACTERS} or fewer"
        )


def _clean(text: str) -> str:
    """The text on one line, without control characters."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in plain)
    return " ".join(plain.split())


def _tokens(text: str) -> list[str]:
    tokens = _TOKEN.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    return [_JOIN.get(token, token) for token in tokens]


@cache
def _phrases() -> Mapping[str, Word]:
    """Every phrase of the vocabulary and what it means."""
    return {phrase: entry for entry in vocabulary().phrases() for phrase in entry.words}


def _phrase_at(tokens: Sequence[str], start: int) -> tuple[str, Word] | None:
    """The longest phrase that begins at a token, singular or plural, and its entry."""
    for count in range(min(_MOST_WORDS, len(tokens) - start), 0, -1):
        phrase = " ".join(tokens[start : start + count])
        for form in (phrase, phrase.removesuffix("s")):
            if form in _phrases():
                return phrase, _phrases()[form]
    return None


def _mentions(tokens: Sequence[str]) -> Iterator[_Mention]:
    """Yield what the words mean, in order; runs of unknown words have no names."""
    reading = vocabulary().reading
    negated, run = False, list[str]()
    index = 0
    while index < len(tokens):
        token = tokens[index]
        match = _phrase_at(tokens, index)
        is_unknown = match is None and token not in _function_words() and token[0].isalnum()
        if run and not is_unknown:
            yield _Mention(" ".join(run), (), negated)
            run = []
        if is_unknown:
            run.append(token)
        elif match is not None:
            phrase, entry = match
            yield _mention(phrase, entry, negated)
            index += phrase.count(" ")
        elif token in reading.negations:
            # Two in a row are none: "not without".
            negated = not (negated and index > 0 and tokens[index - 1] in reading.negations)
        else:
            negated = negated and _lasts(tokens, index)
        index += 1
    if run:
        yield _Mention(" ".join(run), (), negated)


@cache
def _function_words() -> frozenset[str]:
    reading = vocabulary().reading
    return frozenset(
        {*reading.negations, *reading.ends, *reading.joins, *reading.articles, *reading.ignored}
    )


def _lasts(tokens: Sequence[str], index: int) -> bool:
    """Whether a negation lasts beyond a word that means nothing, or a mark."""
    reading, token = vocabulary().reading, tokens[index]
    if token in reading.ends or token in ".;:!?":
        return False
    if token in reading.joins and token not in _ALTERNATIVES:
        return not (index + 1 < len(tokens) and tokens[index + 1] in reading.articles)
    if token == ",":
        # "no piano, organ or strings" is one list.
        for later in tokens[index + 1 :]:
            if later in reading.ends or later in reading.negations or later in ".;:!?":
                return False
            if later in _ALTERNATIVES:
                return True
        return False
    return True


def _mention(phrase: str, entry: Word, negated: bool) -> _Mention:
    names = [(name, negated) for name in entry.means]
    names += [(name, not negated) for name in entry.excludes]
    return _Mention(phrase, tuple(names), negated)


def _matched(mentions: list[_Mention], matcher: Matcher | None) -> list[_Mention]:
    """The mentions with what the matcher makes of unknown phrases."""
    unknown = [index for index, each in enumerate(mentions) if not each.names]
    if matcher is None or not unknown:
        return mentions
    names = matcher([mentions[index].phrase for index in unknown])
    for index, means in zip(unknown, names, strict=True):
        old = mentions[index]
        pairs = tuple((name, old.negated) for name in means)
        mentions[index] = _Mention(old.phrase, pairs, old.negated)
    return mentions


def _resolved(mentions: Sequence[_Mention]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is requested and what excluded, without contradictions."""
    # Rank and verdict by attribute; the higher rank counts: explicit words, then later ones.
    ranks: dict[str, tuple[bool, int]] = {}
    negated: dict[str, bool] = {}
    for order, each in enumerate(mentions):
        rank = (len(each.names) == 1, order)
        for name, is_negated in each.names:
            if name not in ranks or rank >= ranks[name]:
                ranks[name], negated[name] = rank, is_negated
    chosen: dict[str, str] = {}
    for name in (name for name in negated if not negated[name]):
        axis = name if _split(name)[0] == INSTRUMENT else _split(name)[0]
        if axis not in chosen or ranks[name] >= ranks[chosen[axis]]:
            chosen[axis] = name
    excluded = tuple(name for name in negated if negated[name])
    return tuple(name for name in negated if name in chosen.values()), excluded


def _split(name: str) -> tuple[str, str]:
    axis, _, value = name.partition(":")
    return axis, value


def _quoted(text: str) -> str:
    return f'"{text[:_SHOWN]}{"..." if len(text) > _SHOWN else ""}"'
