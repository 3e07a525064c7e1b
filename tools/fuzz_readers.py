#!/usr/bin/env python3
"""Mutates files and reads them: everything must be read, or refused with an error of our own.

    python tools/fuzz_readers.py --seconds 60 --seed 0 [--targets bvh,glb] [--keep FOLDER]

Each batch of inputs runs in a process of its own under limits of memory and time. Reported is
whatever raises anything but a KinetuneError, takes more than 1 GB or 20 s, ends the process, or is
accepted with absurd values. Input ``k`` of a seed is always the same. A reader is added by a row
of the tables in tools/fuzzing. The exit code is 1 if anything was found.
"""

import argparse
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from fuzzing.models import MODEL_TARGETS
from fuzzing.motion import MOTION_TARGETS
from fuzzing.music import MUSIC_TARGETS
from fuzzing.mutations import mutated
from fuzzing.target import Target

from kinetune.errors import KinetuneError

TARGETS: dict[str, Target] = {**MOTION_TARGETS, **MUSIC_TARGETS, **MODEL_TARGETS}
INPUT_LIMIT_S = 20
MEMORY_LIMIT_MB = 1000
# Address space is more than memory: libraries and thread stacks are mapped too.
_ADDRESS_SPACE_BYTES, _TORCH_ADDRESS_SPACE_BYTES = 4 << 30, 8 << 30
_BATCH_LIMIT_S = 120
_RESULT = "RESULT "
_KINDS = ("read", "refused", "finding")
_LONGEST_ERROR = 2000
# How the door of the motion readers words what no reader foresaw: refused, but worth a better line.
_UNEXPECTED = re.compile(r"it is damaged \((\w+: .{0,60})")


def try_input(
    target: Target, data: bytes, folder: Path, *, limit_s: int | None = None
) -> tuple[str, str]:
    """Read one input; return "read", "refused" or "finding", and what is wrong.

    Args:
        target: The reader.
        data: The file's content.
        folder: Where the file is put.
        limit_s: How long reading may take; None is INPUT_LIMIT_S.
    """
    path = folder / f"input{target.suffix}"
    path.write_bytes(data)
    try:
        with _time_limit(limit_s or INPUT_LIMIT_S):
            wrong = target.check(target.read(path))
    except KinetuneError as error:
        line = str(error)
        if not line.isprintable() or len(line) > _LONGEST_ERROR:
            return "finding", f"an error text that isn't one line: {line[:200]!r}"
        unexpected = _UNEXPECTED.search(line)
        return "refused", unexpected[1] if unexpected else ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for.
        return "finding", f"{type(error).__name__}: {str(error)[:200]}"
    return ("finding", f"accepted with {wrong}") if wrong else ("read", "")


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def run_batch(name: str, seed: int, first: int, count: int, folder: Path) -> None:
    """Try the inputs of one batch, printing a line for each that is a finding, and the counts."""
    target = TARGETS[name]
    limit = _TORCH_ADDRESS_SPACE_BYTES if target.uses_torch else _ADDRESS_SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    seeds = target.seeds(folder)
    # What it imports is not counted to the first input.
    try_input(target, seeds[0], folder, limit_s=_BATCH_LIMIT_S)
    counts = dict.fromkeys(_KINDS, 0)
    peak_mb = max(MEMORY_LIMIT_MB, _peak_mb() + 1)
    for index in range(first, first + count):
        (folder / "index").write_text(str(index))
        data = mutated(seeds, target.mutators, random.Random(f"{seed}:{name}:{index}"))
        kind, wrong = try_input(target, data, folder)
        if _peak_mb() > peak_mb:
            peak_mb = _peak_mb()
            kind, wrong = "finding", f"{peak_mb:.0f} MB of memory"
        counts[kind] += 1
        if kind == "refused" and wrong:
            print(_RESULT + json.dumps({"index": index, "unexpected": wrong}), flush=True)
        if kind == "finding":
            print(_RESULT + json.dumps({"index": index, "wrong": wrong}), flush=True)
    print(_RESULT + json.dumps(counts), flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def fuzz(
    names: list[str], seed: int, seconds: float, keep: Path | None, batch_size: int = 250
) -> int:
    """Run batches of every target in turn until time is up; return how many findings there are."""
    totals = {name: dict.fromkeys(_KINDS, 0) for name in names}
    unexpected: dict[str, str] = {}
    end, batch = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        name, number = names[batch % len(names)], batch // len(names)
        size = TARGETS[name].batch
        left_s = min(_BATCH_LIMIT_S, end - time.monotonic() + 30)
        count = min(size, batch_size) if seconds > 30 else min(size, 40)
        for line in _batch_results(name, seed, number * size, count, left_s):
            if "unexpected" in line:
                unexpected.setdefault(str(line["unexpected"]), f"{name} {seed}:{line['index']}")
            elif "wrong" in line:
                print(f"{name} {seed}:{line['index']}: {line['wrong']}", flush=True)
                _keep(keep, name, seed, line["index"])
            else:
                totals[name] = {kind: totals[name][kind] + line[kind] for kind in _KINDS}
        batch += 1
    for reason, example in unexpected.items():
        print(f"refused without a line of its own: {reason} ({example})")
    return _print_totals(totals)


def _print_totals(totals: dict[str, dict[str, int]]) -> int:
    """Print what became of the inputs of each reader and of all; return the findings."""
    rows = {**totals, "all": {kind: sum(row[kind] for row in totals.values()) for kind in _KINDS}}
    for name, row in rows.items():
        print(
            f"tried {sum(row.values())} inputs of {name}: {row['read']} read, "
            f"{row['refused']} refused, {row['finding']} findings"
        )
    return rows["all"]["finding"]


def _batch_results(
    name: str, seed: int, first: int, count: int, limit_s: float
) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="kinetune-fuzz-") as folder:
        numbers = map(str, (seed, first, count))
        command = [sys.executable, __file__, "--batch", name, *numbers, folder]
        environment = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TMPDIR": folder}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=limit_s,
                check=False, env=os.environ | environment,
            )  # fmt: skip
            output, ended = done.stdout, f"the process ended with {done.returncode}"
            if done.returncode:
                ended += f" ({done.stderr.strip()[-200:]})"
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode(errors="replace")
            ended = ""
        lines = [json.loads(line[len(_RESULT) :]) for line in output.splitlines()
                 if line.startswith(_RESULT)]  # fmt: skip
        if lines and "read" in lines[-1]:
            return lines
        at = Path(folder, "index")
        index = int(at.read_text() or first) if at.is_file() else first
        if not ended:  # Slow machines: what was tried so far counts.
            return [*lines, {"read": 0, "refused": index - first, "finding": _findings(lines)}]
        wrong = {"index": index, "wrong": ended}
        return [
            *lines,
            wrong,
            {"read": 0, "refused": index - first, "finding": _findings(lines) + 1},
        ]


def _findings(lines: list[dict[str, object]]) -> int:
    return sum("wrong" in line for line in lines)


def _keep(keep: Path | None, name: str, seed: int, index: object) -> None:
    if keep is None:
        return
    keep.mkdir(parents=True, exist_ok=True)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        seeds = target.seeds(Path(folder))
        data = mutated(seeds, target.mutators, random.Random(f"{seed}:{name}:{index}"))
    (keep / f"{name}-{seed}-{index}{target.suffix}").write_bytes(data)


def main() -> int:
    """Read the command line and run; 1 if anything was found."""
    if sys.argv[1:2] == ["--batch"]:
        name, seed, first, count, folder = sys.argv[2:7]
        run_batch(name, int(seed), int(first), int(count), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--batch-size", type=int, default=250, help="most inputs at a turn")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that were findings")
    options = parser.parse_args()
    names = options.targets.split(",")
    if unknown := sorted(set(names) - set(TARGETS)):
        parser.error(f"unknown target {unknown[0]}; there are {', '.join(TARGETS)}")
    return 1 if fuzz(names, options.seed, options.seconds, options.keep, options.batch_size) else 0


if __name__ == "__main__":
    sys.exit(main())
