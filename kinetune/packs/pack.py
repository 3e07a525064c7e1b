"""What a pack holds, whatever the tool: sound files, tempo, loop, cues, and events on their times.

Seconds from the start of the sound files, which all have the same length. Bars and the beats in
them count from 1; beats before the first bar have bar 0. A loop is the whole file.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kinetune import timebase
from kinetune.audio.beat_map import beat_map
from kinetune.files import write_json
from kinetune.motion.beats.beat_grid import BeatGrid

#: The file in every pack that holds all of it as JSON; a folder with it may be replaced.
TABLE = "pack.json"
# Digits of times: microseconds.
_DIGITS = 6


@dataclass(frozen=True)
class Event:
    """Something at a time of the music.

    Attributes:
        time: Seconds.
        kind: ``beat``, ``accent``, ``section``, ``silence`` or ``layers``.
        label: Name of the section; of a silence ``start`` or ``end``; how many layers the dancer's
            energy calls for from here on.
        bar: The bar that the time lies in, 0 before the first.
        beat: Of a beat, its number in the bar; 0 of others.
    """

    time: float
    kind: str
    label: str = ""
    bar: int = 0
    beat: int = 0


@dataclass(frozen=True)
class Pack:
    """A piece of music for a tool.

    Attributes:
        name: Of files and objects: letters, digits and underscores.
        sample_rate: Of its sound files, Hz.
        samples: Length of each of them.
        bpm: Beats per minute; the mean where the tempo drifts.
        beat_count: Whole beats in it.
        bar_beats: Beats per bar.
        loop: Whether its end leads to its beginning.
        first_bar: The first bar line.
        entry: Where it is entered: the first bar line, of a loop its beginning.
        exit: Where what follows begins: the end.
        file: The whole of the music.
        layers: Files of its intensity layers, calm first; they start together.
        events: In order of time.
    """

    name: str
    sample_rate: int
    samples: int
    bpm: float
    beat_count: int
    bar_beats: int
    loop: bool
    first_bar: float
    entry: float
    exit: float
    file: str
    layers: tuple[str, ...]
    events: tuple[Event, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All sound files."""
        return (self.file, *self.layers)

    def of_kind(self, *kinds: str) -> list[Event]:
        """Return the events of some kinds."""
        return [event for event in self.events if event.kind in kinds]


@dataclass(frozen=True)
class Marked:
    """What is marked on a piece besides its beats, seconds.

    Attributes:
        sections: Starts and names of its sections.
        accents: Times of its accents.
        silences: Starts and ends of its silences.
        layers: How many layers the dancer's energy calls for, from which time on.
    """

    sections: tuple[tuple[float, str], ...] = ()
    accents: tuple[float, ...] = ()
    silences: tuple[tuple[float, float], ...] = ()
    layers: tuple[tuple[float, int], ...] = ()


def make_pack(
    name: str,
    grid: BeatGrid,
    marked: Marked,
    *,
    samples: int,
    sample_rate: int,
    loop: bool,
    layers: Sequence[str] = (),
    suffix: str,
) -> Pack:
    """Return the pack of a piece.

    Args:
        name: Any text; what file and object names can't hold is replaced.
        grid: Its beats.
        marked: What else is marked.
        samples: Its length.
        sample_rate: Hz.
        loop: Whether its end leads to its beginning.
        layers: Names of its layers, calm first.
        suffix: Of its sound files.
    """
    name = object_name(name)
    duration_s = timebase.duration_of(samples, sample_rate)
    beats = duration_s * grid.bpm / 60.0
    count = max(1, round(beats) if loop else int(beats + 1e-3))
    bpm = 60.0 * count * sample_rate / samples if loop else grid.bpm
    rows = beat_map(
        grid.bpm, grid.beats_s, grid.bar_start_s, duration_s, loops=loop, metre=grid.metre
    )
    first_bar = rows.downbeats_s[0] if rows.downbeats_s else 0.0
    return Pack(
        name, sample_rate, samples, round(bpm, _DIGITS), count, grid.metre, loop, first_bar,
        0.0 if loop else first_bar, round(duration_s, _DIGITS), name + suffix,
        tuple(f"{name}_{object_name(layer, prefix='')}{suffix}" for layer in layers),
        _events(rows.beats_s, rows.downbeats_s, marked),
    )  # fmt: skip


def object_name(text: str, *, prefix: str = "music_") -> str:
    """Return a text as a name that every tool takes: letters, digits and underscores.

    Args:
        text: Any text.
        prefix: Put before a name that begins with a digit or holds nothing else.
    """
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")
    return name if name and not name[0].isdigit() else f"{prefix}{name}".rstrip("_")


def write_table(folder: Path, pack: Pack) -> None:
    """Write a pack as JSON whose fields have simple types, as Unity's JsonUtility reads them."""
    write_json(folder / TABLE, asdict(pack))


def _events(
    beats: Sequence[float], downbeats: Sequence[float], marked: Marked
) -> tuple[Event, ...]:
    opens = set(downbeats)
    events, bar, count = [], 0, 0
    for time in beats:
        bar, count = (bar + 1, 1) if time in opens else (bar, count + 1)
        events.append(Event(time, "beat", "", bar, count))
    others = [
        *(Event(time, "section", name) for time, name in marked.sections),
        *(Event(time, "accent") for time in marked.accents),
        *(Event(time, "silence", "start") for time, _ in marked.silences),
        *(Event(time, "silence", "end") for _, time in marked.silences),
        *(Event(time, "layers", str(count)) for time, count in marked.layers),
    ]
    events += [_in_bar(event, downbeats) for event in others]
    return tuple(sorted(events, key=lambda event: event.time))


def _in_bar(event: Event, downbeats: Iterable[float]) -> Event:
    time = round(event.time, _DIGITS)
    bar = sum(downbeat <= time + 1e-3 for downbeat in downbeats)
    return Event(time, event.kind, event.label, bar)
