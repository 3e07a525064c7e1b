"""Requests and results as JSON, and requests from JSON.

A dataclass becomes an object with its fields by name, a path a string, a tuple a list, and a
number that is not finite null.
"""

import dataclasses
import math
import sys
import types
from collections import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from kinetune.errors import ConfigError

Data = TypeVar("Data")


def to_json(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return a dataclass, or what one is made of, as plain JSON values.

    Raises:
        TypeError: A value has no form in JSON.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_json(cls: type[Data], table: object, *, context: str = "request") -> Data:
    """Return the dataclass that :func:`to_json` turned into ``table``.

    Args:
        cls: A dataclass.
        table: An object as JSON holds it; fields with a default may be left out.
        context: What an error calls it.

    Raises:
        ConfigError: A key is unknown or missing, or a value is of the wrong type.
    """
    made: Data = _dataclass(cls, table, context)
    return made


def _dataclass(cls: Any, table: object, context: str) -> Any:  # noqa: ANN401
    if not isinstance(table, Mapping):
        raise ConfigError(f"{context}: expected an object, found {table!r:.60}")
    names = [field.name for field in dataclasses.fields(cls)]
    if unknown := sorted(set(table) - set(names)):
        raise ConfigError(f"{context}: unknown key {unknown[0]!r}; known keys are {sorted(names)}")
    hints = get_type_hints(cls)
    values = {name: _value(hints[name], item, f"{context}.{name}") for name, item in table.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{context}: {error}") from error


def _value(hint: Any, value: Any, context: str) -> Any:  # noqa: ANN401
    origin = get_origin(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, context)
    if origin in (Union, types.UnionType):
        return _union(hint, value, context)
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(get_args(hint), value, context)
    if origin in (dict, abc.Mapping) and isinstance(value, Mapping):
        item_hint = get_args(hint)[1]
        return {key: _value(item_hint, item, f"{context}.{key}") for key, item in value.items()}
    return _scalar(hint, value, context)


def _scalar(hint: Any, value: Any, context: str) -> Any:  # noqa: ANN401
    if get_origin(hint) is Literal and value in get_args(hint):
        return value
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if hint is type(None) and value is None:
        return None
    if hint in (int, float, str, bool) and type(value) is hint:
        return value
    raise ConfigError(f"{context}: expected {_name(hint)}, found {value!r:.60}")


def _union(hint: Any, value: Any, context: str) -> Any:  # noqa: ANN401
    parts = get_args(hint)
    # The error of an object's own field is clearer than that no alternative fits.
    if isinstance(value, Mapping) and (objects := list(filter(dataclasses.is_dataclass, parts))):
        return _dataclass(objects[0], value, context)
    for part in parts:
        try:
            return _value(part, value, context)
        except ConfigError:
            continue
    raise ConfigError(f"{context}: expected {_name(hint)}, found {value!r:.60}")


def _tuple(hints: tuple[Any, ...], value: Sequence[Any], context: str) -> tuple[Any, ...]:
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(value)
    if len(hints) != len(value):
        raise ConfigError(f"{context}: expected {len(hints)} values, found {len(value)}")
    return tuple(
        _value(hint, item, f"{context}[{number}]")
        for number, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _name(hint: Any) -> str:  # noqa: ANN401
    if hint is type(None):
        return "null"
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_name(part) for part in get_args(hint))
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
