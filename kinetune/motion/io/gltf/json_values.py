"""Values of a glTF document's JSON, checked: indices, whole numbers, lists of objects, names."""

from typing import Any

from kinetune.errors import MotionError

_MAX_WHOLE = 1 << 40
_MAX_NAME = 200


def object_list(holder: dict[str, Any], key: str, context: str) -> list[dict[str, Any]]:
    """Return the list of JSON objects under ``key``, empty if there is none.

    Raises:
        MotionError: It is something else.
    """
    listed = holder.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise MotionError(f"{context}: expected a list of objects under {key!r}")
    return listed


def valid_index(index: object, count: int, context: str) -> int:
    """Return ``index`` as an index below ``count``.

    Raises:
        MotionError: It is none.
    """
    number = whole_number(index, context)
    if number >= count:
        raise MotionError(f"{context}: there is no number {number}, only {count} of them")
    return number


def whole_number(value: object, context: str) -> int:
    """Return ``value`` as a whole number, 0 or more.

    Raises:
        MotionError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise MotionError(f"{context}: expected a whole number, found {str(value)[:40]!r}")
    if not 0 <= value <= _MAX_WHOLE:
        raise MotionError(f"{context}: expected a whole number, found one below 0 or too large")
    return value


def readable_name(value: object) -> str:
    """Return a name as text that can be written: JSON may hold half of a character."""
    text = str(value)[:_MAX_NAME]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
