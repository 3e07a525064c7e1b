"""Does the music play the key and the chords that it was told to?

    python benchmarks/harmony.py [--models default] [--pieces 40] [--seconds 12] [--write FOLDER]
        [--picture docs/model/spectrograms.png]

Dances and music are made from seeds that no model was trained on. The model gets the key and the
chords of the corpus's own piece, and then those that ``--key`` and ``--chords`` of a user would
give: the same, five semitones up. Measured on the harmonic part of the sound (librosa's
median-filter separation), beside the corpus's music, and music of another piece (chance):

- chords: chroma (constant Q, mean over a chord) correlated with the chord's tones, mean over
  chords by length;
- right: share of the time in which that correlation is higher than with the same chord in any of
  the eleven other transpositions (chance 8 %);
- key: whether the key with the highest correlation of Krumhansl and Kessler's profiles
  (Krumhansl 1990) with the mean chroma has the tonic that was requested; or the tonic of the
  relative major or minor, which has the same notes.

Prints Markdown with 95 % bootstrap intervals over pieces. ``--write`` also writes all sounds, and
for every model FOLDER/MODEL.json, the input of ``outside_measures.py``. ``--picture``
draws constant-Q spectrograms of three pieces, the corpus's and the first model's.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
from matplotlib.figure import Figure
from model_scores import interval
from numpy.typing import NDArray
from PIL import Image

from kinetune import genres
from kinetune.audio.sound import Sound, resample, to_mono, write_sound
from kinetune.corpus.composition.grammar import pitch_classes, read_progression
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.corpus.styles.style import style_of
from kinetune.files import write_json
from kinetune.model.conditioning.harmony import PITCH_CLASSES, Chord, Harmony
from kinetune.model.pipeline import DanceToMusicPipeline

_SEED = 970_000
_RATE_HZ, _HOP = 22_050, 2048
_TRANSPOSED = 5
# Pieces of the picture: house, street jazz and popping.
_SHOWN = (1, 3, 8)
_SHADES = 64
# Probe-tone ratings of major and minor, Krumhansl and Kessler 1982.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    pairs = [
        make_pair(
            _SEED + k, genre=genres.CODES[k % 10], duration_s=options.seconds, rate_hz=44_100,
            channels=2,
        )
        for k in range(options.pieces)
    ]  # fmt: skip
    print("| music | chords, correlation | right | key's tonic | or its relative |")
    print("|---|---|---|---|---|")
    requested = [harmony_of(pair) for pair in pairs]
    print(f"| the genres' progressions, exact tones | | | {exact_tonics():.0%} | |")
    report("corpus", [pair.sound for pair in pairs], requested)
    report(
        "corpus music of another piece",
        [pair.sound for pair in pairs],
        requested[10:] + requested[:10],
    )
    for name in options.models:
        pipeline = DanceToMusicPipeline.from_pretrained(name)
        sounds = list(generated(pipeline, pairs, requested))
        report(name, sounds, requested)
        if options.write is not None:
            write_pairs(options.write, Path(name).name, [pair.sound for pair in pairs], sounds)
        if options.picture is not None and name == options.models[0]:
            draw(options.picture, [pair.sound for pair in pairs], sounds)
        up = [transposed(harmony, _TRANSPOSED) for harmony in requested]
        report(f"{name}, five semitones up", list(generated(pipeline, pairs, up)), up)


def exact_tonics() -> float:
    """Share of the genres' progressions from whose exact tones the profiles give the tonic.

    Each chord weighs by its length, and its root twice.
    """
    right = []
    for code in genres.CODES:
        for progression in style_of(code).harmony.progressions:
            chroma = np.zeros(PITCH_CLASSES, np.float32)
            for bar in read_progression(progression):
                for chord in bar:
                    for tone in (*pitch_classes(chord.root, chord.tones), chord.root % 12):
                        chroma[tone] += 1.0 / len(bar)
            right.append(estimated_key(chroma)[0] == 0)
    return float(np.mean(right))


def harmony_of(pair: Pair) -> Harmony:
    """Return the harmony of a corpus piece."""
    return Harmony(pair.tonic, tuple(Chord(c.start_s, c.bass, c.tones) for c in pair.chords))


def transposed(harmony: Harmony, semitones: int) -> Harmony:
    """Return a harmony so many semitones up."""

    def up(pitch_class: int) -> int:
        return (pitch_class + semitones) % PITCH_CLASSES

    chords = (
        replace(chord, bass=up(chord.bass), tones=tuple(sorted(map(up, chord.tones))))
        for chord in harmony.chords
    )
    return replace(harmony, tonic=up(harmony.tonic), chords=tuple(chords))


def generated(
    pipeline: DanceToMusicPipeline, pairs: list[Pair], requested: list[Harmony]
) -> Iterator[Sound]:
    """Yield the model's music."""
    for number, (pair, harmony) in enumerate(zip(pairs, requested, strict=True)):
        yield pipeline(
            pair.clip, genre=pair.genre, grid=pair.grid, seed=number, harmony=harmony
        ).sound


def write_pairs(folder: Path, name: str, references: list[Sound], sounds: list[Sound]) -> None:
    """Write the corpus's music, a model's, and the list of both."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (reference, sound) in enumerate(zip(references, sounds, strict=True)):
        pair = [folder / f"corpus-{number}.wav", folder / f"{name}-{number}.wav"]
        write_sound(pair[0], reference)
        write_sound(pair[1], sound)
        paths.append([str(path) for path in pair])
    write_json(folder / f"{name}.json", paths)


def draw(path: Path, references: list[Sound], sounds: list[Sound]) -> None:
    """Draw the corpus's and the model's music of three genres, below each other."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    rows = figure.subplots(6, 1, sharex=True)
    for pair, number in zip(rows.reshape(3, 2), _SHOWN, strict=True):
        genre = genres.genre_name(genres.CODES[number % 10])
        for axes, (name, sound) in zip(
            pair, (("corpus", references[number]), ("model", sounds[number])), strict=True
        ):
            samples = resample(to_mono(sound), _RATE_HZ).samples
            power = np.abs(
                librosa.cqt(
                    samples, sr=_RATE_HZ, hop_length=512, fmin=41.2, n_bins=252, bins_per_octave=36
                )
            )
            level = librosa.amplitude_to_db(power, ref=np.max)
            extent = (0.0, sound.duration_s, 0.0, 7.0)
            axes.imshow(level, origin="lower", aspect="auto", cmap="magma", vmin=-60, extent=extent)
            axes.set_ylabel(f"{genre}\n{name}", fontsize=8)
    rows[-1].set_xlabel("seconds; octaves above 41 Hz", fontsize=8)
    figure.savefig(path, dpi=80)
    Image.open(path).convert("RGB").quantize(_SHADES).save(path, optimize=True)


def report(name: str, sounds: list[Sound], requested: list[Harmony]) -> None:
    """Print a row."""
    rows = [measured(sound, harmony) for sound, harmony in zip(sounds, requested, strict=True)]
    chords, right, tonic, relative = (list(column) for column in zip(*rows, strict=True))
    shares = " | ".join(f"{np.nanmean(column):.0%}" for column in (right, tonic, relative))
    print(f"| {name} | {interval(chords)} | {shares} |", flush=True)


def measured(sound: Sound, harmony: Harmony) -> tuple[float, float, float, float]:
    """Return the chords' correlation, their share right, the tonic's, and its or its relative's."""
    samples = resample(to_mono(sound), _RATE_HZ).samples
    chroma = librosa.feature.chroma_cqt(
        y=librosa.effects.harmonic(samples), sr=_RATE_HZ, hop_length=_HOP, fmin=65.4, n_octaves=5
    )
    times_s = np.arange(chroma.shape[1]) * _HOP / _RATE_HZ
    tonic, minor = estimated_key(chroma.mean(axis=1))
    right = tonic == harmony.tonic
    relative = (tonic + (3 if minor else -3)) % PITCH_CLASSES
    correlation, chords_right = chord_scores(chroma, times_s, harmony)
    return correlation, chords_right, right, right or relative == harmony.tonic


def chord_scores(
    chroma: NDArray[np.float32], times_s: NDArray[np.float64], harmony: Harmony
) -> tuple[float, float]:
    """Return the correlation of a chord's mean chroma with its tones, and the share right.

    Both are means over chords by length; a chord is right if none of its transpositions correlates
    more.
    """
    ends_s = [chord.start_s for chord in harmony.chords[1:]] + [np.inf]
    values, right, weights = [], [], []
    for chord, end_s in zip(harmony.chords, ends_s, strict=True):
        inside = (times_s >= chord.start_s) & (times_s < end_s)
        tones = np.isin(np.arange(PITCH_CLASSES), chord.tones).astype(float)
        mean = chroma[:, inside].mean(axis=1) if inside.any() else np.zeros(PITCH_CLASSES)
        if tones.any() and np.ptp(mean) > 0.0:
            moved = [np.corrcoef(mean, np.roll(tones, k))[0, 1] for k in range(PITCH_CLASSES)]
            values.append(float(moved[0]))
            right.append(float(moved[0] >= max(moved)))
            weights.append(int(inside.sum()))
    if not values:
        return float("nan"), float("nan")
    return float(np.average(values, weights=weights)), float(np.average(right, weights=weights))


def estimated_key(chroma: NDArray[np.float32]) -> tuple[int, bool]:
    """Return the tonic with the highest profile correlation, and whether it is minor."""
    scores = [
        (float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]), tonic, minor)
        for minor, profile in ((False, _MAJOR), (True, _MINOR))
        for tonic in range(PITCH_CLASSES)
    ]
    _, tonic, is_minor = max(scores)
    return tonic, is_minor


if __name__ == "__main__":
    main()
