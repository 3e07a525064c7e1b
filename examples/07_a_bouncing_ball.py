"""Music for a bouncing ball: its height over time, as CSV; the beats are the bounces.

python examples/07_a_bouncing_ball.py [OUT.wav]
"""

import sys
from pathlib import Path

import numpy as np

import kinetune

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "ball.wav")
PERIOD_S, FPS = 0.55, 30.0


def height_m(times_s: np.ndarray) -> np.ndarray:
    """Height of a ball that is dribbled: it bounces every 0.55 s, first at 0.2 s."""
    since_s = (times_s - 0.2) % PERIOD_S
    return 0.5 * 9.81 * since_s * (PERIOD_S - since_s)


times_s = np.arange(0.0, 12.0, 1.0 / FPS)
rows = [f"{time:.4f},{height:.4f}" for time, height in zip(times_s, height_m(times_s), strict=True)]
curves = OUT.with_suffix(".csv")
curves.write_text("\n".join(["time,height_m", *rows]) + "\n")

music = kinetune.generate(curves, genre="house", engine="composer")
music.save(OUT)
print(f"{OUT}: {music.bpm:.2f} bpm; a bounce every {PERIOD_S} s is {60 / PERIOD_S:.2f}")
