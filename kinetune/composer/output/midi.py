"""A piece as a MIDI file: its notes, a track a part, with tempo map, bars, key, chords, sections.

General MIDI programs; drums on channel 10 by the General MIDI drum map. A quarter note is a beat;
what comes before the first beat is one beat of its own length, and the beats before the first bar
are a bar of their own. Seconds; a tick is 1/960 of a beat. Source: General MIDI level 1 (MMA).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune.composer.piece import DRUMS, Piece, Voice
from kinetune.composer.timing import time_map
from kinetune.files import atomic_file

if TYPE_CHECKING:
    import mido

TICKS_A_BEAT = 960
# Channels count from 0: that of the drums is the tenth.
DRUM_CHANNEL = 9
_MELODIC = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
# Beats nearer to the beginning than this are at it.
_AT_START_S = 0.005
# A note lasts a tick at least.
_SHORTEST_S = 0.002
#: Programs by instrument, 0 to 127.
PROGRAMS: Mapping[str, int] = {
    "piano": 0, "grand_piano": 0, "electric_piano": 4, "rhodes": 4, "chorused_piano": 5,
    "clavinet": 7, "clavi": 7, "wah_clavi": 7, "music_box": 10, "vibraphone": 11, "marimba": 12,
    "mallet": 12, "organ": 16, "drawbar_organ": 16, "rock_organ": 18, "nylon_guitar": 24,
    "jazz_guitar": 26, "guitar": 27, "clean_guitar": 27, "wah_guitar": 27, "wah_clean_guitar": 27,
    "muted_guitar": 28, "wah_muted_guitar": 28, "drive_guitar": 29, "acoustic_bass": 32,
    "upright_bass": 32, "fingered_bass": 33, "finger_bass": 33, "picked_bass": 34,
    "glide_bass": 35, "thumb_bass": 36, "slap_bass": 36, "pop_bass": 37, "synth_bass": 38,
    "saw_bass": 38, "square_bass": 39, "sub_bass": 39, "rubber_bass": 39, "violin": 40,
    "cello": 42, "pizzicato": 45, "pluck": 45, "harp": 46, "string_section": 48, "strings": 48,
    "choir_aah": 52, "voice_ooh": 53, "vocal": 53, "talkbox": 54, "orchestra_hit": 55,
    "stab": 55, "trumpet": 56, "trombone": 57, "muted_trumpet": 59, "french_horn": 60,
    "brass_section": 61, "brass": 61, "alto_sax": 65, "tenor_sax": 66, "silver_flute": 73,
    "flute": 73, "whistle": 78, "lead": 80, "pad": 89, "kalimba": 108, "riser": 119,
    "sub_drop": 39,
}  # fmt: skip
#: Drum notes by instrument; a part's own note where the instrument has none.
DRUM_NOTES: Mapping[str, int] = {
    "clap": 39, "hand_clap": 39, "snap": 39, "finger_snap": 39, "ride": 51, "real_ride": 51,
    "pedal_hat": 44, "splash": 55, "rim": 37, "real_rim": 37, "cowbell": 56, "real_cowbell": 56,
    "tambourine": 54, "real_tambourine": 54, "shaker": 82, "real_shaker": 82, "claves": 75,
    "triangle": 81, "conga": 63, "real_conga": 63, "machine_conga": 63, "bongo": 60, "tabla": 60,
    "timbale": 65, "agogo": 67, "scratch": 29, "vinyl_scratch": 29, "brush": 40, "brush_snare": 40,
}  # fmt: skip
_PART_NOTES: Mapping[str, int] = {
    "kick": 36, "snare": 38, "layer": 39, "hat": 42, "open_hat": 46, "crash": 49, "drum": 76,
}  # fmt: skip
# Toms by the pitch from which they are played: high, middle, low.
_TOMS = ((48.0, 50), (45.0, 47), (0.0, 43))
# Roles that are drums here but have a program of their own in General MIDI.
_EFFECTS = ("riser", "drop")


@dataclass(frozen=True, order=True)
class MidiNote:
    """A note as MIDI has it: start and end in seconds, channel, key and velocity."""

    start_s: float
    end_s: float
    channel: int
    key: int
    velocity: int


@dataclass(frozen=True, eq=False)
class _Clock:
    """Times of the quarter notes, as the file's tempo events give them."""

    quarters_s: NDArray[np.float64]
    tempi: NDArray[np.int64]
    upbeat: int

    def tick(self, time_s: float) -> int:
        """Return the tick nearest to a time."""
        index = np.interp(time_s, self.quarters_s, np.arange(len(self.quarters_s)))
        return round(float(index) * TICKS_A_BEAT)


def midi_tracks(piece: Piece) -> list[tuple[str, int, list[MidiNote]]]:
    """Return (name, program or -1 for drums, notes in order) of every track.

    Notes from before the beginning are cut to it. A key that is struck while it sounds ends first,
    and of notes that are struck together on one key the loudest counts, as on a keyboard.
    """
    channels = _channels(piece)
    tracks = []
    for voice in piece.voices:
        channel = channels[voice.genre, voice.part.name]
        program = PROGRAMS.get(voice.part.instrument, 0) if channel != DRUM_CHANNEL else -1
        name = f"{voice.role} {voice.part.instrument}"
        tracks.append((name, program, _keyed(voice, channel, piece.duration_s)))
    return tracks


def write_midi(path: Path, piece: Piece) -> None:
    """Write a piece as a MIDI file of type 1.

    Raises:
        OutputError: The file can't be written.
    """
    import mido

    clock = _clock(piece)
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_A_BEAT)
    file.tracks.append(_track(mido, _conductor(mido, piece, clock)))
    for name, program, notes in midi_tracks(piece):
        events: list[tuple[int, int, mido.Message]] = [
            (0, 0, mido.MetaMessage("track_name", name=name))
        ]
        if program >= 0 and notes:
            how = {"channel": notes[0].channel, "program": program}
            events.append((0, 1, mido.Message("program_change", **how)))
        for note in notes:
            how = {"channel": note.channel, "note": note.key}
            start, end = clock.tick(note.start_s), clock.tick(note.end_s)
            events.append((start, 3, mido.Message("note_on", velocity=note.velocity, **how)))
            events.append((max(end, start + 1), 2, mido.Message("note_off", velocity=0, **how)))
        file.tracks.append(_track(mido, events))
    with atomic_file(path) as aside:
        file.save(aside)


def _channels(piece: Piece) -> dict[tuple[str, str], int]:
    """A channel for every melodic part, going round beyond the fifteenth; one for all drums."""
    melodic = [voice for voice in piece.voices if not _is_drum(voice)]
    channels = {(v.genre, v.part.name): DRUM_CHANNEL for v in piece.voices}
    for index, voice in enumerate(melodic):
        channels[voice.genre, voice.part.name] = _MELODIC[index % len(_MELODIC)]
    return channels


def _is_drum(voice: Voice) -> bool:
    return voice.role in DRUMS and voice.role not in _EFFECTS


def _keyed(voice: Voice, channel: int, duration_s: float) -> list[MidiNote]:
    by_key: dict[int, list[MidiNote]] = defaultdict(list)
    for note in voice.notes:
        start_s = max(0.0, note.start_s)
        end_s = min(max(note.start_s + note.duration_s, start_s + _SHORTEST_S), duration_s)
        if note.start_s + note.duration_s > 0.0 and start_s < duration_s - _SHORTEST_S:
            key = _drum_key(voice, note.pitch) if _is_drum(voice) else round(note.pitch)
            velocity = min(127, max(1, round(127 * note.velocity)))
            by_key[key].append(MidiNote(start_s, end_s, channel, key, velocity))
    return sorted(note for notes in by_key.values() for note in _apart(notes))


def _apart(notes: Iterable[MidiNote]) -> list[MidiNote]:
    """Notes of one key, none of them begun before the one before has ended."""
    apart: list[MidiNote] = []
    for note in sorted(notes):
        if apart and note.start_s - apart[-1].start_s < _SHORTEST_S:
            last = apart.pop()
            note = replace(
                last, end_s=max(last.end_s, note.end_s), velocity=max(last.velocity, note.velocity)
            )
        elif apart and apart[-1].end_s > note.start_s:
            apart[-1] = replace(apart[-1], end_s=note.start_s)
        apart.append(note)
    return apart


def _drum_key(voice: Voice, pitch: float) -> int:
    if voice.role == "tom":
        return next(key for least, key in _TOMS if pitch >= least)
    return DRUM_NOTES.get(voice.part.instrument, _PART_NOTES.get(voice.role, _PART_NOTES["drum"]))


def _clock(piece: Piece) -> _Clock:
    times = time_map(piece.grid, piece.duration_s).dance_s
    beats = times[times > _AT_START_S]
    at_start = np.any(np.abs(times) <= _AT_START_S)
    wanted = np.concatenate([[0.0], beats])
    # Tempo events count whole microseconds: what one rounds away, the next makes good.
    micros = np.asarray(np.diff(np.round(1e6 * wanted)), dtype=np.int64)
    quarters = np.concatenate([[0.0], np.cumsum(micros) / 1e6])
    opens = int(np.argmin(np.abs(wanted - piece.grid.bar_start_s)))
    upbeat = opens % piece.grid.metre if at_start else (opens - 1) % piece.grid.metre + 1
    return _Clock(quarters, micros, upbeat)


def _conductor(
    mido: "mido", piece: Piece, clock: _Clock
) -> list[tuple[int, int, "mido.MetaMessage"]]:
    """Tempo map, bars, key, chords and sections."""

    def meta(tick: int, kind: str, **how: object) -> tuple[int, int, "mido.MetaMessage"]:
        return tick, 0, mido.MetaMessage(kind, **how)

    metre = piece.grid.metre
    events = [meta(0, "track_name", name=f"{piece.grid.bpm:.1f} bpm, {piece.key.name}")]
    bars = [(0, clock.upbeat)] if clock.upbeat else []
    for beat, beats in [*bars, (clock.upbeat, metre)]:
        how = {"numerator": beats, "denominator": 4}
        events.append(meta(beat * TICKS_A_BEAT, "time_signature", **how))
    tonic, _, mode = piece.key.name.partition(" ")
    events.append(meta(0, "key_signature", key=tonic + "m" * (mode == "minor")))
    last = len(clock.tempi)
    for beat, tempo in enumerate(clock.tempi[:last]):
        if beat == 0 or tempo != clock.tempi[beat - 1]:
            events.append(meta(beat * TICKS_A_BEAT, "set_tempo", tempo=int(tempo)))
    for section in piece.sections:
        start_s = max(0.0, float(piece.bars_s[section.first_bar]))
        events.append(meta(clock.tick(start_s), "cue_marker", text=section.name))
    events += [meta(clock.tick(c.start_s), "marker", text=c.symbol.name) for c in piece.chords]
    end = clock.tick(piece.duration_s)
    return [event for event in events if event[0] <= end]


def _track(mido: "mido", events: Iterable[tuple[int, int, "mido.Message"]]) -> "mido.MidiTrack":
    """A track of (tick, order among events of a tick, message)."""
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
