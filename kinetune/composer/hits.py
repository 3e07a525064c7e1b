"""Changes of written notes: the ending, accents that stand out, and silences.

Notes stand in the dance's time, seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from kinetune import timebase
from kinetune.composer.harmony import ChordSymbol, TimedChord
from kinetune.composer.notes import Notes
from kinetune.composer.piece import DRUMS
from kinetune.composer.plan import Plan
from kinetune.corpus.composition import grammar
from kinetune.corpus.composition.music_score import Note
from kinetune.model.conditioning.control_score import Accent, Silence

# Pieces of fewer bars are fragments and have no ending of their own.
_LEAST_BARS_TO_END = 8
# The last chord rings at least so long; the fade at the end of all other music.
_LAST_CHORD_S, _ENDING_FADE_S, _CUT_FADE_S = 1.2, 0.5, 0.005
# Notes so shortly before an accent make way for it.
_ACCENT_CLEARS_S = 0.12
_UNPITCHED, _DROP_PITCH = 60.0, 36.0


def end(notes: Notes, plan: Plan, chords: Sequence[TimedChord]) -> tuple[Notes, float]:
    """Return the notes with a last chord on a bar line, and the length of the fade after it."""
    request = plan.request
    whole = len(plan.bars_s) - plan.first_bar
    if request.loop or request.steady_energy is not None or whole < _LEAST_BARS_TO_END:
        return notes, 0.0 if request.loop else _CUT_FADE_S
    beats = plan.times.score_s
    lines = [t for t in plan.bars_s if plan.times.to_dance(t) <= plan.duration_s - _LAST_CHORD_S]
    beats = beats[plan.times.to_dance(beats) <= plan.duration_s - _LAST_CHORD_S]
    # In the last bar that is cut off, the last beat that leaves the chord its time.
    at_s = float(plan.times.to_dance(max(lines[-1], beats[-1] - plan.bar_s)))
    cut = {name: _until(played, at_s) for name, played in notes.items()}
    chord = _chord_at(plan, chords, at_s)
    _write_hit(cut, plan, at_s, 0.95, chord, plan.duration_s - at_s)
    return cut, _ENDING_FADE_S


def _until(notes: Iterable[Note], end_s: float) -> list[Note]:
    """The notes that begin before a time, none of them sounding on."""
    return [
        replace(note, duration_s=min(note.duration_s, end_s - note.start_s))
        for note in notes
        if note.start_s < end_s - 0.03
    ]


def _chord_at(plan: Plan, chords: Sequence[TimedChord], at_s: float) -> ChordSymbol:
    """The chord of an ending: the user's there, or the tonic."""
    options = plan.request.options
    if options.chords is not None or options.chord_times:
        return [chord.symbol for chord in chords if chord.start_s <= at_s + 1e-3][-1]
    return ChordSymbol("", plan.key.tonic, (0, 3, 7) if plan.key.minor else (0, 4, 7))


def _write_hit(
    notes: Notes, plan: Plan, at_s: float, velocity: float, symbol: ChordSymbol, length_s: float
) -> None:
    """Add a hit of kick, crash, bass and chord."""
    bar = max(0, int(np.searchsorted(plan.times.to_dance(plan.bars_s), at_s + 1e-3)) - 1)
    genre = plan.takes[bar][0]
    song, muted = plan.songs[genre].song, plan.songs[genre].muted

    def add(part: str, pitch: float, gain: float = 1.0) -> None:
        if part in song.parts and part not in muted:
            note = Note(part, at_s, length_s, pitch, min(1.0, gain * velocity), bar)
            notes.setdefault((genre, part), []).append(note)

    add("kick", _UNPITCHED)
    add("crash", _UNPITCHED, 0.9)
    if not symbol.tones:
        return
    chord = symbol.in_key(plan.key)
    center = song.style.bass.center_pitch
    add("bass", grammar.bass_pitch(plan.key.tonic, chord, "1", chord, center))
    carriers = [line for line in song.lines if line.layer.role in ("pad", "chord")][:2]
    for part, middle in [*((c.part, c.layer.center_pitch) for c in carriers), ("accent", 64.0)]:
        pitches = grammar.voicing(plan.key.tonic, chord, middle)
        for pitch in pitches:
            add(part, pitch, 1.0 / np.sqrt(len(pitches)))


def add_accents(
    notes: Notes, plan: Plan, accents: Iterable[Accent], chords: Sequence[TimedChord]
) -> Notes:
    """Return the notes with hits that stand out: what begins just before makes way."""
    for accent in accents:
        if accent.strength <= 0.0:
            continue
        before_s = accent.at_s - _ACCENT_CLEARS_S
        notes = {
            name: [note for note in played if not before_s < note.start_s < accent.at_s - 0.01]
            for name, played in notes.items()
        }
        sounding = [chord.symbol for chord in chords if chord.start_s <= accent.at_s + 1e-3]
        symbol = sounding[-1] if sounding else ChordSymbol("", plan.key.tonic, (0, 7))
        velocity = min(1.0, 0.7 + 0.2 * accent.strength)
        _write_hit(
            notes, plan, accent.at_s, velocity, symbol, timebase.beat_period_s(plan.times.bpm)
        )
        own = plan.songs[plan.genre]
        if accent.strength > 1.0 and "drop" in own.song.parts and "drop" not in own.muted:
            drop = Note("drop", accent.at_s, 1.0, _DROP_PITCH, velocity)
            notes.setdefault((plan.genre, "drop"), []).append(drop)
    return notes


def keep_silences(notes: Notes, plan: Plan, silences: Iterable[Silence]) -> Notes:
    """Return the notes outside silences, and pitched ones outside stretches without a chord."""
    ends = [chord.start_s for chord in plan.rests[1:]] + [plan.duration_s]
    unpitched = [
        Silence(chord.start_s, end_s)
        for chord, end_s in zip(plan.rests, ends, strict=False)
        if not chord.symbol.tones
    ]
    silences = tuple(silences)
    for genre, part in notes:
        is_drum = plan.role(genre, part) in DRUMS
        for silence in (*silences, *(() if is_drum else unpitched)):
            notes[genre, part] = [
                replace(note, duration_s=min(note.duration_s, _time_before(note, silence)))
                for note in notes[genre, part]
                if not silence.start_s - 1e-3 <= note.start_s < silence.end_s - 0.05
            ]
    return notes


def _time_before(note: Note, silence: Silence) -> float:
    """How long a note may sound before a silence."""
    return silence.start_s - note.start_s if note.start_s < silence.start_s else np.inf
