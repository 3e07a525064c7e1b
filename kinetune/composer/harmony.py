"""Keys and chords as users write them: ``A minor``, ``Am F C G``, ``Bb:maj7``, ``C/E``.

Pitch classes count semitones over C, 0 to 11; chord tones count semitones over the root. Chord
symbols follow lead sheets, and Harte et al. (ISMIR 2005) where there is a colon.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

from kinetune.corpus.composition.grammar import SCALES, Chord
from kinetune.errors import ConfigError

_LETTERS: Mapping[str, int] = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
# Major keys whose signature has flats: F, Bb, Eb, Ab, Db.
_FLAT_MAJORS = (5, 10, 3, 8, 1)
# Chord tones of every quality, under the name that is written back.
_TONES: Mapping[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "5": (0, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11), "m(maj7)": (0, 3, 7, 11), "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14), "11": (0, 7, 10, 14, 17),
    "m11": (0, 3, 7, 10, 14, 17), "13": (0, 4, 10, 14, 21), "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9), "6/9": (0, 4, 7, 9, 14), "add9": (0, 4, 7, 14), "m(add9)": (0, 3, 7, 14),
    "sus2": (0, 2, 7), "sus4": (0, 5, 7), "7sus4": (0, 5, 7, 10), "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10), "aug": (0, 4, 8), "7#9": (0, 4, 10, 15),
    "7b9": (0, 4, 10, 13),
}  # fmt: skip
# Other ways to write them; Harte's names among them.
_ALIASES: Mapping[str, str] = {
    "maj": "", "M": "", "min": "m", "mi": "m", "-": "m", "min7": "m7", "mi7": "m7", "-7": "m7",
    "M7": "maj7", "ma7": "maj7", "j7": "maj7", "minmaj7": "m(maj7)", "mM7": "m(maj7)",
    "mmaj7": "m(maj7)", "min9": "m9", "-9": "m9", "M9": "maj9", "ma9": "maj9", "min11": "m11",
    "maj6": "6", "min6": "m6", "69": "6/9", "madd9": "m(add9)", "sus": "sus4", "7sus": "7sus4",
    "o": "dim", "°": "dim", "o7": "dim7", "°7": "dim7", "hdim7": "m7b5", "hdim": "m7b5",
    "ø": "m7b5", "ø7": "m7b5", "min7b5": "m7b5", "+": "aug",
}  # fmt: skip
_NO_CHORD = ("N", "N.C.", "NC")
_SYMBOL = re.compile(r"^(?P<letter>[A-G])(?P<marks>[#b♯♭]*):?(?P<rest>.*)$")
_SHOWN = 40


@dataclass(frozen=True)
class Key:
    """A key: its tonic's pitch class, and whether it is minor."""

    tonic: int
    minor: bool

    @property
    def name(self) -> str:
        """Such as ``A minor``."""
        return f"{spell(self.tonic, self)} {'minor' if self.minor else 'major'}"

    @property
    def flats(self) -> bool:
        """Whether its signature has flats."""
        return (self.tonic + 3 * self.minor) % 12 in _FLAT_MAJORS


@dataclass(frozen=True)
class ChordSymbol:
    """A chord as it was written.

    Attributes:
        name: The text.
        root: Pitch class of the lowest note.
        tones: Semitones over it; none for no chord.
    """

    name: str
    root: int
    tones: tuple[int, ...]

    def in_key(self, key: Key) -> Chord:
        """Return the chord over a key."""
        return Chord((self.root - key.tonic) % 12, self.tones)


@dataclass(frozen=True)
class TimedChord:
    """A chord and when it begins, seconds."""

    start_s: float
    symbol: ChordSymbol


def parse_key(text: str) -> Key:
    """Return the key of a text such as ``A minor``, ``Am``, ``F# major`` or ``Bb``.

    Raises:
        ConfigError: It can't be parsed.
    """
    match = re.match(r"^\s*([A-Ga-g])([#b♯♭]?)\s*(.*?)\s*$", text)
    mode = match[3] if match else "?"
    minor = mode == "m" or mode.lower() in ("min", "minor", "moll")
    if match is None or not (minor or mode == "M" or mode.lower() in ("", "maj", "major", "dur")):
        raise ConfigError(f"key {text!r:.{_SHOWN}}: expected a key such as 'A minor' or 'Bb major'")
    return Key((_LETTERS[match[1].upper()] + _accidental(match[2])) % 12, minor)


def parse_chord(text: str) -> ChordSymbol:
    """Return the chord of a symbol such as ``Am7``, ``F#m7b5``, ``C/E``, ``A:min7`` or ``N``.

    Raises:
        ConfigError: It can't be parsed.
    """
    if text in _NO_CHORD:
        return ChordSymbol("N", 0, ())
    match = _SYMBOL.match(text)
    if match is None:
        raise ConfigError(
            f"chord {text!r:.{_SHOWN}}: expected a root from A to G, as in Am, F#m7, Bbmaj7 or C/E"
        )
    root = (_LETTERS[match["letter"]] + _accidental(match["marks"])) % 12
    rest, bass = match["rest"], root
    if rest not in _TONES and "/" in rest:
        rest, _, low = rest.rpartition("/")
        bass = _bass(text, low)
    tones = _TONES.get(_ALIASES.get(rest, rest))
    if tones is None:
        near = get_close_matches(rest, [*_TONES, *_ALIASES], n=3) or ["m", "7", "maj7"]
        names = ", ".join(f"{match['letter']}{match['marks']}{quality}" for quality in near)
        raise ConfigError(f"chord {text!r:.{_SHOWN}}: unknown quality; did you mean {names}?")
    return ChordSymbol(text, bass, _over_bass(root, tones, bass))


def parse_chords(text: str) -> list[list[ChordSymbol]]:
    """Return the chords of every bar of a progression: ``Am F C G``, or ``Am | F,C | G``.

    Without bar lines every chord is a bar; a comma, or spaces between bar lines, divides one.

    Raises:
        ConfigError: A chord can't be parsed, or there is none.
    """
    parts = [bar for bar in text.split("|") if bar.strip()] if "|" in text else text.split()
    bars = [[parse_chord(name) for name in re.split(r"[,\s]+", bar.strip(" ,"))] for bar in parts]
    if not bars:
        raise ConfigError("the progression is empty; expected chords such as 'Am F C G'")
    if long := next((bar for bar in bars if len(bar) > 4), None):
        names = " ".join(symbol.name for symbol in long)
        raise ConfigError(f"bar {names!r:.{_SHOWN}}: expected four chords or fewer to the bar")
    return bars


def parse_timed(times: Sequence[tuple[float, str]]) -> tuple[TimedChord, ...]:
    """Return chords at times.

    Raises:
        ConfigError: A chord can't be parsed, or the times don't ascend from 0 or later.
    """
    for (start, _), (after, name) in pairwise(times):
        if after <= start:
            raise ConfigError(f"chord {name}: at {after:g} s, after one at {start:g} s")
    if times and not times[0][0] >= 0.0:
        raise ConfigError(f"chord {times[0][1]}: expected a time of 0 s or later")
    return tuple(TimedChord(start_s, parse_chord(name)) for start_s, name in times)


def guess_key(chords: Iterable[ChordSymbol]) -> Key:
    """Return the key whose scale holds most chord tones; the first chord's where several do."""
    played = [symbol for symbol in chords if symbol.tones]
    if not played:
        return Key(0, minor=False)

    def fit(key: Key) -> float:
        scale = {(key.tonic + step) % 12 for step in scale_of(key)}
        inside = sum((s.root + tone) % 12 in scale for s in played for tone in s.tones)
        first = played[0]
        opens = first.root == key.tonic and (3 in first.tones) == key.minor
        closes = played[-1].root == key.tonic
        return inside + 1.5 * opens + 0.5 * closes

    return max((Key(tonic, minor) for tonic in range(12) for minor in (False, True)), key=fit)


def scale_of(key: Key) -> tuple[int, ...]:
    """Return the notes of a key's scale, semitones over its tonic."""
    return SCALES["minor" if key.minor else "major"]


def spell(pitch_class: int, key: Key) -> str:
    """Return the name of a pitch class, with sharps or flats as the key has them."""
    return (_FLATS if key.flats else _SHARPS)[pitch_class % 12]


def symbol_of(chord: Chord, key: Key) -> ChordSymbol:
    """Return the symbol of a chord over a key."""
    root = (key.tonic + chord.root) % 12
    if not chord.tones:
        return ChordSymbol("N", 0, ())
    if (quality := _quality_of(chord.tones)) is not None:
        return ChordSymbol(f"{spell(root, key)}{quality}", root, chord.tones)
    for tone in chord.tones:
        quality = _quality_of(_over_bass(root, chord.tones, (root + tone) % 12))
        if quality is not None:
            name = f"{spell(root + tone, key)}{quality}/{spell(root, key)}"
            return ChordSymbol(name, root, chord.tones)
    return ChordSymbol(f"{spell(root, key)}?", root, chord.tones)


def _quality_of(tones: tuple[int, ...]) -> str | None:
    """The name of chord tones; of those within an octave too, as a ninth that is a second."""
    for reduce in (lambda tone: tone, lambda tone: tone % 12):
        wanted = sorted(map(reduce, tones))
        for quality, known in _TONES.items():
            if sorted(map(reduce, known)) == wanted:
                return quality
    return None


def _accidental(marks: str) -> int:
    return sum(1 if mark in "#♯" else -1 for mark in marks)


def _bass(text: str, low: str) -> int:
    match = re.match(r"^([A-G])([#b♯♭]?)$", low)
    if match is None:
        raise ConfigError(f"chord {text!r:.{_SHOWN}}: expected a bass note after /, found {low!r}")
    return (_LETTERS[match[1]] + _accidental(match[2])) % 12


def _over_bass(root: int, tones: tuple[int, ...], bass: int) -> tuple[int, ...]:
    """Chord tones counted from the bass note, which is added if the chord lacks it."""
    if bass == root:
        return tones
    return tuple(sorted({0} | {(root + tone - bass) % 12 for tone in tones}))
