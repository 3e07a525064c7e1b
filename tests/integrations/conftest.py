"""Modules of the integrations, which are no packages of this repository."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.serve.conftest import Server, dance  # noqa: F401 - a fixture

FOLDER = Path(__file__).parents[2] / "integrations"


def load(path: str):
    """Import a file of the integrations by itself."""
    name = "integration_" + path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, FOLDER / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data")
    yield server
    server.kill()
