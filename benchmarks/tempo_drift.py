"""Beat tracking of dances with a drifting tempo.

    python benchmarks/tempo_drift.py [--dances 20] [--seconds 24 48] [--of unseen]

Dances as in ``benchmarks/beat_grid.py``, from seeds no model is trained on, played ever quicker or
slower, or to and fro. Prints the F-measure (mir_eval, 70 ms) of the beats found against the dance's
own, of the best steady tempo, and how often beats that drift were chosen.
"""

import argparse
from dataclasses import replace

import mir_eval
import numpy as np
from beat_grid import FIRST_SEED, KINDS, Danced

from kinetune import timebase
from kinetune.motion import rotations
from kinetune.motion.beats.beat_grid import beat_grid, fixed_grid
from kinetune.motion.clip import MotionClip

# How much quicker the end is than the beginning, or the quickest than the slowest of a wave.
DRIFTS = (("steady", 0.0), ("quickens", 0.04), ("quickens", 0.08), ("slows", -0.12), ("wave", 0.08))
WAVE_S = 24.0


def drifting(danced: Danced, kind: str, drift: float) -> tuple[MotionClip, np.ndarray]:
    """Return the dance with a drifting tempo, and its new beat times, seconds."""
    clip = danced.clip
    times_s = timebase.frame_times(clip.frame_count, clip.fps)
    if kind == "wave":
        speed = 1.0 + 0.5 * drift * np.sin(2.0 * np.pi * times_s / WAVE_S)
    else:
        speed = 1.0 + drift * (times_s / times_s[-1] - 0.5)
    source_s = (np.cumsum(speed) - speed[0]) / clip.fps
    source_s *= times_s[-1] / max(source_s[-1], times_s[-1])
    position = source_s * clip.fps
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, clip.frame_count - 1)
    share = (position - low)[:, None]
    turns = rotations.slerp(
        clip.rotations[low], clip.rotations[high], np.broadcast_to(share, clip.rotations.shape[:2])
    )
    root_m = clip.root_m[low] + share * (clip.root_m[high] - clip.root_m[low])
    own = timebase.beat_times(danced.bpm, danced.first_beat_s or 0.0, float(source_s[-1]))
    moved = replace(clip, rotations=rotations.make_continuous(turns), root_m=root_m)
    return moved, np.interp(own, source_s, times_s)


def f_measure(true_s: np.ndarray, estimated_s: np.ndarray) -> float:
    """Return the F-measure at 70 ms, the first five seconds left out as is usual."""
    trim = mir_eval.beat.trim_beats
    return mir_eval.beat.f_measure(trim(true_s), trim(estimated_s))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=20)
    parser.add_argument("--seconds", type=float, nargs="+", default=[24.0, 48.0])
    parser.add_argument("--of", choices=KINDS, default="phrases")
    options = parser.parse_args()
    print(f"seeds from {FIRST_SEED}, {options.dances} dances a row, of {options.of}\n")
    print("| dance | tempo | F, as found | F, one tempo | drift chosen |", flush=True)
    print("|---|---|---|---|---|")
    for seconds in options.seconds:
        for kind, drift in DRIFTS:
            rows = []
            for danced in KINDS[options.of](options.dances, seconds):
                clip, true_s = drifting(danced, kind, drift)
                grid = beat_grid(clip)
                best = grid.readings[0]
                steady = fixed_grid(best.bpm, best.first_beat_s, clip.duration_s)
                scores = [f_measure(true_s, beats_s) for beats_s in (grid.beats_s, steady.beats_s)]
                rows.append([*scores, not grid.steady])
            one, two, chosen = np.mean(rows, axis=0)
            name = kind if kind == "steady" else f"{kind}, {abs(drift):.0%}"
            print(f"| {seconds:g} s | {name} | {one:.2f} | {two:.2f} | {chosen:.0%} |", flush=True)


if __name__ == "__main__":
    main()
