"""The command line in this process, which has the libraries loaded already."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from kinetune.cli.main import run


@dataclass(frozen=True)
class Finished:
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


def kinetune(*arguments, cwd=None):
    """Run ``kinetune`` with arguments, in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run([str(argument) for argument in arguments])
        except SystemExit as exit:
            return Finished(exit.code, out.getvalue(), err.getvalue())


def assert_one_clear_line(done, code=2):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("kinetune: ")
