"""Music as symbols: what a composer is asked for, and what a mixer is given.

Seconds, MIDI pitches, velocities and energies 0 to 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.corpus.rendering.synthesis import Timbre


@dataclass(frozen=True, eq=False)
class Plan:
    """What a composer needs to know of a dance.

    Attributes:
        genre: Two-letter code.
        bpm: Beats a minute.
        duration_s: Length, seconds.
        downbeat_s: Time of any downbeat, seconds.
        energy: One value 0 to 1 for each beat inside the duration, shape (n_beats,).
        impacts: How suddenly the body stops or starts at each half-beat, 0 to 1, shape
            (2 n_beats,); empty where that is unknown.
    """

    genre: str
    bpm: float
    duration_s: float
    downbeat_s: float
    energy: NDArray[np.float64]
    impacts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


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
    """An instrument of the score: its voice, its knobs and its place in the mix.

    Attributes:
        name: What notes call it.
        voice: Its instrument, see corpus/rendering/instruments_table.py.
        timbre: The instrument's knobs.
        level: Gain.
        pan: -1 left to 1 right.
        send: Share that goes to the room.
        ducked: Whether the kick turns it down.
        bus: ``low``, ``drums`` or ``music``, which are treated apart.
        echo: Share that goes to the echo.
    """

    name: str
    voice: str
    timbre: Timbre
    level: float
    pan: float
    send: float
    ducked: bool
    bus: str = "music"
    echo: float = 0.0


@dataclass(frozen=True)
class Mix:
    """How the parts are put together (see corpus/rendering/mixer.py).

    Attributes:
        tilt_db: Treble over bass.
        curve_db: Tone the sum is brought to, at mastering.TONE_HZ, against popular music's mean.
        loud_db: Level against the usual.
        room_s: How long the room rings.
        wet: Level of the room, 0 to 1.
        drive: Saturation of the sum, 0 to 1.
        duck: How far the kick turns ducked parts down, 0 to 1.
        dust: An old record: crackle, hiss and dull keys, 0 to 1.
        seed: Of the room and the dust.
        echo: Level of the echo, 0 to 1.
        echo_s: Time from echo to echo.
        punch: Saturation of the drums, 0 to 1.
        width: How far music is spread to the sides, 0 to 1.
    """

    tilt_db: float
    room_s: float
    wet: float
    drive: float
    duck: float
    dust: float
    seed: int
    echo: float = 0.0
    echo_s: float = 0.3
    punch: float = 0.0
    width: float = 0.0
    curve_db: tuple[float, ...] = ()
    loud_db: float = 0.0


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
