"""Does a long piece sound like one piece from end to end?

    python benchmarks/identity.py [--model default] [--seconds 120] [--dances 3]

Made-up dances that never repeat, their music made twice from two seeds. A stretch of 12 s is told
by the mean and deviation of each mel band, its overall level taken out (the body decides that).
Distances between stretches three or more apart, so that no window saw both: within a piece, and
between the two seeds' pieces. A piece with an identity of its own is nearer to itself: a ratio
below one. "without" starts every bar from noise of its own. Also the seams: how much the spectrum
changes where windows meet, as the share of changes elsewhere that are smaller (0.5 is usual).
"""

import argparse
from dataclasses import replace

import numpy as np
import torch

from kinetune import genres, timebase
from kinetune.corpus.pairs import make_pair
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import frames_per_column
from kinetune.motion.beats import BeatGrid
from kinetune.motion.clip import MotionClip

STRETCH_S = 12.0


@torch.no_grad()
def mel_of(
    pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid, genre: str, seed: int,
    *, phrased: bool,
) -> np.ndarray:  # fmt: skip
    """Return the spectrogram (M, L) of a piece."""
    plan = pipeline.plan(clip.duration_s)
    heard = pipeline.hear(clip, grid, genre, plan, guided=True)
    if not phrased:
        heard = replace(heard, bars_s=np.empty(0))
    latents = pipeline.denoise(plan, heard, pipeline.sampling(seed))
    return pipeline.decode(plan, latents, clip.duration_s)[0].numpy()


def stretches(mel: np.ndarray, top_db: float) -> np.ndarray:
    """Return what tells the stretches of a spectrogram (M, L), (S, 2 M), dB."""
    width = timebase.frames_in(STRETCH_S, timebase.mel_rate_hz())
    parts = [mel[:, k : k + width] for k in range(0, mel.shape[1] - width + 1, width)]
    rows = [np.concatenate([p.mean(axis=1) - p.mean(), p.std(axis=1)]) for p in parts]
    return np.array(rows) * top_db / 2.0


def far_apart(one: np.ndarray, two: np.ndarray) -> float:
    """Return the mean distance of stretches three or more apart, dB."""
    pairs = [(i, k) for i in range(len(one)) for k in range(len(two)) if abs(i - k) >= 3]
    return float(np.mean([np.abs(one[i] - two[k]).mean() for i, k in pairs]))


def seam_ranks(pipeline: DanceToMusicPipeline, mel: np.ndarray, bpm: float) -> list[float]:
    """Return how usual the spectrum's change is around each join of windows, 0 to 1."""
    change = np.abs(np.diff(mel, axis=1)).mean(axis=0)
    half = pipeline.config.settings["overlap_columns"] // 2
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
    pipeline = DanceToMusicPipeline.from_pretrained(options.model)
    print("| genre | phrases | within a piece | other seed | ratio | seams |", flush=True)
    print("|---|---|---|---|---|---|")
    for number in range(options.dances):
        code = genres.CODES[3 * number % 10]
        pair = make_pair(31_000 + number, genre=code, duration_s=options.seconds)
        for phrased in (False, True):
            mels = [
                mel_of(pipeline, pair.clip, pair.grid, code, s, phrased=phrased) for s in (1, 2)
            ]
            one, two = (stretches(mel, pipeline.mel.settings.top_db) for mel in mels)
            within, other = (far_apart(one, one) + far_apart(two, two)) / 2, far_apart(one, two)
            seams = [rank for mel in mels for rank in seam_ranks(pipeline, mel, pair.bpm)]
            print(
                f"| {genres.genre_name(code)} | {'with' if phrased else 'without'} "
                f"| {within:.2f} dB | {other:.2f} dB | {within / other:.2f} "
                f"| {np.mean(seams):.2f}, {np.mean(np.array(seams) > 0.95):.0%} above 0.95 |",
                flush=True,
            )


if __name__ == "__main__":
    main()
