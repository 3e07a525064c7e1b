from dataclasses import dataclass, field

import pytest

from kinetune.config import as_table, build, read_toml
from kinetune.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    widths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    name: str = "a"
    inner: Inner = field(default_factory=Inner)


def test_a_table_becomes_nested_dataclasses():
    built = build(Outer, {"name": "b", "inner": {"rate": 2, "widths": [3, 4]}})
    assert built == Outer("b", Inner(2.0, (3, 4)))
    assert build(Outer, as_table(built)) == built


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"nmae": "b"}, "unknown key 'nmae'"),
        ({"inner": {"rat": 1}}, "inner: unknown key 'rat'"),
        ({"name": 3}, "expected str"),
        ({"inner": {"rate": "fast"}}, "expected float"),
        ({"inner": 3}, "expected a table"),
        ({"inner": {"widths": 3}}, "expected a list"),
    ],
)
def test_a_wrong_table_is_said_with_its_place(table, message):
    with pytest.raises(ConfigError, match=message):
        build(Outer, table)


def test_a_broken_toml_file_is_said(tmp_path):
    (tmp_path / "a.toml").write_text("a = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_toml(tmp_path / "b.toml")
