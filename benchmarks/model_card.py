"""The figures of the model card: does the music follow the dance?

    python benchmarks/model_card.py [--model default] [--pairs 30] [--parts following locked ...]

Dances and music are made from seeds the model was not trained on, two or more a genre, 12 s each.
For every dance the same things are measured on the model's music with the true beat grid given,
on its music with the grid found in the dance, on the corpus's own music (ceiling), on corpus music
of another dance (random pairing), and on the codec alone (corpus music through the VAE and the
vocoder, or Griffin-Lim where there is none):

- F: beats detected by librosa against the dance's beats, F-measure at 70 ms (mir_eval);
- tempo: detected within 4 % of the dance's, twice and half allowed;
- energy: rank correlation, over beats, of body speed and loudness.

Means over dances with 95 % bootstrap intervals. Further parts:

- unseen: the same on dances time-warped from real clips outside the beat network's training data;
- locked: 24 s dances under all ten genres with ``--bpm`` and ``--first-beat`` from 70 to 150 bpm:
  F, median offset of the detected beats from the grid, tempo (a line through the beats) within 1 %;
- variety: mean distance of mel spectrograms (dB) between seeds, beside that of two corpus pieces of
  one genre and tempo;
- levels: what the level of 0.1 s does, of the model's music with and without its compression and of
  the corpus's: 95th less 10th percentile, and share of time 20 dB below the 95th;
- sharpness: rise from 10 to 90 % and steepest slope of the sound above 1.5 kHz at its onsets
  (librosa's), and how far spectral peaks are above valleys from 0.3 to 4.8 kHz (librosa's spectral
  contrast, windows of 8,192 samples): whether attacks and notes are as clear as the corpus's;
- seams: how much the spectrum changes where windows are joined, as a share of the changes elsewhere
  that are smaller (0.5 is usual, 0.95 and more are audible), on one minute a genre;
- steps: F, energy, chords (see harmony.py) and time at 4 to 50 denoising steps;
- genre, sound, real: see model_scores.py; copies (needs ``--corpus``, the training corpus): see
  model_copies.py.
"""

import argparse
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import corpus_music
import librosa
import mir_eval
import numpy as np
import torch
import vocoder
from harmony import harmony_of, measured
from long_piece_consistency import seam_ranks
from model_copies import copies
from model_scores import genre_accuracy, interval, real_dances, sound_distance
from scipy.stats import spearmanr
from unseen_clips import unseen_clips
from user_pipeline import load_model, pair_for, spectrogram_of

from kinetune import genres, timebase
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound, resample
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.corpus.choreography.time_warp import warp_to_beats
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.corpus.rendering.mixer import render
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents, frames_per_column, posterior_of, scale_latents
from kinetune.motion.beats.beat_grid import beat_grid, fixed_grid
from kinetune.motion.kinematics import joint_speeds

DURATION_S = 12.0
COLUMNS = ("F", "tempo", "energy")


def measures(pair: Pair, sound: Sound) -> tuple[float, float, float]:
    """Return F, tempo right (0 or 1) and energy correlation of a sound against a dance."""
    tracked = music_beats(sound)
    tempo, beats = tracked.bpm, tracked.beats_s
    f_measure = mir_eval.beat.f_measure(mir_eval.beat.trim_beats(pair.beats_s, 0.0), beats)
    ratios = [abs(tempo / (pair.bpm * factor) - 1.0) for factor in (0.5, 1.0, 2.0)]
    return f_measure, float(min(ratios) < 0.04), energy_correlation(pair, sound)


def energy_correlation(pair: Pair, sound: Sound) -> float:
    """Rank correlation, over beats, of mean joint speed and loudness of the sound."""
    speed = joint_speeds(pair.clip).mean(axis=1)
    spans = list(zip(pair.beats_s[:-1], pair.beats_s[1:], strict=True))
    body = [part(speed, pair.clip.fps, a, b).mean() for a, b in spans]
    loud = [np.sqrt((part(sound.mono, sound.rate_hz, a, b) ** 2).mean()) for a, b in spans]
    return float(spearmanr(body, loud).statistic)


def part(values: np.ndarray, rate_hz: float, start_s: float, end_s: float) -> np.ndarray:
    """Return the values from ``start_s`` to ``end_s``."""
    return values[timebase.frames_in(start_s, rate_hz) : timebase.frames_in(end_s, rate_hz)]


@torch.no_grad()
def through_codec(pipeline: DanceToMusicPipeline, sound: Sound) -> tuple[Sound, float]:
    """Return a sound through VAE and vocoder, and the mel error in dB."""
    mel = spectrogram_of(pipeline, sound)
    frames = mel.shape[-1] // frames_per_column(pipeline.vae) * frames_per_column(pipeline.vae)
    mel = mel[..., :frames]
    mean, _ = posterior_of(pipeline.vae, mel)
    decoded = decode_latents(pipeline.vae, scale_latents(pipeline.vae, mean))
    error_db = float((decoded - mel).abs().mean()) * pipeline.mel.settings.top_db / 2.0
    return pipeline.vocode(decoded, sound.duration_s), error_db


def following(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how well the music keeps to the dance, beside the corpus's own."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    right, codec_db = [], []
    for number, pair in enumerate(pairs):
        seed = zlib.crc32(pair.id.encode())
        locked = pipeline(pair.clip, genre=pair.genre, seed=seed, grid=pair.grid).sound
        alone = pipeline(pair.clip, genre=pair.genre, seed=seed).sound
        coded, error_db = through_codec(pipeline, pair.sound)
        codec_db.append(error_db)
        ratio = beat_grid(pair.clip).bpm / pair.bpm
        right.append(float(min(abs(ratio / f - 1) for f in (0.5, 1, 2)) < 0.04))
        other = pairs[(number + 1) % len(pairs)].sound
        for name, sound in (
            ("model, beat grid given", locked),
            ("model, beat grid found in the dance", alone),
            ("corpus music through the codec", coded),
            ("corpus music (ceiling)", pair.sound),
            ("corpus music of another dance", other),
            ("clicks on the dance's beats", click_track(pair.beats_s, DURATION_S)),
        ):
            rows.setdefault(name, []).append(measures(pair, sound))
    print(f"| {len(pairs)} unseen dances of {DURATION_S:g} s | beats F | tempo right | energy |")
    print("|---|---|---|---|")
    for name, values in rows.items():
        cells = [interval([v[k] for v in values]) for k in range(len(COLUMNS))]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nTempo found in the body within 4 % (octaves allowed): {np.mean(right):.0%}.")
    print(f"Codec: mean mel error {np.mean(codec_db):.2f} dB.\n")


def unseen(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print the same for dances bent from clips that the beat network has never seen."""
    unseen, paired = unseen_clips(), []
    for pair in pairs:
        dance = warp_to_beats(
            pair.seed, unseen, DanceRequest(genre=pair.genre, bpm=pair.bpm, duration_s=DURATION_S)
        )
        sound = render(
            compose(dance, pair.seed), pipeline.mel.settings.rate_hz, channels=pipeline.mel.channels
        )
        paired.append(replace(pair, dance=dance, sound=sound, source="unseen"))
    following(pipeline, paired)


def locked(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print whether the music keeps a grid that is named, over genres and tempi."""
    del pairs
    print("| genre | tempi | beats F | median offset | tempo within 1 % |")
    print("|---|---|---|---|---|")
    every: list[tuple[float, float, float]] = []
    for number, code in enumerate(genres.CODES):
        values = []
        for k, bpm in enumerate((70.0, 90.0, 110.0, 130.0, 150.0)):
            # A dance of another tempo: the grid alone says what to play.
            dance = choreograph(
                905_000 + 5 * number + k, DanceRequest(genre=code, bpm=100.0, duration_s=24.0)
            )
            grid = fixed_grid(bpm, 0.25, 24.0)
            sound = pipeline(dance.clip, genre=code, seed=k, grid=grid).sound
            values.append(kept(sound, timebase.beat_times(bpm, 0.25, 24.0)))
        every += values
        print(f"| {genres.genre_name(code)} | 70 to 150 | {summary(values)} |", flush=True)
    print(f"| all | 70 to 150 | {summary(every)} |\n")


def kept(sound: Sound, grid_s: np.ndarray) -> tuple[float, float, float]:
    """Return F, offset (s, detected minus grid) and whether the tempo is within 1 % (octaves)."""
    detected_s = music_beats(sound).beats_s
    nearest = detected_s - grid_s[np.abs(detected_s[:, None] - grid_s).argmin(axis=1)]
    period_s = detected_period_s(detected_s)
    ratio = period_s / np.diff(grid_s)[0]
    right = min(abs(ratio / octave - 1.0) for octave in (0.5, 1.0, 2.0)) < 0.01
    return mir_eval.beat.f_measure(grid_s, detected_s), float(np.median(nearest)), float(right)


def detected_period_s(detected_s: np.ndarray) -> float:
    """Return the time from beat to beat of a line through detected beats; NaN for fewer than three.

    A tracker leaves beats out and puts some between: they are counted by the median step.
    """
    if len(detected_s) < 3:
        return np.nan
    steps = np.diff(detected_s)
    count = np.concatenate([[0.0], np.cumsum(np.round(2.0 * steps / np.median(steps)) / 2.0)])
    return float(np.polyfit(count, detected_s, 1)[0])


def summary(values: list[tuple[float, float, float]]) -> str:
    """Three cells of the table of :func:`locked`."""
    f, tempo = (interval([v[k] for v in values]) for k in (0, 2))
    late_ms = 1000.0 * float(np.median([v[1] for v in values]))
    return f"{f} | {late_ms:+.0f} ms | {tempo}"


def variety(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how far apart music of different seeds is."""
    generated, composed = [], []
    for pair in pairs[:10]:
        mels = [pipeline(pair.clip, genre=pair.genre, seed=k, grid=pair.grid).mel for k in range(3)]
        others = [
            pair_for(
                pipeline, pair.seed + 50 + k, genre=pair.genre, bpm=pair.bpm, duration_s=DURATION_S
            )
            for k in range(3)
        ]
        corpus = [spectrogram_of(pipeline, other.sound)[0].numpy() for other in others]
        for mine, out in ((mels, generated), (corpus, composed)):
            out += [apart_db(pipeline, mine[a], mine[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    print("| mean distance of mel spectrograms, dB | |\n|---|---|")
    print(f"| model, other seeds for one dance | {interval(generated)} |")
    print(f"| corpus, other pieces of one genre and tempo | {interval(composed)} |\n")


def apart_db(pipeline: DanceToMusicPipeline, one: np.ndarray, two: np.ndarray) -> float:
    """Mean absolute difference of two spectrograms, dB."""
    length = min(one.shape[-1], two.shape[-1])
    return float(
        np.abs(one[:, :length] - two[:, :length]).mean() * pipeline.mel.settings.top_db / 2
    )


def seams(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how usual the spectrum's change is where windows are joined."""
    del pairs
    ranks = []
    for number, code in enumerate(genres.CODES):
        dance = make_pair(777_000 + number, genre=code, duration_s=60.0)
        mel = pipeline(dance.clip, genre=code, seed=number, grid=dance.grid).mel
        ranks += seam_ranks(pipeline, mel, dance.bpm)
    high = np.mean(np.array(ranks) > 0.95)
    print(f"Seams: rank {interval(ranks)} over {len(ranks)} joins, {high:.0%} above 0.95.\n")


def steps(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print quality and time by number of denoising steps."""
    print("| steps | beats F, grid given | energy | chords | denoising, s for 12 s |")
    print("|---|---|---|---|---|")
    for count in (4, 6, 8, 12, 16, 20, 50):
        values, spent = [], []
        for pair in pairs[:10]:
            harmony = harmony_of(pair)
            music = pipeline(
                pair.clip, genre=pair.genre, seed=3, num_inference_steps=count, grid=pair.grid,
                harmony=harmony,
            )  # fmt: skip
            f_measure, _, energy = measures(pair, music.sound)
            values.append((f_measure, energy, measured(music.sound, harmony)[0]))
            spent.append(music.seconds.denoise)
        cells = " | ".join(interval(list(column)) for column in zip(*values, strict=True))
        print(f"| {count} | {cells} | {np.median(spent):.2f} |", flush=True)


def _copies(pipeline: DanceToMusicPipeline, pairs: list[Pair], *, corpus: Path) -> None:
    del pairs
    copies(pipeline, corpus)


def levels(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how the level varies in the model's music, with its compression and without."""
    settings = dict(pipeline.config.settings)
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for number, pair in enumerate(pairs):
        made = {"the corpus's": pair.sound}
        for name, compression in (("the model's", settings["compression"]), ("uncompressed", 0.0)):
            pipeline.register_to_config(settings={**settings, "compression": compression})
            made[name] = pipeline(pair.clip, genre=pair.genre, seed=number, grid=pair.grid).sound
        for name, sound in made.items():
            f_measure, _, energy = measures(pair, sound)
            spread_db, gaps = corpus_music.levels(sound.mono.astype(np.float64), sound.rate_hz)
            rows.setdefault(name, []).append((spread_db, 100.0 * gaps, f_measure, energy))
    pipeline.register_to_config(settings=settings)
    print(f"| {len(pairs)} dances, grid given | level spread, dB | gaps, % | beats F | energy |")
    print("|---|---|---|---|---|")
    for name, values in rows.items():
        cells = [interval(list(column)) for column in zip(*values, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


def sharpness(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how sharp attacks and spectral lines are."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for number, pair in enumerate(pairs):
        made = pipeline(pair.clip, genre=pair.genre, seed=number, grid=pair.grid).sound
        for name, sound in (
            ("the corpus's", pair.sound),
            ("through the codec", through_codec(pipeline, pair.sound)[0]),
            ("the model's", made),
        ):
            rows.setdefault(name, []).append(clearness(resample(sound, vocoder.RATE_HZ).mono))
    print(
        f"| {len(pairs)} dances, grid given | attack rise, ms | slope, dB in 5 ms | contrast, dB |"
    )
    print("|---|---|---|---|")
    for name, values in rows.items():
        cells = [interval(list(column), digits=1) for column in zip(*values, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


def clearness(samples: np.ndarray) -> tuple[float, float, float]:
    """Return attack rise (ms), slope (dB in 5 ms) and spectral contrast (dB) of a mono sound."""
    rate = vocoder.RATE_HZ / vocoder.ENVELOPE_HOP
    slopes = vocoder.rises(vocoder.log_envelope(samples))
    reach, margin, attacks = round(0.05 * rate), round(0.12 * rate), []
    for onset_s in librosa.onset.onset_detect(y=samples, sr=vocoder.RATE_HZ, units="time"):
        centre = timebase.frames_in(float(onset_s), rate)
        if margin < centre < len(slopes) - margin:
            near = slopes[centre - reach : centre + reach]
            attacks.append(centre - reach + int(near.argmax()))
    spectrum = np.abs(librosa.stft(samples, n_fft=8192, hop_length=2048))
    contrast = librosa.feature.spectral_contrast(
        S=spectrum, sr=vocoder.RATE_HZ, fmin=300.0, n_bands=4
    )
    rise_ms, slope_db = vocoder.attack_figures(samples, np.array(attacks, dtype=int))
    return rise_ms, slope_db, float(contrast[1:].mean())


PARTS = {
    "following": following,
    "unseen": unseen,
    "locked": locked,
    "variety": variety,
    "levels": levels,
    "sharpness": sharpness,
    "seams": seams,
    "steps": steps,
    "genre": genre_accuracy,
    "sound": sound_distance,
    "real": real_dances,
}


def main() -> None:
    """Print the parts requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=900_000)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "copies"], default=list(PARTS))
    parser.add_argument("--corpus", type=Path, default=Path("runs/corpus"))
    options = parser.parse_args()
    parts = PARTS | {"copies": partial(_copies, corpus=options.corpus)}
    pipeline = load_model(options.model)
    pairs = [
        pair_for(pipeline, options.seed + k, genre=genres.CODES[k % 10], duration_s=DURATION_S)
        for k in range(options.pairs)
    ]
    for name in options.parts:
        parts[name](pipeline, pairs)


if __name__ == "__main__":
    main()
