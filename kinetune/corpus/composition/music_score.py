"""Symbolic music: the composer's input, and the score that the mixer renders.

Seconds, MIDI pitches, velocities and energies 0 to 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.corpus.rendering.synthesis import Timbre
from kinetune.timebase import BEATS_IN_BAR


@dataclass(frozen=True, eq=False)
class DanceProfile:
    """What a composer needs to know of a dance.

    Attributes:
        genre: Two-letter code.
        bpm: Beats per minute.
        duration_s: Length, seconds.
        downbeat_s: Time of any downbeat, seconds.
        energy: One value 0 to 1 for each beat inside the duration, shape (n_beats,).
        impacts: How suddenly the body stops or starts at each half-beat, 0 to 1, shape
            (2 n_beats,); empty where that is unknown.
        metre: Beats to the bar, 3 or 4.
    """

    genre: str
    bpm: float
    duration_s: float
    downbeat_s: float
    energy: NDArray[np.float64]
    impacts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    metre: int = BEATS_IN_BAR


@dataclass(frozen=True, slots=True)
class Note:
    """One note of one part.

    Attributes:
        part: Name of the part.
        start_s: When it begins.
        duration_s: From note on to note off.
        pitch: MIDI pitch.
        velocity: 0 to 1.
        bar: Index of the bar it was written in.
    """

    part: str
    start_s: float
    duration_s: float
    pitch: float
    velocity: float
    bar: int = 0


@dataclass(frozen=True)
class Part:
    """An instrument of the score with its channel strip.

    Attributes:
        name: What notes call it.
        instrument: Name in corpus/rendering/instruments_table.py.
        timbre: The instrument's parameters.
        level: Gain.
        pan: -1 left to 1 right.
        reverb_send: Share sent to the reverb.
        ducked: Whether the kick turns it down (side-chain).
        bus: ``low``, ``drums`` or ``music``; each bus is processed on its own.
        echo_send: Share sent to the echo.
    """

    name: str
    instrument: str
    timbre: Timbre
    level: float
    pan: float
    reverb_send: float
    ducked: bool
    bus: str = "music"
    echo_send: float = 0.0


@dataclass(frozen=True)
class Mix:
    """How the parts are mixed and mastered (see corpus/rendering/mixer.py and mastering.py).

    Attributes:
        tilt_db: Treble over bass.
        reverb_s: Length of the reverb.
        reverb: Level of the reverb, 0 to 1.
        saturation: Saturation of the sum, 0 to 1.
        ducking: How far the kick turns ducked parts down, 0 to 1.
        vinyl_noise: Crackle, hiss and missing treble of an old record, 0 to 1.
        seed: Of reverb and noise.
        echo: Level of the echo, 0 to 1.
        echo_s: Time from echo to echo.
        drum_saturation: Saturation of the drums, 0 to 1.
        stereo_width: How far music is spread to the sides, 0 to 1.
        tone_db: Spectrum the sum is brought to, at mastering.TONE_HZ, against the mean of popular
            music; left as it is when empty.
        loudness_db: Level against the usual.
    """

    tilt_db: float
    reverb_s: float
    reverb: float
    saturation: float
    ducking: float
    vinyl_noise: float
    seed: int
    echo: float = 0.0
    echo_s: float = 0.3
    drum_saturation: float = 0.0
    stereo_width: float = 0.0
    tone_db: tuple[float, ...] = ()
    loudness_db: float = 0.0


@dataclass(frozen=True)
class ChordSpan:
    """A chord of a score, until the next begins.

    Attributes:
        start_s: Its start; the first may lie before zero.
        bass: Pitch class of its root.
        tones: Pitch classes of its tones, ascending.
    """

    start_s: float
    bass: int
    tones: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Score:
    """A piece of music as symbols.

    Attributes:
        genre: Two-letter code.
        bpm: Beats per minute.
        key: Tonic as pitch class, 0 is C.
        duration_s: Length, seconds.
        bars_s: Starts of the bars; the first may lie before zero.
        beats_s: Times of the beats inside the duration.
        energy: Energy of those beats, 0 to 1.
        parts: The instruments.
        notes: Every note, in order of start; a start may lie before zero.
        mix: How it is mixed.
        chords: In order.
        swing: Delay of every other sixteenth, as a share of one.
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
    chords: tuple[ChordSpan, ...] = ()
    swing: float = 0.0
