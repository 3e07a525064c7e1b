"""Limits of published rhythm metrics: the figures and pictures of docs/metrics.md.

    python benchmarks/metric_limits.py [--pairs 40] [--plots docs/metrics]

``saturation.png``: beats coverage and hit scores of a bare click track against music it has nothing
to do with, by the click's tempo, beside the beat F-measure. ``alignment.png``: the published beat
align score and the same in seconds, for music in perfect time with the dance, the true beats,
random grids, and for perfect time moved by up to half a second. Dances and music are 5 s pairs of
the corpus, all ten genres. Prints the figures as Markdown.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinetune import genres, timebase
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.metrics import alignment, beats, onsets
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.audio_analysis import AudioAnalysis, analyse_audio
from kinetune.metrics.evaluation.motion_analysis import MotionAnalysis, analyse_motion
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS

DURATION_S = 5.0
FIRST_SEED = 920_000
TEMPI_BPM = (20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80, 100, 120, 140, 160, 180)
PHASES = 4
SHIFTS_S = np.round(np.arange(-0.5, 0.501, 0.025), 3)
RANDOM_GRIDS = 5


@dataclass(frozen=True, eq=False)
class Analysed:
    """A pair with the analyses of its audio and its motion."""

    pair: Pair
    audio: AudioAnalysis
    motion: MotionAnalysis


def main() -> None:
    """Print the figures and draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--plots", type=Path, default=Path("docs/metrics"))
    options = parser.parse_args()
    analysed = []
    for number in range(options.pairs):
        pair = make_pair(FIRST_SEED + number, genre=genres.CODES[number % 10],
                         duration_s=DURATION_S)  # fmt: skip
        analysed.append(Analysed(pair, analyse_audio(pair.sound), analyse_motion(pair.clip)))
    options.plots.mkdir(parents=True, exist_ok=True)
    saturation(analysed, options.plots / "saturation.png")
    chance(analysed, options.plots / "alignment.png")


def saturation(analysed: list[Analysed], path: Path) -> None:
    """Score clicks of many tempi against music they know nothing of."""
    click_track = {
        bpm: [
            analyse_audio(baselines.click_track(
                timebase.beat_times(bpm, k * timebase.beat_period_s(bpm) / PHASES, DURATION_S),
                DURATION_S,
            ))
            for k in range(PHASES)
        ]
        for bpm in TEMPI_BPM
    }  # fmt: skip
    # Five seconds of busy music have an onset in each; sparse music has not.
    busy = [one for one in analysed if _bins(one.audio.onsets_published_s).all()]
    names = ("bcs_as_published", "bhs_as_published", "loris_coverage", "loris_hit", "beat_f")
    curves = {
        bpm: np.mean([[against(one.audio, click)[name] for name in names]
                      for one in busy for click in click_track[bpm]], axis=0)
        for bpm in TEMPI_BPM
    }  # fmt: skip
    print(
        f"Clicks against {len(busy)} of {len(analysed)} pieces, those with an onset each second:\n"
    )
    print(f"| click, bpm | {' | '.join(names)} |\n|---|---|---|---|---|---|")
    for bpm, row in curves.items():
        print(f"| {bpm} | {' | '.join(f'{value:.2f}' for value in row)} |")
    draw_curves(np.array(list(curves.values())), names, len(busy), path)


def _bins(times_s: np.ndarray) -> np.ndarray:
    return onsets.onset_bins(times_s, DURATION_S)


def against(reference: AudioAnalysis, sound: AudioAnalysis) -> dict[str, float]:
    """The scores of a sound against a reference."""
    scores = onsets.evaluate(
        reference.onsets_published_s, sound.onsets_published_s,
        reference.onsets_loris_s, sound.onsets_loris_s, duration_s=DURATION_S,
    )  # fmt: skip
    return scores | {"beat_f": beats.f_measure(reference.beats_s, sound.beats_s)}


def draw_curves(rows: np.ndarray, names: tuple[str, ...], pieces: int, path: Path) -> None:
    """Draw every score over the click's tempo."""
    figure, axes = _axes(1, (8.0, 4.2))
    styles = ("-", "-", "--", "--", ":")
    for column, (name, style) in enumerate(zip(names, styles, strict=True)):
        # The first two are equal where the music has an onset in every second.
        width = 5.0 if column == 0 else 1.5
        axes.plot(TEMPI_BPM, rows[:, column], style, lw=width, alpha=0.4 if column == 0 else 1.0,
                  marker="o", markersize=3, label=name)  # fmt: skip
    axes.axvline(60.0, color="0.6", lw=0.8)
    axes.set_xlabel("tempo of the click track, bpm (all phases, whatever the music's tempo)")
    axes.set_ylabel(f"score against {pieces} pieces of music")
    axes.set_ylim(0.0, 1.08)
    axes.legend(fontsize=8, loc="center right")
    axes.set_title("coverage and hit scores of a bare click track", fontsize=10)
    figure.savefig(path, dpi=100)


CASES = ("perfect time", "true beats", "random grid")


def chance(analysed: list[Analysed], path: Path) -> None:
    """Score perfect time, the true beats and random grids, in mixed units and in seconds."""
    rng = np.random.default_rng(0)
    scored: dict[str, dict[str, list[float]]] = {name: {k: [] for k in CASES} for name in SCORES}
    for one in analysed:
        grids = [
            timebase.beat_times(rng.uniform(80.0, 130.0), rng.uniform(0.0, 1.0), DURATION_S)
            for _ in range(RANDOM_GRIDS)
        ]
        cases = {"perfect time": [one.motion.beats_s], "true beats": [one.pair.beats_s],
                 "random grid": grids}  # fmt: skip
        for name, score in SCORES.items():
            for case, lists in cases.items():
                scored[name][case].append(np.mean([score(one.motion, times) for times in lists]))
    print(f"\nBeat alignment of {len(analysed)} dances, mean (standard deviation over dances):\n")
    print(f"| score | {' | '.join(CASES)} |\n|---|---|---|---|")
    for name, cases in scored.items():
        cells = [f"{np.nanmean(v):.3f} ({np.nanstd(v):.3f})" for v in cases.values()]
        print(f"| {name} | {' | '.join(cells)} |")
    shifted = {
        name: [np.nanmean([score(one.motion, moved(one.motion.beats_s, s)) for one in analysed])
               for s in SHIFTS_S]
        for name, score in SCORES.items()
    }  # fmt: skip
    draw_chance(scored, shifted, path)


def moved(times_s: np.ndarray, shift_s: float) -> np.ndarray:
    """Times moved, those that leave the clip left out."""
    out = times_s + shift_s
    return out[(out >= 0) & (out < DURATION_S)]


def published(motion: MotionAnalysis, music_s: np.ndarray) -> float:
    """The published score of music with beats at these times."""
    frames = np.unique(np.round(music_s * timebase.mel_rate_hz()).astype(int))
    return alignment.as_published(np.round(motion.beats_s * ANALYSIS_FPS).astype(int), frames)


SCORES = {
    "bas_as_published": published,
    "bas_motion_to_music": lambda motion, music: alignment.motion_to_music(motion.beats_s, music),
    "bas_music_to_motion": lambda motion, music: alignment.music_to_motion(motion.beats_s, music),
}


def draw_chance(
    scored: dict[str, dict[str, list[float]]], shifted: dict[str, list[float]], path: Path
) -> None:
    """Draw how scores spread over dances, and what moving perfect music does to them."""
    figure, (left, right) = _axes(2, (11.0, 4.2))
    rng = np.random.default_rng(0)
    ticks, labels = [], []
    for group, (name, cases) in enumerate(scored.items()):
        for row, (case, values) in enumerate(cases.items()):
            y = -(4 * group + row)
            clean = np.array(values)[np.isfinite(values)]
            left.scatter(clean, y + rng.uniform(-0.25, 0.25, len(clean)), s=6, color=f"C{group}")
            left.vlines(clean.mean(), y - 0.4, y + 0.4, color="black", lw=2)
            ticks.append(y)
            labels.append(f"{name.removeprefix('bas_')}: {case}")
    left.set_yticks(ticks, labels, fontsize=8)
    left.set_title("a dot a dance, a bar for the mean", fontsize=10)
    for group, (name, curve) in enumerate(shifted.items()):
        right.plot(1000 * SHIFTS_S, curve, color=f"C{group}", label=name)
    right.set_xlabel("music in perfect time, moved by ... ms")
    right.set_ylim(0.0, 1.05)
    right.legend(fontsize=8)
    right.set_title("what a score makes of music that is late", fontsize=10)
    figure.savefig(path, dpi=100)


def _axes(count: int, size: tuple[float, float]) -> tuple:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(1, count, figsize=size, layout="constrained")


if __name__ == "__main__":
    main()
