"""Chord files: a chord and its time a line, Audacity labels, ``.lab``, or MIDI; read and written.

In MIDI, markers that are chord symbols count; without any, the notes that sound together.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kinetune.composer.harmony import ChordSymbol, Key, TimedChord, parse_chord, symbol_of
from kinetune.corpus.composition.grammar import Chord
from kinetune.errors import ConfigError
from kinetune.files import write_text

SUFFIXES = (".txt", ".lab", ".csv", ".mid", ".midi")
_MAX_BYTES, _MAX_CHORDS = 8_000_000, 20_000
# Notes that begin within so long belong to one chord.
_TOGETHER_S = 0.06
_SHOWN = 40


def read_chords(path: Path) -> tuple[tuple[float, str], ...]:
    """Return the (start in seconds, symbol) of a chord file, ascending.

    Raises:
        ConfigError: The file can't be read, or a line or chord can't be parsed.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected a chord file, or chords as 'Am F C G'")
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"{path}: expected a chord file of 8 MB or less")
    is_midi = path.suffix.lower() in (".mid", ".midi")
    rows = _read_midi(path) if is_midi else _read_text(path)
    if not rows or len(rows) > _MAX_CHORDS:
        raise ConfigError(f"{path}: expected 1 to {_MAX_CHORDS} chords, found {len(rows)}")
    return tuple(rows)


def write_chords(path: Path, chords: Sequence[TimedChord], duration_s: float) -> None:
    """Write chords as Audacity labels; see :func:`write_chord_spans`."""
    write_chord_spans(path, [(chord.start_s, chord.symbol.name) for chord in chords], duration_s)


def write_chord_spans(path: Path, chords: Sequence[tuple[float, str]], duration_s: float) -> None:
    """Write chords as Audacity labels: start, end, symbol.

    Args:
        path: The file.
        chords: (start in seconds, symbol), ascending.
        duration_s: End of the last one.

    Raises:
        OutputError: The file can't be written.
    """
    ends = [start_s for start_s, _ in chords[1:]] + [duration_s]
    rows = (
        f"{start_s:.6f}\t{end_s:.6f}\t{name}\n"
        for (start_s, name), end_s in zip(chords, ends, strict=True)
    )
    write_text(path, "".join(rows))


def _read_text(path: Path) -> list[tuple[float, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected text, a time and a chord a line") from error
    rows: list[tuple[float, str]] = []
    for number, line in enumerate(lines, start=1):
        fields = line.replace(",", " ").replace(";", " ").split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            start_s, name = float(fields[0]), fields[-1]
            parse_chord(name)
        except ValueError as error:
            raise ConfigError(
                f"{path}:{number}: expected a time and a chord, such as '4.0 Am'; found "
                f"{line.strip()!r:.{_SHOWN}}"
            ) from error
        except ConfigError as error:
            raise ConfigError(f"{path}:{number}: {error}") from error
        if rows and start_s <= rows[-1][0]:
            raise ConfigError(f"{path}:{number}: {start_s:g} s, after {rows[-1][0]:g} s")
        rows.append((start_s, name))
    return rows


def _read_midi(path: Path) -> list[tuple[float, str]]:
    import mido

    try:
        messages = list(mido.MidiFile(path, clip=True))
    except Exception as error:  # mido raises what it likes on damaged files
        raise ConfigError(f"{path}: not a MIDI file that can be read ({error})") from error
    return _markers(messages) or _sounding(messages)


def _markers(messages: Iterable[Any]) -> list[tuple[float, str]]:
    now_s, rows = 0.0, {}
    for message in messages:
        now_s += message.time
        if message.type in ("marker", "text", "lyrics"):
            name = str(message.text).strip()
            try:
                parse_chord(name)
            except ConfigError:
                continue
            rows[round(now_s, 6)] = name
    return sorted(rows.items())


def _sounding(messages: Iterable[Any]) -> list[tuple[float, str]]:
    """Chords of the notes that begin together, drums left out; the lowest note is the bass."""
    now_s, groups = 0.0, dict[float, set[int]]()
    for message in messages:
        now_s += message.time
        if message.type == "note_on" and message.velocity and message.channel != 9:
            last_s = next(reversed(groups), None)
            is_new = last_s is None or now_s - last_s > _TOGETHER_S
            groups.setdefault(now_s if is_new or last_s is None else last_s, set()).add(
                message.note
            )
    rows: list[tuple[float, str]] = []
    for start_s, notes in groups.items():
        symbol = _chord_of(notes)
        if symbol is not None and (not rows or rows[-1][1] != symbol.name):
            rows.append((round(start_s, 6), symbol.name))
    return rows


def _chord_of(notes: set[int]) -> ChordSymbol | None:
    """The chord of three pitch classes or more; None for fewer, or for one without a name."""
    low = min(notes) % 12
    tones = tuple(sorted({(note - low) % 12 for note in notes}))
    if len(tones) < 3:
        return None
    symbol = symbol_of(Chord(low, tones), Key(0, minor=False))
    return None if symbol.name.endswith("?") else symbol
