"""Music as symbols: what a composer is asked for, and what a mixer is given.

Seconds, MIDI pitches, velocities and energies 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.corpus.synthesis import Timbre


@dataclass(frozen=True, eq=False)
class Plan:
    """What a composer needs to know of a dance.

    Attributes:
        genre: Two-letter code.
        bpm: Beats a minute.
        duration_s: Length, seconds.
        downbeat_s: Time of any downbeat, seconds.
        energy: One value 0 to 1 for each beat inside the duration, shape (n_beats,).
    """

    genre: str
    bpm: float
    duration_s: float
    downbeat_s: float
    energy: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Note:
    """One note of one part."""

    part: str
    start_s: float
    duration_s: float
    pitch: float
    velocity: float


@dataclass(frozen=True)
class Part:
    """An instrument of the score: its voice, its knobs and its place in the mix."""

    name: str
    voice: str
    timbre: Timbre
    level: float
    pan: float
    send: float
    ducked: bool


@dataclass(frozen=True)
class Mix:
    """How the parts are put together (see corpus/mixer.py)."""

    tilt_db: float
    room_s: float
    wet: float
    drive: float
    duck: float
    dust: float
    seed: int


@dataclass(frozen=True, eq=False)
class Score:
    """A piece of music as symbols.

    Attributes:
        genre: Two-letter code.
        bpm: Beats a minute.
        key: Tonic as pitch class, 0 is C.
        duration_s: Length, seconds.
        bars_s: Starts of the bars; the first may lie before zero.
        beats_s: Times of the beats inside the duration.
        energy: Energy of those beats, 0 to 1.
        parts: The instruments.
        notes: Every note, in order of start; a start may lie before zero.
        mix: How to put it together.
    """

    genre: str
    bpm: float
    key: int
    duration_s: float
    bars_s: tuple[float, ...]
    beats_s: NDArray[np.float64]
    energy: NDArray[np.float64]
    parts: tuple[Part, ...]
    notes: tuple[Note, ...]
    mix: Mix
