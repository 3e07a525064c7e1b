"""Parts of ``model_card.py`` that use the evaluation's networks: genre, sound, real dances.

- genre: the bundled genre classifier on music for one dance after another under all ten genres;
- sound: Frechet distances to corpus music in the classifier's embedding, the floor (two disjoint
  halves of the corpus) counted as 0 and the ceiling (decoded Gaussian latents) as 1;
- real: beat alignment (motion to music, 60 fps units) on the bundled captures, whose time-warped
  versions were in the training data; and on those that the beat network was not trained on.
"""

import numpy as np
import torch
from unseen_clips import is_unseen
from user_pipeline import pair_for, spectrogram_of

from kinetune import genres
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.pairs import Pair
from kinetune.metrics.alignment import motion_to_music
from kinetune.metrics.distances import frechet_distance
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.metrics.genre import genre_probabilities
from kinetune.metrics.networks.embeddings import embedding_named
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents, frames_per_column, posterior_of, scale_latents
from kinetune.motion.beats.beat_grid import beat_grid, motion_beats

# Held-out seeds of corpus music, different from the card's own dances.
_CORPUS_SEED = 940_000
_CORPUS_PIECES = 60


def interval(values: list[float], *, digits: int = 2) -> str:
    """Return mean and 95 % bootstrap interval as text, with so many decimal places."""
    clean = np.array([value for value in values if np.isfinite(value)])
    draws = np.random.default_rng(0).choice(clean, (2000, len(clean))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{clean.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def genre_accuracy(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print the accuracy of the requested genre, for the same dances in all ten genres."""
    table = np.zeros((len(genres.CODES),) * 2, dtype=int)
    for number, pair in enumerate(pairs[:10]):
        for index, code in enumerate(genres.CODES):
            sound = pipeline(pair.clip, genre=code, seed=number).sound
            table[index, genre_probabilities(sound).argmax()] += 1
    own = [
        float(genre_probabilities(pair.sound).argmax() == genres.genre_index(pair.genre))
        for pair in pairs
    ]
    print("| genre requested | accuracy | most frequent error |\n|---|---|---|")
    hits = []
    for index, code in enumerate(genres.CODES):
        row = table[index].copy()
        hits += [1.0] * row[index] + [0.0] * (row.sum() - row[index])
        row[index] = 0
        other = genres.genre_name(genres.CODES[int(row.argmax())]) if row.any() else ""
        share = table[index, index] / table[index].sum()
        print(f"| {genres.genre_name(code)} | {share:.0%} | {other} |")
    print(f"| all | {interval(hits)} | |\n| the corpus's own music | {interval(own)} | |\n")


@torch.no_grad()
def sound_distance(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print the distance of the model's music from held-out corpus music."""
    del pairs
    corpus = [
        pair_for(pipeline, _CORPUS_SEED + k, genre=genres.CODES[k % 10], duration_s=12.0)
        for k in range(3 * _CORPUS_PIECES)
    ]
    half, other, requested = (corpus[k::3] for k in range(3))
    # Every third piece: each part has all genres, since 3 and 10 share no factor.
    made = [pipeline(p.clip, genre=p.genre, seed=p.seed, grid=p.grid).sound for p in requested]
    embed = embedding_named("genre")
    sounds_by_name = {
        "floor: other corpus music": [p.sound for p in other],
        "spectrogram and vocoder alone": [_vocoded(pipeline, p.sound, vae=False) for p in other],
        "VAE and vocoder": [_vocoded(pipeline, p.sound, vae=True) for p in other],
        "the model": made,
        "ceiling: decoded Gaussian latents": [_noise(pipeline, p) for p in requested],
    }
    reference = np.concatenate([embed(p.sound) for p in half])
    distances = {
        name: frechet_distance(reference, np.concatenate([embed(s) for s in sounds]))
        for name, sounds in sounds_by_name.items()
    }
    floor, *_, ceiling = distances.values()
    print(
        f"| {_CORPUS_PIECES} pieces of 12 s against {_CORPUS_PIECES} | distance "
        "| share of the range |"
    )
    print("|---|---|---|")
    for name, value in distances.items():
        print(f"| {name} | {value:.3f} | {(value - floor) / (ceiling - floor):.0%} |")
    print()


def real_dances(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print the beat alignment of music for real dances."""
    del pairs
    dances = motion_library.library()
    rows: dict[str, list[float]] = {}
    music_beats_s = []
    for number, clip in enumerate(dances):
        made = pipeline(clip, genre=genres.CODES[number % 10], seed=number)
        music_beats_s.append(music_beats(made.sound).beats_s)
        moves, beats = motion_beats(clip), beat_grid(clip).beats_s
        ticks = music_beats(click_track(beats, clip.duration_s)).beats_s
        rows.setdefault("the model", []).append(motion_to_music(moves, music_beats_s[-1]))
        rows.setdefault("clicks on the estimated beats", []).append(motion_to_music(moves, ticks))
    for number, clip in enumerate(dances):
        others = [beats for k, beats in enumerate(music_beats_s) if k != number]
        scores = [motion_to_music(motion_beats(clip), beats) for beats in others]
        rows.setdefault("the model's music for another dance", []).append(float(np.nanmean(scores)))
    unseen = [is_unseen(clip) for clip in dances]
    print(f"| beat alignment, motion to music | {len(dances)} real dances | {sum(unseen)} unseen |")
    print("|---|---|---|")
    for name, values in rows.items():
        unseen_values = [value for value, new in zip(values, unseen, strict=True) if new]
        print(f"| {name} | {interval(values)} | {interval(unseen_values)} |")
    print()


def _vocoded(pipeline: DanceToMusicPipeline, given: Sound, *, vae: bool) -> Sound:
    mel = spectrogram_of(pipeline, given)
    if vae:
        step = frames_per_column(pipeline.vae)
        mel = mel[..., : mel.shape[-1] // step * step]
        mean, _ = posterior_of(pipeline.vae, mel)
        mel = decode_latents(pipeline.vae, scale_latents(pipeline.vae, mean))
    return pipeline.vocode(mel, given.duration_s)


def _noise(pipeline: DanceToMusicPipeline, pair: Pair) -> Sound:
    plan = pipeline.plan(pair.clip.duration_s)
    generator = torch.Generator().manual_seed(pair.seed)
    shape = (1, pipeline.unet.config.in_channels, 1, plan.total)
    mel = pipeline.decode(plan, torch.randn(shape, generator=generator), pair.clip.duration_s)
    return pipeline.vocode(mel, pair.clip.duration_s)
