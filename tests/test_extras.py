import tomllib

import pytest
from packaging.requirements import Requirement

import kinetune
from kinetune.errors import MissingExtraError
from kinetune.extras import extra
from tests.conftest import REPOSITORY


def test_a_missing_package_is_named_with_the_extra_that_provides_it():
    with pytest.raises(MissingExtraError, match=r"nonesuch.*kinetune\[film\]"), extra("film"):
        import nonesuch_package  # noqa: F401


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), extra("film"):
        1 / 0  # noqa: B018


def test_the_extra_of_the_studio_brings_server_films_and_pictures():
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    extras = table["project"]["optional-dependencies"]
    assert extras["studio"] == ["kinetune[serve,film,plot]"]
    assert {"serve", "film", "plot"} <= set(extras)


def test_the_citation_has_the_version_of_the_package():
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {kinetune.__version__}\n" in citation


def test_constraints_pin_one_version_a_line():
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            operators = [each.operator for each in Requirement(line).specifier]
            assert operators == ["=="], line
