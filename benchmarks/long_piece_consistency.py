"""Consistency of key and timbre in long pieces.

    python benchmarks/long_piece_consistency.py [--model default] [--seconds 120] [--dances 3]

Synthetic dances that never repeat, with music from two seeds. A segment of 12 s is described by the
mean and standard deviation of each mel band, without its overall level (which follows the motion).
Distances are between segments three or more apart, which share no window: within a piece, and
between the pieces of two seeds. A consistent piece has a ratio below one. The key of a segment is
the best of Krumhansl's 24 profiles on librosa's chroma. Printed are the share of segments in the
piece's most frequent key, and the correlation of their chroma. "independent windows" has
independent noise in every bar and no global mean guidance; "corpus" is the corpus's music for the
same dances. Seams: spectral flux where windows join, as the share of smaller values elsewhere (0.5
is usual).
"""

import argparse
import contextlib
from dataclasses import replace
from unittest.mock import patch

import librosa
import numpy as np
import torch
from user_pipeline import load_model, spectrogram_of

from kinetune import genres, timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.composition.composer import compose
from kinetune.corpus.pairs import make_pair
from kinetune.corpus.rendering.mixer import render
from kinetune.metrics.evaluation.audio_analysis import librosa_samples
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.clip import MotionClip

SEGMENT_S = 12.0


# Whether each method uses phrase-locked noise and global mean guidance.
METHODS = {
    "independent windows": (False, False),
    "phrase-locked noise": (True, False),
    "phrase-locked noise and global mean": (True, True),
}
# Krumhansl and Kessler 1982, as printed in Krumhansl: "Cognitive foundations of musical pitch".
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
KEYS = np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])


@torch.no_grad()
def mel_of(
    pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid, genre: str, seed: int,
    *, phrased: bool, guided: bool,
) -> np.ndarray:  # fmt: skip
    """Return the spectrogram (M, L) of a piece."""
    plan = pipeline.plan(clip.duration_s)
    conditions = pipeline.conditions.of_dance(clip, grid, genre, plan, guided=True)
    if not phrased:
        conditions = replace(conditions, bars_s=np.empty(0))
    with contextlib.ExitStack() as stack:
        if not guided:
            alone = patch.object(DanceToMusicPipeline, "_mean_guidance", lambda *_: None)
            stack.enter_context(alone)
        latents = pipeline.denoise(plan, conditions, pipeline.sampling_options(seed))
    return pipeline.decode(plan, latents, clip.duration_s)[0].numpy()


def segments(mel: np.ndarray, top_db: float) -> np.ndarray:
    """Return the descriptors of a spectrogram's segments, (M, L) -> (S, 2 M), dB."""
    width = timebase.frames_in(SEGMENT_S, timebase.mel_rate_hz())
    parts = [mel[:, k : k + width] for k in range(0, mel.shape[1] - width + 1, width)]
    rows = [np.concatenate([p.mean(axis=1) - p.mean(), p.std(axis=1)]) for p in parts]
    return np.array(rows) * top_db / 2.0


def chromas(sound: Sound) -> np.ndarray:
    """Return the mean chroma of each segment of a sound, (S, 12)."""
    chroma = librosa.feature.chroma_stft(y=librosa_samples(sound), sr=timebase.SAMPLE_RATE_HZ)
    width = timebase.frames_in(SEGMENT_S, timebase.mel_rate_hz())
    starts = range(0, chroma.shape[1] - width + 1, width)
    return np.array([chroma[:, k : k + width].mean(axis=1) for k in starts])


def in_one_key(rows: np.ndarray) -> float:
    """Return the share of segments (S, 12) in the most frequent key."""
    keys = [int(np.argmax([np.corrcoef(row, key)[0, 1] for key in KEYS])) for row in rows]
    return float(np.bincount(keys).max() / len(keys))


def chroma_correlation(rows: np.ndarray) -> float:
    """Return the mean correlation of segments three or more apart."""
    pairs = [(i, k) for i in range(len(rows)) for k in range(i + 3, len(rows))]
    return float(np.mean([np.corrcoef(rows[i], rows[k])[0, 1] for i, k in pairs]))


def far_apart(one: np.ndarray, two: np.ndarray) -> float:
    """Return the mean distance of segments three or more apart, dB."""
    pairs = [(i, k) for i in range(len(one)) for k in range(len(two)) if abs(i - k) >= 3]
    return float(np.mean([np.abs(one[i] - two[k]).mean() for i, k in pairs]))


def seam_ranks(pipeline: DanceToMusicPipeline, mel: np.ndarray, bpm: float) -> list[float]:
    """Return the rank of the spectral flux around each window join, 0 to 1."""
    change = np.abs(np.diff(mel, axis=1)).mean(axis=0)
    half = pipeline.settings.overlap_columns // 2
    per_column = frames_per_column(pipeline.vae)
    width = timebase.frames_in(timebase.beat_period_s(bpm), timebase.mel_rate_hz())
    usual = np.array([change[k : k + width].max() for k in range(0, len(change) - width, 4)])
    plan = pipeline.plan(timebase.duration_of(mel.shape[1], timebase.mel_rate_hz()))
    joins = [(start + half) * per_column for start in plan.starts[1:]]
    around = [change[max(0, j - width // 2) : j + width // 2] for j in joins]
    return [float(np.mean(usual < part.max())) for part in around if len(part)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--dances", type=int, default=3)
    options = parser.parse_args()
    pipeline = load_model(options.model)
    print("| genre | method | same piece | other seed | ratio | key | chroma | seams |", flush=True)
    print("|---|---|---|---|---|---|---|---|")
    for number in range(options.dances):
        code = genres.CODES[3 * number % 10]
        pair = make_pair(31_000 + number, genre=code, duration_s=options.seconds)
        count = timebase.samples_in(options.seconds, pipeline.mel.settings.rate_hz)
        for method, (phrased, guided) in METHODS.items():
            mels = [
                mel_of(pipeline, pair.clip, pair.grid, code, s, phrased=phrased, guided=guided)
                for s in (1, 2)
            ]
            sounds = [pipeline.mel.decode(torch.from_numpy(m)[None], n_samples=count) for m in mels]
            played = [Sound(sound[0], pipeline.mel.settings.rate_hz) for sound in sounds]
            seams = [rank for mel in mels for rank in seam_ranks(pipeline, mel, pair.bpm)]
            high = np.mean(np.array(seams) > 0.95)
            print_row(
                pipeline, code, method, mels, played, f"{np.mean(seams):.2f}, {high:.0%} above 0.95"
            )
        songs = [render(compose(pair.dance, s), timebase.SAMPLE_RATE_HZ) for s in (1, 2)]
        mels = [spectrogram_of(pipeline, s)[0].numpy() for s in songs]
        print_row(pipeline, code, "corpus", mels, songs, "-")


def print_row(
    pipeline: DanceToMusicPipeline, code: str, method: str, mels: list[np.ndarray],
    sounds: list[Sound], seams: str,
) -> None:  # fmt: skip
    """Print a row for two pieces, as spectrograms (M, L) and as sounds."""
    one, two = (segments(mel, pipeline.mel.settings.top_db) for mel in mels)
    within, other = (far_apart(one, one) + far_apart(two, two)) / 2, far_apart(one, two)
    rows = [chromas(sound) for sound in sounds]
    key, chroma = (
        np.mean([in_one_key(r) for r in rows]),
        np.mean([chroma_correlation(r) for r in rows]),
    )
    print(
        f"| {genres.genre_name(code)} | {method} | {within:.2f} dB | {other:.2f} dB "
        f"| {within / other:.2f} | {key:.0%} | {chroma:.2f} | {seams} |", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
