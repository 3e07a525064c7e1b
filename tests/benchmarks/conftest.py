"""The scripts of ``benchmarks`` can be imported by name."""

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """They import each other by name."""
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
