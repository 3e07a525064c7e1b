"""Chord files: text, labels, .lab and MIDI to the same chords, and what is wrong with a file."""

import mido
import pytest

from kinetune.composer.harmony import parse_timed
from kinetune.composer.output.chord_files import read_chords, write_chords
from kinetune.errors import ConfigError

CHORDS = ((0.0, "Am"), (2.0, "F"), (4.5, "C/E"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "# chords\n0 Am\n2.0\tF\n4.5 C/E\n"),
        ("a.lab", "0.0 2.0 Am\n2.0 4.5 F\n4.5 6.0 C/E\n"),
        ("a.csv", "0,Am\n2,F\n4.5,C/E\n"),
    ],
)
def test_text_files_of_all_kinds_hold_the_same_chords(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert read_chords(path) == CHORDS


def test_what_is_written_round_trips(tmp_path):
    write_chords(tmp_path / "a.txt", parse_timed(CHORDS), 6.0)
    assert read_chords(tmp_path / "a.txt") == CHORDS


def midi(path, messages, tempo=500_000):
    file = mido.MidiFile(ticks_per_beat=480)
    track = file.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=tempo))
    track.extend(messages)
    file.save(path)
    return path


def test_markers_of_a_midi_file(tmp_path):
    markers = [
        mido.MetaMessage("marker", text=name, time=ticks)
        for name, ticks in (("Am", 0), ("verse", 480), ("F", 480 * 3))
    ]
    # A beat lasts half a second.
    assert read_chords(midi(tmp_path / "a.mid", markers)) == ((0.0, "Am"), (2.0, "F"))


def test_notes_of_a_midi_file(tmp_path):
    messages = []
    for chord in ((57, 60, 64), (53, 57, 60), (52, 55, 60)):
        messages += [mido.Message("note_on", note=note, velocity=80) for note in chord]
        messages += [
            mido.Message("note_off", note=note, time=480 if note == chord[0] else 0)
            for note in chord
        ]
    chords = read_chords(midi(tmp_path / "a.mid", messages))
    assert chords == ((0.0, "Am"), (0.5, "F"), (1.0, "C/E"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 Am\n2 H\n", "a.txt:2: chord 'H'"),
        ("Am F C G\n", "a.txt:1: expected a time and a chord"),
        ("2 Am\n1 F\n", "a.txt:2: 1 s, after 2 s"),
        ("\n", "expected 1 to"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, says):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_chords(tmp_path / "a.txt")


def test_a_file_that_is_not_midi_is_reported(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd nothing")
    with pytest.raises(ConfigError, match="not a MIDI file"):
        read_chords(tmp_path / "a.mid")
