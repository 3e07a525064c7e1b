import tracemalloc
from types import SimpleNamespace

import mido
import numpy as np
import pytest

from kinetune.audio.beat_map import (
    BeatMap,
    _tempo_changes,
    beat_map,
    read_beats,
    write_beat_map,
)
from kinetune.errors import AudioError
from kinetune.motion.beats.beat_grid import grid_of_beats
from tests.conftest import REPOSITORY

BEATS = np.array([0.25, 0.75, 1.26, 1.76, 2.25, 2.75, 3.26])

FAULTS = REPOSITORY.parent / "shared" / "faults"


@pytest.fixture
def made() -> BeatMap:
    return beat_map(119.9, BEATS, 0.75, 3.6)


def test_bars_are_counted_from_the_named_beat(made):
    assert made.downbeats_s == (0.75, 2.75)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".txt"])
def test_a_written_beat_map_round_trips(made, tmp_path, suffix):
    write_beat_map(tmp_path / f"beats{suffix}", made)
    np.testing.assert_allclose(read_beats(tmp_path / f"beats{suffix}"), BEATS, atol=1e-6)


def test_midi_beats_are_at_the_beats_of_the_music(made, tmp_path):
    write_beat_map(tmp_path / "beats.mid", made)
    found = read_beats(tmp_path / "beats.mid")
    np.testing.assert_allclose(found, BEATS, atol=1e-4)
    midi = mido.MidiFile(tmp_path / "beats.mid")
    assert midi.length == pytest.approx(BEATS[-1], abs=1e-4)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("start_s", [0.0, 0.2])
def test_bars_in_a_daw_start_at_the_downbeats(tmp_path, first, start_s):
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


def test_labels_distinguish_bars_from_beats(made, tmp_path):
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
        ("a.txt", "0,5\n1,6\n2,7\n", "decimal marks or separate columns"),
        ("a.txt", "0\n" + "9" * 400 + "\n", "must be seconds"),
        ("a.txt", "0.5\n" + "x" * 1_000_000 + "\n", r"found 'x{40,60} \.\.\. x+'"),
        ("a.txt", "0.5\n\x1b[31mred\n", r"found '.*x1b\[31mred'"),
        ("a.txt", "0\n" * 200_000, "100000 beats or fewer"),
        ("a.json", "[" * 100_000, "JSON list"),
        ("a.json", "[1" + "0" * 4000 + ", 2]", "JSON list"),
        ("a.json", f'["{"y" * 100_000}"]', r"y{10,60} \.\.\. y+"),
        ("a.json", "[0, NaN]", "must be seconds"),
    ],
)
def test_a_malformed_list_is_an_error_in_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(AudioError, match=said):
        read_beats(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        # Decimal commas: Audacity's labels in a German or French locale, one column, semicolons.
        ("0,100\t0,100\tbeat\n1,300\t1,300\tbeat\n2,500\t2,500\tbeat\n", [0.1, 1.3, 2.5]),
        ("0,100\n1,300\n2,500\n", [0.1, 1.3, 2.5]),
        ("0,5\n0,9\n1,3\n", [0.5, 0.9, 1.3]),
        ("time;bar\n0,5;1\n1,5;1\n", [0.5, 1.5]),
        ("0,5 1\n1,5 1\n", [0.5, 1.5]),
        # Commas that separate columns.
        ("time_s,bar\n0,1\n1,1\n2,1\n", [0.0, 1.0, 2.0]),
        ("0.5,1,1\n1.5,1,2\n", [0.5, 1.5]),
        ("1, 2, 3\n2, 2, 3\n", [1.0, 2.0]),
        ("0.5, 1\n1.5, 2\n", [0.5, 1.5]),
        # A byte order mark is no heading.
        ("\ufeff0.100\n0.700\n1.300\n", [0.1, 0.7, 1.3]),
        ("\ufefftime\n0.1\n0.7\n", [0.1, 0.7]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_decimal_commas_are_distinguished_from_separators(tmp_path, text, beats, encoding):
    text = text.removeprefix("\ufeff") if encoding == "utf-16" else text
    (tmp_path / "beats.txt").write_bytes(text.encode(encoding))
    np.testing.assert_allclose(read_beats(tmp_path / "beats.txt"), beats)


def test_labels_of_an_older_encoding_are_read(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"1.0\t1.0\td\xe9but\xa0\n1.5\t1.5\tfin\n")
    np.testing.assert_allclose(read_beats(tmp_path / "b.txt"), [1.0, 1.5])
    (tmp_path / "b.txt").write_bytes(b"1.0\n1.5\xe9\x00\x07\n")
    with pytest.raises(AudioError, match="neither text, JSON nor MIDI"):
        read_beats(tmp_path / "b.txt")


def test_json_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf[0.1, 0.7]")
    np.testing.assert_allclose(read_beats(tmp_path / "b.json"), [0.1, 0.7])


def save_midi(path, *tempi, division=480, end=0):
    """Write tempo events (tick after the last, microseconds) and nothing else."""
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=t, time=dt) for dt, t in tempi])
    track.append(mido.MetaMessage("end_of_track", time=end))
    midi = mido.MidiFile(ticks_per_beat=division)
    midi.tracks.append(track)
    midi.save(path)
    return path


def test_a_tempo_map_continues_at_its_last_tempo(tmp_path):
    """120 bpm for eight beats, 100 from there on; and one event for the whole of a piece."""
    path = save_midi(tmp_path / "two.mid", (0, 500_000), (3840, 600_000))
    grid = grid_of_beats(read_beats(path), 8.0)
    np.testing.assert_allclose(
        grid.beats_s, [*np.arange(0.0, 4.0, 0.5), 4.0, 4.6, 5.2, 5.8, 6.4, 7.0, 7.6]
    )
    path = save_midi(tmp_path / "one.mid", (0, 468_750))
    grid = grid_of_beats(read_beats(path), 60.0)
    assert grid.bpm == pytest.approx(128.0)
    assert len(grid.beats_s) == 128
    # A change between two beats: half a beat at 0.5 s, half a beat at 0.6 s.
    path = save_midi(tmp_path / "mid.mid", (0, 500_000), (720, 600_000))
    np.testing.assert_allclose(read_beats(path), [0.0, 0.5, 1.05, 1.65])


def test_time_in_a_tempo_map_never_runs_backwards():
    events = [mido.MetaMessage("set_tempo", tempo=400_000, time=0), mido.Message("note_on", time=0)]
    assert _tempo_changes(events) == ([(0, 500_000), (0, 400_000)], 0)
    with pytest.raises(ValueError, match="backwards"):
        _tempo_changes([SimpleNamespace(time=-1, type="note_on")])


def test_a_midi_file_without_beats_is_one_line(tmp_path):
    path = save_midi(tmp_path / "a.mid", (0, 500_000), (100, 500_000), end=1000)
    content = bytearray(path.read_bytes())
    for division, said in ((0, "time code or none"), (0xE728, "time code")):
        content[12:14] = division.to_bytes(2, "big")
        path.write_bytes(content)
        with pytest.raises(AudioError, match=said):
            read_beats(path)
    with pytest.raises(AudioError, match="tempo of 0"):
        read_beats(save_midi(tmp_path / "b.mid", (0, 0), (1920, 0)))
    with pytest.raises(AudioError, match="100000 beats or fewer"):
        read_beats(save_midi(tmp_path / "c.mid", (2**28 - 1, 500_000), division=1))


def test_a_midi_chunk_that_claims_gigabytes_is_given_no_memory(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(b"MThd" + b"\xf0\0\0\0" + b"\0\1\0\1\1\xe0" + b"MTrk" + b"\xf0\0\0\0\0")
    tracemalloc.start()
    with pytest.raises(AudioError, match=r"a\.mid: not a MIDI file that can be read"):
        read_beats(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_hostile_files_end_at_once_in_one_line():
    if not FAULTS.is_dir():
        pytest.skip("the collection of faults is not here")
    for path in sorted(FAULTS.glob("*/*.mid")):
        if not path.name.startswith("tempo_"):
            with pytest.raises(AudioError) as caught:
                read_beats(path)
            assert "\n" not in str(caught.value)


def test_random_bytes_are_beats_or_one_line(tmp_path):
    rng = np.random.default_rng(0)
    seeds, messages = {}, []
    for suffix in (".json", ".csv", ".txt", ".mid"):
        write_beat_map(tmp_path / f"s{suffix}", beat_map(120.0, BEATS, BEATS[0], 5.0))
        seeds[suffix] = (tmp_path / f"s{suffix}").read_bytes()
    for number in range(400):
        suffix = list(seeds)[number % 4]
        content = bytearray(seeds[suffix])
        for _ in range(int(rng.integers(1, 8))):
            content[int(rng.integers(len(content)))] = int(rng.integers(256))
        path = tmp_path / f"m{suffix}"
        path.write_bytes(content[: int(rng.integers(1, len(content) + 1))])
        try:
            beats = read_beats(path)
        except AudioError as error:
            messages.append(str(error))
        else:
            assert (np.diff(beats) > 0).all()
    assert max(map(len, messages)) < 400


def test_a_missing_list_and_an_unknown_suffix_are_errors(tmp_path, made):
    with pytest.raises(AudioError, match="no such file"):
        read_beats(tmp_path / "none.txt")
    with pytest.raises(AudioError, match=r"use one of \.json"):
        write_beat_map(tmp_path / "beats.xml", made)
