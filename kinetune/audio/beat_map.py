"""Beat lists in the formats editors read, and back: JSON, CSV, Audacity labels, MIDI tempo maps.

Seconds from the start of the sound. A bar has four beats; its first is the downbeat. MIDI files are
written and read through mido, with one tempo event a beat.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import AudioError
from kinetune.files import atomic_file, write_json, write_text
from kinetune.timebase import BEATS_IN_BAR

_TICKS_A_BEAT = 480
_LONGEST_BEAT_S = 10.0
Times = NDArray[np.float64]


@dataclass(frozen=True)
class BeatMap:
    """Where the beats of a piece of music are.

    Attributes:
        bpm: Beats a minute; the mean where the tempo drifts.
        beats_s: All beats, seconds, ascending.
        downbeats_s: Those beats that open a bar.
        duration_s: Length of the music.
        loops: Whether its end leads to its beginning.
    """

    bpm: float
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    duration_s: float
    loops: bool = False


def beat_map(
    bpm: float, beats_s: Times, bar_start_s: float, duration_s: float, *, loops: bool = False
) -> BeatMap:
    """Return the map of beats whose bars are counted from the beat nearest to ``bar_start_s``."""
    beats = tuple(round(float(beat), 6) for beat in beats_s)
    first = int(np.argmin(np.abs(np.asarray(beats) - bar_start_s))) % BEATS_IN_BAR if beats else 0
    return BeatMap(round(bpm, 4), beats, beats[first::BEATS_IN_BAR], round(duration_s, 6), loops)


def write_beat_map(path: Path, made: BeatMap) -> None:
    """Write a beat map; the suffix says how: .json, .csv, .txt (Audacity labels), .mid.

    Raises:
        AudioError: Another suffix.
        OutputError: The place can't be written to.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise AudioError(f"{path}: can't write {suffix!r}; use one of {', '.join(_WRITERS)}")
    _WRITERS[suffix](Path(path), made)


def read_beats(path: Path) -> Times:
    """Return beat times, seconds, ascending, from a list, a label file, a beat map or a MIDI file.

    A text file has one beat a line, its time first (CSV, Audacity labels, or bare numbers; one
    heading line is passed over); JSON is a list of times or a beat map; a MIDI file's tempo map is
    read to its last event.

    Raises:
        AudioError: The file is missing, holds no two beats, or its times are not ascending.
    """
    if not Path(path).is_file():
        raise AudioError(f"{path}: no such file of beats")
    reader = {".json": _read_json, ".mid": _read_midi, ".midi": _read_midi}
    times = reader.get(Path(path).suffix.lower(), _read_text)(Path(path))
    return _checked(times, path)


def _checked(times: Sequence[float], path: Path) -> Times:
    beats = np.asarray(times, dtype=np.float64)
    if len(beats) < 2:
        raise AudioError(f"{path}: expected two beats or more, found {len(beats)}")
    if not np.isfinite(beats).all() or beats[0] < 0:
        raise AudioError(f"{path}: beats must be seconds from the start, 0 or later")
    step = np.diff(beats)
    if (step <= 0).any():
        number = int(np.argmax(step <= 0)) + 1
        raise AudioError(
            f"{path}: beats must be ascending, found {beats[number]:g} s after "
            f"{beats[number - 1]:g} s"
        )
    if (step > _LONGEST_BEAT_S).any():
        number = int(np.argmax(step > _LONGEST_BEAT_S))
        raise AudioError(
            f"{path}: {step[number]:.1f} s from beat {number + 1} to the next is no beat; "
            "are these milliseconds or bars?"
        )
    return beats


def _write_csv(path: Path, made: BeatMap) -> None:
    opens = set(made.downbeats_s)
    bar, rows, count = 0, ["time_s,bar,beat"], 0
    for time in made.beats_s:
        bar, count = (bar + 1, 1) if time in opens else (bar, count + 1)
        rows.append(f"{time:.6f},{bar},{count}")
    write_text(path, "\n".join(rows) + "\n")


def _write_labels(path: Path, made: BeatMap) -> None:
    opens = set(made.downbeats_s)
    lines = [f"{t:.6f}\t{t:.6f}\t{'bar' if t in opens else 'beat'}" for t in made.beats_s]
    write_text(path, "\n".join(lines) + "\n")


def _write_midi(path: Path, made: BeatMap) -> None:
    import mido

    track = mido.MidiTrack()
    # What comes before the first beat is one beat of its own length, so that a beat is a beat.
    times = [0.0, *made.beats_s] if made.beats_s and made.beats_s[0] > 0.005 else [*made.beats_s]
    opens = set(made.downbeats_s)
    # Beats before the first bar are a bar of their own, so that the DAW's bars are the music's.
    first = next((number for number, time_s in enumerate(times) if time_s in opens), 0)
    for number, step_s in enumerate(np.diff(times)):
        ticks = _TICKS_A_BEAT if number else 0
        if number in (0, first):
            beats = BEATS_IN_BAR if number == first else first
            how = {"numerator": beats, "denominator": 4, "time": ticks}
            track.append(mido.MetaMessage("time_signature", **how))
            ticks = 0
        tempo = round(float(step_s) * 1e6)
        track.append(mido.MetaMessage("set_tempo", tempo=tempo, time=ticks))
    track.append(mido.MetaMessage("end_of_track", time=_TICKS_A_BEAT))
    midi = mido.MidiFile(type=0, ticks_per_beat=_TICKS_A_BEAT)
    midi.tracks.append(track)
    with atomic_file(path) as aside:
        midi.save(aside)


def _read_midi(path: Path) -> list[float]:
    import mido

    try:
        midi = mido.MidiFile(path)
        track = mido.merge_tracks(midi.tracks)
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise AudioError(f"{path}: not a MIDI file that can be read ({error})") from error
    times, now_s, now, tempo, beat = [0.0], 0.0, 0, 500_000, 1
    for message in track:
        end = now + message.time
        while beat * midi.ticks_per_beat <= end:
            ahead = beat * midi.ticks_per_beat - now
            times.append(now_s + mido.tick2second(ahead, midi.ticks_per_beat, tempo))
            beat += 1
        now_s += mido.tick2second(message.time, midi.ticks_per_beat, tempo)
        now = end
        if message.type == "set_tempo":
            tempo = message.tempo
    # A first beat of quite another length is what lies before the first beat.
    lead_in = len(times) > 2 and not 0.7 < (times[1] - times[0]) / (times[2] - times[1]) < 1.4
    return times[lead_in:]


def _read_json(path: Path) -> list[float]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        value = value["beats_s"] if isinstance(value, dict) else value
        return [float(time) for time in value]
    except (ValueError, TypeError, KeyError) as error:
        raise AudioError(
            f"{path}: expected a JSON list of seconds or an object with beats_s ({error})"
        ) from error


def _read_text(path: Path) -> list[float]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise AudioError(f"{path}: neither text, JSON nor MIDI; expected a beat a line") from error
    times = []
    for number, line in enumerate(lines):
        first = line.replace(",", " ").replace(";", " ").split()[:1]
        if not first or first[0].startswith("#"):
            continue
        try:
            times.append(float(first[0]))
        except ValueError as error:
            if number == 0:
                continue
            raise AudioError(f"{path}:{number + 1}: expected a time, found {first[0]!r}") from error
    return times


_WRITERS: dict[str, Callable[[Path, BeatMap], None]] = {
    ".json": lambda path, made: write_json(path, asdict(made)),
    ".csv": _write_csv,
    ".txt": _write_labels,
    ".mid": _write_midi,
}
