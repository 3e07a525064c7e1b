"""Whether lead and follower of a salsa couple are read the same.

    python benchmarks/salsa_pairs.py SALSA

SALSA is a folder of the CMU takes 60_NN (lead) and 61_NN (follower) as BVH, scaled, 60 frames per
second. They have no beat labels; their steps are at 163 to 188 bpm. Prints a Markdown table: the
tempo of each dancer alone and of both as one group, whether each dancer's tempo is the other's with
an octave allowed (4 %), whether the beats of the two lie within 70 ms of each other (median), and
whether the group's tempo is that of the steps, an octave allowed.
"""

import argparse
from pathlib import Path

import numpy as np

from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, group_beat_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import ReadOptions, read_motion

FPS = 60.0
SLOWEST_BPM, FASTEST_BPM = 163.0, 188.0
NEAR, REACH_S = 0.04, 0.07


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| take | lead | follower | together | probability | same tempo | same beats | steps |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for lead in sorted(folder.glob("60_*.bvh")):
        clips = [read(lead), read(lead.with_name(lead.name.replace("60_", "61_", 1)))]
        one, two = (beat_grid(clip) for clip in clips)
        both = group_beat_grid(clips)
        tempo, phase = same_tempo(one, two), same_beats(one, two)
        rows.append((tempo, phase, is_of_steps(one), is_of_steps(two), is_of_steps(both)))
        print(
            f"| {lead.stem} | {one.bpm:.1f} | {two.bpm:.1f} | {both.bpm:.1f} "
            f"| {both.confidence:.0%} | {yes(tempo)} | {yes(phase)} | {yes(rows[-1][-1])} |",
            flush=True,
        )
    tempi, beats, *steps = np.mean(rows, axis=0)
    print(f"\nof {len(rows)} couples: same tempo {tempi:.0%}, same beats {beats:.0%}")
    words = [f"{share:.0%}" for share in steps]
    print(f"tempo of the steps: lead {words[0]}, follower {words[1]}, together {words[2]}")


def read(path: Path) -> MotionClip:
    """A take at its true rate: the header of these files is wrong."""
    return read_motion(path, ReadOptions(fps=FPS))


def same_tempo(one: BeatGrid, two: BeatGrid) -> bool:
    """Whether two tempi are the same but for an octave."""
    return min(abs(one.bpm / two.bpm / octave - 1.0) for octave in (0.5, 1.0, 2.0)) < NEAR


def same_beats(one: BeatGrid, two: BeatGrid) -> bool:
    """Whether the beats of the slower grid lie on those of the faster."""
    few, many = sorted((one.beats_s, two.beats_s), key=len)
    away = np.abs(few[:, None] - many).min(axis=1)
    return same_tempo(one, two) and bool(np.median(away) < REACH_S)


def is_of_steps(grid: BeatGrid) -> bool:
    """Whether a tempo, its half or its double is one of the steps'."""
    low, high = SLOWEST_BPM * (1.0 - NEAR), FASTEST_BPM * (1.0 + NEAR)
    return any(low <= grid.bpm * octave <= high for octave in (0.5, 1.0, 2.0))


def yes(value: bool) -> str:
    """A word for the table."""
    return "yes" if value else "no"


if __name__ == "__main__":
    main()
