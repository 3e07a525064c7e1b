"""The order in which test files are run."""

from pathlib import Path
from types import SimpleNamespace

from tests.conftest import put_slow_files_first


def item(file: str, test: str, *marks: str) -> SimpleNamespace:
    return SimpleNamespace(
        path=Path(file), name=test, get_closest_marker=lambda name: name if name in marks else None
    )


def test_files_with_a_slow_test_come_first_and_stay_whole():
    items = [
        item("a", "one"), item("b", "two"), item("b", "three", "slow"), item("c", "four"),
        item("d", "five", "processes"),
    ]  # fmt: skip
    put_slow_files_first(items)
    assert [item.name for item in items] == ["two", "three", "five", "one", "four"]
