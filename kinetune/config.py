"""Settings: people write TOML, machines write JSON, code sees frozen dataclasses.

A config class stands beside the thing it builds; this file only turns tables into such classes.
An unknown key is an error that names the known ones.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from kinetune.errors import ConfigError

Config = TypeVar("Config")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: The file is missing or is not TOML.
    """
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error})") from error


def build(cls: type[Config], table: Mapping[str, Any], *, where: str = "config") -> Config:
    """Build the dataclass ``cls`` from a table, nested dataclasses included.

    Args:
        cls: A frozen dataclass.
        table: Its fields by name; fields with a default may be left out.
        where: What to call the table in an error message.

    Raises:
        ConfigError: A key is unknown, missing, or of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(table) - set(fields))
    if unknown:
        known = ", ".join(sorted(fields))
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known keys are {known}")
    hints = get_type_hints(cls)
    values = {
        name: _fit(hints[name], value, where=f"{where}.{name}") for name, value in table.items()
    }
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def as_table(config: object) -> dict[str, Any]:
    """Return a dataclass as a table of plain values, tuples as lists."""
    return dataclasses.asdict(config)  # type: ignore[call-overload]


def _fit(hint: Any, value: Any, *, where: str) -> Any:  # noqa: ANN401 - any TOML value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a table, found {value!r}")
        return build(hint, value, where=where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, found {value!r}")
        item_hint = get_args(hint)[0]
        return tuple(_fit(item_hint, item, where=f"{where}[{k}]") for k, item in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise ConfigError(f"{where}: expected {hint.__name__}, found {value!r}")
    return value
