"""A pack for Wwise: WAV files, a tab-delimited import file, a script that sets tempo and cues.

The import file makes a music segment with a track for each file. Its columns are among those of
Wwise's help on tab-delimited text files; object paths are relative to the import destination. Cues
can't be imported so, hence the script for the authoring API (WAAPI): cue types 0 entry, 1 exit,
2 custom; milliseconds.
"""

from pathlib import Path

from kinetune.files import write_text
from kinetune.packs.pack import Pack

SUFFIX = ".wav"
SCRIPT = "set_cues.py"
COLUMNS = (
    "Audio File", "Object Path", "Property[OverrideClockSettings]", "Property[Tempo]",
    "Property[TimeSignatureUpper]", "Property[TimeSignatureLower]",
)  # fmt: skip
_ENTRY, _EXIT, _CUSTOM = 0, 1, 2
_BEAT_NOTE = 4
_SCRIPT = '''"""Set tempo, metre and cues after import. Needs `pip install waapi-client`."""

from waapi import WaapiClient

# The segment in your project: right-click with Shift, Copy path.
SEGMENT = r"\\Interactive Music Hierarchy\\Default Work Unit\\{name}"
PROPERTIES = {properties}
CUES = {cues}

with WaapiClient() as client:
    segment = {{"object": SEGMENT, **PROPERTIES}}
    segment["@Cues"] = [
        {{"type": "MusicCue", "name": name, "@CueType": kind, "@TimeMs": time}}
        for kind, time, name in CUES
    ]
    client.call("ak.wwise.core.object.set", {{"objects": [segment], "listMode": "replaceAll"}})
'''
STEPS = """1. Project > Import Media Files > Import tab delimited, {name}.txt, into a work unit of
   the interactive music: it makes the segment {name} with a track for each file.
2. Open the project, allow the authoring API (WAAPI), then run `python set_cues.py`: it sets tempo,
   metre, entry and exit cue, and custom cues for bars, accents and sections.
3. Put the segment into a music playlist{loop}. {tracks}
"""


def write(folder: Path, pack: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    # Layers together are the music: with them the whole isn't a track.
    tracks = pack.layers or (pack.file,)
    segment = f"<Music Segment>{pack.name}"
    rows: list[tuple[str, ...]] = [
        COLUMNS,
        ("", segment, "True", f"{pack.bpm:.6f}", str(pack.bar_beats), str(_BEAT_NOTE)),
    ]
    rows += [(file, f"{segment}\\<Music Track>{Path(file).stem}", *[""] * 4) for file in tracks]
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    write_text(folder / f"{pack.name}.txt", text)
    write_text(folder / SCRIPT, _script(pack))


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    tracks = "Fade its tracks with a game parameter." if pack.layers else ""
    loop = " that repeats it" if pack.loop else ""
    return STEPS.format(name=pack.name, loop=loop, tracks=tracks).rstrip(" \n") + "\n"


def cues(pack: Pack) -> list[tuple[int, float, str]]:
    """Return (type, milliseconds, name) of all cues."""
    rows: list[tuple[int, float, str]] = [
        (_ENTRY, _ms(pack.entry), "entry"), (_EXIT, _ms(pack.exit), "exit")
    ]  # fmt: skip
    for event in pack.events:
        if event.kind == "beat" and event.beat == 1:
            rows.append((_CUSTOM, _ms(event.time), f"bar_{event.bar}"))
        elif event.kind != "beat":
            label = f"_{event.label}" if event.label else ""
            rows.append((_CUSTOM, _ms(event.time), f"{event.kind}{label}".replace(" ", "_")))
    return rows


def _script(pack: Pack) -> str:
    properties = {
        "@OverrideClockSettings": True, "@Tempo": pack.bpm, "@TimeSignatureUpper": pack.bar_beats,
        "@TimeSignatureLower": _BEAT_NOTE, "@EndPosition": _ms(pack.exit),
    }  # fmt: skip
    lines = "".join(f"    {cue!r},\n" for cue in cues(pack))
    return _SCRIPT.format(name=pack.name, properties=repr(properties), cues=f"[\n{lines}]")


def _ms(time_s: float) -> float:
    return round(1000.0 * time_s, 3)
