"""Run the Blender extension inside Blender: what `make blender-test` runs.

    python tools/blender_tests.py [--folder FOLDER] [--pytest ARGUMENTS]

Installs the module `bpy` of Blender 4.2 and of the newest 5.x, each into an environment of its own
in FOLDER (default: ~/.cache/kinetune), and runs tests/integrations/test_blender.py with each. One
that can't be installed (no such Python, no network) is skipped, and said so.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Versions of bpy, and the Python that each is made for.
BLENDERS = {"4.2.23": "3.11", "5.3.0": "3.13"}
TESTS = "tests/integrations/test_blender.py"


def main() -> None:
    """Run the tests with every Blender that can be had."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "kinetune")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[])
    options = parser.parse_args()
    failed = []
    for version, python in BLENDERS.items():
        interpreter = environment(options.folder / f"bpy-{version}", version, python)
        if interpreter is None:
            continue
        print(f"Blender {version}", flush=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", TESTS, *options.pytest]
        if subprocess.run(command, env={**os.environ, "KINETUNE_BPY": str(interpreter)}).returncode:
            failed.append(version)
    sys.exit(f"failed with Blender {', '.join(failed)}" if failed else 0)


def environment(folder: Path, version: str, python: str) -> Path | None:
    """Return the Python of an environment with a version of bpy; None where there can be none."""
    interpreter = folder / "bin" / "python"
    done = folder / ".installed"
    if done.is_file():
        return interpreter
    program = shutil.which(f"python{python}")
    if program is None:
        print(f"SKIPPED: Blender {version} needs Python {python}, which is not on the PATH")
        return None
    for command in (
        [program, "-m", "venv", "--clear", str(folder)],
        [str(interpreter), "-m", "pip", "install", "--quiet", f"bpy=={version}"],
    ):
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"SKIPPED: bpy {version} can't be installed: {reason}")
            return None
    # Last, so that an installation that broke off is done again.
    done.touch()
    return interpreter


if __name__ == "__main__":
    main()
