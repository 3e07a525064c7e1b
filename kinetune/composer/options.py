"""What a user gives the composer, besides dance, genre, seed, beats and score."""

import math
import re
from dataclasses import dataclass, field

from kinetune.composer import harmony
from kinetune.errors import ConfigError

_TIMES = re.compile(r"^(?P<start>[^:]*):(?P<end>[^:]*)(:(?P<seed>\d+))?$")


@dataclass(frozen=True)
class Take:
    """A stretch whose notes are regenerated, with a seed of its own.

    Attributes:
        start_s: Where it begins; its bars are those it touches.
        end_s: Where it ends; infinite for the end of the piece.
        seed: Of its notes.
        genre: Name or code; empty keeps the piece's.

    Raises:
        ConfigError: The stretch is empty or the seed negative.
    """

    start_s: float
    end_s: float | None
    seed: int
    genre: str = ""

    def __post_init__(self) -> None:
        if self.start_s < 0.0 or (self.end_s is not None and not self.end_s > self.start_s):
            end = "end" if self.end_s is None else f"{self.end_s:g}"
            raise ConfigError(
                f"a stretch must begin at 0 s or later and before it ends, found "
                f"{self.start_s:g}:{end}"
            )
        if self.seed < 0:
            raise ConfigError(f"the seed must be 0 or more, found {self.seed}")


@dataclass(frozen=True)
class ComposerOptions:
    """What decides the notes, besides dance, genre, seed, beats and score.

    Attributes:
        key: Such as ``A minor``; drawn from the seed if None.
        chords: A chord a bar, over and over, such as ``Am F C G``; drawn if None.
        chord_times: Chords at times, seconds, ascending; excludes ``chords``.
        takes: Stretches regenerated, later ones over earlier ones.

    Raises:
        ConfigError: A key or a chord can't be parsed, or both kinds of chords are given.
    """

    key: str | None = None
    chords: str | None = None
    chord_times: tuple[tuple[float, str], ...] = ()
    takes: tuple[Take, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if self.key is not None:
            harmony.parse_key(self.key)
        if self.chords is not None:
            harmony.parse_chords(self.chords)
            if self.chord_times:
                raise ConfigError("chords are given twice: a progression and a list of times")
        harmony.parse_timed(self.chord_times)


def parse_take(text: str, seed: int) -> Take:
    """Return the take of a text such as ``12:16``, ``12:`` or, with its own seed, ``12:16:7``.

    Args:
        text: Start and end in seconds.
        seed: The seed where the text names none.

    Raises:
        ConfigError: It is not so.
    """
    match = _TIMES.match(text.strip())
    try:
        start_s = float(match["start"] or 0.0) if match else math.nan
        named = match["end"].strip() if match else ""
        end_s = None if named in ("", "end") else float(named)
    except ValueError:
        start_s, end_s = math.nan, None
    if match is None or not math.isfinite(start_s) or not math.isfinite(end_s or 0.0):
        raise ConfigError(
            f"a stretch to redo is START:END or START:END:SEED in seconds, such as 12:16; "
            f"found {text!r}"
        )
    return Take(start_s, end_s, int(match["seed"]) if match["seed"] else seed)
