"""Import rules: layers import lower layers only, and light modules stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kinetune"
GROUND = {
    "errors",
    "timebase",
    "config",
    "files",
    "genres",
    "memmap",
    "extras",
    "processes",
    "example",
}
LAYERS = {
    **dict.fromkeys(GROUND, 1),
    "motion": 3,
    "audio": 3,
    "tower": 3,
    "model": 4,
    "corpus": 4,
    "metrics": 4,
    "composer": 5,
    "packs": 5,
    "live": 6,
    "fitting": 5,
    "training": 5,
    "render": 5,
    "tasks": 7,
    "serve": 8,
    "cli": 10,
    "api": 8,
    "cluster": 9,
    "__main__": 11,
    # What the top of the package offers is imported when it is first used.
    "__init__": 12,
}
# The file in a checkpoint folder is for diffusers, see model/checkpoint.py.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "weights" not in path.parts)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = node.module.split(".")
            if names == ["kinetune"]:
                parts |= {alias.name for alias in node.names}
            elif names[0] == "kinetune":
                parts.add(names[1])
        elif isinstance(node, ast.Import):
            parts |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("kinetune.")
            }
    return parts - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_its_own_layer_and_layers_below(path):
    part = part_of(path)
    for other in imported_parts(path):
        inside = other == part or {other, part} <= GROUND
        assert inside or LAYERS[other] < LAYERS[part], f"{part} imports {other}"


def test_the_base_modules_have_no_import_cycles():
    above = {part: imported_parts(PACKAGE / f"{part}.py") & GROUND for part in GROUND}
    while above:
        free = {part for part, needs in above.items() if not needs & set(above)}
        assert free, f"these import each other: {sorted(above)}"
        above = {part: needs for part, needs in above.items() if part not in free}


@pytest.mark.parametrize(
    "statement",
    [
        "import kinetune",
        "import kinetune.motion.io.formats, kinetune.motion.beats.beat_grid",
        "import kinetune.audio.sound",
        "import kinetune.corpus.pairs",
        "import kinetune.metrics.evaluation.protocol, kinetune.metrics.evaluation.report",
        "import kinetune.cli.main",
        "import kinetune; kinetune.generate, kinetune.load_motion, kinetune.KinetuneError",
        "import kinetune.tasks.generate, kinetune.tasks.inspect, kinetune.tasks.again",
        "import kinetune.composer.compose, kinetune.composer.output.mastering",
        "import kinetune.tasks.fitting, kinetune.fitting.retime",
        "import kinetune.cluster.composing, kinetune.cluster.preparing",
    ],
)
def test_light_imports_do_not_load_torch(statement):
    heavy = "{'torch', 'diffusers', 'librosa', 'matplotlib'} & set(sys.modules)"
    code = f"import sys; {statement}; loaded = {heavy}; assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], check=True)


# More files than this, and a folder's listing no longer explains the product.
MOST_FILES = 14


@pytest.mark.parametrize(
    "folder",
    sorted({path.parent for path in MODULES}),
    ids=lambda path: str(path.relative_to(PACKAGE)) or ".",
)
def test_a_folder_has_at_most_fourteen_files(folder):
    assert len(list(folder.glob("*.py"))) <= MOST_FILES
