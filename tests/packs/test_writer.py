"""What every pack holds: sounds of one length, tempo and loop, events on their times."""

import json

import pytest
import soundfile

from kinetune.errors import ConfigError, OutputError
from kinetune.packs.pack import Event, object_name
from kinetune.packs.writer import TOOLS, check_tools, write_pack
from tests.packs.conftest import LOOP_S, RATE_HZ, loop_material


def test_a_loop_has_whole_beats_in_its_samples(packs):
    for tool in TOOLS:
        _, pack = packs["loop", tool]
        assert (pack.bpm, pack.beat_count, pack.bar_beats) == (120.0, 16, 4)
        assert pack.beat_count * 60.0 / pack.bpm == pytest.approx(pack.samples / RATE_HZ)
        assert (pack.entry, pack.exit, pack.first_bar) == (0.0, LOOP_S, 0.25)


def test_a_piece_is_entered_at_its_first_bar_line(packs):
    _, pack = packs["waltz", "wwise"]
    assert not pack.loop
    assert pack.bar_beats == 3
    assert pack.entry == pack.first_bar == pack.of_kind("beat")[0].time
    assert pack.exit == 9.5
    # The mean tempo over its length, whole beats.
    assert pack.beat_count == int(9.5 * pack.bpm / 60.0)


def test_beats_are_counted_in_bars_from_the_first_bar_line(packs):
    _, pack = packs["loop", "godot"]
    beats = pack.of_kind("beat")
    assert [beat.time for beat in beats] == [0.25 + 0.5 * number for number in range(16)]
    assert [beat.bar for beat in beats] == [1 + number // 4 for number in range(16)]
    assert [beat.beat for beat in beats] == [1 + number % 4 for number in range(16)]
    waltz = packs["waltz", "godot"][1].of_kind("beat")
    assert [beat.beat for beat in waltz][:7] == [1, 2, 3, 1, 2, 3, 1]


def test_all_that_is_marked_is_an_event_in_its_bar(packs):
    _, pack = packs["loop", "unity"]
    assert pack.of_kind("accent") == [Event(3.2, "accent", "", 2)]
    assert pack.of_kind("section") == [
        Event(0.0, "section", "verse", 0), Event(4.25, "section", "drop", 3)
    ]  # fmt: skip
    silence = pack.of_kind("silence")
    assert [(e.time, e.label) for e in silence] == [(6.0, "start"), (6.5, "end")]
    assert [(e.time, e.label) for e in pack.of_kind("layers")] == [(0.0, "1"), (4.25, "2")]
    times = [event.time for event in pack.events]
    assert times == sorted(times)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_table_names_the_sounds_that_are_there(packs, tool):
    for kind in ("loop", "waltz"):
        folder, pack = packs[kind, tool]
        table = json.loads((folder / "pack.json").read_text())
        assert [table["file"], *table["layers"]] == list(pack.files)
        assert len(pack.files) == (3 if kind == "loop" else 1)
        for file in pack.files:
            info = soundfile.info(folder / file)
            assert (info.frames, info.samplerate) == (table["samples"], table["sample_rate"])
            assert info.subtype == ("VORBIS" if tool == "godot" else "PCM_16")


def test_a_wave_file_of_a_loop_has_its_loop_points(packs):
    folder, pack = packs["loop", "unity"]
    content = (folder / pack.file).read_bytes()
    chunk = content[content.index(b"smpl") + 8 :]
    start, end = (int.from_bytes(chunk[at : at + 4], "little") for at in (44, 48))
    assert (start, end) == (0, pack.samples - 1)
    assert b"smpl" not in (packs["waltz", "unity"][0] / "music_3_waltz.wav").read_bytes()[:64]


@pytest.mark.parametrize(
    ("text", "name"),
    [("my loop", "my_loop"), ("3 waltz", "music_3_waltz"), ("été!", "t"), ("...", "music")],
)
def test_names_hold_letters_digits_and_underscores(text, name):
    assert object_name(text) == name


def test_unknown_tools_are_named():
    with pytest.raises(ConfigError, match="one of godot, unity, unreal, wwise, fmod; found 'gd'"):
        check_tools(["gd"])
    with pytest.raises(ConfigError, match="named twice"):
        check_tools(["unity", "unity"])


def test_a_pack_replaces_a_pack_but_no_other_folder(tmp_path):
    write_pack("unity", tmp_path / "pack", loop_material())
    write_pack("unity", tmp_path / "pack", loop_material())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        write_pack("unity", tmp_path / "mine", loop_material())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["README.txt"]


def test_the_same_music_gives_the_same_bytes(packs, tmp_path):
    for tool in TOOLS:
        again = tmp_path / tool
        write_pack(tool, again, loop_material())
        folder, _ = packs["loop", tool]
        for path in sorted(folder.iterdir()):
            assert (again / path.name).read_bytes() == path.read_bytes(), path.name
