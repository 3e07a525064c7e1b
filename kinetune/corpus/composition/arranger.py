"""The page a song is written on: bars in the making, and notes with a player's timing.

Seconds, MIDI pitches, velocities and energies 0 to 1; bars have four beats of four steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.corpus.composition.grammar import STEPS_IN_BAR, Chord, Hit
from kinetune.corpus.composition.music_score import Note, Plan
from kinetune.corpus.composition.songs import Song
from kinetune.timebase import BEATS_IN_BAR

STEPS_A_BEAT = STEPS_IN_BAR // BEATS_IN_BAR
# A beat is a freeze when it is weaker than this share of its bar's strongest.
_FREEZE_SHARE = 0.35
# How much of the energy it takes to bring out a part's off-beats in full; others 0.9.
_SHYNESS = {"kick": 0.45, "snare": 0.7, "bass": 0.65, "open": 0.7}
# Which steps of a beat wait longest for energy.
_WAITS = (0.0, 0.75, 0.45, 0.75)
# The most that a backbeat or a kick may stray from the grid, of what others do.
_STEADY = 0.4


@dataclass(frozen=True, eq=False)
class Bar:
    """One bar to be written.

    Attributes:
        index: Which bar of the piece.
        energy: Of its four beats, brought out for the music, shape (4,).
        sudden: Of its eight half-beats, how sudden the body is, shape (8,).
        phrase: Its place, counted from the opening of a phrase.
        section: 0 or 1, which of the song's two figures is played.
        chords: One or two.
        following: The next bar's.
        ending: How it ends a phrase: ``fill``, ``build``, ``stop``, or empty.
        end: The step where that begins.
    """

    index: int
    energy: NDArray[np.float64]
    sudden: NDArray[np.float64]
    phrase: int
    section: int
    chords: list[Chord]
    following: list[Chord]
    ending: str
    end: int

    @property
    def mean(self) -> float:
        """Mean energy."""
        return float(self.energy.mean())

    def is_still(self, step: int) -> bool:
        """Whether the body rests at a step."""
        energy = self.energy[min(step // STEPS_A_BEAT, BEATS_IN_BAR - 1)]
        return bool(energy < _FREEZE_SHARE * self.energy.max())

    def force(self, step: float) -> float:
        """How hard a player strikes at a step, 0 to 1."""
        return 0.42 + 0.58 * float(self.energy[min(int(step) // STEPS_A_BEAT, BEATS_IN_BAR - 1)])

    def chord_at(self, step: int) -> Chord:
        """The chord that sounds at a step."""
        return self.chords[step * len(self.chords) // STEPS_IN_BAR]


class Page:
    """Collects the notes of a song."""

    def __init__(self, rng: np.random.Generator, song: Song, plan: Plan) -> None:
        self.rng = rng
        self.song = song
        self.duration_s = plan.duration_s
        self.step_s = timebase.beat_period_s(plan.bpm) / STEPS_A_BEAT
        bar_s = STEPS_IN_BAR * self.step_s
        first = plan.downbeat_s % bar_s
        first -= bar_s * (first > 1e-6)
        count = int(np.ceil((plan.duration_s - first) / bar_s - 1e-9))
        self.bars_s = [first + bar_s * bar for bar in range(count)]
        self.notes: list[Note] = []
        #: The bar of the last crash.
        self.crashed = -STEPS_IN_BAR
        # A player drags or pushes all along; kick and snare hold the time.
        self._lag_s = {
            name: float(0.8 * song.live_s * rng.normal()) * (name not in ("kick", "snare"))
            for name in song.parts
        }
        # How much energy each step of a part waits for: a groove thins out the same way each time.
        self._waits = {name: self._patience(name) for name in song.parts}

    def _patience(self, part: str) -> NDArray[np.float64]:
        most = np.tile(_WAITS, BEATS_IN_BAR)
        return _SHYNESS.get(part, 0.9) * most * self.rng.uniform(0.5, 1.3, len(most))

    def kept(self, part: str, bar: Bar, hits: list[Hit]) -> list[Hit]:
        """Return the hits that the energy at their beats calls for."""
        waits = self._waits[part]
        return [
            hit for hit in hits
            if waits[hit.step] <= bar.energy[hit.step // STEPS_A_BEAT]
            and not (bar.is_still(hit.step) and hit.step % STEPS_A_BEAT)
        ]  # fmt: skip

    def put(
        self, part: str, bar: Bar, step: float, steps: float, pitch: float, velocity: float
    ) -> None:
        """Write a note: swung, in the player's time, and not twice alike."""
        whole = int(step)
        late = self.song.swing * (whole % 2) + (step - whole)
        start = self.bars_s[bar.index] + self.step_s * (whole + late) + self._lag_s[part]
        loose = _STEADY if part in ("kick", "snare") else 1.0
        start += loose * self.song.live_s * self.rng.normal()
        velocity = float(np.clip(velocity * (1.0 + 0.06 * self.rng.normal()), 0.05, 1.0))
        if start < self.duration_s:
            self.notes.append(Note(part, start, self.step_s * steps * 0.95, pitch, velocity))
