"""Notes as MIDI: read back by mido to the same notes, on the grid, with bars, key and chords."""

import mido
import numpy as np
import pytest

from kinetune.audio.beat_map import read_beats
from kinetune.composer.output.chord_files import read_chords
from kinetune.composer.output.midi import (
    DRUM_CHANNEL,
    DRUM_NOTES,
    PROGRAMS,
    midi_tracks,
    write_midi,
)
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.model.conditioning.bars import bar_lines
from tests.composer.conftest import SECONDS, notes_of, piece
from tests.composer.test_piece import drifting_grid

# Half a tick at the slowest beat, and the rounding of one tempo event.
TOLERANCE_S = 0.0005


@pytest.fixture(scope="module", params=["steady", "drifting"])
def written(request, tmp_path_factory):
    grid = drifting_grid() if request.param == "drifting" else None
    made = piece(grid=grid, composer={"chords": "Am F C G"})
    path = tmp_path_factory.mktemp("midi") / "a.mid"
    write_midi(path, made)
    return made, path


def read_notes(path):
    """(start, end, channel, key, velocity) of all notes, by mido's own clock."""
    now_s, sounding, notes = 0.0, {}, []
    for message in mido.MidiFile(path):
        now_s += message.time
        if message.type == "note_on" and message.velocity:
            sounding[message.channel, message.note] = (now_s, message.velocity)
        elif message.type in ("note_off", "note_on"):
            start_s, velocity = sounding.pop((message.channel, message.note))
            notes.append((start_s, now_s, message.channel, message.note, velocity))
    assert not sounding
    return sorted(notes)


def test_every_note_round_trips(written):
    made, path = written
    tracks = midi_tracks(made)
    wanted = sorted(
        (n.start_s, n.end_s, n.channel, n.key, n.velocity)
        for _, _, notes in tracks for n in notes
    )  # fmt: skip
    found = read_notes(path)
    assert len(found) == len(wanted) > 500

    def by_key(notes):
        return sorted(notes, key=lambda n: (n[2], n[3], n[0]))

    for mine, read in zip(by_key(wanted), by_key(found), strict=True):
        assert mine[2:] == read[2:]
        assert mine[:2] == pytest.approx(read[:2], abs=2 * TOLERANCE_S)


def test_the_tracks_hold_the_pieces_notes(written):
    made, _ = written
    pitched = notes_of(made, "bass", "chord", "pad", "arp", "hook", "accent")
    inside = {(round(n.start_s, 4), round(n.pitch)) for n in pitched if 0 <= n.start_s < SECONDS}
    found = {
        (round(n.start_s, 4), n.key)
        for _, program, notes in midi_tracks(made) if program >= 0 for n in notes
    }  # fmt: skip
    assert len(inside - found) <= 0.01 * len(inside)


def test_drums_play_on_channel_ten_by_general_midi(written):
    made, _ = written
    for voice, (_, program, notes) in zip(made.voices, midi_tracks(made), strict=True):
        assert (program == -1) == all(note.channel == DRUM_CHANNEL for note in notes)
        if voice.role == "kick":
            assert {note.key for note in notes} == {36}
        if voice.role == "bass":
            assert 32 <= program <= 39


def test_every_instrument_has_a_program_or_a_drum_note():
    drums = ("kick", "snare", "hat", "open", "crash", "tom", "boom", "ride")
    for name in INSTRUMENTS:
        known = name in PROGRAMS or name in DRUM_NOTES
        assert known or any(word in name for word in drums), name


def test_quarter_notes_are_the_beats(written):
    made, path = written
    beats = read_beats(path)
    # What comes before the first beat is a beat of its own length.
    nearest = np.abs(beats[:, None] - made.beats_s[None]).min(axis=0)
    assert nearest.max() < TOLERANCE_S


def test_bar_lines_are_the_bar_lines(written):
    made, path = written
    file = mido.MidiFile(path)
    ticks, bars = 0, []
    for message in file.tracks[0]:
        ticks += message.time
        if message.type == "time_signature":
            bars.append((ticks, message.numerator))
    start, metre = bars[-1]
    assert metre == 4
    clock = np.array([read_tick(file, start + 4 * 960 * bar) for bar in range(10)])
    lines = bar_lines(made.grid, SECONDS)[:10]
    np.testing.assert_allclose(clock, lines, atol=TOLERANCE_S)


def read_tick(file, tick):
    now, seconds, tempo = 0, 0.0, 500_000
    for message in file.tracks[0]:
        step = min(message.time, tick - now)
        seconds += mido.tick2second(step, file.ticks_per_beat, tempo)
        now += step
        if now == tick and message.time > step:
            return seconds
        if message.type == "set_tempo":
            tempo = message.tempo
    return seconds + mido.tick2second(tick - now, file.ticks_per_beat, tempo)


def test_key_chords_and_sections_are_in_the_file(written):
    made, path = written
    metas = [m for m in mido.MidiFile(path).tracks[0] if m.is_meta]
    assert [m.key for m in metas if m.type == "key_signature"] == ["Am"]
    sections = [m.text for m in metas if m.type == "cue_marker"]
    assert sections == [section.name for section in made.sections]
    chords = read_chords(path)
    assert [name for _, name in chords] == [c.symbol.name for c in made.chords]
    np.testing.assert_allclose(
        [time_s for time_s, _ in chords], [c.start_s for c in made.chords], atol=TOLERANCE_S
    )


@pytest.mark.parametrize("key", ["Eb minor", "Ab minor", "Bb minor", "C# major", "G# major"])
def test_every_key_is_one_that_midi_knows(tmp_path, key):
    write_midi(tmp_path / "a.mid", piece(composer={"key": key}))
    assert mido.MidiFile(tmp_path / "a.mid").tracks
