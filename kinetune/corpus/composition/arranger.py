"""Bars of a score, and a writer that turns steps into notes with humanised timing.

Seconds, MIDI pitches, velocities and energies 0 to 1; bars have three or four beats of four steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.corpus.composition.grammar import STEPS_A_BEAT, Chord, Hit
from kinetune.corpus.composition.music_score import DanceProfile, Note
from kinetune.corpus.composition.songs import Song

# A beat is a freeze when its energy is below this share of its bar's greatest.
_FREEZE_SHARE = 0.35
# Energy from which the four steps of a beat are played, and its scale for some parts.
_STEP_THRESHOLDS = (0.0, 0.75, 0.45, 0.75)
_THRESHOLD_SCALES = {"kick": 0.45, "snare": 0.7, "bass": 0.65, "open_hat": 0.7}
_THRESHOLD_SCALE = 0.9
# Parts that keep time: no constant lag, and this share of the others' spread.
_TIMEKEEPERS = ("kick", "snare")
_TIMEKEEPER_SPREAD = 0.4
# Standard deviation of a part's constant lag, as a share of its spread from note to note.
_LAG_SHARE = 0.8
_VELOCITY_SPREAD = 0.06
# Notes are a little shorter than their steps.
_GATE = 0.95


@dataclass(frozen=True, eq=False)
class Bar:
    """One bar to be written.

    Attributes:
        index: Which bar of the piece.
        energy: Of its beats, contrast expanded, shape (metre,).
        impacts: How suddenly the body moves at its half-beats, shape (2 metre,).
        phrase: Bars since the opening of a phrase.
        section: 0 or 1, which of the song's two rhythms is played.
        chords: One or two.
        ending: How it ends a phrase: ``fill``, ``build``, ``stop``, or empty.
        end: The step where that begins.
    """

    index: int
    energy: NDArray[np.float64]
    impacts: NDArray[np.float64]
    phrase: int
    section: int
    chords: list[Chord]
    next_chords: list[Chord]
    ending: str
    end: int

    @property
    def steps(self) -> int:
        """Its length in steps."""
        return STEPS_A_BEAT * len(self.energy)

    @property
    def mean(self) -> float:
        """Mean energy."""
        return float(self.energy.mean())

    def is_still(self, step: int) -> bool:
        """Whether the body rests at a step."""
        energy = self.energy[min(step // STEPS_A_BEAT, len(self.energy) - 1)]
        return bool(energy < _FREEZE_SHARE * self.energy.max())

    def velocity(self, step: float) -> float:
        """Velocity for the energy at a step, 0.42 to 1."""
        return 0.42 + 0.58 * float(
            self.energy[min(int(step) // STEPS_A_BEAT, len(self.energy) - 1)]
        )

    def chord_at(self, step: int) -> Chord:
        """The chord that sounds at a step."""
        return self.chords[step * len(self.chords) // self.steps]


def bar_starts(profile: DanceProfile) -> list[float]:
    """Return the starts of the bars of a dance, seconds; the first may lie before zero."""
    step_s = timebase.beat_period_s(profile.bpm) / STEPS_A_BEAT
    bar_s = STEPS_A_BEAT * profile.metre * step_s
    first = profile.downbeat_s % bar_s
    first -= bar_s * (first > 1e-6)
    count = int(np.ceil((profile.duration_s - first) / bar_s - 1e-9))
    return [first + bar_s * bar for bar in range(count)]


class NoteWriter:
    """Collects the notes of a song.

    Attributes:
        bars_s: Starts of the bars, seconds; the first may lie before zero.
        notes: What has been written.
        written: The bars that have been written.
        last_crash_bar: The bar of the last crash.
    """

    def __init__(self, rng: np.random.Generator, song: Song, profile: DanceProfile) -> None:
        self.rng = rng
        self.song = song
        self.duration_s = profile.duration_s
        self.step_s = timebase.beat_period_s(profile.bpm) / STEPS_A_BEAT
        self.metre, self.steps_in_bar = profile.metre, STEPS_A_BEAT * profile.metre
        self.bars_s = bar_starts(profile)
        self.notes: list[Note] = []
        self.written: list[Bar] = []
        self.last_crash_bar = -self.steps_in_bar
        # A player drags or pushes all along; timekeepers don't.
        self._lag_s = {
            name: float(_LAG_SHARE * song.timing_s * rng.normal()) * (name not in _TIMEKEEPERS)
            for name in song.parts
        }
        # Drawn once: a groove thins out the same way each time.
        self._thresholds = {name: self._energy_thresholds(name) for name in song.parts}

    def _energy_thresholds(self, part: str) -> NDArray[np.float64]:
        most = np.tile(_STEP_THRESHOLDS, self.metre)
        return (
            _THRESHOLD_SCALES.get(part, _THRESHOLD_SCALE)
            * most
            * self.rng.uniform(0.5, 1.3, len(most))
        )

    def filter_hits(self, part: str, bar: Bar, hits: list[Hit]) -> list[Hit]:
        """Return the hits that the energy at their beats calls for."""
        thresholds = self._thresholds[part]
        return [
            hit for hit in hits
            if thresholds[hit.step] <= bar.energy[hit.step // STEPS_A_BEAT]
            and not (bar.is_still(hit.step) and hit.step % STEPS_A_BEAT)
        ]  # fmt: skip

    def write(
        self, part: str, bar: Bar, step: float, steps: float, pitch: float, velocity: float
    ) -> None:
        """Write a note: swung, with the part's timing and a varied velocity.

        Args:
            part: Its name.
            bar: The bar.
            step: Where it starts, in steps of the bar; a fraction is not swung.
            steps: Its length.
            pitch: MIDI pitch.
            velocity: 0 to 1.
        """
        whole = int(step)
        late = self.song.swing * (whole % 2) + (step - whole)
        start = self.bars_s[bar.index] + self.step_s * (whole + late) + self._lag_s[part]
        spread = _TIMEKEEPER_SPREAD if part in _TIMEKEEPERS else 1.0
        start += spread * self.song.timing_s * self.rng.normal()
        varied = velocity * (1.0 + _VELOCITY_SPREAD * self.rng.normal())
        velocity = float(np.clip(varied, 0.05, 1.0))
        if start < self.duration_s:
            length_s = self.step_s * steps * _GATE
            self.notes.append(Note(part, start, length_s, pitch, velocity, bar.index))
