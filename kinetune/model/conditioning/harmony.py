"""Harmony condition: key and chord of the music, as channels over time.

Pitch classes count semitones over C, 0 to 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

PITCH_CLASSES = 12
# Chord tones, bass note and tonic, each over the pitch classes.
HARMONY_CHANNELS = 3 * PITCH_CLASSES


@dataclass(frozen=True)
class Chord:
    """A chord from its start to the next one's.

    Attributes:
        start_s: Seconds.
        bass: Pitch class of its lowest note.
        tones: Pitch classes of all its notes; none for no chord.
        name: Its symbol, such as ``Am7``; for people only.
    """

    start_s: float
    bass: int
    tones: tuple[int, ...]
    name: str = ""


@dataclass(frozen=True)
class Harmony:
    """The harmony of a piece.

    Attributes:
        tonic: Pitch class of the key's tonic.
        chords: In order of their starts; the first holds before its start too.
        key: Name of the key, such as ``A minor``; for people only.

    Raises:
        ConfigError: A pitch class is not 0 to 11, or the chords are not in order.
    """

    tonic: int
    chords: tuple[Chord, ...]
    key: str = ""

    def __post_init__(self) -> None:
        for chord in self.chords:
            _check_classes((chord.bass, *chord.tones))
        _check_classes((self.tonic,))
        starts_s = [chord.start_s for chord in self.chords]
        if starts_s != sorted(starts_s):
            raise ConfigError(f"chords must be in order of their starts, found {starts_s[:8]}")


def _check_classes(values: Sequence[int]) -> None:
    wrong = [value for value in values if not 0 <= value < PITCH_CLASSES]
    if wrong:
        raise ConfigError(f"pitch classes are 0 (C) to 11 (B), found {wrong[0]}")


def stretch_harmony(harmony: Harmony, factor: float) -> Harmony:
    """Return a harmony whose times are so many times as long."""
    chords = (replace(chord, start_s=factor * chord.start_s) for chord in harmony.chords)
    return replace(harmony, chords=tuple(chords))


def repeat_harmony(harmony: Harmony, *, period_s: float, until_s: float) -> Harmony:
    """Return a harmony whose chords of the first ``period_s`` seconds come again and again.

    Args:
        harmony: The harmony; what begins at ``period_s`` or later is left out.
        period_s: Seconds from repetition to repetition, above 0.
        until_s: The last repetition reaches so far, seconds.
    """
    cycle = [chord for chord in harmony.chords if chord.start_s < period_s - 1e-6]
    if not cycle:
        return harmony
    if cycle[0].start_s > 0.0:
        cycle.insert(0, replace(cycle[-1], start_s=0.0))
    count = max(1, int(np.ceil(until_s / period_s - 1e-9)))
    chords = (
        replace(chord, start_s=chord.start_s + number * period_s)
        for number in range(count)
        for chord in cycle
    )
    return replace(harmony, chords=tuple(chords))


def harmony_channels(harmony: Harmony | None, times_s: NDArray[np.float64]) -> "Tensor":
    """Return the harmony at given times as channels, (len(times_s), 36), float32.

    Twelve channels each: 1 for every tone of the chord; 1 for its bass note; 1 for the key's
    tonic. Pitch classes that don't sound are 0; without a harmony all are.

    Args:
        harmony: The piece's.
        times_s: Times of the rows, seconds.
    """
    import torch

    rows = np.zeros((len(times_s), 3, PITCH_CLASSES), np.float32)
    if harmony is None:
        return torch.from_numpy(rows).flatten(1)
    rows[:, 2, harmony.tonic] = 1.0
    if harmony.chords:
        starts_s = np.array([chord.start_s for chord in harmony.chords])
        index = np.searchsorted(starts_s, times_s, side="right") - 1
        table = np.zeros((len(harmony.chords), 2, PITCH_CLASSES), np.float32)
        for row, chord in zip(table, harmony.chords, strict=True):
            row[0, list(chord.tones)] = 1.0
            row[1, chord.bass] = float(bool(chord.tones))
        rows[:, :2] = table[index.clip(0)]
    return torch.from_numpy(rows).flatten(1)
