"""A pack for Unreal: 16-bit WAV files, events as a CSV data table, a Python script that imports.

The first column of a data table's CSV names the row. Sources: Unreal's documentation of data
tables, its Python API (AssetImportTask, CSVImportFactory, SoundWave).
"""

import csv
import io
from pathlib import Path

from kinetune.files import write_text
from kinetune.packs.pack import Pack

SUFFIX = ".wav"
SCRIPT = "import_music.py"
COLUMNS = ("Name", "Time", "Kind", "Label", "Bar", "Beat")
_SCRIPT = '''"""Import sounds and events: run `py "PATH/import_music.py"` in the editor."""

import os

import unreal

DESTINATION = "/Game/Music/{name}"
SOUNDS = {sounds!r}
EVENTS = {events!r}
LOOPS = {loops!r}
# A structure of yours with Time (float), Kind, Label (string), Bar and Beat (integer), such as
# "/Game/Music/MusicEvent.MusicEvent"; empty leaves the events out.
ROW_STRUCTURE = ""
HERE = os.path.dirname(os.path.abspath(__file__))


def import_file(name, factory=None):
    task = unreal.AssetImportTask()
    task.set_editor_property("filename", os.path.join(HERE, name))
    task.set_editor_property("destination_path", DESTINATION)
    task.set_editor_property("automated", True)
    task.set_editor_property("save", True)
    if factory is not None:
        task.set_editor_property("factory", factory)
    unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
    return task.get_editor_property("imported_object_paths")


for sound in SOUNDS:
    for path in import_file(sound):
        wave = unreal.EditorAssetLibrary.load_asset(path)
        wave.set_editor_property("looping", LOOPS)
        unreal.EditorAssetLibrary.save_loaded_asset(wave)
if ROW_STRUCTURE:
    settings = unreal.CSVImportSettings()
    settings.set_editor_property("import_row_struct", unreal.load_object(None, ROW_STRUCTURE))
    table = unreal.CSVImportFactory()
    table.set_editor_property("automated_import_settings", settings)
    import_file(EVENTS, table)
'''
STEPS = """1. Enable the plugin Python Editor Script Plugin.
2. Run `py "FOLDER/import_music.py"` in the editor's console: the sounds arrive in
   /Game/Music/{name}.
3. For the events, make a structure with Time (float), Kind, Label (string), Bar, Beat (integer),
   name it in the script and run it again; or import {name}_events.csv by hand.
{bpm:g} bpm, {bar_beats} beats a bar: give these to a Quartz clock, and play all layers quantised
on it at the same time.
"""


def write(folder: Path, pack: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number, event in enumerate(pack.events):
        name = f"{event.kind}_{number}"
        rows.writerow([name, f"{event.time:.6f}", event.kind, event.label, event.bar, event.beat])
    write_text(folder / _events_file(pack), text.getvalue())
    script = _SCRIPT.format(
        name=pack.name, sounds=list(pack.files), events=_events_file(pack), loops=pack.loop
    )
    write_text(folder / SCRIPT, script)


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    return STEPS.format(name=pack.name, bpm=pack.bpm, bar_beats=pack.bar_beats)


def _events_file(pack: Pack) -> str:
    return f"{pack.name}_events.csv"
