"""The notes of the next bar: a song whose bars are written one at a time, as energies come in.

The song is that which the composer draws from genre and seed. Positions in beats of the bar,
energies 0 to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.composer import harmony
from kinetune.composer.harmony import Key
from kinetune.composer.material import Material, draw_material
from kinetune.composer.notes import HARMONY_ROLES, filling
from kinetune.corpus.composition.arranger import Bar, NoteWriter
from kinetune.corpus.composition.composer import write_next_bar
from kinetune.corpus.composition.dance_analysis import HALVES_A_BEAT, expand_contrast
from kinetune.corpus.composition.music_score import DanceProfile, Mix, Note
from kinetune.errors import ConfigError

Array = NDArray[np.float64]

# Number in the seed of the notes.
_NOTES_STREAM = 409
# The score is as long as anybody dances; contrast is that of so many bars.
_LONGEST_S, _CONTRAST_BARS = 6 * 3600.0, 32
_COUNT_IN_PITCH, _COUNT_IN_VELOCITY = 60.0, 0.6


@dataclass(frozen=True)
class BarNote:
    """A note of a bar.

    Attributes:
        beat: Where it begins, in beats from the bar's start; may lie a little before 0.
        beats: Its length.
        note: Part, pitch and velocity.
    """

    beat: float
    beats: float
    note: Note


class _Energies:
    """Energies of the bars written so far, the last of which stands for all that come."""

    def __init__(self, metre: int) -> None:
        self._metre = metre
        self._bars: list[Array] = []

    def append(self, energy: Array) -> None:
        recent = np.concatenate([*self._bars[-_CONTRAST_BARS:], energy])
        self._bars.append(energy)
        self._spread = expand_contrast(recent)

    def energy(self, bar: int) -> Array:
        back = max(0, len(self._bars) - 1 - bar)
        end = len(self._spread) - back * self._metre
        return np.asarray(self._spread[max(0, end - self._metre) : max(self._metre, end)])

    def mean(self, bar: int, bars: int) -> float:
        return float(np.mean([self.energy(bar + k) for k in range(bars)]))

    def before(self, bar: int) -> float:
        return float(self.energy(bar - 1)[-1] if bar else self.energy(0)[0])

    def impacts(self, bar: int) -> Array:
        return np.zeros(HALVES_A_BEAT * self._metre)


class BarWriter:
    """Writes a song bar by bar.

    Args:
        genre: Name or code.
        seed: Of song and notes.
        bpm: Tempo that the song is drawn for.
        metre: Beats to the bar, 3 or 4.
        key: Such as ``A minor``; drawn if None.
        chords: A chord a bar, over and over; drawn if None.

    Raises:
        ConfigError: The genre is unknown, or key or chords can't be parsed.
    """

    def __init__(
        self,
        genre: str,
        seed: int,
        *,
        bpm: float,
        metre: int = timebase.BEATS_IN_BAR,
        key: str | None = None,
        chords: str | None = None,
    ) -> None:
        code = genres.genre_code(genre)
        self._material, self.key = _drawn(code, seed, bpm, metre, key, chords)
        profile = DanceProfile(code, bpm, _LONGEST_S, 0.0, np.zeros(0), metre=metre)
        rng = np.random.default_rng([seed, _NOTES_STREAM, genres.genre_index(code)])
        self._writer = NoteWriter(rng, self._material.song, profile)
        self._energies = _Energies(metre)
        self._resting: frozenset[str] = frozenset()
        self._beat_s = timebase.beat_period_s(bpm)
        self.metre = metre
        self.parts = self._material.parts(code, seed)

    @property
    def mix(self) -> Mix:
        """How the song is mixed."""
        return self._material.mix

    def count_in(self) -> list[BarNote]:
        """Return a bar of one soft stroke a beat."""
        part = "hat" if "hat" in self.parts else next(iter(self.parts))
        note = Note(part, 0.0, 0.1, _COUNT_IN_PITCH, _COUNT_IN_VELOCITY)
        return [BarNote(float(beat), 0.2, note) for beat in range(self.metre)]

    def next_bar(self, energy: Sequence[float]) -> list[BarNote]:
        """Return the notes of the next bar, in order of start.

        Args:
            energy: Of its beats, (metre,).
        """
        self._energies.append(np.asarray(energy, dtype=np.float64))
        first = len(self._writer.notes)
        self._resting = write_next_bar(self._writer, self._energies, self._resting)
        bar = self._writer.written[-1]
        notes = self._writer.notes[first:]
        notes += self._filled(bar, notes)
        start_s = self._writer.bars_s[bar.index]
        placed = [
            BarNote((note.start_s - start_s) / self._beat_s, note.duration_s / self._beat_s, note)
            for note in notes
        ]
        return sorted(placed, key=lambda each: each.beat)

    def _filled(self, bar: Bar, notes: Sequence[Note]) -> list[Note]:
        """A bed where harmony is missing, and soft hats between those struck."""
        return filling(
            self._material, bar, float(self._writer.bars_s[bar.index]), self.metre * self._beat_s,
            hats_s=[note.start_s for note in notes if note.part in ("hat", "open_hat")],
            harmony_s=[
                (note.start_s, note.start_s + note.duration_s)
                for note in notes
                if self._material.role(note.part) in HARMONY_ROLES
            ],
        )  # fmt: skip


def _drawn(
    code: str, seed: int, bpm: float, metre: int, key: str | None, chords: str | None
) -> tuple[Material, Key]:
    bars = harmony.parse_chords(chords) if chords else None
    if bars is not None:
        if any(not symbol.tones for bar in bars for symbol in bar):
            raise ConfigError("live music has a chord in every bar; leave N out")
        if len(max(bars, key=len)) > metre:
            raise ConfigError(f"expected at most {metre} chords in a bar of {metre} beats")
    named = harmony.parse_key(key) if key else None
    if named is None and bars is not None:
        named = harmony.guess_key(symbol for bar in bars for symbol in bar)
    return draw_material(code, seed, bpm, key=named, first_bar=0, metre=metre, chords=bars)
