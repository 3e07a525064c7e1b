"""Run the commands of docs/guide/composer.md on the bundled dance, and draw their pictures.

    python benchmarks/composer_guide.py [--out docs/guide] [--only notes stems ...]

Every picture is drawn from the files that the commands wrote: notes from the MIDI file, spectra
and levels from the sounds, layers and events from the JSON files. Seconds on every time axis.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
from guide import DANCE, Folders
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from PIL import Image

from kinetune.audio.sound import Sound, read_sound
from kinetune.model.conditioning.bars import enclosing_bars
from kinetune.render.panels import mel_of
from kinetune.tasks.recipe import read_recipe

COMPOSED = ("generate", "dance.pkl", "--engine", "composer", "--genre", "house", "--first-beat",
            "0.1", "--seed", "1")  # fmt: skip
LINE = "#8d99ae"
_SHADES = 64
# A colour for each kind of part, by the first word of its track's name.
COLOURS_OF = {
    "kick": "#1d3557", "snare": "#e63946", "layer": "#e63946", "hat": "#f4a261",
    "open_hat": "#f4a261", "crash": "#f4a261", "tom": "#9c6644", "drum": "#9c6644",
    "bass": "#2a9d8f", "chord": "#457b9d", "pad": "#a8dadc", "arp": "#7b2cbf", "hook": "#d00000",
    "accent": "#ff006e", "riser": "#999999", "drop": "#999999",
}  # fmt: skip
# Parts that are named beside their colour.
_LEGEND = {
    "kick": "kick", "snare": "snare", "hat": "hats", "tom": "percussion", "bass": "bass",
    "pad": "pad", "arp": "arpeggio", "hook": "lead",
}  # fmt: skip
Note = tuple[float, float, int]


def notes(folders: Folders) -> None:
    """A piece as notes, and two of its bars regenerated."""
    song = (*COMPOSED, "--chords", "Fm Db Ab Eb", "--midi")
    folders.run(*song, "-o", "notes.wav")
    folders.run(*song, "--redo", "4:6:7", "-o", "redone.wav")
    axes, write = folders.draw(2, "composer-notes.png", height=2.6)
    for row, name in zip(axes, ("notes", "redone"), strict=True):
        _roll(row, folders.work / f"{name}.mid")
    grid = read_recipe(folders.work / "notes.json").grid.beat_grid()
    axes[1].axvspan(*enclosing_bars(grid, 4.0, 6.0, 9.6), color="#ffd166", alpha=0.4, zorder=0)
    axes[0].set_title("notes.mid: pitch upwards, drums at the bottom, chords by name", loc="left",
                      fontsize=9)  # fmt: skip
    axes[1].set_title("--redo 4:6: the bars of that span are played anew (yellow), all other notes "
                      "stay", loc="left", fontsize=9)  # fmt: skip
    shown = {name: colour for name, colour in COLOURS_OF.items() if name in _LEGEND}
    axes[0].legend([Patch(color=colour) for colour in shown.values()],
                   [_LEGEND[name] for name in shown], loc="lower right", ncols=len(shown),
                   bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8,
                   handlelength=1.0)  # fmt: skip
    write()


def waltz(folders: Folders) -> None:
    """Bars of four and of three."""
    folders.run(*COMPOSED, "--bpm", "120", "--midi", "-o", "four.wav")
    folders.run(*COMPOSED, "--bpm", "120", "--metre", "3", "--midi", "-o", "three.wav")
    axes, write = folders.draw(2, "composer-metre.png", height=2.0)
    for row, name, metre in zip(axes, ("four", "three"), (4, 3), strict=True):
        _roll(row, folders.work / f"{name}.mid", drums=True)
        for bar in np.arange(0.1, 6.2, metre * 0.5):
            row.axvline(bar, color="black", linewidth=1.2)
        row.set_title(f"drums, and bass above them (green), in bars of {metre}", loc="left",
                      fontsize=9)  # fmt: skip
        row.set_xlim(0.0, 6.2)
    write()


def stems(folders: Folders) -> None:
    """The spectrum of every stem over that of the mix."""
    folders.run(*COMPOSED, "--stems", "mastered", "-o", "song.wav")
    table = json.loads((folders.work / "song-stems" / "stems.json").read_text())
    names = [Path(name).stem for name in table["stems"]]
    axes, write = folders.draw(len(names) + 1, "composer-stems.png", height=0.85)
    whole = read_sound(folders.work / "song.wav")
    sounds = [read_sound(folders.work / "song-stems" / f"{name}.wav") for name in names]
    for row, name, sound in zip(axes, ["song.wav", *names], [whole, *sounds], strict=True):
        _spectrogram(row, sound)
        row.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    axes[-1].set_xlabel("seconds")
    write()


def layers(folders: Folders) -> None:
    """The level of each layer, and how many the dancer's energy calls for."""
    folders.run(*COMPOSED, "--loop", "--layers", "4", "-o", "adaptive.wav")
    folder = folders.work / "adaptive-layers"
    table = json.loads((folder / "layers.json").read_text())
    axes, write = folders.draw(1 + len(table["layers"]), "composer-layers.png", height=1.0)
    times, energy = np.array(table["energy"]).T
    axes[0].plot(times, energy, color="#2a6f97", label="energy of the dancer")
    axes[0].set_ylim(0.0, 1.05)
    starts = [state["start_s"] for state in table["automation"]] + [table["duration_s"]]
    counts = [state["layers"] for state in table["automation"]]
    for count, start, end in zip(counts, starts, starts[1:], strict=False):
        axes[0].text(start + 0.05, 0.06, f"{count}", fontsize=9, color="#d1495b")
        axes[0].axvline(start, color=LINE, linewidth=0.8)
        for number, row in enumerate(axes[1:], start=1):
            if number <= count:
                row.axvspan(start, end, color="#ffd166", alpha=0.45, linewidth=0.0)
    axes[0].set_title("energy, and how many layers it calls for (yellow below)", loc="left",
                      fontsize=9)  # fmt: skip
    for row, name in zip(axes[1:], table["layers"], strict=True):
        _waveform(row, read_sound(folder / name))
        row.set_ylabel(Path(name).stem, rotation=0, ha="right", va="center", fontsize=9)
    axes[-1].set_xlabel("seconds")
    write()


def pack(folders: Folders) -> None:
    """A pack: its files, its events on the loop played twice."""
    folders.run(*COMPOSED, "--loop", "--layers", "2", "--accent", "2.6", "--silence", "6.1:6.4",
                "--pack", "godot", "-o", "packed.wav")  # fmt: skip
    folder = folders.work / "packed-godot"
    table = json.loads((folder / "pack.json").read_text())
    sound = read_sound(folder / table["file"])
    axes, write = folders.draw(2, "composer-pack.png", height=2.2)
    twice = np.concatenate([sound.samples, sound.samples])
    length_s = sound.duration_s
    _waveform(axes[0], Sound(twice, sound.rate_hz))
    for start_s in (0.0, length_s):
        for event in table["events"]:
            _mark(axes[0], start_s + event["time"], event)
    axes[0].axvline(length_s, color="#d1495b", linewidth=2.5)
    head = ("bpm", "beat_count", "bar_beats", "loop", "entry", "exit")
    title = ", ".join(f"{name} {table[name]}" for name in head)
    axes[0].set_title(f"{title}; the loop twice through", loc="left", fontsize=9)
    axes[0].set_xlabel("seconds; black bars, grey beats, red accent, blue silence")
    axes[0].tick_params(labelbottom=True)
    axes[1].axis("off")
    settings = (folder / f"{table['file']}.import").read_text().split("[params]")[1].split()
    listing = [f"{path.stat().st_size / 1000:8.1f} kB  {path.name}"
               for path in sorted(folder.iterdir())]  # fmt: skip
    axes[1].text(0.0, 1.0, "packed-godot/\n" + "\n".join(listing), va="top", fontsize=8,
                 family="monospace", transform=axes[1].transAxes)  # fmt: skip
    axes[1].text(0.5, 1.0, f"{table['file']}.import\n" + "\n".join(settings), va="top", fontsize=8,
                 family="monospace", transform=axes[1].transAxes)  # fmt: skip
    write()


def practice(folders: Folders) -> None:
    """The same piece at three tempi, each after its count-in."""
    folders.run(*COMPOSED, "--practice", "70,85,100", "-o", "lesson.wav")
    axes, write = folders.draw(3, "composer-practice.png", height=1.1)
    for row, percent in zip(axes, (70, 85, 100), strict=True):
        sound = read_sound(folders.work / f"lesson-practice-{percent}.wav")
        _waveform(row, sound)
        lead_s = sound.duration_s - 960.0 / percent
        row.axvspan(0.0, max(0.0, lead_s), color="#ffd166", alpha=0.5)
        row.set_ylabel(f"{percent} %", rotation=0, ha="right", va="center")
    axes[0].set_title("yellow: counted in", loc="left", fontsize=9)
    axes[-1].set_xlim(0.0, read_sound(folders.work / "lesson-practice-70.wav").duration_s)
    axes[-1].set_xlabel("seconds")
    write()


def _roll(row: Axes, path: Path, *, drums: bool = False) -> None:
    """Draw the notes of a MIDI file, drums below the others; or drums and bass alone."""
    file = mido.MidiFile(path)
    lanes: dict[str, list[Note]] = {}
    for track in file.tracks[1:]:
        role, played = _notes_of(file, track)
        lanes.setdefault(role, []).extend(played)
    unpitched = [role for role in ("kick", "snare", "layer", "hat", "open_hat", "drum")
                 if role in lanes]  # fmt: skip
    for role, played in lanes.items():
        if drums and role not in (*unpitched, "bass"):
            continue
        for start_s, end_s, key in played:
            at = 3.0 * unpitched.index(role) if role in unpitched else key - 14
            long = 0.05 if role in unpitched else end_s - start_s
            row.barh(at, long, left=start_s, height=1.6, color=COLOURS_OF.get(role, LINE))
    if drums:
        named = [{"drum": "percussion"}.get(role, role.replace("_", " ")) for role in unpitched]
        row.set_yticks([3.0 * k for k in range(len(unpitched))], named, fontsize=8)
    else:
        row.set_yticks([])
        _chords(row, file)
    row.set_xlim(0.0, file.length)
    row.set_xlabel("seconds")


def _chords(row: Axes, file: mido.MidiFile) -> None:
    now, top = 0, row.get_ylim()[1]
    for message in file.tracks[0]:
        now += message.time
        if message.type == "marker":
            time_s = _seconds(file, now)
            row.axvline(time_s, color=LINE, linewidth=0.7, linestyle=":")
            row.text(time_s + 0.03, top, message.text, fontsize=8, va="top")


def _notes_of(file: mido.MidiFile, track: mido.MidiTrack) -> tuple[str, list[Note]]:
    role, now, sounding, played = "", 0, {}, []
    for message in track:
        now += message.time
        if message.type == "track_name":
            role = message.name.split()[0]
        elif message.type == "note_on":
            sounding[message.note] = now
        elif message.type == "note_off":
            start = sounding.pop(message.note)
            played.append((_seconds(file, start), _seconds(file, now), message.note))
    return role, played


def _seconds(file: mido.MidiFile, tick: int) -> float:
    """The time of a tick by the tempo map."""
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


def _spectrogram(row: Axes, sound: Sound) -> None:
    mel = mel_of(sound)
    row.imshow(mel, origin="lower", aspect="auto", cmap="magma",
               extent=(0.0, sound.duration_s, 0, len(mel)))  # fmt: skip
    row.set_yticks([])


def _waveform(row: Axes, sound: Sound) -> None:
    """Draw the peaks of every hundredth of a second."""
    size = sound.rate_hz // 100
    mono = np.abs(sound.mono)
    peaks = np.maximum.reduceat(mono, np.arange(0, len(mono), size))
    times = np.arange(len(peaks)) / 100.0
    row.fill_between(times, -peaks, peaks, color="#2a6f97", linewidth=0.0)
    row.set_ylim(-1.0, 1.0)
    row.set_yticks([])
    row.set_xlim(0.0, sound.duration_s)


def _mark(row: Axes, time_s: float, event: dict[str, Any]) -> None:
    colour = {"accent": "#d1495b", "silence": "#00b4d8", "beat": LINE}.get(event["kind"])
    if colour is not None:
        bar = event["kind"] == "beat" and event["beat"] == 1
        row.axvline(time_s, color="black" if bar else colour, linewidth=1.2 if bar else 0.9)


PARTS: dict[str, Callable[[Folders], None]] = {
    part.__name__: part for part in (notes, waltz, stems, layers, pack, practice)
}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/guide"))
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copy(DANCE, work / "dance.pkl")
        for name in options.only:
            PARTS[name](Folders(work, options.out.resolve()))
    for path in options.out.glob("composer-*.png"):
        # A page of pictures should stay light.
        with Image.open(path) as large:
            if large.mode != "P":
                large.convert("RGB").quantize(_SHADES, dither=0).save(path, optimize=True)


if __name__ == "__main__":
    main()
