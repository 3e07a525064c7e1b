"""Accuracy of the bundled genre classifier on held-out corpus music.

    python benchmarks/genre_classifier.py [--pairs 100] [--seconds 12] [--classifier DIR]

Pairs are made from seeds 900,000 on, the genres in turn. Each piece is classified as made, and
again after what may happen to it:

- its first 5 s alone (the length of the published tests);
- mel: its log mel spectrogram (128 bands) brought back by Griffin-Lim;
- codec: the bundled model's whole codec, VAE and Griffin-Lim, the ceiling of what that model says;
- treble cut above 4 kHz, and white noise 20 dB below.

With ``--generated N`` the bundled model also makes music for N of the dances, once for the dance's
own genre. A last table holds the distances between the first half of the pieces as made and the
second half after each treatment, in the classifier's embedding. Shares are of pieces, with Wilson's
95 % interval; the divergence is that of the spoilt piece from the piece as it was made, nats.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt
from scipy.stats import binomtest
from user_pipeline import load_model, spectrogram_of

from kinetune import genres, timebase
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.audio.sound import Sound
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.metrics.distances import frechet_distance, kernel_distance
from kinetune.metrics.genre import (
    genre_embeddings,
    genre_probabilities,
    kl_divergence,
    load_classifier,
)
from kinetune.metrics.networks.genre_network import GenreNetwork
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents, frames_per_column, posterior_of, scale_latents

FIRST_SEED = 900_000
Treatment = Callable[[Sound], Sound]


def first_five_seconds(sound: Sound) -> Sound:
    return Sound(sound.samples[: timebase.samples_in(5.0, sound.rate_hz)], sound.rate_hz)


def through_mel(sound: Sound) -> Sound:
    settings = MelConfig(n_mels=128, reference="fixed")
    mel = log_mel(torch.from_numpy(sound.mono)[None], settings)
    return Sound(mel_to_samples(mel, settings, length=len(sound.mono))[0].numpy(), sound.rate_hz)


def through_codec(pipeline: DanceToMusicPipeline) -> Treatment:
    @torch.no_grad()
    def treat(sound: Sound) -> Sound:
        mel = spectrogram_of(pipeline, sound)
        frames = mel.shape[-1] // frames_per_column(pipeline.vae) * frames_per_column(pipeline.vae)
        mean, _ = posterior_of(pipeline.vae, mel[..., :frames])
        decoded = decode_latents(pipeline.vae, scale_latents(pipeline.vae, mean))
        return pipeline.vocode(decoded, sound.duration_s)

    return treat


def without_treble(sound: Sound) -> Sound:
    low = sosfiltfilt(butter(4, 4000.0, fs=sound.rate_hz, output="sos"), sound.mono)
    return Sound(low.astype(np.float32), sound.rate_hz)


def with_noise(sound: Sound) -> Sound:
    noise = np.random.default_rng(0).normal(size=len(sound.mono)) * 0.1 * sound.mono.std()
    return Sound((sound.mono + noise).astype(np.float32), sound.rate_hz)


def share(right: np.ndarray) -> str:
    """Return a share with Wilson's interval as text."""
    low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


def report(predicted: dict[str, np.ndarray], wanted: np.ndarray) -> None:
    """Print the tables.

    Args:
        predicted: Probabilities (n, 10) by treatment; the first is the music as made.
        wanted: Places of the true genres, (n,).
    """
    original, *_ = predicted.values()
    print(f"| {len(wanted)} unseen pieces | right | right first or second | divergence |")
    print("|---|---|---|---|")
    for name, values in predicted.items():
        order = values.argsort(axis=1)[:, ::-1]
        second = (order[:, :2] == wanted[:, None]).any(axis=1)
        apart = kl_divergence(original, values)
        print(f"| {name} | {share(order[:, 0] == wanted)} | {second.mean():.1%} | {apart:.3f} |")
    names = [name for name in ("as made", "mel", "codec") if name in predicted]
    print("\n| genre | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for index, code in enumerate(genres.CODES):
        own = wanted == index
        cells = [share(predicted[name][own].argmax(axis=1) == index) for name in names]
        print(f"| {genres.genre_name(code)} | " + " | ".join(cells) + " |")
    for name in names:
        print(f"\n| {name}: true \\ predicted | " + " | ".join(genres.CODES) + " |")
        print("|---" * 11 + "|")
        for index, code in enumerate(genres.CODES):
            counts = np.bincount(predicted[name][wanted == index].argmax(axis=1), minlength=10)
            print(f"| {code} | " + " | ".join(str(c) for c in counts) + " |")


def report_no_music(classify: Callable[[Sound], np.ndarray]) -> None:
    """Print how sure the classifier is of what is no music."""
    rate_hz = timebase.SAMPLE_RATE_HZ
    silence = np.zeros(5 * rate_hz, np.float32)
    noise = 0.1 * np.random.default_rng(0).normal(size=len(silence)).astype(np.float32)
    clicks = silence.copy()
    for beat_s in timebase.beat_times(100.0, 0.0, 5.0):
        first = timebase.samples_in(beat_s, rate_hz)
        t = np.arange(min(500, len(clicks) - first)) / rate_hz
        clicks[first : first + len(t)] = 0.5 * np.sin(2 * np.pi * 1000 * t) * np.exp(-200 * t)
    print("\n| no music | most probable | its probability |\n|---|---|---|")
    for name, samples in (("silence", silence), ("white noise", noise), ("clicks", clicks)):
        values = classify(Sound(samples, rate_hz))
        print(f"| {name} | {genres.CODES[values.argmax()]} | {values.max():.2f} |")


@torch.no_grad()
def predicted_by(classifier: GenreNetwork, embedded: np.ndarray) -> np.ndarray:
    """Return probabilities (10,) of embeddings (windows, D), without embedding once more."""
    logits = classifier.logits(torch.from_numpy(embedded)).double()
    return logits.softmax(dim=1).mean(dim=0).numpy()


def report_distances(embedded: dict[str, list[np.ndarray]]) -> None:
    """Print how far the second half of the pieces is from the first half as made.

    Args:
        embedded: Embeddings (windows, D) of every piece by treatment.
    """
    original, *_ = embedded.values()
    half = len(original) // 2
    first, first_clips = pooled(original[:half])
    print("\n| second half against the first as made | Frechet | kernel |\n|---|---|---|")
    for name, pieces in embedded.items():
        second, clips = pooled(pieces[half:])
        frechet = frechet_distance(first, second)
        kernel = kernel_distance(first, second, clips_a=first_clips, clips_b=clips)
        print(f"| {name} | {frechet:.2f} | {kernel:.2f} |")


def pooled(pieces: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of all pieces, and which piece each is from."""
    return np.concatenate(pieces), np.repeat(np.arange(len(pieces)), [len(p) for p in pieces])


def report_generated(pipeline: DanceToMusicPipeline, pairs: list[Pair], classify: Callable) -> None:
    """Print how often the model's own music is classified as the requested genre."""
    right = []
    for number, pair in enumerate(pairs):
        sound = pipeline(pair.clip, genre=pair.genre, seed=number, grid=pair.grid).sound
        right.append(genres.CODES[classify(sound).argmax()] == pair.genre)
    print(f"\nThe model's music classified as the requested genre: {share(np.array(right))}.")


def main() -> None:
    """Make, classify, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--classifier", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--generated", type=int, default=0)
    options = parser.parse_args()
    classifier = load_classifier(options.classifier)
    pipeline = load_model(options.model)

    def classify(sound: Sound) -> np.ndarray:
        return genre_probabilities(sound, classifier=classifier)

    treatments: dict[str, Treatment] = {
        "as made": lambda sound: sound,
        "first 5 s": first_five_seconds,
        "mel": through_mel,
        "codec": through_codec(pipeline),
        "treble cut": without_treble,
        "noise": with_noise,
    }
    predicted: dict[str, list[np.ndarray]] = {name: [] for name in treatments}
    embedded: dict[str, list[np.ndarray]] = {name: [] for name in treatments}
    kept, wanted = [], []
    for number in range(options.pairs):
        code = genres.CODES[number % len(genres.CODES)]
        pair = make_pair(FIRST_SEED + number, genre=code, duration_s=options.seconds)
        wanted.append(number % len(genres.CODES))
        if len(kept) < options.generated:
            kept.append(pair)
        for name, treat in treatments.items():
            sound = treat(pair.sound)
            embedded[name].append(genre_embeddings(sound, classifier=classifier))
            predicted[name].append(predicted_by(classifier, embedded[name][-1]))
    report({name: np.array(values) for name, values in predicted.items()}, np.array(wanted))
    report_no_music(classify)
    report_distances(embedded)
    if kept:
        report_generated(pipeline, kept, classify)


if __name__ == "__main__":
    main()
