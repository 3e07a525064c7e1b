"""Run time and memory of generation, by length of the dance.

    python benchmarks/generate.py [--model default] [--seconds 10 60 300] [--repeats 3]

Each length runs in its own process, on a bundled dance played forwards and backwards until it is
long enough. Prints a Markdown table: whole command, real-time factor (model loaded), stages, peak
memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from long_dance import lengthened

from kinetune.motion.io.amass import write_amass
from kinetune.motion.io.formats import read_motion

DANCE = Path(__file__).parent.parent / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"


def run_once(motion: Path, output: Path, model: str) -> dict:
    """Run the command and return its JSON with the wall-clock time of all of it."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "kinetune.cli.main", "generate", str(motion), "-o", str(output),
         "--model", model, "--device", "cpu", "--json", "--force"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (piece,) = json.loads(done.stdout)
    return {**piece, "command_s": time.perf_counter() - began}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 60.0, 300.0])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    clip = read_motion(DANCE)
    print("| dance | whole command | real-time factor | denoise | vocode | peak memory |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds:
            motion = Path(folder) / "dance.npz"
            write_amass(motion, lengthened(clip, seconds))
            runs = [
                run_once(motion, Path(folder) / "music.wav", options.model)
                for _ in range(options.repeats)
            ]
            middle = {
                key: statistics.median(run[key] for run in runs)
                for key in ("command_s", "real_time_factor", "peak_memory_mb")
            }
            stages = {
                key: statistics.median(run["seconds"][key] for run in runs)
                for key in ("denoise", "vocode")
            }
            print(
                f"| {seconds:g} s | {middle['command_s']:.1f} s | {middle['real_time_factor']:.2f} "
                f"| {stages['denoise']:.1f} s | {stages['vocode']:.1f} s "
                f"| {middle['peak_memory_mb']:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
