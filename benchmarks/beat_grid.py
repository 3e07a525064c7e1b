"""How often the beat of a dance is found, by length of the dance.

    python benchmarks/beat_grid.py [--dances 100] [--seconds 6 12 24 60] [--aist FOLDER]

Made-up dances with known beats, 75 to 145 bpm, from seeds no model is trained on, or AIST++ motions
(their names tell genre, tempo and, for basic dances, that frame 0 is a beat). Prints Markdown: how
often the tempo is right within 4 % (an octave allowed), how often exactly that octave, how often
the phase is within 70 ms where the tempo is, and the F-measure of the grid at 70 ms (mir_eval). Two
simpler estimators stand beside it: rests of every joint with the prior, and of the mean speed.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import genres, timebase
from kinetune.corpus.choreographer import choreograph
from kinetune.motion import kinematics
from kinetune.motion.beats import BeatGrid, beat_grid, fixed_grid
from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.formats import read_motion

FPS = 60.0
FIRST_SEED = 7_000_000
TEMPI = np.geomspace(60.0, 180.0, 500)
AIST_TEMPI = {"HO": (110, 115, 120, 125, 130, 135)}


@dataclass(frozen=True)
class Danced:
    """A clip and its true beats, seconds; only the first beat's phase is known where ``basic``."""

    clip: MotionClip
    bpm: float
    first_beat_s: float | None


def rests_only(clip: MotionClip, *, mean_speed: bool) -> BeatGrid:
    """Tempo and phase from local minima of speed under the prior: the first try of this project."""
    speed = kinematics.joint_speeds(resample(clip, FPS))
    if mean_speed:
        speed = speed.mean(axis=1, keepdims=True)
    frames = np.arange(len(speed)) / FPS
    beats, halves = np.zeros(len(TEMPI)), np.zeros(len(TEMPI))
    pooled = np.zeros(len(TEMPI), complex)
    for column in gaussian_filter1d(speed, 2.5, axis=0).T:
        found, about = find_peaks(-column, prominence=0.02)
        weights = np.sqrt(about["prominences"])
        turns = np.exp(2j * np.pi * np.outer(TEMPI / 60.0, frames[found]))
        pooled += turns @ weights
        beats += np.abs(turns @ weights)
        halves += np.abs(turns**2 @ weights)
    prior = np.exp(-0.5 * (np.log2(TEMPI / 105.0) / 0.35) ** 2)
    best = int(np.argmax((beats + 0.5 * halves) * prior))
    period_s = timebase.beat_period_s(TEMPI[best])
    first_s = float(np.angle(pooled[best]) / (2 * np.pi) * period_s)
    return fixed_grid(float(TEMPI[best]), first_s, clip.duration_s)


ESTIMATORS: dict[str, Callable[[MotionClip], BeatGrid]] = {
    "kinetune": beat_grid,
    "rests of every joint": lambda clip: rests_only(clip, mean_speed=False),
    "rests of the mean speed": lambda clip: rests_only(clip, mean_speed=True),
}


def made_up(count: int, duration_s: float) -> Iterator[Danced]:
    """Dances of all genres in turn."""
    rng = np.random.default_rng(FIRST_SEED)
    for k in range(count):
        bpm = float(rng.uniform(75.0, 145.0))
        genre = genres.CODES[k % len(genres.CODES)]
        dance = choreograph(FIRST_SEED + k, genre=genre, bpm=bpm, duration_s=duration_s)
        yield Danced(dance.clip, bpm, float(dance.beats_s[0]))


def of_aist(folder: Path, duration_s: float) -> Iterator[Danced]:
    """Windows of AIST++ motions, half a window apart."""
    for path in sorted(folder.rglob("g*_s*_c*_d*_m*_ch*.pkl")):
        music = re.search(r"_m([A-Z]{2})(\d)_", path.name)
        if music is None:
            continue
        bpm = float(AIST_TEMPI.get(music[1], (80, 90, 100, 110, 120, 130))[int(music[2])])
        clip = read_motion(path)
        for start in np.arange(0.0, max(clip.duration_s - duration_s, 0.0) + 1e-6, duration_s / 2):
            known = -start % timebase.beat_period_s(bpm) if "_sBM_" in path.name else None
            yield Danced(cut(clip, float(start), duration_s), bpm, known)


def score(grid: BeatGrid, danced: Danced) -> tuple[float, float, float, float]:
    """Tempo right with octaves, without, phase within 70 ms (NaN where untold), F-measure."""
    ratio = grid.bpm / danced.bpm
    loose = min(abs(ratio / octave - 1.0) for octave in (0.5, 1.0, 2.0)) < 0.04
    if danced.first_beat_s is None:
        return loose, abs(ratio - 1.0) < 0.04, np.nan, np.nan
    duration_s = danced.clip.duration_s
    truth = timebase.beat_times(danced.bpm, danced.first_beat_s, duration_s)
    away = np.abs(grid.beats_s[:, None] - truth).min(axis=1)
    phase = np.median(away) < 0.07 if abs(ratio - 1.0) < 0.04 else np.nan
    f = mir_eval.beat.f_measure(truth, grid.beats_s)
    return loose, abs(ratio - 1.0) < 0.04, phase, f


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=100)
    parser.add_argument("--seconds", type=float, nargs="+", default=[6.0, 12.0, 24.0, 60.0])
    parser.add_argument("--aist", type=Path)
    options = parser.parse_args()
    print("| dance | estimator | windows | tempo | same octave | phase | F at 70 ms |")
    print("|---|---|---|---|---|---|---|")
    for duration_s in options.seconds:
        found = (
            of_aist(options.aist, duration_s)
            if options.aist
            else made_up(options.dances, duration_s)
        )
        rows: dict[str, list[tuple[float, float, float, float]]] = {n: [] for n in ESTIMATORS}
        for danced in found:
            for name, estimate in ESTIMATORS.items():
                rows[name].append(score(estimate(danced.clip), danced))
        for name, values in rows.items():
            loose, exact, phase, f = np.nanmean(np.array(values, float), axis=0)
            print(
                f"| {duration_s:g} s | {name} | {len(values)} | {100 * loose:.0f} % | "
                f"{100 * exact:.0f} % | {100 * phase:.0f} % | {f:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
