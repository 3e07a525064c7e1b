"""Music's own curves against the body's, and what is read off songs, on pairs of a corpus.

    python benchmarks/song_curves.py CORPUS [--pairs 24]

A corpus (``kinetune corpus make``) knows its dances, beats, keys and chords. Prints, as Markdown:

- Spearman's rank correlation by piece between the music's energy and the body's mean speed, and
  between the music's events and the body's acceleration, both smoothed alike; the same with the
  dance of another piece; median, quartiles and a sign test.
- deviation of both curves within pieces, the figures of kinetune/training/songs/curves.py.
- beats (F-measure of mir_eval), bars, key and chords against the corpus's own; pulse clarity of the
  pieces and of noise.
"""

import argparse
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import binomtest, spearmanr

from kinetune import timebase
from kinetune.audio.beats import onset_envelope
from kinetune.audio.sound import Sound, read_sound, resample, to_mono
from kinetune.corpus.folder import CorpusItem, read_manifest
from kinetune.errors import AudioError
from kinetune.motion.features import rhythm_features
from kinetune.motion.io.formats import read_motion
from kinetune.training.songs.curves import (
    ENERGY_SCALE_DB,
    EVENT_SCALE,
    MusicCurves,
    music_curves,
)
from kinetune.training.songs.song import (
    LEAST_PULSE_CLARITY,
    SongAnalysis,
    analyse_song,
    pulse_clarity,
)

Array = NDArray[np.float64]
# Columns of the rhythm features: mean log speed and mean log acceleration.
SPEED, ACCELERATION = 48, 49
# Smoothing before the ranks are compared: a bar for the energy, a tenth of a second for events.
ENERGY_S, EVENT_S = 1.0, 0.1
BAR_TOLERANCE_S = 0.1


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--pairs", type=int, default=24)
    options = parser.parse_args()
    items = read_manifest(options.corpus)
    items = items[:: max(1, len(items) // options.pairs)][: options.pairs]
    sounds = [resample(to_mono(read_sound(options.corpus / i.audio)), 22_050) for i in items]
    bodies = [rhythm_features(read_motion(options.corpus / item.motion)) for item in items]
    curves = [music_curves(sound) for sound in sounds]
    print_correlations(curves, bodies)
    energy = np.mean([c.energy.std() * ENERGY_SCALE_DB for c in curves])
    events = np.mean([c.events.std() * EVENT_SCALE for c in curves])
    print(f"\ndeviation within pieces: energy {energy:.2f} dB, events {events:.3f}\n")
    print_analysis(items, sounds)


def print_correlations(curves: list[MusicCurves], bodies: list[NDArray[np.float32]]) -> None:
    """Print the rank correlations of music and body."""
    print("| curve | with | median | quartiles | pieces above 0 | p (sign test) |")
    print("|---|---|---|---|---|---|")
    for name, column, smoothing_s in (
        ("energy", SPEED, ENERGY_S), ("events", ACCELERATION, EVENT_S),
    ):  # fmt: skip
        music = [getattr(curve, name) for curve in curves]
        for label, shift in (("its own dance", 0), ("another dance", 1)):
            values = [
                correlation(one, bodies[(index + shift) % len(bodies)][:, column], smoothing_s)
                for index, one in enumerate(music)
            ]
            positive = sum(value > 0 for value in values)
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
            p = binomtest(positive, len(values)).pvalue
            print(
                f"| {name} | {label} | {middle:.2f} | {low:.2f} to {high:.2f} | "
                f"{positive} of {len(values)} | {p:.1g} |"
            )


def correlation(one: Array, other: NDArray[np.floating], smoothing_s: float) -> float:
    """Return the rank correlation of two curves at 30 fps, smoothed alike."""
    count = min(len(one), len(other))
    width = smoothing_s * timebase.MOTION_FPS
    first, second = (gaussian_filter1d(each[:count].astype(float), width) for each in (one, other))
    return float(spearmanr(first, second)[0])


def print_analysis(items: list[CorpusItem], sounds: list[Sound]) -> None:
    """Print how well beats, bars, keys and chords are read."""
    read: list[tuple[CorpusItem, SongAnalysis]] = []
    for item, sound in zip(items, sounds, strict=True):
        try:
            read.append((item, analyse_song(sound, item.id)))
        except AudioError as error:
            print(f"left out: {error}")
    known = [(item, song) for item, song in read if item.tonic is not None]
    beats = [mir_eval.beat.f_measure(np.array(i.beats_s), s.beats_s) for i, s in read]
    bars = [
        np.min(np.abs(np.array(i.downbeats_s) - s.bar_start_s)) < BAR_TOLERANCE_S for i, s in read
    ]
    keys = [item.tonic == song.tonic for item, song in known]
    chords = [chord_agreement(item, song) for item, song in known]
    print("\n| of the corpus's own | |\n|---|---|")
    print(f"| pieces with a regular beat | {len(read)} of {len(items)} |")
    print(f"| beats, F-measure | {np.mean(beats):.2f} |")
    print(f"| first beat of a bar is one | {np.mean(bars):.0%} (chance 25 %) |")
    print(f"| key's tonic | {np.mean(keys):.0%} (chance 8 %) |")
    print(f"| tones of the chord, share of time that two or more agree | {np.mean(chords):.0%} |")
    clarity = [song.pulse_clarity for _, song in read]
    noise = [noise_clarity(seed) for seed in range(len(items))]
    middle = np.median(clarity)
    print(f"| pulse clarity of pieces, least and median | {min(clarity):.2f}, {middle:.2f} |")
    print(f"| of noise, largest (threshold {LEAST_PULSE_CLARITY}) | {max(noise):.2f} |")


def chord_agreement(item: CorpusItem, song: SongAnalysis) -> float:
    """Return the share of time at which the triad has two tones or more of the true chord."""
    times_s = np.arange(0.0, item.duration_s, 0.1)
    sets = []
    for chords in (item.chords, song.chords):
        starts_s = np.array([chord.start_s for chord in chords])
        index = (np.searchsorted(starts_s, times_s, side="right") - 1).clip(0)
        sets.append([set(chords[i].tones) for i in index])
    return float(np.mean([len(one & other) >= 2 for one, other in zip(*sets, strict=True) if one]))


def noise_clarity(seed: int) -> float:
    """Return the pulse clarity of 24 s of white noise at the tempo that is tracked in it."""
    from librosa.beat import beat_track

    samples = np.random.default_rng(seed).normal(size=24 * 22_050).astype(np.float32) * 0.1
    onsets = onset_envelope(Sound(samples, 22_050))
    bpm, _ = beat_track(onset_envelope=onsets, sr=22_050)
    return pulse_clarity(onsets, float(np.atleast_1d(bpm)[0]))


if __name__ == "__main__":
    main()
