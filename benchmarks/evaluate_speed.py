"""How long an evaluation without networks takes, and how much memory.

    python benchmarks/evaluate_speed.py [--clips 50 100] [--seconds 5] [--workers 2]

Random sounds and dances from the corpus in folders, scored with all baselines, each number of clips
in its own process. Prints a Markdown table: seconds, processor seconds of all processes, seconds
for a thousand clips (processor seconds over workers, so that it holds for a machine that does
nothing else), peak memory of the main process and of its largest worker.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kinetune.audio.sound import write_sound
from kinetune.corpus.pairs import make_pair
from kinetune.motion.io.amass import write_amass

# Every clip is another one; making a pair costs more than scoring it, so dances are reused.
PAIRS = 10


def make_folders(root: Path, clips: int, seconds: float) -> None:
    """Write as many clips as requested: dances and music of ten pairs, under new names."""
    for number in range(PAIRS):
        pair = make_pair(930_000 + number, duration_s=seconds)
        for clip in range(number, clips, PAIRS):
            write_sound(root / "reference" / f"clip{clip}.wav", pair.sound)
            write_sound(root / "music" / f"clip{(clip + 1) % clips}.wav", pair.sound)
            write_amass(root / "motions" / f"clip{clip}.npz", pair.clip)


def score(root: Path, workers: int) -> None:
    """Score the folders and print what it took, as JSON."""
    import resource

    from kinetune.metrics.evaluation.embedding_scores import NetworkOptions
    from kinetune.metrics.evaluation.pairing import Folders
    from kinetune.metrics.evaluation.protocol import Settings, evaluate
    from kinetune.metrics.evaluation.report import write_report

    folders = Folders({"music": root / "music"}, root / "reference", root / "motions")
    began = time.perf_counter()
    evaluation = evaluate(folders, Settings(networks=NetworkOptions(genre=False), workers=workers))
    write_report(evaluation, root / "report")
    spent = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    memory = [one.ru_maxrss / 1000.0 for one in used]
    print(json.dumps({"seconds": spent, "processor_seconds": processor, "memory_mb": memory}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--score", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.score:
        score(options.score, options.workers)
        return
    print("| clips | seconds | processor seconds | a thousand | memory | a worker's |")
    print("|---|---|---|---|---|---|")
    previous = None
    for clips in options.clips:
        with tempfile.TemporaryDirectory() as folder:
            make_folders(Path(folder), clips, options.seconds)
            done = subprocess.run(
                [sys.executable, __file__, "--score", folder, "--workers", str(options.workers)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
        result = json.loads(done.stdout)
        processor = result["processor_seconds"]
        each = processor / clips
        if previous is not None:
            # What starting up costs, a larger number doesn't pay again.
            each = (processor - previous[1]) / (clips - previous[0])
        previous = (clips, processor)
        thousand = (processor + (1000 - clips) * each) / options.workers
        main_mb, worker_mb = result["memory_mb"]
        print(
            f"| {clips} | {result['seconds']:.1f} | {processor:.1f} | "
            f"{thousand:.0f} s | {main_mb:.0f} MB | {worker_mb:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
