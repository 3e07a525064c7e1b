"""What starting costs: commands and imports, as ratios to ``import torch`` in the same run.

    python benchmarks/startup.py [--repeats 3]

Every line is a fresh process. Prints a Markdown table of processor seconds (user and system, the
least of the repeats), which other work on the machine disturbs less than the wall clock.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

DANCE = Path(__file__).parent.parent / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"
KINETUNE = ("-m", "kinetune")


def cases(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the arguments to Python, by what they show; the first is the unit."""
    music = folder / "music.wav"
    return {
        "import torch": ("-c", "import torch"),
        "diffusers' pipeline class": ("-c", "from diffusers import DiffusionPipeline"),
        "kinetune's pipeline": ("-c", "import kinetune.model.pipeline"),
        "import kinetune": ("-c", "import kinetune"),
        "kinetune --help": (*KINETUNE, "--help"),
        "kinetune models": (*KINETUNE, "models"),
        "kinetune inspect": (*KINETUNE, "inspect", str(DANCE)),
        "kinetune generate, a 10 s dance": (
            *KINETUNE, "generate", str(DANCE), "-o", str(music), "--device", "cpu", "--force",
        ),
    }  # fmt: skip


def processor_s(arguments: tuple[str, ...]) -> float:
    """Return the processor seconds of one fresh Python."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("| | processor | import torch = 1 |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        unit_s = 0.0
        for name, arguments in cases(Path(folder)).items():
            spent_s = min(processor_s(arguments) for _ in range(options.repeats))
            unit_s = unit_s or spent_s
            print(f"| {name} | {spent_s:.2f} s | {spent_s / unit_s:.2f} |", flush=True)


if __name__ == "__main__":
    main()
