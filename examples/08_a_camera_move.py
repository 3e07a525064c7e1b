"""Music for a camera: pan and tilt, one key every two seconds, as JSON of 24 frames a second.

python examples/08_a_camera_move.py [OUT.wav]
"""

import json
import sys
from pathlib import Path

import numpy as np

import kinetune

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "camera.wav")
FPS = 24.0

times_s = np.arange(0.0, 16.0, 1.0 / FPS)
keys_s = np.arange(0.0, 17.0, 2.0)
pan = np.interp(times_s, keys_s, [0, 40, 40, -30, 10, 60, 60, -20, 0])
tilt = np.interp(times_s, keys_s, [0, 0, 15, 15, -10, 5, 20, 0, 0])
curves = OUT.with_suffix(".curves.json")
curves.write_text(json.dumps({"fps": FPS, "pan_deg": pan.tolist(), "tilt_deg": tilt.tolist()}))

beats = kinetune.find_beats(curves)
away_s = [float(np.abs(beats.beats_s - key_s).min()) for key_s in keys_s[1:-1]]
print(f"{beats.bpm:.1f} bpm; the moves begin and end within {max(away_s):.3f} s of a beat")

music = kinetune.generate(curves, genre="ballet-jazz", engine="composer")
music.save(OUT)
