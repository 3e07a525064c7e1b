"""What the command line prints: results as JSON, and errors in one line each."""

import json
import sys
from collections.abc import Iterable


def print_json(value: object) -> None:
    """Print a result, or a list of results, as JSON on stdout."""
    from kinetune.tasks.requests.serialisation import to_json

    print(json.dumps(to_json(value), indent=2))


def one_line(text: object) -> str:
    """Return a message on one line."""
    return " ".join(str(text).split())


def print_error(text: object) -> None:
    """Print a message of the program itself on stderr."""
    print(f"kinetune: {one_line(text)}", file=sys.stderr)


def print_failures(heading: str, errors: Iterable[object]) -> None:
    """Print a heading and one line for every error on stderr."""
    print_error(heading)
    for error in errors:
        print(f"  {one_line(error)}", file=sys.stderr)
