"""The command line in its own process, on a tiny saved model."""

import os
import subprocess
import sys

import pytest

from tests.model.conftest import tiny_default


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_default().save_pretrained(folder)
    return folder


def kinetune(*arguments, cwd=None):
    """Run ``kinetune`` as a user does; the finished process with its output."""
    return subprocess.run(
        [sys.executable, "-m", "kinetune.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
