"""Measures of the corpus's music: beats, genres, variety, mastering, correlation with the dance.

    python benchmarks/corpus_music.py [--pairs 100] [--train 300] [--seconds 24] [--plots DIR]

Needs the test extra. Prints Markdown tables and, with ``--plots``, writes mel spectrograms of every
genre with their beats, the confusion matrix and the spread of keys, tempi and densities. Ranges
stand in RANGES with their sources where there are any, and each genre is held against them.
"""

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune import genres
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.composition.music_score import Score
from kinetune.corpus.rendering.mixer import render
from kinetune.processes import process_pool
from kinetune.timebase import BEATS_IN_BAR

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATE_HZ = 22_050
HOP = 512
MFCCS = 20
Array = NDArray[np.float64]
# Third-octave bands between these are fitted by a line; above, popular music rolls off faster.
SLOPE_BAND_HZ = (100.0, 4000.0)


@dataclass(frozen=True)
class Range:
    """Where a figure of mastered music lies, and who says so."""

    low: float
    high: float
    source: str


# The papers and Katz were read as quoted in github.com/takakhoo/lacquer,
# docs/research/mastering_practice.md, not in the originals; the vendors on their own pages.
RANGES = {
    # The mean of many: -5 on 772 recordings (100 Hz to 4 kHz), Pestana, Ma, Reiss,
    # Barbosa, Black: "Spectral characteristics of popular commercial recordings 1950-2010", AES 135
    # (2013); -4.53 on 12,345 tracks (89 Hz to 4.5 kHz), however percussive, Elowsson, Friberg:
    # "Long-term average spectrum in popular music and its relation to the level of the
    # percussion", AES 142 (2017). Both dB an octave. The width, for single pieces, is ours.
    "slope_db_octave": Range(-8.0, -3.0, "middle published, width ours"),
    # Masters of the loudness war go down to 6 dB, 10 is reasonable for pop: Robert Dennis in
    # Vickers: "The loudness war", AES 129 (2010). Mastered to K-14, about 14: Katz, "Compression",
    # digido.com. (A dance producer's mixes before mastering: 13 to 17, ibid.)
    "crest_db": Range(6.0, 14.0, "practitioners"),
    # Pop and EDM 4 to 8 LU, rock and hip-hop 5 to 10: mixingandmastering.ai, "Loudness range (LRA)
    # in mastering". PreSonus ("Mastering: what LRA means to you") has EDM at 5 to 6 and hip-hop at
    # 5 or less. Tech 3342 wants a minute or more: ask for --seconds 90. No measured table by genre
    # was found.
    "range_lu": Range(4.0, 10.0, "vendors' guides"),
    # What librosa detects. No published figure was found.
    "onsets_s": Range(2.0, 10.0, "ours"),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one pair."""

    seed: int
    genre: str
    key: int
    bpm: float
    beat_f: float
    tempo_ratio: float
    loudness_rho: float
    notes_rho: float
    onsets_rho: float
    brightness_rho: float
    wrong_rho: float
    slope_db_octave: float
    crest_db: float
    range_lu: float
    onsets_s: float
    peak: float
    offset: float
    silence_s: float
    music_s: float
    dance_s: float
    mfcc: list[float]
    spread_db: float
    gaps: float
    low_db: float
    width_db: float


def draw_bpm(seed: int, genre: str) -> float:
    """Return a tempo of the genre's range."""
    low, high = genres.TEMPO_RANGE_BPM[genre]
    return float(np.random.default_rng([seed, 1]).uniform(low, high))


def measure(job: tuple[int, str, float]) -> Measured:
    """Make one pair and measure it."""
    import librosa

    seed, genre, seconds = job
    began = time.perf_counter()
    dance = choreograph(
        seed, DanceRequest(genre=genre, bpm=draw_bpm(seed, genre), duration_s=seconds)
    )
    danced = time.perf_counter()
    score = compose(dance, seed)
    sound = render(score, RATE_HZ, channels=2)
    played = time.perf_counter()
    samples = sound.mono.astype(np.float64)
    onset = librosa.onset.onset_strength(y=sound.mono, sr=RATE_HZ, hop_length=HOP)
    tempo, frames = librosa.beat.beat_track(onset_envelope=onset, sr=RATE_HZ, hop_length=HOP)
    beats = librosa.frames_to_time(frames, sr=RATE_HZ, hop_length=HOP)
    answer = answers(samples, onset, score, dance.energy)
    other_dance = choreograph(
        seed + 1, DanceRequest(genre=genre, bpm=dance.bpm, duration_s=seconds)
    )
    wrong = answers(samples, onset, score, np.resize(other_dance.energy, len(dance.energy)))
    return Measured(
        seed, genre, score.key, dance.bpm, beat_f(dance.beats_s, beats),
        float(np.atleast_1d(tempo)[0]) / dance.bpm, *answer, wrong[0], spectrum_slope(samples),
        20.0 * float(np.log10(np.abs(samples).max() / np.sqrt(np.mean(samples**2)))),
        loudness_range(samples), onset_rate(onset), float(np.abs(samples).max()),
        float(abs(samples.mean())), longest_silence(samples), played - danced, danced - began,
        mfcc_statistics(sound.mono), *levels(samples), low_share_db(samples),
        stereo_width_db(sound.samples.astype(np.float64)),
    )  # fmt: skip


def beat_f(wanted: Array, estimated: Array) -> float:
    """F-measure of beats at 70 ms."""
    import mir_eval

    return float(mir_eval.beat.f_measure(wanted, estimated, f_measure_threshold=0.07))


def answers(samples: Array, onset: Array, score: Score, energy: Array) -> list[float]:
    """Rank correlation over whole bars of energy with what the music does.

    That is loudness, notes of the score, onsets detected, and the share of power above 3 kHz.
    """
    import librosa
    from scipy.stats import spearmanr

    notes = np.array([note.start_s for note in score.notes])
    onsets_s = librosa.onset.onset_detect(
        onset_envelope=onset, sr=RATE_HZ, hop_length=HOP, units="time"
    )
    rows = []
    for start, end in pairwise(score.bars_s):
        inside = (score.beats_s >= start - 1e-6) & (score.beats_s < end - 1e-6)
        if np.count_nonzero(inside) < BEATS_IN_BAR:
            continue
        bar = samples[int(start * RATE_HZ) : int(end * RATE_HZ)]
        power = np.abs(np.fft.rfft(bar)) ** 2
        hz = np.fft.rfftfreq(len(bar), 1 / RATE_HZ)
        early, late = start - 0.03, end - 0.03
        rows.append((
            energy[inside].mean(), np.mean(bar**2), np.sum((notes >= early) & (notes < late)),
            np.sum((onsets_s >= early) & (onsets_s < late)),
            np.sum(power[hz > 3000]) / np.sum(power),
        ))  # fmt: skip
    table = np.array(rows)
    columns = table[:, 1:].T
    flat = np.ptp(table[:, 0]) < 1e-9
    return [
        float("nan") if flat or np.ptp(x) < 1e-12 else float(spearmanr(table[:, 0], x)[0])
        for x in columns
    ]


def spectrum_slope(samples: Array) -> float:
    """Slope of the long-term average spectrum in third octaves, dB an octave."""
    from scipy.signal import welch

    hz, power = welch(samples, RATE_HZ, nperseg=8192)
    centers = np.array([c for c in 1000 * 2.0 ** (np.arange(-18, 12) / 3)
                        if SLOPE_BAND_HZ[0] <= c <= SLOPE_BAND_HZ[1]])  # fmt: skip
    edges = [(c * 2 ** (-1 / 6), c * 2 ** (1 / 6)) for c in centers]
    level = [10 * np.log10(power[(hz >= a) & (hz < b)].mean() + 1e-15) for a, b in edges]
    return float(np.polyfit(np.log2(centers), level, 1)[0])


def loudness_range(samples: Array) -> float:
    """LRA after EBU Tech 3342: 10th to 95th percentile of gated short-term loudness, LU."""
    import pyloudnorm

    meter = pyloudnorm.Meter(RATE_HZ)
    weighted = samples
    for band in meter._filters.values():
        weighted = band.apply_filter(weighted)
    total = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, len(samples) - 3 * RATE_HZ + 1, RATE_HZ // 10)
    power = (total[starts + 3 * RATE_HZ] - total[starts]) / (3 * RATE_HZ)
    loud = -0.691 + 10 * np.log10(power + 1e-12)
    loud = loud[loud > -70.0]
    gate = -20.0 + 10 * np.log10(np.mean(10 ** (loud / 10)))
    low, high = np.percentile(loud[loud > gate], [10, 95])
    return float(high - low)


def onset_rate(onset: Array) -> float:
    """Detected onsets a second."""
    import librosa

    frames = librosa.onset.onset_detect(onset_envelope=onset, sr=RATE_HZ, hop_length=HOP)
    return len(frames) / (len(onset) * HOP / RATE_HZ)


def levels(samples: Array, rate_hz: int = RATE_HZ) -> tuple[float, float]:
    """Spread of the level in blocks of 0.1 s (P95 to P10, dB), and the share 20 dB under P95."""
    size = rate_hz // 10
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    level = 10 * np.log10(np.mean(blocks**2, axis=1) + 1e-12)
    low, high = np.percentile(level, [10, 95])
    return float(high - low), float(np.mean(level < high - 20.0))


def low_share_db(samples: Array) -> float:
    """Energy below 200 Hz against the whole, dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return float(10 * np.log10(power[hz < 200].sum() / power.sum()))


def stereo_width_db(samples: Array) -> float:
    """Energy of the side (half the difference) against that of the middle, dB; (N, 2)."""
    side, middle = 0.5 * (samples[:, 0] - samples[:, 1]), samples.mean(axis=1)
    return float(10 * np.log10(np.mean(side**2) / np.mean(middle**2)))


def longest_silence(samples: Array, floor_db: float = -50.0) -> float:
    """Longest stretch below ``floor_db`` of full scale in blocks of 50 ms, seconds."""
    size = RATE_HZ // 20
    level = np.sqrt(np.mean(samples[: len(samples) // size * size].reshape(-1, size) ** 2, axis=1))
    longest = run = 0
    for quiet in level < 10 ** (floor_db / 20):
        run = run + 1 if quiet else 0
        longest = max(longest, run)
    return longest * 0.05


def mfcc_statistics(samples: NDArray[np.float32]) -> list[float]:
    """Mean and spread of the cepstrum and of its change."""
    import librosa

    mfcc = librosa.feature.mfcc(y=samples, sr=RATE_HZ, n_mfcc=MFCCS, hop_length=HOP)
    delta = librosa.feature.delta(mfcc)
    parts = (mfcc.mean(axis=1), mfcc.std(axis=1), delta.std(axis=1))
    return [float(x) for part in parts for x in part]


def genre_accuracy(pieces: list[Measured]) -> tuple[list[float], Array]:
    """Share of pieces whose genre a linear classifier finds, and the confusion matrix.

    Each quarter of the pieces is classified by a fit to the other three; all seeds differ.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import confusion_matrix
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table, wanted = np.array([m.mfcc for m in pieces]), np.array([m.genre for m in pieces])
    predicted = np.empty_like(wanted)
    quarters = np.array_split(np.arange(len(pieces)), 4)
    for quarter in quarters:
        others = np.setdiff1d(np.arange(len(pieces)), quarter)
        linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model = make_pipeline(StandardScaler(), linear).fit(table[others], wanted[others])
        predicted[quarter] = model.predict(table[quarter])
    right = predicted == wanted
    matrix = confusion_matrix(wanted, predicted, labels=list(genres.CODES))
    return [float(right[quarter].mean()) for quarter in quarters], matrix


def variety(pieces: list[Measured]) -> tuple[float, float]:
    """Median distance of MFCC statistics to the nearest other seed of the genre, and to itself.

    The second is between two renders of one score: the other rate, brought back.
    """
    import librosa

    table = np.array([m.mfcc for m in pieces])
    scale = table.std(axis=0) + 1e-9
    nearest = []
    for k, piece in enumerate(pieces):
        same = [j for j, m in enumerate(pieces) if m.genre == piece.genre and j != k]
        if same:
            nearest.append(np.min(np.linalg.norm((table[same] - table[k]) / scale, axis=1)))
    again = []
    for piece in pieces[:10]:
        bpm = draw_bpm(piece.seed, piece.genre)
        dance = choreograph(piece.seed, DanceRequest(genre=piece.genre, bpm=bpm, duration_s=12.0))
        score = compose(dance, piece.seed)
        one = render(score, RATE_HZ, channels=1).samples
        two = librosa.resample(render(score, 44_100).mono, orig_sr=44_100, target_sr=RATE_HZ)
        pair = [np.array(mfcc_statistics(x)) for x in (one, two)]
        again.append(np.linalg.norm((pair[0] - pair[1]) / scale))
    return float(np.median(nearest)), float(np.median(again))


def run(jobs: list[tuple[int, str, float]], workers: int) -> list[Measured]:
    """Measure all jobs."""
    if workers == 1:
        return [measure(job) for job in jobs]
    with process_pool(workers) as pool:
        return list(pool.map(measure, jobs, chunksize=4))


def report(test: list[Measured], train: list[Measured], seconds: float) -> None:
    """Print the tables."""

    def middle(name: str, over: list[Measured] = test) -> float:
        return float(np.nanmedian([getattr(m, name) for m in over]))

    ratios = np.array([m.tempo_ratio for m in test])
    right = np.min([np.abs(ratios / k - 1) for k in (0.5, 1.0, 2.0)], axis=0) < 0.04
    print(f"{len(test)} pairs of {seconds:g} s\n")
    print("| measure | value |\n|---|---|")
    print(f"| beat F at 70 ms, median | {middle('beat_f'):.3f} |")
    print(f"| tempo right, octave allowed | {right.mean():.1%} |")
    for name in ("loudness", "notes", "onsets", "brightness", "wrong"):
        print(f"| rank correlation of energy over bars: {name} | {middle(name + '_rho'):+.2f} |")
    print(f"| highest peak | {max(m.peak for m in test):.3f} |")
    print(f"| greatest offset | {max(m.offset for m in test):.5f} |")
    print(f"| longest silence, beats | {max(m.silence_s * m.bpm / 60 for m in test):.2f} |")
    music, dance = (sum(getattr(m, k) for m in test) for k in ("music_s", "dance_s"))
    print(f"| music, times real time on one core | {seconds * len(test) / music:.0f} |")
    print(f"| music and dance | {seconds * len(test) / (music + dance):.0f} |")
    if train:
        quarters, matrix = genre_accuracy(test + train)
        each = ", ".join(f"{quarter:.0%}" for quarter in quarters)
        near, again = variety(test)
        print(f"| genre classified from MFCC, four quarters | {np.mean(quarters):.1%} ({each}) |")
        print(f"| nearest neighbour in the genre, median distance | {near:.2f} |")
        print(f"| two renders of one score, median distance | {again:.2f} |")
        print("\n| true \\ predicted | " + " | ".join(genres.CODES) + " |")
        print("|---" * 11 + "|")
        for code, row in zip(genres.CODES, matrix, strict=True):
            print(f"| {code} | " + " | ".join(str(k) for k in row) + " |")
    columns = ("beat_f", "loudness_rho", "notes_rho", "onsets_rho", "brightness_rho", *RANGES)
    print("\n| genre | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for code in genres.CODES:
        own = [m for m in test if m.genre == code]
        if own:
            print(f"| {code} | " + " | ".join(f"{middle(k, own):.2f}" for k in columns) + " |")
    report_ranges(test)
    report_mix(test)


def report_ranges(pieces: list[Measured]) -> None:
    """Print each genre's median against the ranges, and the share of its pieces within them."""
    heads = (f"{name} {r.low:g} to {r.high:g} ({r.source})" for name, r in RANGES.items())
    print("\n| genre | " + " | ".join(heads) + " |")
    print("|---" * (1 + len(RANGES)) + "|")
    for code in (*genres.CODES, "all"):
        own = [m for m in pieces if code in (m.genre, "all")]
        if own:
            cells = (against(name, r, own) for name, r in RANGES.items())
            print(f"| {code} | " + " | ".join(cells) + " |")


# Means of 60 excerpts of records, measured elsewhere; the block length of that spread is unknown.
RECORDS = {"spread_db": 8.0, "gaps": 0.007, "onsets_s": 6.5, "low_db": -1.9, "width_db": -9.6}


def report_mix(pieces: list[Measured]) -> None:
    """Print level spread, gaps, onsets, bass and width of each genre beside those of records."""
    print("\n| genre | spread dB | gaps | onsets a second | bass dB | width dB |")
    print("|---" * (1 + len(RECORDS)) + "|")
    for code in (*genres.CODES, "all"):
        own = [m for m in pieces if code in (m.genre, "all")]
        if own:
            means = {name: float(np.mean([getattr(m, name) for m in own])) for name in RECORDS}
            print_mix(code, means)
    print_mix("records", RECORDS)


def print_mix(name: str, means: dict[str, float]) -> None:
    """Print a row of the table of :func:`report_mix`."""
    print(
        f"| {name} | {means['spread_db']:.1f} | {means['gaps']:.1%} | {means['onsets_s']:.1f} "
        f"| {means['low_db']:.1f} | {means['width_db']:.1f} |"
    )


def against(name: str, wanted: Range, pieces: list[Measured]) -> str:
    """Median of a figure and how many of the pieces lie within its range."""
    values = np.array([getattr(m, name) for m in pieces])
    inside = np.mean((values >= wanted.low) & (values <= wanted.high))
    return f"{np.median(values):.1f} ({inside:.0%})"


def plot(folder: Path, test: list[Measured], train: list[Measured]) -> None:
    """Write a spectrogram a genre, the confusion matrix, the spread of keys, tempi, densities."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    plot_sheet(folder / "music.png")
    figure, axes = plt.subplots(1, 3, figsize=(13, 3))
    axes[0].hist([m.key for m in test + train], bins=np.arange(13) - 0.5, rwidth=0.8)
    axes[0].set(xlabel="key (0 is C)", ylabel="pieces")
    axes[1].hist([m.bpm for m in test + train], bins=30)
    axes[1].set(xlabel="beats a minute")
    axes[2].hist([m.onsets_s for m in test + train], bins=30)
    axes[2].set(xlabel="onsets per second")
    figure.savefig(folder / "spread.png", dpi=80, bbox_inches="tight")
    if train:
        _, matrix = genre_accuracy(test + train)
        figure, axis = plt.subplots(figsize=(5, 5))
        axis.imshow(matrix, cmap="Blues")
        axis.set(xticks=range(10), yticks=range(10), xlabel="predicted", ylabel="true")
        axis.set_xticklabels(genres.CODES)
        axis.set_yticklabels(genres.CODES)
        for (y, x), count in np.ndenumerate(matrix):
            axis.text(x, y, str(count), ha="center", va="center")
        figure.savefig(folder / "confusion.png", dpi=80, bbox_inches="tight")
    plt.close("all")


def plot_sheet(path: Path, *, seed: int = 5, seconds: float = 12.0) -> None:
    """Write the mel spectrogram of a piece of each genre with its beats and the dance's energy."""
    import matplotlib.pyplot as plt
    from PIL import Image

    figure = plt.figure(figsize=(14, 15), layout="constrained")
    for panel, code in zip(figure.subfigures(5, 2).flat, genres.CODES, strict=True):
        top, axis = panel.subplots(2, 1, sharex=True, height_ratios=(1, 5))
        plot_genre(top, axis, code, seed, seconds)
    figure.savefig(path, dpi=65)
    plt.close(figure)
    # Few colours do, and a quarter of the bytes.
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def plot_genre(top: "Axes", axis: "Axes", code: str, seed: int, seconds: float) -> None:
    """Draw one piece: the body's energy above its music."""
    import librosa

    dance = choreograph(
        seed, DanceRequest(genre=code, bpm=draw_bpm(seed, code), duration_s=seconds)
    )
    samples = render(compose(dance, seed), RATE_HZ, channels=1).samples
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE_HZ, hop_length=256, n_mels=128)
    top.step(dance.beats_s, dance.energy, where="post")
    top.set(ylim=(0, 1), ylabel="energy", title=f"{genres.genre_name(code)}, {dance.bpm:.0f} bpm")
    extent = (0.0, seconds, 0, 128)
    level = librosa.power_to_db(mel, ref=np.max)
    axis.imshow(level, origin="lower", aspect="auto", extent=extent, vmin=-70, cmap="magma")
    for beat in dance.beats_s:
        strong = np.min(np.abs(dance.downbeats_s - beat)) < 1e-3
        axis.axvline(beat, color="w", lw=1.0 if strong else 0.4, alpha=0.8)
    axis.set(xlabel="seconds", ylabel="mel band")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--plots", type=Path)
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--read", type=Path, help="report on figures that --json wrote")
    options = parser.parse_args()
    codes = genres.CODES
    jobs = [
        (options.seed + k, codes[k % len(codes)], options.seconds)
        for k in range(options.pairs + options.train)
    ]
    if options.read:
        done = [Measured(**row) for row in json.loads(options.read.read_text())]
    else:
        done = run(jobs, options.workers)
    test, train = done[: options.pairs], done[options.pairs :]
    report(test, train, options.seconds)
    if options.json:
        options.json.write_text(json.dumps([asdict(m) for m in done]))
    if options.plots:
        plot(options.plots, test, train)


if __name__ == "__main__":
    main()
