"""The attributes of a piece, read off its notes and its mix: pure functions.

Conventions: beats a minute, seconds, decibels, energies and shares 0 to 1. An instrument counts as
playing where a note of it begins in at least :data:`LEAST_SHARE` of the bars; of scalar axes the
middle of the corpus has neither value: the limits leave about a fifth of it on either side.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kinetune import genres
from kinetune.corpus.composition.music_score import Mix, Note, Score
from kinetune.corpus.prompts.vocabulary import INSTRUMENT, Attribute, vocabulary
from kinetune.corpus.styles.style import Style, style_of

#: Share of the bars in which an instrument that counts as playing begins a note.
LEAST_SHARE = 0.15
#: Up to the first of two numbers a piece has the lower value of an axis, from the second the
#: higher: onsets a second besides the hi-hat's, beats a minute, mean energy of the beats, share of
#: a sixteenth, level of reverberation, decibels of treble over bass.
LIMITS = {
    "density": (8.0, 14.0),
    "tempo": (88.0, 124.0),
    "energy": (0.38, 0.65),
    "feel": (0.04, 0.18),
    "space": (0.13, 0.27),
    "tone": (-5.0, 5.0),
}
#: Lower and higher value of every scalar axis.
SCALES = {
    "density": ("sparse", "busy"),
    "tempo": ("slow", "fast"),
    "energy": ("calm", "energetic"),
    "feel": ("straight", "swing"),
    "space": ("dry", "wet"),
    "tone": ("dark", "bright"),
}
# Short effects that give a piece no instrument.
_EFFECTS = frozenset({"accent", "riser", "drop"})
# Fills every step or every other one, whatever else happens, and is not counted as dense.
_TIMEKEEPER = "hat"
# Drums that are a real kit, by the beginning of their names; all others are machines.
_REAL_KICKS = ("real_", "kick_live", "brush")
# Two notes of a part this near begin together.
_TOGETHER_S = 0.03
_MINOR_THIRD, _MAJOR_THIRD = 3, 4
_SCALE_OF_MODE = {"minor": (0, 2, 3, 5, 7, 8, 10), "major": (0, 2, 4, 5, 7, 9, 11)}


@dataclass(frozen=True, eq=False)
class PlayedPart:
    """A part as it is played: its role (see :class:`Layer`), what plays it, and its notes."""

    role: str
    instrument: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, eq=False)
class PlayedMusic:
    """What the attributes of a piece are read off.

    Attributes:
        genre: Two-letter code, or a genre's name.
        bpm: Beats a minute.
        duration_s: Length.
        bars: How many it has.
        tonic: Pitch class of the key.
        chords: Root and pitch classes of every chord.
        parts: All that plays.
        mix: How it is mixed.
        swing: Delay of every other sixteenth, as a share of one.
        energy: Mean energy of its beats.
    """

    genre: str
    bpm: float
    duration_s: float
    bars: int
    tonic: int
    chords: tuple[tuple[int, tuple[int, ...]], ...]
    parts: tuple[PlayedPart, ...]
    mix: Mix
    swing: float
    energy: float


def played_score(score: Score, style: Style | None = None) -> PlayedMusic:
    """Return what the attributes of a score are read off.

    Args:
        score: Of the corpus.
        style: What it was written in; that of its genre if None.
    """
    notes: dict[str, list[Note]] = defaultdict(list)
    for note in score.notes:
        notes[note.part].append(note)
    layers = (style or style_of(score.genre)).layers
    return PlayedMusic(
        genre=score.genre,
        bpm=score.bpm,
        duration_s=score.duration_s,
        bars=len(score.bars_s),
        tonic=score.key,
        chords=tuple((chord.bass, chord.tones) for chord in score.chords),
        parts=tuple(
            PlayedPart(
                layers[int(part.name.removeprefix("line"))].role
                if part.name.startswith("line") else part.name,
                part.instrument, tuple(notes[part.name]),
            )
            for part in score.parts if notes[part.name]
        ),
        mix=score.mix,
        swing=score.swing,
        energy=float(np.mean(score.energy)) if len(score.energy) else 0.0,
    )  # fmt: skip


def attributes_of(music: PlayedMusic) -> tuple[str, ...]:
    """Return the names of all attributes that a piece has, in the vocabulary's order."""
    names = [
        each.name
        for each in vocabulary().attribute
        if each.axis == INSTRUMENT and instrument_share(music, each) >= LEAST_SHARE
    ]
    names += _kinds(music)
    names.append(f"mode:{'minor' if is_minor(music.tonic, music.chords) else 'major'}")
    for axis, (low, high) in LIMITS.items():
        value = measure(music, axis)
        if value <= low or value >= high:
            names.append(f"{axis}:{SCALES[axis][int(value >= high)]}")
    if music.genre in genres.CODES:
        names.append(f"genre:{genres.genre_name(music.genre)}")
    return tuple(names)


def instrument_share(music: PlayedMusic, wanted: Attribute, *, effects: bool = False) -> float:
    """Return the share of the bars in which an instrument begins a note.

    Args:
        music: The piece.
        wanted: An attribute of the axis ``instrument`` or ``bass``.
        effects: Count accents, risers and drops too.
    """
    bars = {
        note.bar
        for part in music.parts
        if (effects or part.role not in _EFFECTS) and is_played_by(part, wanted)
        for note in part.notes
    }
    return len(bars) / max(1, music.bars)


def is_played_by(part: PlayedPart, wanted: Attribute) -> bool:
    """Return whether a part is an instrument's."""
    return part.instrument in wanted.instruments or part.role in wanted.parts


def measure(music: PlayedMusic, axis: str) -> float:
    """Return the number that a scalar axis is decided by, see :data:`LIMITS`."""
    if axis == "density":
        counted = (part.notes for part in music.parts if part.role != _TIMEKEEPER)
        return sum(map(_onsets, counted)) / max(music.duration_s, 1e-9)
    if axis == "tempo":
        return music.bpm
    if axis == "energy":
        return music.energy
    if axis == "feel":
        return music.swing
    if axis == "space":
        return music.mix.reverb
    return treble_db(music.mix)


def treble_db(mix: Mix) -> float:
    """Return how far the treble of a mix lies over its bass, decibels."""
    tone = mix.tone_db or (0.0,) * 6
    return mix.tilt_db + 0.5 * (tone[4] + tone[5]) - 0.5 * (tone[0] + tone[1])


def is_real_kit(kick: str) -> bool:
    """Return whether a bass drum belongs to a real kit, not to a machine."""
    return kick.startswith(_REAL_KICKS)


def is_minor(tonic: int, chords: Iterable[tuple[int, tuple[int, ...]]]) -> bool:
    """Return whether chords are minor: by most of those on the tonic, else by more of their notes.

    Args:
        tonic: Pitch class of the key.
        chords: Root and pitch classes of each.
    """
    chords = list(chords)
    thirds = [0, 0]
    for root, tones in chords:
        if root == tonic:
            thirds[0] += (tonic + _MINOR_THIRD) % 12 in tones
            thirds[1] += (tonic + _MAJOR_THIRD) % 12 in tones
    if thirds[0] != thirds[1]:
        return thirds[0] > thirds[1]
    inside = {
        mode: sum((tone - tonic) % 12 in scale for _, tones in chords for tone in tones)
        for mode, scale in _SCALE_OF_MODE.items()
    }
    return inside["minor"] >= inside["major"]


def _kinds(music: PlayedMusic) -> list[str]:
    """The kind of bass, and of drums."""
    names = []
    for part in music.parts:
        if part.role == "bass":
            names += [
                each.name
                for each in vocabulary().attribute
                if each.axis == "bass" and part.instrument in each.instruments
            ]
        if part.role == "kick":
            names.append(f"kit:{'acoustic' if is_real_kit(part.instrument) else 'machine'}")
    return list(dict.fromkeys(names))


def _onsets(notes: Iterable[Note]) -> int:
    """How many times notes begin; those of a chord together."""
    starts = np.sort([note.start_s for note in notes])
    return int(np.sum(np.diff(starts, prepend=-np.inf) > _TOGETHER_S))
