"""Changes the code in small ways, one at a time, and counts how often a test notices.

    pip install cosmic-ray
    python tools/mutation_score.py [--each 60] [--seed 0] [motion model training audio metrics]

Draws ``--each`` mutations a package (cosmic-ray's operators: another arithmetic or comparison
operator, another number, True for False, ``and`` for ``or``, a sign dropped, a condition negated),
and runs the tests of that module: its mirror under ``tests/`` and every test file that imports it.
The work is done in a copy, so the checkout stays as it is. Heavy libraries are loaded once; each
mutation runs in a fork, so this needs Linux or macOS.

Prints Markdown: mutations, killed by a test, survived, and the score; then the survivors as diffs.
A mutation that changes nothing that matters (an error's text, a cache size) survives too.
"""

import argparse
import ast
import difflib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).parent.parent
PACKAGES = ("motion", "model", "training", "audio", "metrics")
_ARITHMETIC = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "FloorDiv_Mul", "Mod_Add")
_OTHER = (
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "NumberReplacer",
    "AddNot",
)  # fmt: skip
_COMPARISONS = ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt", "Eq_NotEq", "NotEq_Eq")
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{name}" for name in _ARITHMETIC),
    *(f"core/ReplaceComparisonOperator_{name}" for name in _COMPARISONS),
    *(f"core/{name}" for name in _OTHER),
)
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Mutation:
    """One change of one module."""

    module: Path
    operator: str
    occurrence: int


def mutations_of(module: Path) -> Iterator[Mutation]:
    """Yield every mutation of a module."""
    nodes = list(ast_nodes(get_ast(module.read_text(encoding="utf-8"))))
    for name in OPERATORS:
        operator = cosmic_ray.plugins.get_operator(name)()
        count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        yield from (Mutation(module, name, k) for k in range(count))


def imports_of(test: Path) -> set[str]:
    """Return the modules that a test file imports, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(test.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def tests_of(module: Path, imported: dict[Path, set[str]]) -> list[Path]:
    """Return the test files of a module: its mirror first, then those that import it."""
    dotted = ".".join(module.with_suffix("").parts)
    mirror = Path("tests", *module.parts[1:-1], f"test_{module.name}")
    others = sorted(test for test, names in imported.items() if dotted in names)
    return [test for test in (mirror, *others) if test in imported][:8]


def run_tests(tests: list[Path], deadline_s: float) -> bool:
    """Return whether every test passed, in a fork of this process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _pytest_quietly(tests)
        finally:
            # Never back into the caller's code, whatever was raised.
            os._exit(code)
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _pytest_quietly(tests: list[Path]) -> int:
    import pytest

    os.setsid()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
    # Plugins that the libraries loaded beforehand bring along.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*options, *map(str, dict.fromkeys(tests))]))


def check_pass(tests: list[Path]) -> None:
    """Stop unless the tests pass as they are: a test that fails anyway would notice everything."""
    if tests and not run_tests(tests, 3 * TIMEOUT_S):
        sys.exit(f"these tests fail without any mutation: {' '.join(map(str, tests))}")


def tried(mutation: Mutation, tests: list[Path]) -> str | None:
    """Return the diff of a mutation that survived, or None if a test noticed it."""
    before = mutation.module.read_text(encoding="utf-8")
    operator = cosmic_ray.plugins.get_operator(mutation.operator)()
    after = mutate_code(before, operator, mutation.occurrence)
    try:
        mutation.module.write_text(after, encoding="utf-8")
        if not run_tests(tests, TIMEOUT_S):
            return None
    finally:
        mutation.module.write_text(before, encoding="utf-8")
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return "\n".join([str(mutation.module), *changed])


def main() -> None:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import diffusers  # noqa: F401 - loaded once, for all forks
    import librosa  # noqa: F401
    import torch

    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    survivors, rows, sound = [], [], set()
    with tempfile.TemporaryDirectory(prefix="kinetune-mutants-") as folder:
        for name in ("kinetune", "tests", "examples", "configs", "tools", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, Path(folder, name))
        os.chdir(folder)
        sys.path.insert(0, folder)
        imported = {test: imports_of(test) for test in Path("tests").rglob("test_*.py")}
        for package in options.packages:
            modules = sorted(Path("kinetune", package).rglob("*.py"))
            every = [m for module in modules for m in mutations_of(module)]
            drawn = random.Random(options.seed).sample(every, min(options.each, len(every)))
            alive = []
            for number, mutation in enumerate(drawn, start=1):
                tests = tests_of(mutation.module, imported)
                if mutation.module not in sound:
                    check_pass(tests)
                    sound.add(mutation.module)
                diff = tried(mutation, tests) if tests else f"{mutation.module}\nno test file"
                alive += [diff] if diff else []
                print(
                    f"\r{package} {number}/{len(drawn)}, {len(alive)} alive",
                    end="",
                    file=sys.stderr,
                )
            print(file=sys.stderr)
            rows.append((package, len(every), len(drawn), len(alive)))
            survivors += alive
    print("| package | mutations possible | drawn | noticed | survived | score |")
    print("|---|---|---|---|---|---|")
    total = [sum(row[k] for row in rows) for k in (1, 2, 3)]
    for package, possible, drawn, alive in [*rows, ("all", *total)]:
        score = 1 - alive / drawn
        print(f"| {package} | {possible} | {drawn} | {drawn - alive} | {alive} | {score:.0%} |")
    print()
    print("\n\n".join(survivors))


if __name__ == "__main__":
    main()
