"""Accuracy of the beat grid.

    python benchmarks/beat_grid.py [--dances 100] [--seconds 6 12 24 60] [--of unseen]
    python benchmarks/beat_grid.py --of aist --folds runs/beat-folds [--picture reliability.png]
    python benchmarks/beat_grid.py --lags
    python benchmarks/beat_grid.py --time

``phrases`` are choreographed dances, 75 to 145 bpm, from seeds no model is trained on;
``unseen`` and ``known`` real clips warped to a beat, of sources the beat network has not or has
been trained on (the beats of warped clips are what the rules find in the clip, moved: no outside
truth). ``--aist FOLDER`` takes AIST++ motions (their names tell genre, tempo and, for basic
dances, that frame 0 is a downbeat).

``aist`` are the 125 labelled dances, cut at random to 7 to 12 s. With ``--folds`` (from
``benchmarks/beat_folds.py``) every dance is read by a network that never saw its dancer; without,
by the bundled one, which saw them all. Intervals are 95 % by bootstrap over dancers.

Prints Markdown: how often the tempo is right within 4 % (an octave allowed), how often exactly that
octave, how often the phase is within 70 ms where the tempo is, how often the bar's first beat is
right where the phase is (chance: 25 %), and the F-measure of the grid at 70 ms (mir_eval);
``aist`` also how well the probabilities are calibrated, ``--lags`` how long after its beat each
kind of kinematic event comes, ``--time`` the processor time of 10 s, a minute and an hour at 30 fps
(the bundled real dance, forwards and backwards).
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import mir_eval
import numpy as np
from long_dance import lengthened
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from unseen_clips import is_unseen

from kinetune import genres, timebase
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.labelled_dances import labelled_dances
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.motion import kinematics
from kinetune.motion.beats import kinematic_events
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, fixed_grid
from kinetune.motion.beats.beat_network import BeatNetwork, load_beat_network
from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.io.formats import read_motion
from kinetune.tasks.run_costs import peak_memory_mb

FPS = 60.0
EXAMPLE = Path(__file__).parents[1] / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"
FIRST_SEED = 7_000_000
TEMPI = np.geomspace(60.0, 180.0, 500)
AIST_TEMPI = {"HO": (110, 115, 120, 125, 130, 135)}


@dataclass(frozen=True)
class Danced:
    """A clip, its tempo, the times of a beat and of a downbeat where known, genre and dancer."""

    clip: MotionClip
    bpm: float
    first_beat_s: float | None
    bar_start_s: float | None = None
    genre: str = ""
    dancer: str = ""


def rests_only(clip: MotionClip, *, mean_speed: bool) -> BeatGrid:
    """Tempo and phase from local minima of speed under the prior: the first try of this project."""
    speed = kinematics.joint_speeds(resample(clip, FPS))
    if mean_speed:
        speed = speed.mean(axis=1, keepdims=True)
    frames = np.arange(len(speed)) / FPS
    beats, halves = np.zeros(len(TEMPI)), np.zeros(len(TEMPI))
    pooled = np.zeros(len(TEMPI), complex)
    for column in gaussian_filter1d(speed, 2.5, axis=0).T:
        minima, about = find_peaks(-column, prominence=0.02)
        weights = np.sqrt(about["prominences"])
        turns = np.exp(2j * np.pi * np.outer(TEMPI / 60.0, frames[minima]))
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


def synthetic_dances(count: int, duration_s: float) -> Iterator[Danced]:
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
    """Real clips time-warped to a beat: those in the training data, or the others. No bars."""
    rng = np.random.default_rng(FIRST_SEED)
    library = [clip for clip in motion_library.library() if is_unseen(clip) != known]
    for k in range(count):
        bpm = float(rng.uniform(75.0, 145.0))
        dance = warp_to_beats(
            FIRST_SEED + k, library, DanceRequest(genre="house", bpm=bpm, duration_s=duration_s)
        )
        yield Danced(dance.clip, bpm, float(dance.beats_s[0]))


def labelled_cuts(count: int, seed: int = 5) -> list[Danced]:
    """Cut each labelled dance ``count`` times to 7 to 12 s at a random place."""
    rng = np.random.default_rng(seed)
    out = []
    for dance in labelled_dances():
        for _ in range(count):
            length_s = min(float(rng.uniform(7.0, 12.0)), dance.clip.duration_s - 0.05)
            start = int(rng.uniform(0.0, dance.clip.duration_s - length_s) * dance.clip.fps)
            start_s = start / dance.clip.fps
            clip = cut(dance.clip, start_s, length_s)
            period_s = timebase.beat_period_s(dance.bpm)
            known = dance.downbeat_s is not None
            beat_s = -start_s % period_s if known else None
            bar_s = -start_s % (timebase.BEATS_IN_BAR * period_s) if known else None
            out.append(Danced(clip, dance.bpm, beat_s, bar_s, dance.genre, dance.dancer))
    return out


def fold_networks(folder: Path) -> dict[str, BeatNetwork]:
    """Return for each dancer the network that was trained without that dancer."""
    folds = json.loads((folder / "folds.json").read_text(encoding="utf-8"))
    return {
        dancer: load_beat_network(folder / f"fold-{number}" / "beats" / "model")
        for number, dancers in enumerate(folds)
        for dancer in dancers
    }


KINDS: dict[str, Callable[[int, float], Iterator[Danced]]] = {
    "phrases": synthetic_dances,
    "unseen": lambda count, duration_s: warped(count, duration_s, known=False),
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
    """Tempo right with octaves, without; phase within 70 ms; bar (NaN if undefined); F-measure."""
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
    """Mean of each column over the rows that have it; NaN where none does."""
    valid = np.isfinite(values)
    total = np.where(valid, values, 0.0).sum(axis=0)
    return np.where(valid.any(axis=0), total / np.maximum(valid.sum(axis=0), 1), np.nan)


def evaluate_labelled(options: argparse.Namespace) -> None:
    """Print the tables of the labelled dances."""
    networks = fold_networks(options.folds) if options.folds else {}
    print(f"read by {'networks that never saw the dancer' if networks else 'the bundled network'}")
    cuts = labelled_cuts(options.cuts)
    grids = [beat_grid(each.clip, network=networks.get(each.dancer, True)) for each in cuts]
    rules = [beat_grid(each.clip, network=False) for each in cuts]
    scores = np.array([score(*pair) for pair in zip(grids, cuts, strict=True)], float)
    scores_of_rules = np.array([score(*pair) for pair in zip(rules, cuts, strict=True)], float)
    dancers = np.array([each.dancer for each in cuts])
    genre_codes = np.array([each.genre for each in cuts])
    print("| dances | cuts | tempo | same octave | phase | bar | F at 70 ms |")
    print("|---|---|---|---|---|---|---|")
    print(labelled_row("all", scores, dancers))
    print(labelled_row("all, the rules alone", scores_of_rules, dancers))
    for code in sorted(set(genre_codes)):
        print(labelled_row(code, scores[genre_codes == code], dancers[genre_codes == code]))
    right = np.where(np.isfinite(scores[:, 2]), scores[:, 2], 0.0)
    known = np.isfinite(scores[:, 4])
    probabilities = np.array([grid.confidence for grid in grids])
    dances = np.arange(len(cuts)) // options.cuts
    groups = {"dance": dances[known], "dancer": dancers[known]}
    print_calibration(probabilities[known], right[known], groups, options.picture)


def labelled_row(name: str, scores: np.ndarray, dancers: np.ndarray) -> str:
    """One row with intervals by dancer."""
    low, high = intervals(scores, dancers)
    cells = [
        f"{100 * value:.0f} % ({100 * a:.0f} to {100 * b:.0f})" if np.isfinite(value) else "-"
        for value, a, b in zip(mean_of(scores)[:4], low, high, strict=False)
    ]
    f = f"{mean_of(scores)[4]:.2f} ({low[4]:.2f} to {high[4]:.2f})"
    return f"| {name} | {len(scores)} | {' | '.join(cells)} | {f} |"


def intervals(
    scores: np.ndarray, dancers: np.ndarray, draws: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """95 % intervals of each column's mean, dancers drawn with replacement."""
    rng = np.random.default_rng(0)
    groups = [scores[dancers == dancer] for dancer in sorted(set(dancers))]
    means = [
        mean_of(np.concatenate([groups[k] for k in rng.integers(len(groups), size=len(groups))]))
        for _ in range(draws)
    ]
    return np.nanpercentile(means, 2.5, axis=0), np.nanpercentile(means, 97.5, axis=0)


def calibration_error(probabilities: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015), bins of equal width."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    parts = [index == k for k in range(bins)]
    gaps = [abs(float((probabilities[part] - right[part]).sum())) for part in parts]
    return sum(gaps) / len(right)


def chance_calibration_error(
    probabilities: np.ndarray, groups: np.ndarray, bins: int = 10, draws: int = 300
) -> float:
    """Mean error that perfect probabilities show by chance, cuts of a group right together."""
    rng = np.random.default_rng(0)
    numbers = np.unique(groups, return_inverse=True)[1]
    drawn = rng.random((draws, numbers.max() + 1))
    errors = [calibration_error(probabilities, row[numbers] < probabilities, bins) for row in drawn]
    return float(np.mean(errors))


def print_calibration(
    probabilities: np.ndarray,
    right: np.ndarray,
    groups: dict[str, np.ndarray],
    picture: Path | None,
    bins: int = 10,
) -> None:
    """Print the expected calibration error and the reliability table, and draw it.

    Args:
        probabilities: Of the best reading of each cut.
        right: Whether it was right.
        groups: By a word, what each cut is from, such as its dance: right or wrong together.
        picture: Where to draw it.
        bins: Number of bins.
    """
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    rows = [
        (probabilities[index == k].mean(), right[index == k].mean(), int((index == k).sum()))
        for k in range(bins)
        if (index == k).any()
    ]
    error = calibration_error(probabilities, right, bins)
    print(f"\nexpected calibration error {error:.3f}; perfect probabilities would show")
    for word, names in groups.items():
        floor = chance_calibration_error(probabilities, names, bins)
        print(f"{floor:.3f} where the cuts of a {word} are right or wrong together")
    print()
    print("| probability given | right | cuts |\n|---|---|---|")
    for predicted, measured, count in rows:
        print(f"| {100 * predicted:.0f} % | {100 * measured:.0f} % | {count} |")
    if picture is not None:
        draw_reliability(picture, rows, error)


def draw_reliability(picture: Path, rows: list[tuple[float, float, int]], error: float) -> None:
    """Draw the reliability curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7", label="perfect")
    predicted, measured, counts = zip(*rows, strict=True)
    axes.plot(predicted, measured, color="tab:blue")
    axes.scatter(
        predicted, measured, s=[4 * count for count in counts], color="tab:blue", alpha=0.6
    )
    axes.set(
        xlabel="probability of the reading",
        ylabel="share of readings that are right",
        title=f"Reliability, dancers left out (error {error:.3f})",
    )
    axes.legend(loc="upper left")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def print_lags() -> None:
    """Print how long after its beat each kind of event comes, by genre: circular median, ms."""
    print("| genre | " + " | ".join(EVENT_KINDS) + " |")
    print("|---" * (len(EVENT_KINDS) + 1) + "|")
    lags: dict[str, list[list[tuple[float, float, float]]]] = {}
    for dance in labelled_dances():
        if dance.downbeat_s is None:
            continue
        kinds = lags.setdefault(dance.genre, [[] for _ in EVENT_KINDS])
        for number, events in enumerate(events_of(dance.clip)):
            frames = np.flatnonzero(events)
            period_s = timebase.beat_period_s(dance.bpm)
            phases = frames / FPS / period_s
            kinds[number] += [
                (phase, weight, period_s)
                for phase, weight in zip(phases, events[frames], strict=True)
            ]
    together = [list(chain(*each)) for each in zip(*lags.values(), strict=True)]
    lags = {"all": together, **lags}
    for genre, kinds in lags.items():
        print(f"| {genre} | " + " | ".join(lag_text(np.array(kind)) for kind in kinds) + " |")


EVENT_KINDS = (
    "speed minima, arms",
    "speed minima, legs",
    "direction reversals",
    "foot contacts",
    "pelvis lowest",
)


def events_of(clip: MotionClip) -> list[np.ndarray]:
    """Weights of each kind of event at 60 frames a second, (T,) each."""
    fine = resample(clip, FPS)
    positions = kinematics.joint_positions(fine)
    speed = np.linalg.norm(kinematics.velocity(positions, FPS), axis=-1)
    minima = kinematic_events.speed_minima(speed)
    return [
        minima[:, 16:22].sum(axis=1),
        minima[:, [4, 5, 7, 8, 10, 11]].sum(axis=1),
        kinematic_events.direction_reversals(positions).sum(axis=1),
        kinematic_events.foot_contacts(speed),
        kinematic_events.pelvis_minima(positions),
    ]


def lag_text(events: np.ndarray) -> str:
    """Mean lag behind the nearest beat in ms, and how strongly it holds (0 to 1)."""
    phase, weight, period_s = events.T
    phasor = (weight * np.exp(2j * np.pi * phase)).sum() / weight.sum()
    lag_ms = np.angle(phasor) / (2 * np.pi) * period_s.mean() * 1000.0
    return f"{lag_ms:+.0f} ms ({abs(phasor):.2f})"


def print_times() -> None:
    """Print what reading short and long dances takes: the least of three, an hour once."""
    print("| dance | CPU s | CPU s for a minute | memory beyond the dance |\n|---|---|---|---|")
    dance = resample(read_motion(EXAMPLE), 30.0)
    beat_grid(lengthened(dance, 3.0))
    for seconds, repeats in ((10.0, 3), (60.0, 3), (3600.0, 1)):
        clip = lengthened(dance, seconds)
        before_mb, spent_s = peak_memory_mb(), float("inf")
        for _ in range(repeats):
            began = time.process_time()
            beat_grid(clip)
            spent_s = min(spent_s, time.process_time() - began)
        more_mb, a_minute_s = peak_memory_mb() - before_mb, 60.0 * spent_s / seconds
        print(
            f"| {seconds:g} s | {spent_s:.2f} | {a_minute_s:.2f} | {more_mb:.0f} MB |", flush=True
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dances", type=int, default=100)
    parser.add_argument("--seconds", type=float, nargs="+", default=[6.0, 12.0, 24.0, 60.0])
    parser.add_argument("--of", choices=[*KINDS, "aist"], default="phrases")
    parser.add_argument("--aist", type=Path)
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--lags", action="store_true")
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    if options.lags:
        print_lags()
    elif options.time:
        print_times()
    elif options.of == "aist":
        evaluate_labelled(options)
    else:
        evaluate_estimators(options)


def evaluate_estimators(options: argparse.Namespace) -> None:
    """Print the table of all estimators."""
    print("| dance | estimator | windows | tempo | same octave | phase | bar | F at 70 ms |")
    print("|---|---|---|---|---|---|---|---|")
    for duration_s in options.seconds:
        dances = (
            of_aist(options.aist, duration_s)
            if options.aist
            else KINDS[options.of](options.dances, duration_s)
        )
        rows: dict[str, list[tuple[float, ...]]] = {n: [] for n in ESTIMATORS}
        for danced in dances:
            for name, estimate in ESTIMATORS.items():
                rows[name].append(score(estimate(danced.clip), danced))
        for name, values in rows.items():
            loose, exact, phase, bar, f = mean_of(np.array(values, float))
            shares = " | ".join(percent(value) for value in (loose, exact, phase, bar))
            print(f"| {duration_s:g} s | {name} | {len(values)} | {shares} | {f:.2f} |", flush=True)


def percent(share: float) -> str:
    """A share in per cent, or a dash where it is undefined."""
    return f"{100 * share:.0f} %" if np.isfinite(share) else "-"


if __name__ == "__main__":
    main()
