"""Runs tests in forks for tools/mutation_score.py, and notes what they do without a mutation.

Heavy libraries are loaded once and each run is a fork. A run is limited in CPU time, so a busy
machine changes no result.
"""

import gc
import hashlib
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

UNMUTATED = Path(__file__).resolve().parent.parent / "out" / "tests-unmutated.json"
# What the tests load again and again if each fork has to.
LIBRARIES = (
    "accelerate", "av", "diffusers", "librosa", "matplotlib", "mir_eval", "msgspec", "numba",
    "numpy", "PIL", "pyloudnorm", "rich", "safetensors", "scipy", "sklearn", "soundfile",
    "tensorboard", "torch", "transformers", "typer",
)  # fmt: skip
# Loading the tests costs CPU time too, and what a test costs varies with what ran before it.
_SPARE_CPU_S, _SPARE_TIMES, _WALL_TIMES = 20.0, 3.0, 20.0
# A function: the file, relative to the checkout, and its first line. Line 0 is the module's own.
Function = tuple[str, int]


@dataclass(frozen=True)
class Test:
    """What a test showed without any mutation."""

    cpu_s: float
    passed: bool
    calls: frozenset[Function]


def hash_of(texts: Iterable[str]) -> str:
    """Return a short hash of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def hash_of_files(paths: Iterable[Path]) -> str:
    """Return a short hash of some files."""
    return hash_of(path.read_text(encoding="utf-8") for path in paths)


class Recorder:
    """A pytest plugin that notes each test's CPU time, outcome and the functions it calls.

    The calls of a shared fixture belong to every test that uses it, whichever comes first.
    """

    def __init__(self, folder: Path) -> None:
        self._prefix = f"{folder}/kinetune/"
        self._length = len(f"{folder}/")
        self._calls: dict[str, set[Function]] = defaultdict(set)
        self._current = [self._calls["loading"]]
        self._fixtures: dict[str, list[str]] = {}
        self._cpu_s: dict[str, float] = {}
        self._failed: set[str] = set()

    def _trace(self, frame, event, argument) -> None:  # noqa: ANN001
        code = frame.f_code
        if code.co_filename.startswith(self._prefix):
            self._current[-1].add((code.co_filename[self._length :], code.co_firstlineno))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count calls from here on: those of loading the modules don't count."""
        sys.settrace(self._trace)
        threading.settrace(self._trace)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request) -> object:  # noqa: ANN001
        """Note the calls of a fixture."""
        self._current.append(self._calls[f"fixture {fixturedef.argname}"])
        try:
            return (yield)
        finally:
            self._current.pop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        """Note the calls and the CPU time of a test."""
        self._fixtures[item.nodeid] = [f"fixture {name}" for name in item.fixturenames]
        self._current = [self._calls[item.nodeid]]
        start = _cpu_s()
        try:
            return (yield)
        finally:
            self._cpu_s[item.nodeid] = _cpu_s() - start

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self._failed.add(report.nodeid)

    def tests(self) -> dict[str, dict]:
        """Return each test by its name in pytest, as JSON can hold it."""
        return {
            name: {
                "cpu_s": cpu_s,
                "passed": name not in self._failed,
                "calls": sorted(
                    self._calls[name].union(*(self._calls[f] for f in self._fixtures[name]))
                ),
            }
            for name, cpu_s in self._cpu_s.items()
        }


def _cpu_s() -> float:
    own, children = (
        resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Order:
    """A pytest plugin that runs the named tests only, in the order of the names."""

    def __init__(self, names: list[str]) -> None:
        self._rank = {name: rank for rank, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop and sort."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self._rank),
            key=lambda item: self._rank[item.nodeid],
        )


def most_cpu_s(tests: Iterable[Test]) -> float:
    """Return the CPU seconds in which tests that take these without a mutation must have ended."""
    return _SPARE_CPU_S + _SPARE_TIMES * sum(test.cpu_s for test in tests)


def in_fork(work: Callable[[], int], *, cpu_s: float) -> str:
    """Do the work in a fork: ``passed`` if it returns 0, ``too long`` or ``failed``."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 5))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            code = work()
        finally:
            # Never back into the caller's code, whatever was raised.
            os._exit(code)
    end = time.monotonic() + _WALL_TIMES * cpu_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.WIFSIGNALED(status):
                stopped = os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
                return "too long" if stopped else "failed"
            return "failed" if status else "passed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "too long"


def run_pytest(paths: Iterable[str], *options: str, plugin: object) -> int:
    """Run the tests of some files in this process and return pytest's exit code."""
    fixed = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # Plugins that the libraries loaded beforehand bring along.
    fixed += ["-W", "ignore::pytest.PytestAssertRewriteWarning", f"--basetemp={Path.cwd()}/tmp"]
    return int(pytest.main([*fixed, *options, *paths], plugins=[plugin]))


def unmutated(files: list[Path]) -> dict[str, Test]:
    """Return what test files show without a mutation; only those that have changed are run."""
    stored = json.loads(UNMUTATED.read_text(encoding="utf-8")) if UNMUTATED.is_file() else {}
    helpers = [p for p in sorted(Path("tests").rglob("*.py")) if not p.name.startswith("test_")]
    code = hash_of_files([*sorted(Path("kinetune").rglob("*.py")), *helpers])
    hashes = {str(file): f"{code} {hash_of_files([file])}" for file in files}
    known = {file: row for file, row in stored.items() if row["hash"] == hashes.get(file)}
    changed = [file for file in hashes if file not in known]
    if changed:
        shown, modules = _recorded(changed)
        rows: dict[str, dict] = {file: {} for file in changed}
        for name, test in shown.items():
            rows[name.partition("::")[0]][name] = test
        known |= {
            file: {"hash": hashes[file], "tests": row, "modules": modules}
            for file, row in rows.items()
        }
        UNMUTATED.write_text(json.dumps(stored | known), encoding="utf-8")
    _load({name for row in known.values() for name in row["modules"]})
    return {
        name: Test(test["cpu_s"], test["passed"], frozenset(map(tuple, test["calls"])))
        for row in known.values()
        for name, test in row["tests"].items()
    }


def _recorded(files: list[str]) -> tuple[dict[str, dict], list[str]]:
    """Run test files as they are; return what their tests show, and the libraries they load."""
    path = Path("recorded.json")
    path.unlink(missing_ok=True)

    def record() -> int:
        recorder = Recorder(Path.cwd())
        run_pytest(files, "--continue-on-collection-errors", plugin=recorder)
        sys.settrace(None)
        loaded = [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]
        path.write_text(json.dumps([recorder.tests(), loaded]), encoding="utf-8")
        return 0

    outcome = in_fork(record, cpu_s=3600)
    if not path.is_file():
        sys.exit(f"the tests did not run to their end without any mutation: {outcome}")
    return tuple(json.loads(path.read_text(encoding="utf-8")))


def _load(modules: Iterable[str]) -> None:
    """Load libraries once, for all forks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(modules):
            with suppress(ImportError):
                importlib.import_module(name)
    gc.freeze()
