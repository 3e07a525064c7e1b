"""Curves over time from CSV, JSON and npz files.

Conventions: seconds; axes: N rows, C columns. A column named ``time``, ``t``, ``seconds``,
``timestamp`` or ``date`` holds the times, in seconds, milliseconds where its name ends in ``ms``,
or as ISO 8601 dates; ``frame`` counts frames of ``--fps``. Without such a column ``--fps`` gives
the rate. CSV columns are separated by commas, semicolons or tabs, and have a line of names.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MotionError, printable
from kinetune.motion.frame_rate import MAX_DURATION_S
from kinetune.motion.io.npz import load_arrays, shapes_in
from kinetune.motion.io.text_encoding import decode_text

Array = NDArray[np.float64]

_TIME_NAMES = ("time", "t", "second", "seconds", "sec", "s", "ms", "timestamp", "date", "datetime")
_FRAME_NAMES = ("frame", "frames")
_RATE_NAMES = ("fps", "rate", "framerate", "frame_rate", "sample_rate")
_MAX_COLUMNS, _MAX_ROWS, _MAX_BYTES = 256, 2_000_000, 400_000_000
_SHORTEST_S = 1.0
_QUOTED = 40
# Names whose values are beats a minute.
_TEMPO_NAMES = ("bpm", "tempo", "heartrate", "hr", "pulse", "heart")


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of one recording.

    Attributes:
        names: Name of each column, length C.
        times_s: Time of each row from the first one on, seconds, ascending, (N,).
        values: The values, (N, C), finite; columns in any unit.
    """

    names: tuple[str, ...]
    times_s: Array
    values: Array

    @property
    def duration_s(self) -> float:
        """From the first row to the last, seconds."""
        return float(self.times_s[-1])

    @property
    def tempo_column(self) -> int | None:
        """The column whose values are beats a minute, by its name; None if there is none."""
        for number, name in enumerate(self.names):
            words = re.split(r"[^a-z]+", name.lower())
            if set(words) & set(_TEMPO_NAMES) and self._is_tempo(number):
                return number
        return None

    def _is_tempo(self, number: int) -> bool:
        values = self.values[:, number]
        return bool((values >= 30.0).all() and (values <= 300.0).all())


def read_curves(path: Path, *, fps: float | None = None) -> Curves:
    """Read curves from a CSV, JSON or npz file.

    Args:
        path: The file; its first bytes say which it is.
        fps: Rows per second, where the file has no times.

    Raises:
        MotionError: The file can't be used; one line says why.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise MotionError(f"{path}: expected at most {_MAX_BYTES / 1e6:g} MB of curves")
    raw = path.read_bytes()
    if raw.startswith(b"PK"):
        columns, rate_hz = _from_npz(path)
    else:
        text = decode_text(raw)
        is_json = text.lstrip().startswith(("{", "["))
        columns, rate_hz = _from_json(path, text) if is_json else (_from_csv(path, text), None)
    return _curves(path, columns, fps if fps is not None else rate_hz)


def curves_of(columns: Mapping[str, Sequence[Any]], *, fps: float | None = None,
              context: str = "curves") -> Curves:  # fmt: skip
    """Return curves in memory; see :func:`read_curves`.

    Args:
        columns: Values by name, one of them the times unless ``fps`` is given.
        fps: Rows per second.
        context: What to call them in errors.

    Raises:
        MotionError: They can't be used.
    """
    return _curves(Path(context), {name: list(values) for name, values in columns.items()}, fps)


# From files to columns


def _from_csv(path: Path, text: str) -> dict[str, list[Any]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise MotionError(f"{path}: the file is empty; expected a line of names and rows of values")
    delimiter = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    names = [name.strip() for name in rows[0]]
    if all(_is_number(name) for name in names if name):
        raise MotionError(
            f"{path}: expected a first line that names the columns, such as time,height; found "
            f"{printable(lines[0], _QUOTED)!r}"
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise MotionError(
                f"{path}, row {number}: expected {len(names)} values, found {len(row)}"
            )
    _check_names(path, names)
    comma = delimiter == ";"
    cells = list(zip(*rows[1:], strict=True)) or [()] * len(names)
    return {
        name: [cell.strip().replace(",", ".") if comma else cell.strip() for cell in column]
        for name, column in zip(names, cells, strict=True)
    }


def _check_names(path: Path, names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        if not name or names.index(name) != number - 1:
            what = "has no name" if not name else f"is called {name!r} like one before it"
            raise MotionError(f"{path}: column {number} {what}; name each column once")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_json(path: Path, text: str) -> tuple[dict[str, list[Any]], float | None]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise MotionError(f"{path}: not JSON that can be read ({error})") from error
    if isinstance(table, list) and table and all(isinstance(row, dict) for row in table):
        names = list(table[0])
        if wrong := next((k for k, row in enumerate(table, 1) if list(row) != names), None):
            raise MotionError(f"{path}, row {wrong}: expected the names {names[:5]} in every row")
        table = {name: [row[name] for row in table] for name in names}
    if not isinstance(table, dict):
        raise MotionError(
            f'{path}: expected an object of lists such as {{"time": [...], "height": [...]}}, or '
            "a list of objects"
        )
    rate = next((table[name] for name in table if name.lower() in _RATE_NAMES), None)
    columns = {name: values for name, values in table.items() if isinstance(values, list)}
    if rate is not None and not isinstance(rate, int | float):
        raise MotionError(f"{path}: fps must be a number, found {rate!r:.40}")
    return columns, None if rate is None else float(rate)


def _from_npz(path: Path) -> tuple[dict[str, list[Any]], float | None]:
    arrays = load_arrays(path, list(shapes_in(path)))
    columns: dict[str, list[Any]] = {}
    rate = None
    for name, array in arrays.items():
        if array.ndim == 0 and name.lower() in _RATE_NAMES:
            rate = float(array)
        elif array.ndim == 1:
            columns[name] = array.tolist()
        elif array.ndim == 2:
            columns |= {f"{name}{k}": array[:, k].tolist() for k in range(array.shape[1])}
    return columns, rate


def is_curves_archive(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether the arrays of an archive are curves: one or two axes, of one length."""
    lengths = {shape[0] for shape in shapes.values() if len(shape) in (1, 2)}
    return len(lengths) == 1 and all(len(shape) <= 2 for shape in shapes.values())


# From columns to curves


def _curves(path: Path, columns: dict[str, list[Any]], fps: float | None) -> Curves:
    if not columns:
        raise MotionError(f"{path}: expected columns of values, found none")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise MotionError(f"{path}: expected columns of one length, found {lengths!s:.120}")
    count = next(iter(lengths.values()))
    if count < 2:
        raise MotionError(f"{path}: expected two rows or more, found {count}")
    if count > _MAX_ROWS or len(columns) > _MAX_COLUMNS:
        raise MotionError(
            f"{path}: expected at most {_MAX_ROWS} rows and {_MAX_COLUMNS} columns, found {count} "
            f"and {len(columns)}"
        )
    time_name = next((name for name in columns if _is_time(name)), None)
    times_s = _times(path, columns, time_name, fps, count)
    values = {
        name: _numbers(path, name, column)
        for name, column in columns.items()
        if name != time_name and not _is_frame(name)
    }
    moving = {name: column for name, column in values.items() if np.ptp(column) > 0.0}
    tempo = {n: c for n, c in values.items() if Curves((n,), times_s, c[:, None]).tempo_column == 0}
    moving = {**tempo, **moving}
    if not moving:
        raise MotionError(
            f"{path}: nothing changes in {', '.join(values)[:80] or 'it'}; a curve without change "
            "has no beat"
        )
    return Curves(tuple(moving), times_s, np.stack(list(moving.values()), axis=1))


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z]+", name.lower()) if word]


def _is_time(name: str) -> bool:
    return bool(_words(name)) and _words(name)[0] in _TIME_NAMES


def _is_frame(name: str) -> bool:
    return bool(_words(name)) and _words(name)[0] in _FRAME_NAMES


def _times(
    path: Path, columns: dict[str, list[Any]], name: str | None, fps: float | None, count: int
) -> Array:
    frames = next((each for each in columns if _is_frame(each)), None)
    if name is not None:
        times = _seconds(path, name, columns[name])
    elif fps is None:
        raise MotionError(
            f"{path}: expected a column of times, found {', '.join(columns)[:80]}; name one time, "
            "or give the rows per second with --fps"
        )
    elif frames is not None:
        times = _numbers(path, frames, columns[frames]) / fps
    else:
        times = timebase.frame_times(count, fps)
    return _checked_times(path, times)


def _checked_times(path: Path, times: Array) -> Array:
    step = np.diff(times)
    if (step <= 0.0).any():
        row = int(np.argmax(step <= 0.0))
        raise MotionError(
            f"{path}, row {row + 3}: expected times that ascend, found {times[row + 1]:g} s after "
            f"{times[row]:g} s"
        )
    times = times - times[0]
    if not _SHORTEST_S <= times[-1] <= MAX_DURATION_S:
        raise MotionError(
            f"{path}: expected {_SHORTEST_S:g} s to {MAX_DURATION_S / 3600:g} h of curves, found "
            f"{times[-1]:g} s; are the times in seconds?"
        )
    return times


def _seconds(path: Path, name: str, column: list[Any]) -> Array:
    if isinstance(column[0], str) and not _is_number(column[0]):
        try:
            moments = [datetime.fromisoformat(str(cell)) for cell in column]
            return np.array([(each - moments[0]).total_seconds() for each in moments])
        except (ValueError, TypeError) as error:
            raise MotionError(
                f"{path}: column {name}: expected seconds or ISO 8601 times such as "
                f"2026-05-01T12:00:00.25, found {printable(str(column[0]), _QUOTED)!r}"
            ) from error
    times = _numbers(path, name, column)
    return times / 1000.0 if _words(name)[-1] == "ms" else times


def _numbers(path: Path, name: str, column: list[Any]) -> Array:
    """A column as numbers.

    Raises:
        MotionError: A value is missing, no number, or not finite; its row is named.
    """
    try:
        values = np.array([float(cell) for cell in column])
        bad = ~np.isfinite(values)
    except (ValueError, TypeError, OverflowError):
        bad = np.array([not _is_finite(cell) for cell in column])
    if bad.any():
        row = int(np.argmax(bad))
        raise MotionError(
            f"{path}, row {row + 2}, column {printable(name, _QUOTED)}: expected a number, found "
            f"{printable(str(column[row]), _QUOTED)!r}; fill or remove the row"
        )
    return values


def _is_finite(cell: object) -> bool:
    try:
        return bool(np.isfinite(float(cell)))  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return False
