"""What each tool imports, read by its own rules; scripts are run against stand-ins of the tools.

Stand-ins know only the names that the tools' documentation gives, so that a misspelt one fails.
"""

import configparser
import csv
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from kinetune.packs.godot import loop_bpm
from kinetune.packs.wwise import cues


def godot_loop_samples(beat_count, rate_hz, bpm):
    """As AudioStreamPlaybackOggVorbis has it: int * float * int / double, cut off."""
    product = np.float32(np.float32(beat_count * np.float32(rate_hz)) * np.float32(60))
    return int(float(product) / bpm)


def variants(text):
    """Return sections of Godot's ConfigFile: key=value, values as Variant text."""
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(text)
    return {name: {k: json.loads(v) for k, v in parser[name].items()} for name in parser.sections()}


def test_godot_import_settings_loop_after_the_last_sample(packs):
    for kind in ("loop", "waltz"):
        folder, pack = packs[kind, "godot"]
        for file in pack.files:
            settings = variants((folder / f"{file}.import").read_text())
            assert settings["remap"] == {
                "importer": "oggvorbisstr", "type": "AudioStreamOggVorbis"
            }  # fmt: skip
            values = settings["params"]
            assert values["loop"] is pack.loop
            assert values["beat_count"] == pack.beat_count
            assert values["bar_beats"] == pack.bar_beats
            assert values["bpm"] == pytest.approx(pack.bpm, rel=1e-5)
            if pack.loop:
                frames = soundfile.info(folder / file).frames
                found = godot_loop_samples(values["beat_count"], pack.sample_rate, values["bpm"])
                assert found == frames


@pytest.mark.parametrize("seconds", [2.0, 7.311, 31.7, 90.0])
@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000])
def test_godot_loops_of_any_length_are_exact(seconds, rate_hz):
    samples = round(seconds * rate_hz)
    for beats in (4, 37, 160):
        found = godot_loop_samples(beats, rate_hz, loop_bpm(beats, rate_hz, samples))
        assert found == samples


def test_godot_plays_the_layers_as_one_stream(packs):
    folder, pack = packs["loop", "godot"]
    text = (folder / "my_loop_layers.tres").read_text()
    head, _, resource = text.partition("[resource]\n")
    assert head.startswith('[gd_resource type="AudioStreamSynchronized" load_steps=3 format=3]\n')
    pattern = r'\[ext_resource type="AudioStream" path="(.+)" id="(.+)"\]'
    outside = {number: path for path, number in re.findall(pattern, head)}
    rows = dict(line.split(" = ") for line in resource.splitlines())
    assert int(rows["stream_count"]) == len(pack.layers)
    for index, file in enumerate(pack.layers):
        number = re.fullmatch(r'ExtResource\("(\d+)"\)', rows[f"stream_{index}/stream"])[1]
        assert outside[number] == file
        assert float(rows[f"stream_{index}/volume"]) == (0.0 if index == 0 else -60.0)
    script = (folder / "my_loop.gd").read_text()
    assert set(re.findall(r'path_join\("(.+?)"\)', script)) == {"pack.json", "my_loop_layers.tres"}
    assert "set_layers" in script
    alone = (packs["waltz", "godot"][0] / "music_3_waltz.gd").read_text()
    assert 'path_join("music_3_waltz.ogg")' in alone
    assert "set_layers" not in alone


def test_unity_finds_every_field_of_the_component_in_the_table(packs):
    folder, _ = packs["loop", "unity"]
    script = (folder / "DanceMusic.cs").read_text()
    table = json.loads((folder / "pack.json").read_text())
    types = {"float": (float, int), "string": str, "int": int, "bool": bool}
    for name, found in (("Table", table), ("Happening", table["events"][0])):
        body = re.search(rf"class {name}\s+\{{(.*?)\}}", script, re.S)[1]
        for kind, field in re.findall(r"public (\w+(?:\[\])?) (\w+);", body):
            expected = list if kind.endswith("[]") else types[kind]
            assert isinstance(found[field], expected), field


class Fake:
    """An object of the editor: only known properties can be set."""

    def __init__(self, **known):
        self.known = known

    def set_editor_property(self, name, value):
        assert name in self.known, name
        self.known[name] = value

    def get_editor_property(self, name):
        return self.known[name]


def fake_unreal(done):
    """The parts of Unreal's Python API that import assets."""
    task = ("filename", "destination_path", "automated", "save", "factory", "imported_object_paths")

    def import_tasks(tasks):
        for each in tasks:
            done.append(each.known)
            each.known["imported_object_paths"] = [f"/Game/{len(done)}"]

    waves = {}
    return SimpleNamespace(
        AssetImportTask=lambda: Fake(**dict.fromkeys(task)),
        AssetToolsHelpers=SimpleNamespace(
            get_asset_tools=lambda: SimpleNamespace(import_asset_tasks=import_tasks)
        ),
        EditorAssetLibrary=SimpleNamespace(
            load_asset=lambda path: waves.setdefault(path, Fake(looping=None)),
            save_loaded_asset=lambda wave: None,
        ),
        CSVImportSettings=lambda: Fake(import_row_struct=None),
        CSVImportFactory=lambda: Fake(automated_import_settings=None),
        load_object=lambda outer, name: name,
        waves=waves,
    )


@pytest.mark.parametrize("row", ["", "/Game/Music/MusicEvent.MusicEvent"])
def test_unreal_imports_sounds_that_loop_and_the_events(packs, monkeypatch, row):
    folder, pack = packs["loop", "unreal"]
    done = []
    unreal = fake_unreal(done)
    monkeypatch.setitem(sys.modules, "unreal", unreal)
    script = (
        (folder / "import_music.py").read_text().replace('STRUCTURE = ""', f"STRUCTURE = {row!r}")
    )
    exec(compile(script, "script", "exec"), {"__file__": str(folder / "import_music.py")})
    files = [*pack.files, "my_loop_events.csv"][: 4 if row else 3]
    assert [each["filename"] for each in done] == [str(folder / file) for file in files]
    assert {each["destination_path"] for each in done} == {"/Game/Music/my_loop"}
    assert [wave.known["looping"] for wave in unreal.waves.values()] == [True] * 3
    if row:
        settings = done[-1]["factory"].known["automated_import_settings"]
        assert settings.known["import_row_struct"] == row


def test_unreal_reads_the_events_as_a_data_table(packs):
    folder, pack = packs["loop", "unreal"]
    with open(folder / "my_loop_events.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["Name"] for row in rows}) == len(rows) == len(pack.events)
    for row, event in zip(rows, pack.events, strict=True):
        assert float(row["Time"]) == pytest.approx(event.time, abs=1e-6)
        assert (row["Kind"], row["Label"]) == (event.kind, event.label)
        assert (int(row["Bar"]), int(row["Beat"])) == (event.bar, event.beat)


@pytest.mark.parametrize("kind", ["loop", "waltz"])
def test_unreal_has_an_actor_with_the_tempo_and_metre(packs, kind):
    folder, pack = packs[kind, "unreal"]
    actor = (folder / "DanceMusic.h").read_text()
    (bpm,) = re.findall(r"Clock, ([\d.]+)f\);", actor)
    assert float(bpm) == pytest.approx(pack.bpm, abs=1e-4)
    assert f"NumBeats = {pack.bar_beats};" in actor
    assert f'TEXT("{pack.name}")' in actor
    for opening, closing in ("{}", "()"):
        assert actor.count(opening) == actor.count(closing)


def test_wwise_imports_a_segment_with_a_track_a_layer(packs):
    documented = re.compile(r"Audio File|Object Path|Property\[\w+\]")
    for kind in ("loop", "waltz"):
        folder, pack = packs[kind, "wwise"]
        lines = (folder / f"{pack.name}.txt").read_text().splitlines()
        header, *rows = [line.split("\t") for line in lines]
        assert all(documented.fullmatch(name) for name in header)
        assert all(len(row) == len(header) for row in rows)
        segment, *tracks = [dict(zip(header, row, strict=True)) for row in rows]
        assert segment["Object Path"] == f"<Music Segment>{pack.name}"
        assert segment["Audio File"] == ""
        assert float(segment["Property[Tempo]"]) == pytest.approx(pack.bpm)
        assert segment["Property[TimeSignatureUpper]"] == str(pack.bar_beats)
        assert [row["Audio File"] for row in tracks] == list(pack.layers or [pack.file])
        for row in tracks:
            assert (folder / row["Audio File"]).is_file()
            assert re.fullmatch(r"<Music Segment>\w+\\<Music Track>\w+", row["Object Path"])


def test_wwise_gets_tempo_and_cues(packs, monkeypatch):
    folder, pack = packs["loop", "wwise"]
    calls = []

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def call(self, uri, arguments):
            calls.append((uri, arguments))

    monkeypatch.setitem(sys.modules, "waapi", SimpleNamespace(WaapiClient=Client))
    exec((folder / "set_cues.py").read_text(), {})
    ((uri, arguments),) = calls
    assert uri == "ak.wwise.core.object.set"
    (segment,) = json.loads(json.dumps(arguments["objects"]))
    assert segment["object"] == r"\Interactive Music Hierarchy\Default Work Unit\my_loop"
    assert (segment["@Tempo"], segment["@EndPosition"]) == (120.0, 8000.0)
    times = {(cue["@CueType"], cue["name"]): cue["@TimeMs"] for cue in segment["@Cues"]}
    assert times[0, "entry"] == 0.0
    assert times[1, "exit"] == 8000.0
    assert times[2, "bar_2"] == 2250.0
    assert times[2, "accent"] == 3200.0
    assert times[2, "section_drop"] == 4250.0
    assert len(segment["@Cues"]) == len(cues(pack))


# FMOD Studio's scripting objects, as far as documented; what was done is printed as JSON.
_STUDIO = """
var done = {sounds: [], markers: [], regions: [], curves: []};
var parameter = {};
var event = {
    timeline: "timeline", groupTracks: [],
    addGroupTrack: function (name) {
        var track = {
            addSound: function (sheet, kind, start, length) {
                var sound = {track: name, sheet: sheet, kind: kind, start: start, length: length};
                done.sounds.push(sound);
                return sound;
            },
            mixerGroup: {addAutomator: function (property) {
                return {addAutomationCurve: function (by) {
                    var points = [];
                    done.curves.push({track: name, property: property, points: points,
                                      by: by === parameter});
                    return {addAutomationPoint: function (at, db) { points.push([at, db]); }};
                }};
            }}
        };
        event.groupTracks.push(track);
        return track;
    },
    addMarkerTrack: function () {
        return {
            addRegion: function (at, length, name, mode) {
                done.regions.push([at, length, name, mode]);
            },
            addNamedMarker: function (name, at) { done.markers.push([name, at]); }
        };
    },
    addGameParameter: function (how) { done.parameter = how; return parameter; }
};
var studio = {
    system: {getText: function () { return "/sounds"; }},
    menu: {addMenuItem: function (item) { done.menu = item.name; item.execute(); }},
    project: {
        regionLoopMode: {Looping: 1}, parameterType: {User: 0},
        workspace: {addEvent: function (name) { done.event = name; return event; }},
        importAudioFile: function (path) { return {path: path}; },
        create: function (kind) { return done.tempo = {kind: kind}; }
    }
};
"""


def run_in_fmod(script):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node runs FMOD's script here, and is not installed")
    shown = "\ndelete done.tempo.markerTrack;\nconsole.log(JSON.stringify(done));\n"
    ran = subprocess.run(
        [node, "-"], input=_STUDIO + script + shown, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout)


def test_fmod_builds_an_event_with_tempo_loop_and_layers(packs):
    folder, pack = packs["loop", "fmod"]
    done = run_in_fmod((folder / "my_loop.js").read_text())
    assert done["menu"] == "Kinetune\\my_loop"
    assert [sound["audioFile"]["path"] for sound in done["sounds"]] == [
        f"/sounds/{file}" for file in pack.layers
    ]
    assert {(s["kind"], s["start"], s["length"]) for s in done["sounds"]} == {("SingleSound", 0, 8)}
    assert done["tempo"] == {
        "kind": "TempoMarker", "position": 0.25, "tempo": 120, "timeSignatureNumerator": 4,
        "timeSignatureDenominator": 4, "timeline": "timeline",
    }  # fmt: skip
    assert done["regions"] == [[0, 8, "loop", 1]]
    assert ["section drop", 4.25] in done["markers"]
    assert ["accent", 3.2] in done["markers"]
    assert (done["parameter"]["min"], done["parameter"]["max"]) == (1, 2)
    (curve,) = done["curves"]
    assert curve == {
        "track": "my_loop_2_full.wav", "property": "volume", "points": [[1, -80], [2, 0]],
        "by": True,
    }  # fmt: skip


def test_fmod_does_not_loop_a_piece_that_ends(packs):
    folder, _ = packs["waltz", "fmod"]
    done = run_in_fmod((folder / "music_3_waltz.js").read_text())
    assert done["regions"] == []
    assert done["tempo"]["timeSignatureNumerator"] == 3
    assert "parameter" not in done
