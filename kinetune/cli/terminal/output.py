"""Printing of results and errors, one line per error.

``-q`` prints errors only; ``-v`` adds the library's log on stderr, and tracebacks of unexpected
errors.
"""

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kinetune.errors import printable

if TYPE_CHECKING:
    from kinetune.tasks.composing.outputs import ComposedFiles
    from kinetune.tasks.music import PlayedHarmony

# Of results; a table of many systems is wide.
_LONGEST_LINE = 10_000
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_log = logging.getLogger("kinetune")


@contextlib.contextmanager
def verbosity(level: int) -> Iterator[None]:
    """Log to stderr while in this context.

    Args:
        level: -1 prints errors only, 0 also results and warnings, 1 the log, 2 all of it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    before = _log.level, _log.propagate
    _log.addHandler(handler)
    _log.setLevel(logging.ERROR if level < 0 else _LEVELS[min(level, len(_LEVELS) - 1)])
    _log.propagate = False
    try:
        yield
    finally:
        _log.removeHandler(handler)
        _log.level, _log.propagate = before


def is_quiet() -> bool:
    """Return whether only errors are printed."""
    return _log.level >= logging.ERROR


def print_line(text: str) -> None:
    """Print a result on stdout, unless quiet: its names may be of files by strangers."""
    if not is_quiet():
        print("\n".join(printable(line, _LONGEST_LINE) for line in text.split("\n")))


def print_note(text: str) -> None:
    """Print a line beside the result on stderr, unless quiet."""
    if not is_quiet():
        print(printable(text), file=sys.stderr)


def print_composed(files: "ComposedFiles | None", harmony: "PlayedHarmony | None" = None) -> None:
    """Print key and chords of music that has some, and the further files of composed music."""
    if (played := files or harmony) is not None:
        print_line(f"  {played.key}: {played.chords}  ({played.chords_file})")
    if files is None:
        return
    named = (("stems", files.stems), ("notes", files.midi), ("layers", files.layers))
    for title, path in (*named, *(("practice", path) for path in files.practice)):
        if path is not None:
            print_line(f"  {title}: {path}")


def print_json(value: object) -> None:
    """Print a result, or a list of results, as JSON on stdout."""
    from kinetune.tasks.requests.serialisation import to_json

    print(json.dumps(to_json(value), indent=2))


def print_error(text: object) -> None:
    """Print a message of the program itself on stderr."""
    print(f"kinetune: {printable(str(text))}", file=sys.stderr)


def print_failures(heading: str, errors: Iterable[object]) -> None:
    """Print a heading and one line for every error on stderr."""
    print_error(heading)
    for error in errors:
        print(f"  {printable(str(error))}", file=sys.stderr)


def print_unexpected(error: Exception) -> None:
    """Print an error that is no user's fault: one line, and the traceback where logging is on."""
    if _log.level and _log.level <= logging.INFO:
        traceback.print_exception(error)
    print_error(
        f"unexpected {type(error).__name__}: {error} (kinetune -v prints where; please report it)"
    )


class _OneLine(logging.Formatter):
    """Messages as printable lines; tracebacks below them."""

    def format(self, record: logging.LogRecord) -> str:
        line = printable(record.getMessage())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
