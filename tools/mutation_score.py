"""Changes the code in small ways, one at a time, and counts how often a test notices.

    pip install cosmic-ray
    python tools/mutation_score.py [--each 24] [--seed 0] [--resume] [motion model training ...]

Draws ``--each`` mutations a package (cosmic-ray's operators: another arithmetic or comparison
operator, another number, True for False, ``and`` for ``or``, a sign dropped, a condition negated).
First the tests in the package's folder under ``tests/`` run once without a mutation (slow ones only
where they mirror a module that is drawn); that gives the CPU seconds of each test and the functions
it calls. A test that fails there takes no part and is named. A mutation then meets the tests that
call the mutated function, those of the module's mirror first, files in the order of their CPU time,
until one fails. A run that takes far more CPU time than its tests took without the mutation is an
endless loop, and counts as noticed.

The work is done in a copy, so the checkout stays as it is. Heavy libraries are loaded once and each
run is a fork, so this needs Linux or macOS. Every result is written to ``out/mutations.jsonl`` at
once; ``--resume`` goes on from there, and repeats survivors if the tests have changed since.
The first run of the tests is kept beside it and repeated for changed files only.

Prints Markdown: mutations, those a test noticed, those that survived, and how many of these
``tools/mutations_without_effect.toml`` lists as changing nothing that matters (an error's text, a
cache size). Then the other survivors as diffs.
"""

import argparse
import ast
import compileall
import difflib
import json
import os
import shutil
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from mutation_tests import (
    Function,
    Order,
    Test,
    hash_of,
    hash_of_files,
    in_fork,
    most_cpu_s,
    run_pytest,
    unmutated,
)

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("motion", "model", "training", "audio", "metrics")
RESULTS = ROOT / "out" / "mutations.jsonl"
WITHOUT_EFFECT = ROOT / "tools" / "mutations_without_effect.toml"
COPIED = (
    "kinetune", "tests", "examples", "configs", "docs", "tools", "pyproject.toml", "README.md",
)  # fmt: skip
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
# CPU seconds of tests that one mutation meets at most, as measured without it.
MOST_CPU_S = 12.0


@dataclass(frozen=True)
class Mutation:
    """One change of one module."""

    module: str
    operator: str
    occurrence: int
    line: int


@dataclass(frozen=True)
class Result:
    """What became of a mutation: ``noticed``, ``too long``, ``survived`` or ``no test``."""

    package: str
    mutation: Mutation
    outcome: str
    before: str
    after: str
    source_hash: str
    tests_hash: str

    @property
    def survived(self) -> bool:
        """Return whether no test noticed."""
        return self.outcome in ("survived", "no test")


def mutations_of(module: Path) -> Iterator[Mutation]:
    """Yield every mutation of a module."""
    nodes = list(ast_nodes(get_ast(module.read_text(encoding="utf-8"))))
    for name in OPERATORS:
        operator = cosmic_ray.plugins.get_operator(name)()
        spans = (span for node in nodes for span in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(spans):
            yield Mutation(str(module), name, occurrence, start[0])


def mirror_of(module: str) -> str:
    """Return the test file that mirrors a module."""
    path = Path(module)
    return str(Path("tests", *path.parts[1:-1], f"test_{path.name}"))


def test_files_of(package: str, modules: Iterable[str]) -> list[Path]:
    """Return the test files of a package, slow ones only where they mirror one of the modules."""
    assigned = (
        node
        for node in ast.parse(Path("tests/conftest.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
    )
    slow = {
        f"tests/{file}"
        for node in assigned
        if ast.unparse(node.targets[0]) == "SLOW_FILES"
        for file in ast.literal_eval(node.value)
    }
    left_out = slow - set(map(mirror_of, modules))
    files = sorted(Path("tests", package).rglob("test_*.py"))
    return [file for file in files if file.as_posix() not in left_out]


@cache
def imports_of(test: str) -> frozenset[str]:
    """Return the modules that a test file imports, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(test).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def function_at(module: str, line: int) -> Function:
    """Return the innermost function around a line, or line 0 for the module itself."""
    first = 0
    for node in ast.walk(ast.parse(Path(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= node.end_lineno:
            first = max(first, min([node.lineno, *(d.lineno for d in node.decorator_list)]))
    return module, first


def tests_of(mutation: Mutation, tests: dict[str, Test]) -> list[str]:
    """Return the tests that a mutation meets, by name, in the order in which they run."""
    function = function_at(mutation.module, mutation.line)
    dotted = ".".join(Path(mutation.module).with_suffix("").parts)
    mirror = mirror_of(mutation.module)

    def meets(name: str, test: Test) -> bool:
        file = name.partition("::")[0]
        if file == mirror or function in test.calls:
            return True
        # A constant of the module: who calls any of its functions, or imports it, may use it.
        in_module = any(called == mutation.module for called, _ in test.calls)
        return not function[1] and (in_module or dotted in imports_of(file))

    chosen = [name for name, test in tests.items() if test.passed and meets(name, test)]
    file_s: dict[str, float] = defaultdict(float)
    for name in chosen:
        file_s[name.partition("::")[0]] += tests[name].cpu_s

    def rank(name: str) -> tuple[bool, float, str]:
        file = name.partition("::")[0]
        return file != mirror, file_s[file], file

    # Within a file the order is pytest's, which sets shared fixtures up once.
    chosen.sort(key=rank)
    kept, cpu_s = [], 0.0
    for name in chosen:
        cpu_s += tests[name].cpu_s
        if kept and cpu_s > MOST_CPU_S:
            break
        kept.append(name)
    return kept


def outcome_of(mutation: Mutation, after: str, tests: dict[str, Test]) -> str:
    """Return what the tests say to a module whose text is ``after``."""
    names = tests_of(mutation, tests)
    if not names:
        return "no test"
    files = dict.fromkeys(name.partition("::")[0] for name in names)
    cpu_s = most_cpu_s(tests[name] for name in names)
    module = Path(mutation.module)
    before, stat = module.read_bytes(), module.stat()
    try:
        module.write_text(after, encoding="utf-8")
        outcome = in_fork(lambda: run_pytest(files, "-x", plugin=Order(names)), cpu_s=cpu_s)
    finally:
        module.write_bytes(before)
        # Compiled modules are known from stale ones by this time.
        os.utime(module, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return {"passed": "survived", "failed": "noticed"}.get(outcome, outcome)


def tried(package: str, mutation: Mutation, tests: dict[str, Test], tests_hash: str) -> Result:
    """Return what became of a mutation."""
    before = Path(mutation.module).read_text(encoding="utf-8")
    operator = cosmic_ray.plugins.get_operator(mutation.operator)()
    after = mutate_code(before, operator, mutation.occurrence)
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
    old = [line[1:].strip() for line in lines[2:] if line.startswith("-")]
    new = [line[1:].strip() for line in lines[2:] if line.startswith("+")]
    outcome = outcome_of(mutation, after, tests)
    changed = "\n".join(old), "\n".join(new)
    return Result(package, mutation, outcome, *changed, hash_of([before]), tests_hash)


def earlier_results() -> dict[Mutation, Result]:
    """Return the results of the last run, the newest of each mutation."""
    if not RESULTS.is_file():
        return {}
    rows = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
    results = (Result(**{**row, "mutation": Mutation(**row["mutation"])}) for row in rows)
    return {result.mutation: result for result in results}


def still_holds(result: Result, tests_hash: str) -> bool:
    """Return whether an earlier result can stand: same module and, for a survivor, same tests."""
    same = hash_of([Path(result.mutation.module).read_text(encoding="utf-8")]) == result.source_hash
    return same and (not result.survived or result.tests_hash == tests_hash)


def copy_to(folder: Path) -> None:
    """Copy the checkout, enter the copy and compile it."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)
    # Compiled once here; what is compiled later is a mutation, and is known by its time.
    compileall.compile_dir("kinetune", quiet=1)
    sys.dont_write_bytecode = True


def without_effect() -> set[tuple[str, str, str]]:
    """Return the mutations known to change nothing that matters: module, before, after."""
    listed = tomllib.loads(WITHOUT_EFFECT.read_text(encoding="utf-8")).get("mutation", [])
    return {(row["module"], row["before"], row["after"]) for row in listed}


def draw(mutations: list[Mutation], count: int, seed: int) -> list[Mutation]:
    """Draw mutations so that a change of one module leaves the draw among the others as it was."""
    key = {m: hash_of([str(seed), m.module, m.operator, str(m.occurrence)]) for m in mutations}
    return sorted(mutations, key=key.__getitem__)[:count]


def try_all(package: str, drawn: list[Mutation]) -> Iterator[Result]:
    """Yield what became of each mutation, after writing it down."""
    earlier = earlier_results()
    tests = unmutated(test_files_of(package, {mutation.module for mutation in drawn}))
    for name in (name for name, test in tests.items() if not test.passed):
        print(f"takes no part, it fails without any mutation: {name}", file=sys.stderr)
    tests_hash = hash_of_files(sorted(Path("tests", package).rglob("*.py")))
    alive = 0
    for number, mutation in enumerate(drawn, start=1):
        result = earlier.get(mutation)
        if result is None or not still_holds(result, tests_hash):
            result = tried(package, mutation, tests, tests_hash)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(result)) + "\n")
        alive += result.survived
        print(f"{package} {number}/{len(drawn)}, {alive} alive", file=sys.stderr)
        yield result


def report(results: list[Result], possible: dict[str, int]) -> None:
    """Print the table and the survivors that matter."""
    harmless = without_effect()

    def is_harmless(result: Result) -> bool:
        return (result.mutation.module, result.before, result.after) in harmless

    print("| package | possible | tried | noticed | survived | of these without effect | score |")
    print("|---|---|---|---|---|---|---|")
    for package in [*possible, "all"]:
        rows = [r for r in results if package in (r.package, "all")]
        alive = [r for r in rows if r.survived]
        idle = sum(map(is_harmless, alive))
        noticed, number = len(rows) - len(alive), possible.get(package, sum(possible.values()))
        score = noticed / max(len(rows) - idle, 1)
        cells = [package, number, len(rows), noticed, len(alive), idle, f"{score:.0%}"]
        print("| " + " | ".join(map(str, cells)) + " |")
    for result in results:
        if result.survived and not is_harmless(result):
            where = f"{result.mutation.module}:{result.mutation.line} ({result.outcome})"
            print(f"\n{where}\n- {result.before}\n+ {result.after}")


def main() -> None:
    """Draw, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--each", type=int, default=24, help="mutations a package")
    parser.add_argument("--seed", type=int, default=0, help="which ones are drawn")
    parser.add_argument("--resume", action="store_true", help="keep the results of the last run")
    options = parser.parse_args()
    # One thread: those of a library do not survive a fork.
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    RESULTS.parent.mkdir(exist_ok=True)
    if not options.resume:
        RESULTS.unlink(missing_ok=True)
    results: list[Result] = []
    possible: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="kinetune-mutants-") as name:
        copy_to(Path(name))
        for package in options.packages:
            modules = sorted(Path("kinetune", package).rglob("*.py"))
            every = [m for module in modules for m in mutations_of(module)]
            possible[package] = len(every)
            drawn = draw(every, options.each, options.seed)
            results += try_all(package, drawn)
    report(results, possible)


if __name__ == "__main__":
    main()
