"""The figures of the model card: does the music follow the dance?

    python benchmarks/model_card.py [--model default] [--pairs 30] [--seed 900000]

Dances and music are made from seeds the model was not trained on, two or more a genre, 12 s each.
For every dance the same things are measured on the model's music with the true beat grid given,
on its music with the grid found in the dance, on the corpus's own music (ceiling), on corpus music
of another dance (random pairing), and on the codec alone (corpus music through the VAE and
Griffin-Lim):

- F: beats heard by librosa against the dance's beats, F-measure at 70 ms (mir_eval);
- tempo: heard within 4 % of the dance's, twice and half allowed;
- energy: rank correlation, over beats, of body speed and loudness.

Means over dances with 95 % bootstrap intervals.
"""

import argparse
import zlib

import mir_eval
import numpy as np
import torch
from scipy.stats import spearmanr

from kinetune import genres, timebase
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents, frames_per_column, posterior_of, scale_latents
from kinetune.motion.beats import beat_grid
from kinetune.motion.kinematics import joint_speeds

DURATION_S = 12.0
COLUMNS = ("F", "tempo", "energy")


def measures(pair: Pair, sound: Sound) -> tuple[float, float, float]:
    """Return F, tempo right (0 or 1) and energy correlation of a sound against a dance."""
    tempo, beats = music_beats(sound)
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
    """Return a sound through VAE and Griffin-Lim, and the mel error in dB."""
    mel = pipeline.mel.encode(torch.from_numpy(sound.mono)[None])
    frames = mel.shape[-1] // frames_per_column(pipeline.vae) * frames_per_column(pipeline.vae)
    mel = mel[..., :frames]
    mean, _ = posterior_of(pipeline.vae, mel)
    decoded = decode_latents(pipeline.vae, scale_latents(pipeline.vae, mean))
    error_db = float((decoded - mel).abs().mean()) * pipeline.mel.settings.top_db / 2.0
    return pipeline.vocode(decoded, sound.duration_s), error_db


def interval(values: list[float]) -> str:
    """Return mean and bootstrap interval as text."""
    clean = np.array([value for value in values if np.isfinite(value)])
    draws = np.random.default_rng(0).choice(clean, (2000, len(clean))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{clean.mean():.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=900_000)
    options = parser.parse_args()
    pipeline = DanceToMusicPipeline.from_pretrained(options.model)
    pairs = [
        make_pair(options.seed + k, genre=genres.CODES[k % 10], duration_s=DURATION_S)
        for k in range(options.pairs)
    ]
    rows: dict[str, list[tuple[float, float, float]]] = {}
    found, codec_db = [], []
    for number, pair in enumerate(pairs):
        seed = zlib.crc32(pair.id.encode())
        given = {"bpm": pair.bpm, "first_beat_s": float(pair.downbeats_s[0])}
        locked = pipeline(pair.clip, genre=pair.genre, seed=seed, **given).sound
        following = pipeline(pair.clip, genre=pair.genre, seed=seed).sound
        coded, error_db = through_codec(pipeline, pair.sound)
        codec_db.append(error_db)
        ratio = beat_grid(pair.clip).bpm / pair.bpm
        found.append(float(min(abs(ratio / f - 1) for f in (0.5, 1, 2)) < 0.04))
        other = pairs[(number + 1) % len(pairs)].sound
        for name, sound in (
            ("model, beat grid given", locked),
            ("model, beat grid found in the dance", following),
            ("corpus music through the codec", coded),
            ("corpus music (ceiling)", pair.sound),
            ("corpus music of another dance", other),
        ):
            rows.setdefault(name, []).append(measures(pair, sound))
    print(f"| {len(pairs)} unseen dances of {DURATION_S:g} s | beats F | tempo right | energy |")
    print("|---|---|---|---|")
    for name, values in rows.items():
        cells = [interval([v[k] for v in values]) for k in range(len(COLUMNS))]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nTempo found in the body within 4 % (octaves allowed): {np.mean(found):.0%}.")
    print(f"Codec: mean mel error {np.mean(codec_db):.2f} dB.")


if __name__ == "__main__":
    main()
