import mido
import numpy as np
import pytest

from kinetune.audio.beat_map import BeatMap, beat_map, read_beats, write_beat_map
from kinetune.errors import AudioError

BEATS = np.array([0.25, 0.75, 1.26, 1.76, 2.25, 2.75, 3.26])


@pytest.fixture
def made() -> BeatMap:
    return beat_map(119.9, BEATS, 0.75, 3.6)


def test_bars_are_counted_from_the_named_beat(made):
    assert made.downbeats_s == (0.75, 2.75)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".txt"])
def test_what_is_written_reads_back(made, tmp_path, suffix):
    write_beat_map(tmp_path / f"beats{suffix}", made)
    np.testing.assert_allclose(read_beats(tmp_path / f"beats{suffix}"), BEATS, atol=1e-6)


def test_a_midi_files_beats_are_the_musics(made, tmp_path):
    write_beat_map(tmp_path / "beats.mid", made)
    found = read_beats(tmp_path / "beats.mid")
    np.testing.assert_allclose(found, BEATS, atol=1e-4)
    midi = mido.MidiFile(tmp_path / "beats.mid")
    assert midi.length == pytest.approx(BEATS[-1], abs=1e-4)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("start_s", [0.0, 0.2])
def test_a_daws_bars_are_the_musics(tmp_path, first, start_s):
    beats = start_s + 0.5 * np.arange(14)
    made = beat_map(120.0, beats, beats[first], 8.0)
    write_beat_map(tmp_path / "beats.mid", made)
    midi = mido.MidiFile(tmp_path / "beats.mid")
    now_s, ticks, bars, tempo = 0.0, 0, [], 500_000
    for message in midi.tracks[0]:
        now_s += mido.tick2second(message.time, midi.ticks_per_beat, tempo)
        ticks += message.time
        if message.type == "set_tempo":
            tempo = message.tempo
        elif message.type == "time_signature":
            bars.append((now_s, message.numerator))
    lead_in = first + (start_s > 0)
    assert bars == ([(0.0, lead_in)] if lead_in else []) + [
        (pytest.approx(made.downbeats_s[0], abs=1e-4), 4)
    ]


def test_a_daws_tempo_map_is_followed(tmp_path):
    track = mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=500_000, time=0),
        mido.MetaMessage("set_tempo", tempo=400_000, time=960),
        mido.MetaMessage("end_of_track", time=960),
    ])  # fmt: skip
    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(track)
    midi.save(tmp_path / "daw.mid")
    np.testing.assert_allclose(read_beats(tmp_path / "daw.mid"), [0.0, 0.5, 1.0, 1.4, 1.8])


def test_labels_tell_bars_from_beats(made, tmp_path):
    write_beat_map(tmp_path / "beats.txt", made)
    labels = [line.split("\t")[2] for line in (tmp_path / "beats.txt").read_text().splitlines()]
    assert labels == ["beat", "bar", "beat", "beat", "beat", "bar", "beat"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "1.0\n0.5\n", "ascending"),
        ("a.txt", "time\n", "two beats"),
        ("a.txt", "0.5\nsoon\n", "a.txt:2"),
        ("a.txt", "-1\n0\n", "0 or later"),
        ("a.txt", "500\n1000\n", "milliseconds"),
        ("a.json", "{}", "beats_s"),
        ("a.json", '["x"]', "JSON list"),
        ("a.mid", "MThd", "not a MIDI file"),
        ("a.csv", "", "two beats"),
    ],
)
def test_a_bad_list_is_said_in_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(AudioError, match=said):
        read_beats(tmp_path / name)


def test_a_missing_list_and_an_unknown_suffix_are_said(tmp_path, made):
    with pytest.raises(AudioError, match="no such file"):
        read_beats(tmp_path / "none.txt")
    with pytest.raises(AudioError, match=r"use one of \.json"):
        write_beat_map(tmp_path / "beats.xml", made)
