"""A composed piece as data: its voices, notes, chords and form, and what it is made from.

Seconds of the dance, MIDI pitches, energies and velocities 0 to 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.composer.form import Section
from kinetune.composer.harmony import Key, TimedChord
from kinetune.composer.options import ComposerOptions
from kinetune.corpus.composition.music_score import Mix, Note, Part
from kinetune.corpus.prompts.reader import Prompt
from kinetune.model.conditioning.control_score import ControlScore, Silence
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.group import Dancers

Array = NDArray[np.float64]
# Parts without pitch; layers of percussion besides.
DRUMS = frozenset(
    {"kick", "snare", "layer", "hat", "open_hat", "crash", "tom", "riser", "drop", "drum"}
)


@dataclass(frozen=True, eq=False)
class Voice:
    """A part and its notes.

    Attributes:
        part: The instrument and its channel strip.
        role: The part's name, or of a layer its role: ``chord``, ``pad``, ``arp`` or ``drum``.
        genre: Code of the genre whose song it belongs to.
        notes: In order of start.
    """

    part: Part
    role: str
    genre: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of music as notes.

    Attributes:
        genre: Genre code.
        seed: The seed of its song.
        key: Its key.
        grid: The beats it is played to.
        duration_s: Its length.
        loop: Whether its end leads to its beginning.
        bars_s: Starts of the bars; the first may lie before 0.
        beats_s: Its beats, (n,).
        energy: Energy of the beats, (n,).
        voices: All parts that play.
        chords: What is played, chord by chord.
        sections: Its form.
        silences: Stretches without any sound.
        mix: How it is mixed.
        fade_s: Length of the fade at its end.
        swing: Delay of every other sixteenth, as a share of one.
    """

    genre: str
    seed: int
    key: Key
    grid: BeatGrid
    duration_s: float
    loop: bool
    bars_s: Array
    beats_s: Array
    energy: Array
    voices: tuple[Voice, ...]
    chords: tuple[TimedChord, ...]
    sections: tuple[Section, ...]
    silences: tuple[Silence, ...]
    mix: Mix
    fade_s: float
    swing: float = 0.0


@dataclass(frozen=True, eq=False)
class PieceRequest:
    """What a piece is made from.

    Attributes:
        clip: The dance, or a group of dancers.
        grid: Its beats.
        genre: Name or code.
        seed: Of the song.
        options: What the user gives the composer.
        score: Sections, accents and silences.
        loop: Whether the end leads to the beginning.
        hold_tempo: Whether a loop keeps the tempo.
        steady_energy: Energy of all beats instead of the body's; None takes the body's.
        prompt: What the music should be like; None leaves it to the seed.
    """

    clip: Dancers
    grid: BeatGrid
    genre: str
    seed: int = 0
    options: ComposerOptions = field(default_factory=ComposerOptions)
    score: ControlScore | None = None
    loop: bool = False
    hold_tempo: bool = False
    steady_energy: float | None = None
    prompt: Prompt | None = None
