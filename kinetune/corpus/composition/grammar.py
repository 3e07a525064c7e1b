"""How music of a style is put together: patterns, chords, scales and voicings.

Patterns are strings of sixteen steps a bar. For drums and chords ``X`` is an accent, ``x`` a hit,
``o`` a soft hit, ``.`` a ghost note that may be left out, ``r`` a roll, ``-`` rest and ``=`` the
hit held on. For basses the digits name the chord's degree (``1`` root, ``3``, ``5``, ``7``, ``8``
the octave), ``a`` a step into the next chord. Progressions are Roman numerals with a quality,
``,`` halves a bar. Pitches are MIDI numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

STEPS_IN_BAR = 16
# Rhythms that many styles share.
BACKBEAT = "----X-------X---"
FOUR = "X---X---X---X---"
EIGHTHS = "X-o-X-o-X-o-X-o-"
SIXTEENTHS = "XoxoXoxoXoxoXoxo"
OFFBEATS = "--x---x---x---x-"
_LEVEL = {"X": 1.0, "x": 0.8, "o": 0.55, ".": 0.3, "r": 0.6}
_GHOST_CHANCE = 0.6

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
    """One stroke of a pattern: step in the bar, level 0 to 1, length in steps, its symbol."""

    step: int
    level: float
    steps: int
    symbol: str


class Chord(NamedTuple):
    """A chord: root in semitones over the key, chord tones over the root."""

    root: int
    tones: tuple[int, ...]


@dataclass(frozen=True)
class Kit:
    """The drums that play together, by voice name."""

    kick: str
    snare: str
    hat: str = "hat"
    opened: str = "hat_open"
    layer: str | None = None
    tom: str = "tom"
    crash: str = "crash"


def live_kit(kick: str, snare: str, *, hat: str = "real_hat", layer: str | None = None) -> Kit:
    """Return a recorded kit."""
    return Kit(kick, snare, hat, "real_open", layer, "real_tom", "real_crash")


def machine_kit(kick: str, snare: str, *, layer: str | None = None) -> Kit:
    """Return a recorded drum machine."""
    return Kit(kick, snare, "machine_hat", "machine_open", layer, "machine_tom", "real_crash")


@dataclass(frozen=True)
class Layer:
    """A part that accompanies.

    Attributes:
        role: ``chord`` strikes voicings, ``pad`` holds them, ``arp`` spreads them, ``drum`` beats.
        voices: Instruments to draw from.
        patterns: Rhythms to draw from.
        level: Loudness in the mix, 0 to 1.
        center: Middle of its range, MIDI.
        needs: Energy below which it is silent, 0 to 1.
        chance: How often a song has it at all.
    """

    role: str
    voices: tuple[str, ...]
    patterns: tuple[str, ...] = ("X===============",)
    level: float = 0.5
    center: int = 60
    needs: float = 0.0
    chance: float = 1.0


@dataclass(frozen=True)
class Mood:
    """How a style's mix is coloured: ranges to draw from, 0 to 1 unless named otherwise.

    ``curve_db`` is the style's own tone at the six frequencies of mastering.TONE_HZ.
    """

    swing: tuple[float, float] = (0.0, 0.08)
    curve_db: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    tilt_db: tuple[float, float] = (-1.5, 1.5)
    loud_db: tuple[float, float] = (-1.0, 1.0)
    room: tuple[float, float] = (0.08, 0.25)
    drive: tuple[float, float] = (0.1, 0.4)
    duck: tuple[float, float] = (0.1, 0.35)
    dust: tuple[float, float] = (0.0, 0.0)
    live: tuple[float, float] = (0.002, 0.006)
    echo: tuple[float, float] = (0.0, 0.3)


@dataclass(frozen=True)
class Style:
    """A genre's music as data."""

    kits: tuple[Kit, ...]
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    opened: tuple[str, ...]
    scales: tuple[str, ...]
    progressions: tuple[str, ...]
    bass: tuple[str, ...]
    bass_lines: tuple[str, ...]
    layers: tuple[Layer, ...]
    hook: tuple[str, ...]
    hook_chance: float = 0.6
    hook_center: int = 72
    bass_center: int = 38
    fill: float = 0.6
    breaks: float = 0.06
    accent: tuple[str, ...] = ("stab",)
    boom: str = ""
    mood: Mood = field(default_factory=Mood)


def read_pattern(pattern: str, rng: np.random.Generator) -> list[Hit]:
    """Return the hits of a drum or chord pattern; ghost notes fall by chance."""
    out = []
    for step, symbol in enumerate(pattern):
        if symbol not in _LEVEL or (symbol == "." and rng.random() > _GHOST_CHANCE):
            continue
        out.append(Hit(step, _LEVEL[symbol], _held(pattern, step), symbol))
    return out


def read_bass(pattern: str) -> list[Hit]:
    """Return the hits of a bass pattern; ``symbol`` names the degree."""
    return [
        Hit(step, 1.0 if step % 4 == 0 else 0.85, _held(pattern, step), symbol)
        for step, symbol in enumerate(pattern)
        if symbol not in "-="
    ]


def _held(pattern: str, step: int) -> int:
    length = 1
    while step + length < len(pattern) and pattern[step + length] == "=":
        length += 1
    return length


def read_progression(text: str) -> list[list[Chord]]:
    """Return the chords of every bar, one or two a bar, such as ``I:m7 IV:9,V:7``."""
    return [[_chord(name) for name in bar.split(",")] for bar in text.split()]


def _chord(name: str) -> Chord:
    numeral, _, quality = name.partition(":")
    return Chord(_ROMAN[numeral], QUALITIES[quality])


def voicing(key: int, chord: Chord, center: float, *, rootless: bool = False) -> list[int]:
    """Return the chord's tones as MIDI pitches, each in the octave nearest to ``center``."""
    tones = [t for t in chord.tones if t != 0] if rootless and len(chord.tones) > 3 else chord.tones
    out: list[int] = []
    for place, tone in enumerate(tones):
        target = center + 3.0 * (place - (len(tones) - 1) / 2.0)
        pitch_class = (key + chord.root + tone) % 12
        out.append(int(pitch_class + 12 * round((target - pitch_class) / 12.0)))
    return sorted(set(out))


def bass_pitch(key: int, chord: Chord, symbol: str, following: Chord, center: int) -> int:
    """Return the MIDI pitch of a bass degree (see the module's notes) near ``center``."""
    root = _near(key + chord.root, center)
    if symbol == "8":
        return root + 12
    if symbol == "a":
        return _near(key + following.root, root) - 1
    wanted = {"1": 0, "3": 4, "5": 7, "7": 10}[symbol]
    tone = min(chord.tones, key=lambda t: abs(t % 12 - wanted)) % 12
    return root + tone


def settled(pitch: int, key: int, chord: Chord) -> int:
    """Return the chord tone nearest to ``pitch``, or ``pitch`` itself when none is near."""
    tones = {(key + chord.root + tone) % 12 for tone in chord.tones}
    for shift in (0, -1, 1, -2, 2):
        if (pitch + shift) % 12 in tones:
            return pitch + shift
    return pitch


def _near(pitch: int, center: float) -> int:
    return int(pitch % 12 + 12 * round((center - pitch % 12) / 12.0))


def hook(
    rng: np.random.Generator, key: int, scale: str, center: int, *, busy: float
) -> list[tuple[int, int, int]]:
    """Return a motif of two bars as (step, steps, pitch), the second bar answering the first."""
    ladder = [p for p in range(center - 10, center + 14) if (p - key) % 12 in SCALES[scale]]
    steps = [0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14]
    weight = np.array([3, 1.5, 1, 2, 2, 1, 2, 1.5, 1, 2, 1.5])
    count = int(np.clip(rng.poisson(2 + 5 * busy), 2, 8))
    rhythm = np.sort(rng.choice(steps, count, replace=False, p=weight / weight.sum()))
    place = int(rng.integers(len(ladder) // 4, max(len(ladder) // 4 + 1, 3 * len(ladder) // 4)))
    out = []
    tune: list[int] = []
    for _ in rhythm:
        place = int(np.clip(place + rng.choice([-2, -1, -1, 0, 1, 1, 2, 3]), 0, len(ladder) - 1))
        tune.append(place)
    for bar in range(2):
        ends = np.append(rhythm[1:], STEPS_IN_BAR)
        for index, (step, end) in enumerate(zip(rhythm, ends, strict=True)):
            shift = int(rng.integers(-2, 2)) if bar and index >= count // 2 else 0
            pitch = ladder[int(np.clip(tune[index] + shift, 0, len(ladder) - 1))]
            length = int(min(end - step, rng.choice([1, 2, 2, 3, 4, 6])))
            out.append((int(step) + bar * STEPS_IN_BAR, length, pitch))
    return out
