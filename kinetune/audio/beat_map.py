"""Beat lists as JSON, CSV, Audacity labels and MIDI tempo maps: written and read.

Seconds from the start of the sound. The first beat of a bar is the downbeat. MIDI files are
written and read through mido, with one tempo event a beat. What is read is bounded: files of any
origin end in beats or in an :class:`AudioError`.
"""

import codecs
import io
import json
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import AudioError, printable
from kinetune.files import atomic_file, write_json, write_text
from kinetune.timebase import BEATS_IN_BAR

_TICKS_A_BEAT = 480
# Characters of a file that a message quotes.
_QUOTED = 80
# MIDI's tempo until the first event: 120 bpm, in microseconds a beat.
_DEFAULT_TEMPO = 500_000
_LONGEST_BEAT_S = 10.0
# Bytes of a file and beats of a list that are read at most: a day at 70 bpm.
_MAX_BYTES, _MAX_BEATS = 8_000_000, 100_000
Times = NDArray[np.float64]


@dataclass(frozen=True)
class BeatMap:
    """Where the beats of a piece of music are.

    Attributes:
        bpm: Beats per minute; the mean where the tempo drifts.
        beats_s: All beats, seconds, ascending.
        downbeats_s: Those beats that open a bar.
        duration_s: Length of the music.
        loops: Whether its end leads to its beginning.
        metre: Beats per bar.
    """

    bpm: float
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    duration_s: float
    loops: bool = False
    metre: int = BEATS_IN_BAR


def beat_map(
    bpm: float,
    beats_s: Times,
    bar_start_s: float,
    duration_s: float,
    *,
    loops: bool = False,
    metre: int = BEATS_IN_BAR,
) -> BeatMap:
    """Return the map of beats whose bars are counted from the beat nearest to ``bar_start_s``."""
    beats = tuple(round(float(beat), 6) for beat in beats_s)
    first = int(np.argmin(np.abs(np.asarray(beats) - bar_start_s))) % metre if beats else 0
    downbeats = beats[first::metre]
    return BeatMap(round(bpm, 4), beats, downbeats, round(duration_s, 6), loops, metre)


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

    A text file (UTF-8, UTF-16 or Latin-1) has one beat a line, its time first (CSV, Audacity
    labels, or bare numbers; one heading line is passed over). Decimal commas are understood where
    tabs, semicolons or spaces separate the columns, or there is one column. JSON is a list of times
    or a beat map. A MIDI file's beats are its quarter notes, to its end and at least one beat at
    the last tempo.

    Raises:
        AudioError: The file is missing, too large, contains no two beats, or its times are not
            ascending.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: no such file of beats")
    if path.stat().st_size > _MAX_BYTES:
        raise AudioError(f"{path}: too large for a list of beats, at most {_MAX_BYTES / 1e6:g} MB")
    reader = {".json": _read_json, ".mid": _read_midi, ".midi": _read_midi}
    return _checked(reader.get(path.suffix.lower(), _read_text)(path), path)


def _checked(times: Sequence[float], path: Path) -> Times:
    beats = np.asarray(times, dtype=np.float64)
    if len(beats) > _MAX_BEATS:
        raise AudioError(f"{path}: expected {_MAX_BEATS} beats or fewer, found {len(beats)}")
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
            beats = made.metre if number == first else first
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
    from mido.midifiles.meta import KeySignatureError

    try:
        # From memory: a chunk that claims 4 GB would be given so much before it is read.
        midi = mido.MidiFile(file=io.BytesIO(path.read_bytes()))
        changes, end = _tempo_changes(mido.merge_tracks(midi.tracks))
    except (
        OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
        struct.error, KeySignatureError,
    ) as error:  # fmt: skip
        reason = printable(str(error) or type(error).__name__, _QUOTED)
        raise AudioError(f"{path}: not a MIDI file that can be read ({reason})") from error
    if midi.ticks_per_beat <= 0:
        # A negative division counts SMPTE frames: absolute time, in which beats have no place.
        raise AudioError(
            f"{path}: expected ticks a quarter note, found time code or none (division "
            f"{midi.ticks_per_beat}); export it with a tempo map"
        )
    if any(tempo <= 0 for _, tempo in changes):
        raise AudioError(f"{path}: a tempo of 0 microseconds a beat is none")
    times = _quarter_notes(changes, end, midi.ticks_per_beat, path)
    # A first beat of quite another length is what lies before the first beat.
    lead_in = len(times) > 2 and not 0.7 < (times[1] - times[0]) / (times[2] - times[1]) < 1.4
    return times[lead_in:]


def _tempo_changes(track: Iterable[Any]) -> tuple[list[tuple[int, int]], int]:
    """Return (tick, microseconds a beat) of all tempo changes, the first at 0; and the last tick.

    Raises:
        ValueError: Time runs backwards.
    """
    now, changes = 0, [(0, _DEFAULT_TEMPO)]
    for message in track:
        if message.time < 0:
            raise ValueError("time runs backwards")
        now += message.time
        if message.type == "set_tempo":
            changes.append((now, message.tempo))
    return changes, now


def _quarter_notes(
    changes: Sequence[tuple[int, int]], end: int, ticks_per_beat: int, path: Path
) -> list[float]:
    """Return the times of all quarter notes up to ``end`` and one whole beat at the last tempo."""
    last_change = changes[-1][0]
    count = max(end // ticks_per_beat, -(-last_change // ticks_per_beat) + 1) + 1
    if count > _MAX_BEATS:
        raise AudioError(f"{path}: expected {_MAX_BEATS} beats or fewer, found {count}")
    ticks = np.array([tick for tick, _ in changes], dtype=np.float64)
    tick_s = np.array([tempo for _, tempo in changes]) / (1e6 * ticks_per_beat)
    starts_s = np.concatenate([[0.0], np.cumsum(np.diff(ticks) * tick_s[:-1])])
    beats = np.arange(count, dtype=np.float64) * ticks_per_beat
    index = np.searchsorted(ticks, beats, side="right") - 1
    times: list[float] = (starts_s[index] + (beats - ticks[index]) * tick_s[index]).tolist()
    return times


def _read_json(path: Path) -> list[float]:
    try:
        value = json.loads(_text(path))
        value = value["beats_s"] if isinstance(value, dict) else value
        return [float(time) for time in value]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise AudioError(
            f"{path}: expected a JSON list of seconds or an object with beats_s "
            f"({printable(str(error), _QUOTED)})"
        ) from error


def _read_text(path: Path) -> list[float]:
    rows = [
        (number, line.strip())
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    comma = _has_decimal_commas([line for _, line in rows], path)
    times = []
    for number, line in rows:
        first = re.split(r"[;\s]" if comma else r"[,;\s]", line, maxsplit=1)[0]
        try:
            times.append(float(first.replace(",", ".")))
        except ValueError as error:
            if number == rows[0][0]:
                continue
            raise AudioError(
                f"{path}:{number}: expected a time, found {printable(first, _QUOTED)!r}"
            ) from error
    return times


def _has_decimal_commas(lines: Sequence[str], path: Path) -> bool:
    """Return whether commas are decimal marks, not column separators.

    Raises:
        AudioError: They could be either, and each would give other beats.
    """
    columns = [re.split(r"[;\s]+", line) for line in lines]
    is_comma_number = [re.fullmatch(r"[+-]?\d+,\d+", row[0]) is not None for row in columns]
    body = is_comma_number[0 if is_comma_number[:1] == [True] else 1 :]
    if not body or not all(body):
        return False
    rows = columns[-len(body) :]
    if any(len(row) > 1 for row in rows):
        return True
    if len(body) < len(lines) and "," in lines[0]:
        return False
    parts = [row[0].split(",") for row in rows]
    whole = np.array([float(part) for part, _ in parts])
    decimal = np.array([float(f"{part}.{fraction}") for part, fraction in parts])
    if (np.diff(whole) <= 0).any() or len(parts[0][1]) >= 3:
        return True
    if (np.diff(decimal) <= 0).any():
        return False
    raise AudioError(
        f"{path}: the commas may be decimal marks or separate columns; write points ({lines[-1]} "
        "as a time), or separate the columns by semicolons or tabs"
    )


def _text(path: Path) -> str:
    """Return a file's text, UTF-8, UTF-16 or Latin-1, without its byte order mark.

    Raises:
        AudioError: It is none of them.
    """
    content = path.read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        # Labels with accents from an older Windows: every byte is a letter, but for controls.
        text = content.decode("latin1")
        if is_utf16 or not "".join(text.split()).replace("\xa0", "").isprintable():
            message = f"{path}: neither text, JSON nor MIDI; expected a beat a line"
            raise AudioError(message) from error
        return text


_WRITERS: dict[str, Callable[[Path, BeatMap], None]] = {
    ".json": lambda path, made: write_json(path, asdict(made)),
    ".csv": _write_csv,
    ".txt": _write_labels,
    ".mid": _write_midi,
}
