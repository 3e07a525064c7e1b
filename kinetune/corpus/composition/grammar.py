"""Rhythms, chords, scales and voicings in the notation of the style files.

A rhythm is a string of four steps a beat, sixteen in a bar of four and twelve in one of three.
For drums and chords ``X`` is an accent, ``x`` a hit,
``o`` a soft hit, ``.`` a ghost note that may be left out, ``r`` a roll, ``-`` rest and ``=``
prolongs the hit before. For basses the digits are degrees of the chord (``1`` root, ``3``, ``5``,
``7``, ``8`` the octave), ``a`` is a semitone below the next chord's root. Progressions are Roman
numerals with a quality; ``,`` puts two chords into a bar. Pitches are MIDI numbers.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from kinetune.errors import ConfigError

STEPS_A_BEAT = 4
#: What rhythms of drums and chords, and of basses, are written with.
HIT_SYMBOLS, BASS_SYMBOLS = "Xxo.r-=", "13578a-="
_LEVEL = {"X": 1.0, "x": 0.8, "o": 0.55, ".": 0.3, "r": 0.6}
_GHOST_PROBABILITY = 0.6
_OFF_BEAT_LEVEL = 0.85

_ROMAN = {"I": 0, "bII": 1, "II": 2, "bIII": 3, "III": 4, "IV": 5, "#IV": 6, "V": 7, "bVI": 8,
          "VI": 9, "bVII": 10, "VII": 11}  # fmt: skip
#: Chord tones in semitones over the root.
QUALITIES: Mapping[str, tuple[int, ...]] = {
    "": (0, 4, 7), "m": (0, 3, 7), "5": (0, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10),
    "M7": (0, 4, 7, 11), "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14),
    "M9": (0, 4, 7, 11, 14), "13": (0, 4, 10, 14, 21), "m11": (0, 3, 7, 10, 14, 17),
    "7#9": (0, 4, 10, 15), "sus": (0, 5, 7, 10), "dim": (0, 3, 6, 9), "m7b5": (0, 3, 6, 10),
    "add9": (0, 4, 7, 14), "madd9": (0, 3, 7, 14), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9),
    "7b9": (0, 4, 10, 13),
}  # fmt: skip
#: Notes a melody may use, in semitones over the key.
SCALES: Mapping[str, tuple[int, ...]] = {
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "major-pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "major": (0, 2, 4, 5, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}


class Hit(NamedTuple):
    """One note of a rhythm: step in the bar, level 0 to 1, length in steps, its symbol."""

    step: int
    level: float
    steps: int
    symbol: str


class Chord(NamedTuple):
    """A chord: root in semitones over the key, chord tones over the root."""

    root: int
    tones: tuple[int, ...]


def read_rhythm(rhythm: str, rng: np.random.Generator) -> list[Hit]:
    """Return the hits of a rhythm of drums or chords; ghost notes are played by chance."""
    out = []
    for step, symbol in enumerate(rhythm):
        if symbol not in _LEVEL or (symbol == "." and rng.random() > _GHOST_PROBABILITY):
            continue
        out.append(Hit(step, _LEVEL[symbol], _steps_sounding(rhythm, step), symbol))
    return out


def read_bass(rhythm: str) -> list[Hit]:
    """Return the hits of a bass rhythm; ``symbol`` is the degree."""
    return [
        Hit(step, 1.0 if step % 4 == 0 else _OFF_BEAT_LEVEL, _steps_sounding(rhythm, step), symbol)
        for step, symbol in enumerate(rhythm)
        if symbol not in "-="
    ]


def _steps_sounding(rhythm: str, step: int) -> int:
    length = 1
    while step + length < len(rhythm) and rhythm[step + length] == "=":
        length += 1
    return length


def read_progression(text: str) -> list[list[Chord]]:
    """Return the chords of every bar, one or two a bar, such as ``I:m7 IV:9,V:7``.

    Raises:
        ConfigError: A numeral or a quality is unknown.
    """
    return [[_chord(name) for name in bar.split(",")] for bar in text.split()]


def _chord(name: str) -> Chord:
    numeral, _, quality = name.partition(":")
    if numeral not in _ROMAN:
        raise ConfigError(f"chord {name!r}: unknown numeral; choose one of {', '.join(_ROMAN)}")
    if quality not in QUALITIES:
        known = ", ".join(sorted(QUALITIES, key=len)[1:])
        raise ConfigError(f"chord {name!r}: unknown quality; choose one of {known}, or none")
    return Chord(_ROMAN[numeral], QUALITIES[quality])


def pitch_classes(root: int, tones: Iterable[int]) -> tuple[int, ...]:
    """Return the pitch classes of tones in semitones over a root, ascending."""
    return tuple(sorted({(root + tone) % 12 for tone in tones}))


def voicing(key: int, chord: Chord, center: float, *, rootless: bool = False) -> list[int]:
    """Return the chord's tones as MIDI pitches, each in the octave nearest to ``center``."""
    tones = [t for t in chord.tones if t != 0] if rootless and len(chord.tones) > 3 else chord.tones
    out: list[int] = []
    for index, tone in enumerate(tones):
        target = center + 3.0 * (index - (len(tones) - 1) / 2.0)
        pitch_class = (key + chord.root + tone) % 12
        out.append(int(pitch_class + 12 * round((target - pitch_class) / 12.0)))
    return sorted(set(out))


def bass_pitch(key: int, chord: Chord, symbol: str, next_chord: Chord, center: int) -> int:
    """Return the MIDI pitch of a bass symbol (see the module's notes) near ``center``."""
    root = _nearest_octave(key + chord.root, center)
    if symbol == "8":
        return root + 12
    if symbol == "a":
        return _nearest_octave(key + next_chord.root, root) - 1
    wanted = {"1": 0, "3": 4, "5": 7, "7": 10}[symbol]
    tone = min(chord.tones, key=lambda t: abs(t % 12 - wanted)) % 12
    return root + tone


def nearest_chord_tone(pitch: int, key: int, chord: Chord) -> int:
    """Return the chord tone nearest to ``pitch``, or ``pitch`` itself when none is near."""
    tones = {(key + chord.root + tone) % 12 for tone in chord.tones}
    for shift in (0, -1, 1, -2, 2):
        if (pitch + shift) % 12 in tones:
            return pitch + shift
    return pitch


def _nearest_octave(pitch: int, center: float) -> int:
    return int(pitch % 12 + 12 * round((center - pitch % 12) / 12.0))


def draw_hook(
    rng: np.random.Generator,
    key: int,
    scale: str,
    center: int,
    *,
    density: float,
    metre: int = 4,
) -> list[tuple[int, int, int]]:
    """Return a motif of two bars as (step, steps, pitch); the second bar varies the first."""
    scale_pitches = [p for p in range(center - 10, center + 14) if (p - key) % 12 in SCALES[scale]]
    bar_steps = STEPS_A_BEAT * metre
    steps = [step for step in (0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14) if step < bar_steps]
    weight = np.array([3, 1.5, 1, 2, 2, 1, 2, 1.5, 1, 2, 1.5])[: len(steps)]
    count = int(np.clip(rng.poisson(2 + 5 * density), 2, 8))
    rhythm = np.sort(rng.choice(steps, count, replace=False, p=weight / weight.sum()))
    pitch_count = len(scale_pitches)
    lowest = pitch_count // 4
    degree = int(rng.integers(lowest, max(lowest + 1, 3 * pitch_count // 4)))
    out = []
    tune: list[int] = []
    for _ in rhythm:
        degree = int(np.clip(degree + rng.choice([-2, -1, -1, 0, 1, 1, 2, 3]), 0, pitch_count - 1))
        tune.append(degree)
    for bar in range(2):
        ends = np.append(rhythm[1:], bar_steps)
        for index, (step, end) in enumerate(zip(rhythm, ends, strict=True)):
            shift = int(rng.integers(-2, 2)) if bar and index >= count // 2 else 0
            pitch = scale_pitches[int(np.clip(tune[index] + shift, 0, pitch_count - 1))]
            length = int(min(end - step, rng.choice([1, 2, 2, 3, 4, 6])))
            out.append((int(step) + bar * bar_steps, length, pitch))
    return out
