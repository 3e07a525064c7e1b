"""A pack for Godot 4: OGG files with import settings, layers as one resource, a player script.

Import settings stand beside a sound as ``NAME.ogg.import``; Godot adds what is missing to them.
With ``beat_count`` a stream loops after int(beat_count * rate * 60 / bpm) samples, in single
precision; the tempo written makes that the length of the file. Sources: ResourceImporterOggVorbis,
AudioStreamPlaybackOggVorbis and AudioStreamSynchronized (Godot 4.3).
"""

from pathlib import Path

import numpy as np

from kinetune.files import write_text
from kinetune.packs.pack import TABLE, Pack

SUFFIX = ".ogg"
_SILENT_DB = -60.0
_IMPORT = """[remap]

importer="oggvorbisstr"
type="AudioStreamOggVorbis"

[params]

loop={loop}
loop_offset=0.0
bpm={bpm!r}
beat_count={beat_count}
bar_beats={bar_beats}
"""
_SCRIPT = """extends AudioStreamPlayer
## Plays NAME and emits each event of its table at the moment it is heard.

signal happened(kind: String, label: String, bar: int, beat: int)

var _events: Array = []
var _next := 0
var _last := 0.0


func _ready() -> void:
	var folder: String = get_script().resource_path.get_base_dir()
	var table: String = FileAccess.get_file_as_string(folder.path_join("TABLE"))
	_events = JSON.parse_string(table)["events"]
	stream = load(folder.path_join("STREAM"))
	play()


func _process(_delta: float) -> void:
	if not playing:
		return
	var mixed := get_playback_position() + AudioServer.get_time_since_last_mix()
	var now := mixed - AudioServer.get_output_latency()
	if now < _last - 1.0: # It has looped.
		_emit_until(INF)
		_next = 0
	_last = now
	_emit_until(now)


func _emit_until(time: float) -> void:
	while _next < _events.size() and _events[_next]["time"] <= time:
		var event: Dictionary = _events[_next]
		_next += 1
		happened.emit(event["kind"], event["label"], int(event["bar"]), int(event["beat"]))
"""
_LAYERS = """

## Fades the first layers in and the others out.
func set_layers(count: int) -> void:
	var layers := stream as AudioStreamSynchronized
	for index in layers.stream_count:
		var tween := create_tween()
		var volume := 0.0 if index < count else -60.0
		tween.tween_method(
			func(db: float) -> void: layers.set_sync_stream_volume(index, db),
			layers.get_sync_stream_volume(index), volume, 0.5)
"""
STEPS = """1. Copy this folder into the project, before Godot has imported its sounds.
2. Add an AudioStreamPlayer node and attach {name}.gd to it: it plays {stream}.
3. Connect its signal `happened`: it carries beats (beat 1 opens a bar), accents and sections.{more}
Needs Godot 4.3 or later. Tempo, beats and loop are in the import settings of the sounds.
"""


def write(folder: Path, pack: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    for file in pack.files:
        write_text(folder / f"{file}.import", _import_settings(pack))
    stream = f"{pack.name}_layers.tres" if pack.layers else pack.file
    if pack.layers:
        write_text(folder / stream, _synchronized(pack))
    script = _SCRIPT.replace("NAME", pack.name).replace("TABLE", TABLE).replace("STREAM", stream)
    write_text(folder / f"{pack.name}.gd", script + (_LAYERS if pack.layers else ""))


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    stream = f"{pack.name}_layers.tres" if pack.layers else pack.file
    more = " Its function\n   `set_layers(count)` turns layers up and down." if pack.layers else ""
    return STEPS.format(name=pack.name, stream=stream, more=more)


def loop_bpm(beat_count: int, sample_rate: int, samples: int) -> float:
    """Return the tempo from which Godot computes a loop of so many samples."""
    product = np.float32(np.float32(beat_count * sample_rate) * np.float32(60.0))
    # Half a sample more, because it cuts the fraction off.
    return float(product) / (samples + 0.5)


def _import_settings(pack: Pack) -> str:
    bpm = pack.bpm
    if pack.loop:
        bpm = loop_bpm(pack.beat_count, pack.sample_rate, pack.samples)
    return _IMPORT.format(
        loop=str(pack.loop).lower(), bpm=bpm, beat_count=pack.beat_count, bar_beats=pack.bar_beats
    )


def _synchronized(pack: Pack) -> str:
    """The layers as one stream; the calm one sounds, the others wait."""
    lines = [f'[gd_resource type="AudioStreamSynchronized" load_steps={len(pack.layers) + 1} '
             'format=3]', ""]  # fmt: skip
    for number, file in enumerate(pack.layers, start=1):
        lines.append(f'[ext_resource type="AudioStream" path="{file}" id="{number}"]')
    lines += ["", "[resource]", f"stream_count = {len(pack.layers)}"]
    for index in range(len(pack.layers)):
        lines.append(f'stream_{index}/stream = ExtResource("{index + 1}")')
        lines.append(f"stream_{index}/volume = {_SILENT_DB if index else 0.0}")
    return "\n".join(lines) + "\n"
