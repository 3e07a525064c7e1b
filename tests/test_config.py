import math
import os
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import msgspec
import pytest

from kinetune.config import (
    Count,
    CountOrZero,
    NonNegative,
    Positive,
    Share,
    as_table,
    build,
    merge,
    parse_overrides,
    read,
    read_toml,
    settings,
)
from kinetune.errors import ConfigError


@settings
class Inner:
    rate: Positive = 1.0
    widths: tuple[Count, ...] = (1, 2)
    betas: tuple[float, float] = (0.9, 0.99)
    share: Share = 0.5


@settings
class Outer:
    name: str = "a"
    mode: Literal["fast", "exact"] = "fast"
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self):
        if self.name == "forbidden":
            raise ConfigError("the name is forbidden")


@dataclass(frozen=True)
class Plain:
    start_s: float
    inner: Inner = field(default_factory=Inner)


def test_a_table_becomes_nested_dataclasses():
    table = {"name": "b", "limit": 3, "inner": {"rate": 2, "widths": [3, 4]}}
    built = build(Outer, table)
    assert built == Outer(name="b", limit=3, inner=Inner(rate=2.0, widths=(3, 4)))
    assert isinstance(built.inner.rate, float)
    assert build(Outer, as_table(built)) == built


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"nmae": "b"}, "f.toml: unknown key 'nmae'; did you mean 'name'? known keys are inner, "),
        ({"inner": {"raet": 1}}, "f.toml: unknown key 'raet' in [inner]; did you mean 'rate'?"),
        ({"name": 3}, "f.toml: name: expected str, found 3"),
        ({"inner": {"rate": "fast"}}, "f.toml: inner.rate: expected float, found 'fast'"),
        ({"inner": {"rate": True}}, "f.toml: inner.rate: expected float, found True"),
        ({"inner": {"rate": 0.0}}, "f.toml: inner.rate: expected float > 0.0, found 0.0"),
        ({"inner": {"rate": math.nan}}, "f.toml: inner.rate: expected a finite number, found nan"),
        ({"inner": {"rate": math.inf}}, "f.toml: inner.rate: expected a finite number, found inf"),
        ({"inner": 3}, "f.toml: inner: expected a table, found 3"),
        ({"inner": {"widths": 3}}, "f.toml: inner.widths: expected a list, found 3"),
        ({"inner": {"widths": [1, 0]}}, "f.toml: inner.widths[1]: expected int >= 1, found 0"),
        ({"inner": {"widths": [1, "x"]}}, "f.toml: inner.widths[1]: expected int, found 'x'"),
        ({"inner": {"betas": [0.9]}}, "inner.betas: expected a list of length 2, found [0.9]"),
        ({"inner": {"betas": [0.9, math.nan]}}, "inner.betas[1]: expected a finite number"),
        ({"inner": {"share": 1.5}}, "inner.share: expected float <= 1.0, found 1.5"),
        ({"mode": "banana"}, "f.toml: mode: expected one of 'fast', 'exact', found 'banana'"),
        ({"mode": 3}, "f.toml: mode: expected one of 'fast', 'exact', found 3"),
        ({"limit": "x"}, "f.toml: limit: expected int | null, found 'x'"),
        ({"name": "forbidden"}, "f.toml: the name is forbidden"),
        ({"name": ["x" * 1000]}, "f.toml: name: expected str, found ['xxx"),
    ],
)
def test_a_wrong_table_is_one_line_with_key_expected_and_found(table, message):
    with pytest.raises(ConfigError) as error:
        build(Outer, table, context="f.toml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="f.toml: missing key 'start_s'"):
        build(Plain, {}, context="f.toml")


def test_a_plain_dataclass_can_hold_checked_ones():
    assert build(Plain, {"start_s": 1, "inner": {"rate": 3}}) == Plain(1.0, Inner(rate=3.0))
    with pytest.raises(ConfigError, match="inner.rate: expected float > 0"):
        build(Plain, {"start_s": 1, "inner": {"rate": -3}})


def test_instances_made_in_code_are_checked_too():
    with pytest.raises(ConfigError, match=r"Inner.rate: expected float > 0.0, found -1.0"):
        Inner(rate=-1.0)
    with pytest.raises(ConfigError, match=r"Inner.widths\[1\]: expected int >= 1, found 0"):
        replace(Inner(), widths=(1, 0))
    with pytest.raises(ConfigError, match=r"Inner.rate: expected a finite number"):
        Inner(rate=math.nan)
    with pytest.raises(ConfigError, match=r"Outer.mode: expected one of 'fast', 'exact'"):
        Outer(mode="banana")
    assert Inner(rate=2, widths=[1, 5]) == Inner(rate=2.0, widths=(1, 5))


@pytest.mark.parametrize(
    ("range_", "good", "bad"),
    [
        (Count, [1, 10**9], [0, -1, 1.5]),
        (CountOrZero, [0, 3], [-1]),
        (Positive, [1e-9, 5.0], [0.0, -1.0]),
        (NonNegative, [0.0, 5.0], [-1e-9]),
        (Share, [0.0, 0.3, 1.0], [-0.01, 1.01]),
    ],
)
def test_the_limits_of_each_range(range_, good, bad):
    for value in good:
        assert msgspec.convert(value, Annotated[range_, None]) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, range_)


def test_a_broken_toml_file_is_one_line(tmp_path):
    (tmp_path / "a.toml").write_text("a = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_toml(tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("x" * 2_000_000, "at most 1000000 bytes, found 2000000"),
        (b"a = '\xff'", "not valid TOML"),
    ],
    ids=["deep", "digits", "large", "bytes"],
)
def test_a_hostile_toml_file_is_one_line(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=rf"a\.toml: .*{message}"):
        read_toml(path)


@pytest.mark.parametrize(
    "value",
    ["0x" + "f" * 5000, "9" * 400, ".a" * 3000 + " = 1"],
    ids=["hexadecimal", "hundreds of digits", "tables"],
)
@pytest.mark.parametrize("key", ["name", "mode", "limit", "inner", "other"])
def test_a_monstrous_value_is_one_line(tmp_path, key, value):
    path = tmp_path / "a.toml"
    path.write_text(key + (value if value.startswith(".") else f" = {value}"))
    with pytest.raises(ConfigError, match=r"a\.toml: .*") as found:
        read(Outer, path)
    assert len(str(found.value)) < 400


@pytest.mark.parametrize("table", [{"name": "\ud800"}, {"mode": "\ud800"}, {"\ud800": 1}])
def test_half_a_character_is_one_line(table):
    with pytest.raises(ConfigError, match=r"^f\.json: ") as found:
        build(Outer, table, context="f.json")
    assert str(found.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_pipe_is_no_toml_file(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match="found a folder, pipe or device"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000], ids=["digits", "deep"])
def test_a_monstrous_override_is_one_line(value):
    with pytest.raises(ConfigError, match="--set: .* is no value"):
        parse_overrides([f"a={value}"])


def test_merging_replaces_values_and_goes_into_tables():
    base = {"a": 1, "t": {"x": 1, "y": 2}, "u": {"z": 1}}
    assert merge(base, {"t": {"y": 3}, "u": 5, "n": 0}) == {
        "a": 1, "t": {"x": 1, "y": 3}, "u": 5, "n": 0,
    }  # fmt: skip
    assert base["t"] == {"x": 1, "y": 2}


def test_overrides_are_toml_with_dotted_keys():
    assert parse_overrides(
        ["a.b.c=3", "a.b.d = [0.9, 0.99]", "mode='fast'", "path=runs/x=y", "on=true", "a.b.c=4"]
    ) == {"a": {"b": {"c": 4, "d": [0.9, 0.99]}}, "mode": "fast", "path": "runs/x=y", "on": True}


@pytest.mark.parametrize("text", ["steps", "=3", "a..b=3", "a b=3", ".a=1", "a.=1"])
def test_a_malformed_override_is_one_line(text):
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        parse_overrides([text])
