"""Files that a batch could not use."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kinetune.errors import KinetuneError

_log = logging.getLogger("kinetune")


@dataclass(frozen=True)
class Failure:
    """A file that could not be used.

    Attributes:
        file: Its path.
        error: Why, one line.
    """

    file: str
    error: str


@contextlib.contextmanager
def collect_failures(path: Path, failures: list[Failure]) -> Iterator[None]:
    """Add whatever goes wrong inside this context to ``failures``, so that a batch continues."""
    try:
        yield
    except KinetuneError as error:
        failures.append(Failure(str(path), str(error)))
    except Exception as error:  # noqa: BLE001 - untrusted files may raise anything
        _log.debug("%s failed", path, exc_info=True)
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        failures.append(Failure(str(path), f"{path}: can't be used ({reason})"))
