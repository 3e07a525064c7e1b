"""A pack for FMOD Studio: WAV files and a script that makes an event of them.

The script adds a menu item. It imports the files, puts each on a track of its own, sets tempo and
metre from the first bar line on, a loop region over everything, and markers. With layers a
parameter turns them up. Source: FMOD Studio's scripting API reference (2.02, 2.03); positions are
seconds, volumes decibels.
"""

import json
from pathlib import Path

from kinetune.files import write_text
from kinetune.packs.pack import Pack

SUFFIX = ".wav"
_SCRIPT = """// FMOD Studio: copy this into the folder Scripts of the project; Scripts > Reload.
var music = MUSIC;

function importMusic() {
    var folder = studio.system.getText("Folder with the sound files of " + music.name, "");
    if (!folder) { return; }
    var event = studio.project.workspace.addEvent(music.name, false);
    music.files.forEach(function (file) {
        var asset = studio.project.importAudioFile(folder + "/" + file);
        if (!asset) { throw new Error("not found: " + folder + "/" + file); }
        var track = event.addGroupTrack(file);
        track.addSound(event.timeline, "SingleSound", 0, music.length).audioFile = asset;
    });
    var markers = event.addMarkerTrack();
    var tempo = studio.project.create("TempoMarker");
    tempo.position = music.firstBar;
    tempo.tempo = music.bpm;
    tempo.timeSignatureNumerator = music.barBeats;
    tempo.timeSignatureDenominator = 4;
    tempo.markerTrack = markers;
    tempo.timeline = event.timeline;
    if (music.loop) {
        markers.addRegion(0, music.length, "loop", studio.project.regionLoopMode.Looping);
    }
    music.markers.forEach(function (marker) { markers.addNamedMarker(marker[1], marker[0]); });
    if (music.files.length > 1) { addLayers(event, music.files.length); }
}

// A parameter from 1 to the number of layers: the first so many sound.
function addLayers(event, count) {
    var type = studio.project.parameterType.User;
    var layers = event.addGameParameter({ name: "Layers", type: type, min: 1, max: count });
    for (var index = 1; index < count; index++) {
        var volume = event.groupTracks[index].mixerGroup.addAutomator("volume");
        var curve = volume.addAutomationCurve(layers);
        curve.addAutomationPoint(index, -80);
        curve.addAutomationPoint(index + 1, 0);
    }
}

studio.menu.addMenuItem({ name: "Kinetune\\\\" + music.name, execute: importMusic });
"""
STEPS = """1. Copy {name}.js into the folder Scripts of the project, then Scripts > Reload.
2. Choose Scripts > Kinetune > {name} and enter the path of this folder: the event {name} appears,
   with tempo, {loop}markers for accents and sections.
3. Assign the event to a bank. FMOD's timeline callbacks report beats and markers to the game.{more}
"""


def write(folder: Path, pack: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    marked = pack.of_kind("section", "accent", "silence")
    music = {
        "name": pack.name,
        "files": list(pack.layers or (pack.file,)),
        "length": pack.exit,
        "bpm": pack.bpm,
        "barBeats": pack.bar_beats,
        "firstBar": pack.first_bar,
        "loop": pack.loop,
        "markers": [[event.time, " ".join([event.kind, event.label]).strip()] for event in marked],
    }
    script = _SCRIPT.replace("MUSIC", json.dumps(music, indent=4), 1)
    write_text(folder / f"{pack.name}.js", script)


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    more = "\n   The parameter Layers says how many layers sound." if pack.layers else ""
    return STEPS.format(name=pack.name, loop="a loop region, " if pack.loop else "", more=more)
