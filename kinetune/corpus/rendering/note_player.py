"""Rendering of one part's notes, block by block; equal notes share one rendering.

Notes of nearly the same length and force share a rendering; hits of a drum take turns among three.
A note that rises slowly starts early, so that it has risen on its beat. Samples (N,), seconds, Hz.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.corpus.composition.music_score import Note, Part
from kinetune.corpus.rendering import synthesis
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre, Wave

# Level every instrument is normalised to before its part's gain: loudest 30 ms of a firm note.
_REFERENCE_RMS = 0.5
_VELOCITY_LAYERS = 4
# Exponent from velocity to amplitude: steep enough for accents, flat enough for soft chords.
_VELOCITY_CURVE = 1.35
# Renderings that a part keeps: a few bars of chords at 44.1 kHz.
_CACHE_BYTES = 16_000_000
# Lengths are rounded to powers of this, so that notes of nearly equal length share one rendering.
_LENGTH_GRID = 1.2
# Offsets of tuning and brightness from hit to hit of a drum.
_ROUND_ROBIN = (0.0, 0.03, -0.03)
# Offsets of brightness from note to note of a bass.
_BASS_ROUND_ROBIN = (0.0, 0.05, -0.05)
# Other notes start early by their rise time, if that is not short, and by this much at most.
_FAST_ATTACK_S, MAX_LEAD_S = 0.015, 0.2
# Struck parts outside the drum bus; parts whose rise is their purpose.
_STRUCK, _BUILDING_UP = ("kick", "drop"), ("riser",)


class _Key(NamedTuple):
    """What a rendering of a note depends on: lengths are in powers of _LENGTH_GRID."""

    timbre: Timbre
    pitch: float
    length: int
    velocity_layer: int


class _Rendered(NamedTuple):
    """A rendered note, shape (N,), and how much before its beat it starts."""

    samples: NDArray[Any]
    lead_s: float


class _Sounding(NamedTuple):
    """A note in the sound: its first sample, gain and rendering."""

    start: int
    gain: float
    samples: NDArray[Any]


class NotePlayer:
    """The sound of one part, from its first sample on, one block after another.

    Args:
        part: The part.
        notes: Its notes, in order of start; more may be appended between blocks.
        rate_hz: Samples per second.
        first: Sample at which the first block begins, counted from time 0; notes that would start
            earlier start there.
        dtype: Of the samples.
        turns: Which of a drum's sounds each note plays, counted round; in order of notes if None.
        vary_bass: Whether the bass takes turns among sounds of other brightness, as drums do.
        reference: Notes whose middle pitch sets the part's level; ``notes`` if None.
    """

    def __init__(
        self,
        part: Part,
        notes: Sequence[Note],
        rate_hz: int,
        *,
        first: int = 0,
        dtype: type[np.floating] = np.float64,
        turns: Sequence[int] | None = None,
        vary_bass: bool = False,
        reference: Sequence[Note] | None = None,
    ) -> None:
        self._part, self._notes, self._rate_hz = part, notes, rate_hz
        self._first = self._position = first
        self._dtype = dtype
        self._turns = turns if turns is not None else range(len(notes))
        self._timbres = _round_robin(part, vary_bass=vary_bass)
        self._cache: OrderedDict[_Key, _Rendered] = OrderedDict()
        self._cached_bytes = 0
        self._count = 0
        self._sounding: list[_Sounding] = []
        reference = notes if reference is None else reference
        self._level = _level_gain(part, reference, rate_hz) if reference else 0.0

    def next_block(self, count: int) -> NDArray[Any]:
        """Return the next ``count`` samples, shape (count,)."""
        start, end = self._position, self._position + count
        self._start_notes(end)
        block = np.zeros(count, self._dtype)
        for note in self._sounding:
            begin = max(note.start, start)
            stop = min(note.start + len(note.samples), end)
            if stop > begin:
                block[begin - start : stop - start] += (
                    note.gain * note.samples[begin - note.start : stop - note.start]
                )
        self._sounding = [note for note in self._sounding if note.start + len(note.samples) > end]
        self._position = end
        block *= self._level
        return block

    def _start_notes(self, end: int) -> None:
        """Render the notes that may start before the sample ``end``."""
        while self._count < len(self._notes):
            note = self._notes[self._count]
            if timebase.samples_in(note.start_s - MAX_LEAD_S, self._rate_hz) >= end:
                return
            wave = self._render(self._timbres[self._turns[self._count] % len(self._timbres)], note)
            start = timebase.samples_in(note.start_s - wave.lead_s, self._rate_hz)
            gain = note.velocity**_VELOCITY_CURVE
            # Only a player's timing error could move a note before the first sample.
            self._sounding.append(_Sounding(max(self._first, start), gain, wave.samples))
            self._count += 1

    def _render(self, timbre: Timbre, note: Note) -> _Rendered:
        key = _key_of(timbre, note)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        samples = _render_note(self._part.instrument, key, self._rate_hz)
        lead_s = _lead_s(self._part, samples, self._rate_hz)
        made = _Rendered(samples.astype(self._dtype, copy=False), lead_s)
        self._cache[key] = made
        self._cached_bytes += made.samples.nbytes
        # What was not played for longest goes first.
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.samples.nbytes
        return made


def _round_robin(part: Part, *, vary_bass: bool) -> list[Timbre]:
    """The timbres a part uses in turn: no two hits of a drum are the same."""
    k = part.timbre
    if vary_bass and part.name == "bass":
        return [replace(k, bright=k.bright + offset) for offset in _BASS_ROUND_ROBIN]
    if part.bus != "drums":
        return [k]
    return [
        replace(k, tune=k.tune + offset, bright=k.bright - offset, seed=k.seed + index)
        for index, offset in enumerate(_ROUND_ROBIN)
    ]


def _level_gain(part: Part, notes: Sequence[Note], rate_hz: int) -> float:
    """Gain that brings a firm note of this timbre to the reference level."""
    pitch = float(np.median([note.pitch for note in notes]))
    firm = Note(part.name, 0.0, 0.25, pitch, 0.9)
    wave = _render_note(part.instrument, _key_of(part.timbre, firm), rate_hz)
    block = timebase.samples_in(0.03, rate_hz)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    return _REFERENCE_RMS / max(float(np.sqrt(power.max())), 0.02)


def _key_of(timbre: Timbre, note: Note) -> _Key:
    length = round(np.log(max(note.duration_s, 0.02)) / np.log(_LENGTH_GRID))
    layer = min(int(note.velocity * _VELOCITY_LAYERS), _VELOCITY_LAYERS - 1)
    return _Key(timbre, note.pitch, length, layer)


def _render_note(instrument: str, key: _Key, rate_hz: int) -> Wave:
    spec = NoteSpec(
        hz=440.0 * 2.0 ** ((key.pitch - 69.0) / 12.0),
        gate_s=_LENGTH_GRID**key.length,
        velocity=(key.velocity_layer + 0.5) / _VELOCITY_LAYERS,
        rate_hz=rate_hz,
        timbre=key.timbre,
    )
    return synthesis.fade_out(INSTRUMENTS[instrument](spec), rate_hz)


def onset_s(wave: Wave, rate_hz: int) -> float:
    """Return when a drum is struck: its level over 1 ms reaches 0.14 of that of the first 60 ms."""
    return _rise_s(wave, rate_hz, share=0.14, smoothing_s=0.001, window_s=0.06)


def attack_s(wave: Wave, rate_hz: int) -> float:
    """Return a note's rise time: its level over 5 ms reaches half of that of the first 0.4 s."""
    return _rise_s(wave, rate_hz, share=0.5, smoothing_s=0.005, window_s=0.4)


def _rise_s(
    wave: Wave, rate_hz: int, *, share: float, smoothing_s: float, window_s: float
) -> float:
    size = timebase.samples_in(smoothing_s, rate_hz)
    head = wave[: timebase.samples_in(window_s, rate_hz)]
    energy = np.cumsum(head**2)
    power = energy / size
    power[size:] -= energy[:-size] / size
    return timebase.duration_of(int(np.argmax(power >= share**2 * power.max())), rate_hz)


def _lead_s(part: Part, wave: Wave, rate_hz: int) -> float:
    """How much before its beat a note starts, so that it has risen on the beat."""
    if part.bus == "drums" or part.name in _STRUCK:
        return onset_s(wave, rate_hz)
    rise_s = attack_s(wave, rate_hz)
    is_slow = rise_s >= _FAST_ATTACK_S and part.name not in _BUILDING_UP
    return min(rise_s, MAX_LEAD_S) if is_slow else 0.0
