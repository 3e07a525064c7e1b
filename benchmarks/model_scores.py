"""Parts of ``model_card.py`` that listen with the evaluation's ears: genre, sound, real dances.

- genre: the bundled genre classifier on music for one dance after another under all ten genres;
- sound: Frechet distances to corpus music in the classifier's embedding, the floor (two disjoint
  halves of the corpus) counted as 0 and the ceiling (decoded Gaussian latents) as 1;
- real: beat alignment (motion to music, 60 fps units) on the bundled captures, which the model
  has seen bent, cut and joined in its training, but never as they are; and on those of them that
  the network which tells the beat has not seen at all.
"""

import numpy as np
import torch
from unseen_clips import is_unseen

from kinetune import genres
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound
from kinetune.corpus.choreography import motion_library
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.metrics.alignment import motion_to_music
from kinetune.metrics.distances import frechet_distance
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.metrics.genre import genre_probabilities
from kinetune.metrics.networks.embeddings import embedding_named
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import decode_latents, frames_per_column, posterior_of, scale_latents
from kinetune.motion.beats.beat_grid import beat_grid, motion_beats

# Seeds of corpus music that no model is trained on, away from the card's own dances.
_ROOM_SEED = 940_000
_ROOM_PIECES = 60


def interval(values: list[float]) -> str:
    """Return mean and 95 % bootstrap interval as text."""
    clean = np.array([value for value in values if np.isfinite(value)])
    draws = np.random.default_rng(0).choice(clean, (2000, len(clean))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{clean.mean():.2f} ({low:.2f} to {high:.2f})"


def genre_heard(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how often the genre asked for is heard, for the same dances under all ten."""
    table = np.zeros((len(genres.CODES),) * 2, dtype=int)
    for number, pair in enumerate(pairs[:10]):
        for place, code in enumerate(genres.CODES):
            sound = pipeline(pair.clip, genre=code, seed=number).sound
            table[place, genre_probabilities(sound).argmax()] += 1
    own = [
        float(genre_probabilities(pair.sound).argmax() == genres.genre_index(pair.genre))
        for pair in pairs
    ]
    print("| asked for | heard | else mostly |\n|---|---|---|")
    hits = []
    for place, code in enumerate(genres.CODES):
        row = table[place].copy()
        hits += [1.0] * row[place] + [0.0] * (row.sum() - row[place])
        row[place] = 0
        other = genres.genre_name(genres.CODES[int(row.argmax())]) if row.any() else ""
        share = table[place, place] / table[place].sum()
        print(f"| {genres.genre_name(code)} | {share:.0%} | {other} |")
    print(f"| all | {interval(hits)} | |\n| the corpus's own music | {interval(own)} | |\n")


@torch.no_grad()
def sound_distance(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print how far the model's music is from corpus music it never heard."""
    del pairs
    room = [
        make_pair(_ROOM_SEED + k, genre=genres.CODES[k % 10], duration_s=12.0)
        for k in range(3 * _ROOM_PIECES)
    ]
    half, other, asked = (room[k::3] for k in range(3))
    # Every third piece: each part has all genres, since 3 and 10 share no factor.
    made = [pipeline(p.clip, genre=p.genre, seed=p.seed, grid=p.grid).sound for p in asked]
    embed = embedding_named("genre")
    heard = {
        "floor: other corpus music": [p.sound for p in other],
        "mel and Griffin-Lim alone": [_vocoded(pipeline, p.sound, vae=False) for p in other],
        "VAE and Griffin-Lim": [_vocoded(pipeline, p.sound, vae=True) for p in other],
        "the model": made,
        "ceiling: decoded Gaussian latents": [_noise(pipeline, p) for p in asked],
    }
    reference = np.concatenate([embed(p.sound) for p in half])
    distances = {
        name: frechet_distance(reference, np.concatenate([embed(s) for s in sounds]))
        for name, sounds in heard.items()
    }
    floor, *_, ceiling = distances.values()
    print(f"| {_ROOM_PIECES} pieces of 12 s against {_ROOM_PIECES} | distance | of the way |")
    print("|---|---|---|")
    for name, value in distances.items():
        print(f"| {name} | {value:.3f} | {(value - floor) / (ceiling - floor):.0%} |")
    print()


def real_dances(pipeline: DanceToMusicPipeline, pairs: list[Pair]) -> None:
    """Print the beat alignment of music for real dances."""
    del pairs
    dances = motion_library.library()
    rows: dict[str, list[float]] = {}
    heard = []
    for number, clip in enumerate(dances):
        made = pipeline(clip, genre=genres.CODES[number % 10], seed=number)
        heard.append(music_beats(made.sound).beats_s)
        moves, beats = motion_beats(clip), beat_grid(clip).beats_s
        ticks = music_beats(click_track(beats, clip.duration_s)).beats_s
        rows.setdefault("the model", []).append(motion_to_music(moves, heard[-1]))
        rows.setdefault("clicks on the beats found", []).append(motion_to_music(moves, ticks))
    for number, clip in enumerate(dances):
        others = [beats for k, beats in enumerate(heard) if k != number]
        scores = [motion_to_music(motion_beats(clip), beats) for beats in others]
        rows.setdefault("the model's music for another dance", []).append(float(np.nanmean(scores)))
    unseen = [is_unseen(clip) for clip in dances]
    print(
        f"| beat alignment, motion to music | {len(dances)} real dances | {sum(unseen)} of them |"
    )
    print("|---|---|---|")
    for name, values in rows.items():
        told = [value for value, new in zip(values, unseen, strict=True) if new]
        print(f"| {name} | {interval(values)} | {interval(told)} |")
    print()


def _vocoded(pipeline: DanceToMusicPipeline, given: Sound, *, vae: bool) -> Sound:
    mel = pipeline.mel.encode(torch.from_numpy(given.mono)[None])
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
