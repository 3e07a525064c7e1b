"""The musical attributes that prompts request and captions name, read from ``vocabulary.toml``.

An attribute is a property of a score that is known without doubt, such as ``instrument:piano`` or
``mode:minor``: an axis and a value. A piece may have several instruments, and one value or none of
every other axis. Words are lower case, their parts separated by one space.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kinetune import config
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.errors import ConfigError

_FILE = Path(__file__).parent / "vocabulary.toml"
#: The axis of which a piece may have several values.
INSTRUMENT = "instrument"


@dataclass(frozen=True)
class Attribute:
    """A property of a piece of music.

    Attributes:
        axis: Such as ``mode``.
        value: Such as ``minor``.
        label: How a caption calls it.
        description: A sentence about it.
        words: What names it in a prompt.
        instruments: What plays it.
        parts: Parts of a score that are it, whatever plays them.
        roles: Parts that it can be given to, best first.
    """

    axis: str
    value: str
    label: str
    description: str
    words: tuple[str, ...]
    instruments: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Axis and value, such as ``mode:minor``."""
        return f"{self.axis}:{self.value}"


@dataclass(frozen=True)
class Word:
    """Words that mean several attributes, or the absence of some."""

    words: tuple[str, ...]
    means: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """Words without an attribute.

    Attributes:
        negations: Negate what follows.
        ends: End what is negated.
        joins: Continue it, unless one of ``articles`` follows.
        articles: See ``joins``.
        ignored: Mean nothing.
    """

    negations: tuple[str, ...]
    ends: tuple[str, ...]
    joins: tuple[str, ...]
    articles: tuple[str, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """All attributes, and all words."""

    attribute: tuple[Attribute, ...]
    word: tuple[Word, ...]
    reading: Reading

    def phrases(self) -> Iterator[Word]:
        """Yield every entry of words: those of single attributes, then the others."""
        for attribute in self.attribute:
            yield Word(attribute.words, (attribute.name,))
        yield from self.word


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary of the package."""
    return read_vocabulary(_FILE)


@cache
def attributes_by_name() -> Mapping[str, Attribute]:
    """Return all attributes by name."""
    return {attribute.name: attribute for attribute in vocabulary().attribute}


def attribute(name: str) -> Attribute:
    """Return an attribute by name, such as ``mode:minor``.

    Raises:
        ConfigError: There is none.
    """
    known = attributes_by_name()
    if name not in known:
        raise ConfigError(f"unknown musical attribute {name!r:.60}; expected such as 'mode:minor'")
    return known[name]


def labels(names: Iterable[str]) -> list[str]:
    """Return what captions call attributes."""
    return [attribute(name).label for name in names]


def read_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary of a file.

    Raises:
        ConfigError: The file can't be read, a key is unknown or missing, an instrument or an
            attribute does not exist, or a word stands twice.
    """
    read = config.build(Vocabulary, config.read_toml(path), context=path.name)
    _check(read, path.name)
    return read


def _check(read: Vocabulary, file: str) -> None:
    names = [each.name for each in read.attribute]
    if len(set(names)) < len(names):
        raise ConfigError(f"{file}: an attribute stands twice")
    for each in read.attribute:
        if missing := set(each.instruments) - set(INSTRUMENTS):
            raise ConfigError(f"{file}: {each.name}: unknown instrument {sorted(missing)[0]!r}")
    seen: set[str] = set()
    for entry in read.phrases():
        if missing := {*entry.means, *entry.excludes} - set(names):
            raise ConfigError(f"{file}: unknown attribute {sorted(missing)[0]!r}")
        for phrase in entry.words:
            if phrase in seen:
                raise ConfigError(f"{file}: the word {phrase!r} stands twice")
            seen.add(phrase)
