"""The loss curves of training runs, drawn from their logs.

    python benchmarks/loss_curve.py runs/paper/diffusion/log.jsonl [MORE ...]
        [--part mse] [--smooth 10] --out docs/training/paper.png

Each log is one curve: every step as a dot, and the mean of the last ``--smooth`` steps
as a line. Prints first, last and smoothed loss and the seconds a step (median).
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--part", default="loss")
    parser.add_argument("--smooth", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
    print("| run | steps | first | last, smoothed | s a step |\n|---|---|---|---|---|")
    for path in options.logs:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        step, loss, time_s = (
            np.array([row[k] for row in rows]) for k in ("step", options.part, "time")
        )
        count = min(options.smooth, len(loss))
        smooth = np.convolve(loss, np.ones(count) / count, "valid")
        (line,) = axis.plot(step[count - 1 :], smooth, label=str(path.parent))
        axis.plot(step, loss, ".", markersize=3, alpha=0.35, color=line.get_color())
        pace = np.median(np.diff(time_s)) if len(time_s) > 1 else np.nan
        print(f"| {path.parent} | {step[-1]} | {loss[0]:.3f} | {smooth[-1]:.3f} | {pace:.2f} |")
    axis.set(xlabel="step", ylabel=options.part, yscale="log")
    axis.grid(visible=True, which="both", alpha=0.2)
    axis.legend()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
