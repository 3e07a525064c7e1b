"""Runs commands and tests with the lowest versions that pyproject.toml allows.

    python tools/oldest_versions.py FOLDER [--torch 2.13.0] [pytest arguments]

``FOLDER`` becomes a virtual environment with all extras but FBX. In it a command of each extra runs
once on the example dance, then the tests run. ``--torch`` takes another torch than the lowest,
where the index at hand has no CPU build of that. Without pytest arguments, all but the slow tests
run.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DANCE = ROOT / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"
# Tools that only test; they may be new.
_TOOLS = ("mypy", "ruff", "pytest", "pytest-xdist", "mkdocs", "mkdocstrings", "bpy", "schemathesis")
# What the tests import; without schemathesis, whose old releases raise warnings of their own.
_TEST_TOOLS = ("pytest", "scikit-learn", "httpx")


def lowest(requirements: list[str]) -> list[str]:
    """Return ``name==version`` for every ``name>=version``; other requirements are left out."""
    pairs = (re.fullmatch(r"([A-Za-z0-9_-]+)(?:\[.*\])?>=([0-9.]+)", r) for r in requirements)
    return [f"{m[1]}=={m[2]}" for m in pairs if m and not m[1].startswith(_TOOLS)]


def run_commands(python: Path) -> None:
    """Run a command of every extra: plot, film, evaluate, serve, train."""
    commands = (
        ("generate", DANCE, "--steps", "2", "--plot", "-o", "music/dance.wav"),
        ("generate", DANCE, "--engine", "composer", "--midi", "-o", "composed.wav"),
        ("film", DANCE, "music/dance.wav", "-o", "dance.mp4"),
        ("evaluate", "folder", "music", "--out", "report"),
        ("serve", "--help"),
        ("train", "vae", "--config", ROOT / "configs" / "tiny.toml", "--out", "run", "--set",
         "vae.loop.steps=1", "--set", 'data.source=""', "--set", "data.minutes=0.2"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "music").mkdir()
        for command in commands:
            print(f"kinetune {' '.join(map(str, command))}", flush=True)
            arguments = [python.absolute(), "-m", "kinetune", *map(str, command)]
            subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Make the environment, install, run commands and tests; return pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--torch")
    options, tests = parser.parse_known_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = lowest(project["dependencies"] + [r for name in extras for r in extras[name]])
    if options.torch:
        pins = [p for p in pins if not p.startswith("torch==")] + [f"torch=={options.torch}"]
    venv.create(options.folder, with_pip=True)
    python = options.folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    constraints = options.folder / "lowest.txt"
    constraints.write_text("\n".join(pins) + "\n")
    print(f"lowest versions: {' '.join(pins)}", flush=True)
    install = [python, "-m", "pip", "install", "--constraint", constraints]
    torch = next(p for p in pins if p.startswith("torch=="))
    subprocess.run([*install, torch], check=True)
    subprocess.run([*install, "--editable", f"{ROOT}[all]"], check=True)
    subprocess.run([*install, *_TEST_TOOLS], check=True)
    run_commands(python)
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
