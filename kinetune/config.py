"""Settings: people write TOML, machines write JSON, code uses frozen dataclasses.

A settings class is defined beside the thing it configures, with :func:`settings`. Its fields carry
their types, ranges (:data:`Count`, :data:`Share`, ...) and choices (``Literal``). They are checked
by msgspec whenever an instance is made, from a file or in code. An error is one line that names
the file, the key, what was expected and what was found.
"""

import dataclasses
import difflib
import functools
import math
import re
import tomllib
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from kinetune.errors import ConfigError

Config = TypeVar("Config")

#: Types of fields with a range.
Count = Annotated[int, msgspec.Meta(ge=1)]
CountOrZero = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

# No file of settings that a person wrote is longer.
_MAX_TOML_BYTES = 1_000_000
# tomllib's own error and those of the characters are ValueErrors, and so are thousands of digits;
# thousands of brackets are a RecursionError.
_TOML_ERRORS = (ValueError, RecursionError)
# What fits 64 bits; TOML itself promises no more.
_LARGEST_INTEGER = 2**63 - 1
# A longer value is cut in an error message.
_LONGEST_VALUE = 80
# msgspec's names of what TOML calls otherwise.
_TYPE_NAMES = {"object": "a table", "array": "a list"}


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(cls: type[Config]) -> type[Config]:
    """Make a class a frozen dataclass whose fields are checked when an instance is made.

    Args:
        cls: A class with annotated fields. Its own ``__post_init__``, if it has one, runs after
            the fields were checked; it should raise ConfigError.
    """
    own_check: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

    def check(self: Any) -> None:  # noqa: ANN401 - any settings class
        _check_fields(self)
        if own_check is not None:
            own_check(self)

    cls.__post_init__ = check  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True)(cls)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file of at most a megabyte.

    Raises:
        ConfigError: The file is missing, is none, is too large or is not TOML.
    """
    path = Path(path)
    # Opening a pipe would wait for ever.
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: expected a TOML file, found a folder, pipe or device")
    try:
        if (size := path.stat().st_size) > _MAX_TOML_BYTES:
            raise ConfigError(
                f"{path}: expected a TOML file of at most {_MAX_TOML_BYTES} bytes, found {size}"
            )
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except _TOML_ERRORS as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def read(
    cls: type[Config],
    path: Path,
    overrides: Sequence[str] = (),
    *,
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Config:
    """Build the dataclass ``cls`` from a TOML file.

    Args:
        cls: A frozen dataclass.
        path: The file.
        overrides: Assignments that replace values of the file, see :func:`parse_overrides`.
        complete: Adds to the table what the file may leave out.

    Raises:
        ConfigError: The file can't be read, or a key or value of it doesn't fit.
    """
    table = merge(read_toml(path), parse_overrides(overrides))
    context = f"{path} with --set {' --set '.join(overrides)}" if overrides else str(path)
    try:
        table = complete(table)
    except ConfigError as error:
        raise ConfigError(f"{context}: {error}") from error
    return build(cls, table, context=context)


def build(cls: type[Config], table: Mapping[str, Any], *, context: str = "config") -> Config:
    """Build the dataclass ``cls`` from a table, nested dataclasses included.

    Args:
        cls: A frozen dataclass.
        table: Its fields by name; fields with a default may be left out.
        context: Name of the table in an error message, usually the file's path.

    Raises:
        ConfigError: A key is unknown or missing, or a value is of the wrong type or out of range.
    """
    _check_keys(cls, table, context=context, path="")
    try:
        return msgspec.convert(table, cls)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{context}: {_explain(error, cls, table)}") from error
    except ConfigError as error:
        raise ConfigError(f"{context}: {error}") from error
    except UnicodeEncodeError as error:
        raise ConfigError(f"{context}: a text that is none ({error.reason})") from error


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``changes`` in place of its own, tables merged in turn."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def parse_overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Return the table that assignments such as ``diffusion.loop.steps=100`` describe.

    Args:
        assignments: ``key=value``, keys with dots for tables within tables. Values are TOML; what
            isn't valid TOML is taken as a string, so ``data.source=runs/corpus`` needs no quotes.

    Raises:
        ConfigError: There is no equals sign, the key is malformed, or a value stands where an
            earlier assignment has a table.
    """
    table: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", key.strip()):
            raise ConfigError(f"--set {assignment}: expected KEY=VALUE, such as data.stride_s=3.0")
        nested = _toml_value(value.strip())
        for part in reversed(key.strip().split(".")):
            nested = {part: nested}
        table = merge(table, nested)
    return table


def as_table(config: object) -> dict[str, Any]:
    """Return a dataclass as a table of plain values, tuples as lists."""
    return dataclasses.asdict(config)  # type: ignore[call-overload]


def _toml_value(text: str) -> Any:  # noqa: ANN401 - any TOML value
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except _TOML_ERRORS as error:
        raise ConfigError(f"--set: {_shortened(text)} is no value ({error})") from error


@functools.cache
def _hints(cls: Hashable) -> dict[str, Any]:
    """Return the types of a dataclass's fields, ranges included."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]


def _check_fields(config: Any) -> None:  # noqa: ANN401 - any settings class
    """Check the fields of a new instance, and bring lists and integers to their fields' types."""
    name = type(config).__name__
    for field, hint in _hints(type(config)).items():  # type: ignore[arg-type]
        value = getattr(config, field)
        _check_finite(value, key=f"{name}.{field}")
        try:
            converted = msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            reason = _explain(error, hint, value, prefix=f"{name}.{field}")
            raise ConfigError(reason) from error
        object.__setattr__(config, field, converted)


def _check_keys(hint: Any, value: object, *, context: str, path: str) -> None:  # noqa: ANN401
    """Refuse unknown keys and numbers that are not finite, at any depth."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        hints = _hints(hint)  # type: ignore[arg-type]
        for key, inner in value.items():
            if key not in hints:
                raise ConfigError(f"{context}: {_unknown_key(key, path, sorted(hints))}")
            below = f"{path}.{key}" if path else key
            _check_keys(hints[key], inner, context=context, path=below)
    elif get_origin(hint) is tuple and isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check_keys(get_args(hint)[0], inner, context=context, path=f"{path}[{index}]")
    else:
        _check_finite(value, key=f"{context}: {path}")


def _check_finite(value: object, *, key: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key}: expected a finite number, found {value}")
    if isinstance(value, str) and not _is_text(value):
        raise ConfigError(f"{key}: expected text, found {_shortened(value)}")
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ConfigError(f"{key}: expected a number, found {_shortened(value)}")


def _is_text(value: str) -> bool:
    """Whether a string can be written: JSON may hold half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknown_key(key: object, path: str, known: list[str]) -> str:
    table = f" in [{path}]" if path else ""
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown key {_shortened(key)}{table}; {hint}known keys are {', '.join(known)}"


def _explain(
    error: msgspec.ValidationError,
    hint: Any,  # noqa: ANN401 - any type
    value: Any,  # noqa: ANN401 - any TOML value
    *,
    prefix: str = "",
) -> str:
    """Return msgspec's message as ``key: expected ..., found ...``."""
    message, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`")
    key = f"{prefix}{path}" if prefix else path.removeprefix(".")
    if missing := re.search(r"missing required field `(\w+)`", message):
        return f"missing key {f'{key}.{missing[1]}'.lstrip('.')!r}"
    for part in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        hint, value = _child(hint, value, name=part[0], index=part[1])
    return f"{key}: {_expected(message, hint)}, found {_shortened(value)}"


def _child(hint: Any, value: Any, *, name: str, index: str) -> tuple[Any, Any]:  # noqa: ANN401
    """Return type and value of a field or of an item of a list."""
    if name:
        fields = _hints(hint) if dataclasses.is_dataclass(hint) else {}  # type: ignore[arg-type]
        return fields.get(name), value[name]
    items = [item for item in get_args(hint) if item is not Ellipsis] or [None]
    return items[min(int(index), len(items) - 1)], value[int(index)]


def _expected(message: str, hint: Any) -> str:  # noqa: ANN401 - any type
    if get_origin(hint) is Literal:
        return "expected one of " + ", ".join(repr(choice) for choice in get_args(hint))
    expected = message.split(", got ")[0].replace("Expected", "expected")
    return re.sub(r"`([^`]+)`", lambda name: _TYPE_NAMES.get(name[1], name[1]), expected)


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Thousands of digits, which TOML may write in hexadecimal; or tables within tables.
        return f"{type(value).__name__} that is too long to show"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
