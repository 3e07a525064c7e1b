"""How often the beat of a dance is found, by length of the dance.

    python benchmarks/beat_grid.py [--dances 100] [--seconds 6 12 24 60] [--of strangers]

Dances with known beats, 75 to 145 bpm, from seeds no model is trained on: choreographed
(``phrases``), or real clips bent to a beat, of those that the beat network has never seen
(``strangers``) or of those it has (``known``). The beats of bent clips are what the rules alone
find in the clip, moved: they are no outside truth. ``--aist FOLDER`` takes AIST++ motions instead
(their names tell genre, tempo and, for basic dances, that frame 0 is a downbeat).

Prints Markdown: how often the tempo is right within 4 % (an octave allowed), how often exactly that
octave, how often the phase is within 70 ms where the tempo is, how often the bar's first beat is
right where the phase is (chance: 25 %), and the F-measure of the grid at 70 ms (mir_eval). Beside
the whole estimator stand the rules without the network, and two simpler ones: rests of every joint
with the prior, and of the mean speed.
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
from strangers import is_stranger

from kinetune import genres, timebase
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, fixed_grid
from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.io.formats import read_motion

FPS = 60.0
FIRST_SEED = 7_000_000
TEMPI = np.geomspace(60.0, 180.0, 500)
AIST_TEMPI = {"HO": (110, 115, 120, 125, 130, 135)}


@dataclass(frozen=True)
class Danced:
    """A clip, its tempo, and the times of a beat and of a downbeat where they are known."""

    clip: MotionClip
    bpm: float
    first_beat_s: float | None
    bar_start_s: float | None = None


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
    "the rules alone": lambda clip: beat_grid(clip, network=False),
    "rests of every joint": lambda clip: rests_only(clip, mean_speed=False),
    "rests of the mean speed": lambda clip: rests_only(clip, mean_speed=True),
}


def made_up(count: int, duration_s: float) -> Iterator[Danced]:
    """Choreographed dances of all genres in turn."""
    rng = np.random.default_rng(FIRST_SEED)
    for k in range(count):
        bpm = float(rng.uniform(75.0, 145.0))
        genre = genres.CODES[k % len(genres.CODES)]
        dance = choreograph(
            FIRST_SEED + k, DanceRequest(genre=genre, bpm=bpm, duration_s=duration_s)
        )
        yield Danced(dance.clip, bpm, float(dance.beats_s[0]), float(dance.downbeats_s[0]))


def warped(count: int, duration_s: float, *, known: bool) -> Iterator[Danced]:
    """Real clips bent to a beat: those the network has seen, or the others. They have no bars."""
    rng = np.random.default_rng(FIRST_SEED)
    library = [clip for clip in motion_library.library() if is_stranger(clip) != known]
    for k in range(count):
        bpm = float(rng.uniform(75.0, 145.0))
        dance = warp_to_beats(
            FIRST_SEED + k, library, DanceRequest(genre="house", bpm=bpm, duration_s=duration_s)
        )
        yield Danced(dance.clip, bpm, float(dance.beats_s[0]))


KINDS: dict[str, Callable[[int, float], Iterator[Danced]]] = {
    "phrases": made_up,
    "strangers": lambda count, duration_s: warped(count, duration_s, known=False),
    "known": lambda count, duration_s: warped(count, duration_s, known=True),
}


def of_aist(folder: Path, duration_s: float) -> Iterator[Danced]:
    """Windows of AIST++ motions, half a window apart."""
    for path in sorted(folder.rglob("g*_s*_c*_d*_m*_ch*.pkl")):
        music = re.search(r"_m([A-Z]{2})(\d)_", path.name)
        if music is None:
            continue
        bpm = float(AIST_TEMPI.get(music[1], (80, 90, 100, 110, 120, 130))[int(music[2])])
        clip = read_motion(path)
        for start in np.arange(0.0, max(clip.duration_s - duration_s, 0.0) + 1e-6, duration_s / 2):
            period_s = timebase.beat_period_s(bpm)
            basic = "_sBM_" in path.name
            beat_s = -start % period_s if basic else None
            bar_s = -start % (timebase.BEATS_IN_BAR * period_s) if basic else None
            yield Danced(cut(clip, float(start), duration_s), bpm, beat_s, bar_s)


def score(grid: BeatGrid, danced: Danced) -> tuple[float, float, float, float, float]:
    """Tempo right with octaves, without, phase within 70 ms, bar (NaN where untold), F-measure."""
    ratio = grid.bpm / danced.bpm
    loose = min(abs(ratio / octave - 1.0) for octave in (0.5, 1.0, 2.0)) < 0.04
    exact = abs(ratio - 1.0) < 0.04
    if danced.first_beat_s is None:
        return loose, exact, np.nan, np.nan, np.nan
    duration_s = danced.clip.duration_s
    truth = timebase.beat_times(danced.bpm, danced.first_beat_s, duration_s)
    away = np.abs(grid.beats_s[:, None] - truth).min(axis=1)
    phase = float(np.median(away) < 0.07) if exact else np.nan
    bar = np.nan
    if phase == 1.0 and danced.bar_start_s is not None:
        beats = (grid.bar_start_s - danced.bar_start_s) / timebase.beat_period_s(danced.bpm)
        bar = float(round(beats) % timebase.BEATS_IN_BAR == 0)
    return loose, exact, phase, bar, mir_eval.beat.f_measure(truth, grid.beats_s)


def mean_of(values: np.ndarray) -> np.ndarray:
    """Mean of each column over the rows that tell it; NaN where none does."""
    told = np.isfinite(values)
    total = np.where(told, values, 0.0).sum(axis=0)
    return np.where(told.any(axis=0), total / np.maximum(told.sum(axis=0), 1), np.nan)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=100)
    parser.add_argument("--seconds", type=float, nargs="+", default=[6.0, 12.0, 24.0, 60.0])
    parser.add_argument("--of", choices=list(KINDS), default="phrases")
    parser.add_argument("--aist", type=Path)
    options = parser.parse_args()
    print("| dance | estimator | windows | tempo | same octave | phase | bar | F at 70 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for duration_s in options.seconds:
        found = (
            of_aist(options.aist, duration_s)
            if options.aist
            else KINDS[options.of](options.dances, duration_s)
        )
        rows: dict[str, list[tuple[float, ...]]] = {n: [] for n in ESTIMATORS}
        for danced in found:
            for name, estimate in ESTIMATORS.items():
                rows[name].append(score(estimate(danced.clip), danced))
        for name, values in rows.items():
            loose, exact, phase, bar, f = mean_of(np.array(values, float))
            shares = " | ".join(said(value) for value in (loose, exact, phase, bar))
            print(f"| {duration_s:g} s | {name} | {len(values)} | {shares} | {f:.2f} |", flush=True)


def said(share: float) -> str:
    """A share in per cent, or a dash where nothing tells it."""
    return f"{100 * share:.0f} %" if np.isfinite(share) else "-"


if __name__ == "__main__":
    main()
