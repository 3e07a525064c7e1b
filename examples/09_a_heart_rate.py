"""Music for a heart rate: beats per minute once a second, as a watch exports them.

python examples/09_a_heart_rate.py [OUT.wav]
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

import kinetune

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "heart.wav")

start = datetime(2026, 5, 1, 12)
rates_bpm = np.linspace(84, 112, 21)
rows = [
    f"{(start + timedelta(seconds=second)).isoformat()},{rate:.1f}"
    for second, rate in enumerate(rates_bpm)
]
curves = OUT.with_suffix(".csv")
curves.write_text("\n".join(["time,heart_rate", *rows]) + "\n")

beats = kinetune.find_beats(curves)
first, last = (60.0 / step_s for step_s in np.diff(beats.beats_s)[[0, -1]])
print(f"the tempo rises from {first:.0f} to {last:.0f} bpm, as the pulse does")

music = kinetune.generate(curves, genre="house", engine="composer")
music.save(OUT)
