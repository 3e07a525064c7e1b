"""Fine-tuning on any folder of songs, judged: nearer to their sound, and still on the beat?

    python benchmarks/own_music.py MUSIC OUT [--genre NAME] [--minutes N] [--dances 20]

Takes an excerpt of every song, prepares them, tunes the start model, and generates music for dances
of a corpus that no model was trained on, with their beat grids given: before, under the dances'
genres, and after, under the new one and under the dances'. Prints, as Markdown:

- the set, the adapter's size, steps and time of the training, and the held-out losses;
- Fréchet and kernel distances of the music to the held-out songs, which were not trained on, in two
  embeddings (the bundled genre classifier's, and means and deviations of mel cepstra), and of the
  corpus's own music to them;
- F: beats detected by librosa against the dance's, F-measure at 70 ms; of the held-out songs, of
  beats detected in stretches of 12 s against those of the whole: what the detector can tell of
  such music at all;
- what the adapter changes, with 95 % intervals by bootstrap over dances, and the number of dances
  in which the detected beats are half or twice as many as the dance's.

Every part is kept in OUT: the same command continues one that was stopped, as ``--minutes`` does.
``--judge`` judges the best adapter so far of a run that has not finished.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from model_card import DURATION_S, measures
from model_scores import interval
from numpy.typing import NDArray

from kinetune import genres, timebase
from kinetune.audio.beats import music_beats
from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.errors import KinetuneError
from kinetune.metrics.distances import frechet_distance, kernel_distance
from kinetune.metrics.networks.embeddings import embedding_named
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.songs.decoding import SUFFIXES, decode_song
from kinetune.training.songs.song import beat_agreement
from kinetune.training.songs.song_set import SongSet, SongSetRequest, plain_name, prepare_songs
from kinetune.training.tuning.settings import tune_settings
from kinetune.training.tuning.tune import ADAPTER, TuneResult, tune

# Seeds of dances that no model and no other benchmark uses.
_SEED = 960_000
_EMBEDDINGS = ("genre", "mfcc")
_DRAWS = 500
Array = NDArray[np.float64]


def main() -> None:
    """Prepare, tune and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("music", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--genre", default="own")
    parser.add_argument("--start", default="default")
    parser.add_argument("--excerpt-s", type=float, default=60.0)
    parser.add_argument("--held-out", type=int, default=4)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--dances", type=int, default=20)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    out: Path = options.out
    cut_excerpts(options.music, out / "songs", options.excerpt_s)
    songs = prepare_songs(
        SongSetRequest(out / "songs", out / "set", options.genre, options.start, options.held_out)
    )
    tuned = run_tuning(options, out)
    if not (tuned.training.finished or options.judge):
        print(f"stopped at step {tuned.training.step}; the same command continues")
        return
    print_run(songs, tuned, out)
    print_scores(options, out, songs)


def cut_excerpts(music: Path, out: Path, excerpt_s: float) -> None:
    """Write the middle of every song; songs that can't be read are named."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(p for p in music.rglob("*") if p.suffix.lower() in SUFFIXES):
        target = out / f"{path.stem}.flac"
        if target.exists():
            continue
        try:
            sound = decode_song(path)
        except KinetuneError as error:
            print(error)
            continue
        count = timebase.samples_in(excerpt_s, sound.rate_hz)
        first = max(0, (len(sound.samples) - count) // 2)
        write_sound(target, Sound(sound.samples[first : first + count].copy(), sound.rate_hz))


def run_tuning(options: argparse.Namespace, out: Path) -> TuneResult:
    """Begin or continue the run."""
    resume = (out / "run" / "tune" / "state").is_dir()
    settings = tune_settings(options.start, str(out / "set"), options.set)
    return tune(settings, out / "run", minutes=options.minutes, resume=resume)


def print_run(songs: SongSet, tuned: TuneResult, out: Path) -> None:
    """Print what was trained on, and how."""
    items = songs.prepared.items
    training = [item for item in items if not item.held_out]
    minutes = [sum(i.duration_s for i in part) / 60.0 for part in (training, items)]
    adapter = out / "run" / ADAPTER
    rows = [
        json.loads(line) for line in (out / "run" / "tune" / "log.jsonl").read_text().splitlines()
    ]
    steps_s = np.diff([row["time"] for row in rows])
    # A pause between two calls is no part of the training.
    spent_min = steps_s[steps_s < 60.0].sum() / 60.0
    print("| | |\n|---|---|")
    print(f"| songs trained on | {len(training)}, {minutes[0]:.0f} min |")
    print(f"| held out | {len(items) - len(training)}, {minutes[1] - minutes[0]:.0f} min |")
    uncertain = sum("uncertain" in each.reason for each in songs.left_out)
    print(f"| left out, of these for uncertain beats | {len(songs.left_out)}, {uncertain} |")
    print(f"| adapter | {adapter.stat().st_size / 1e6:.1f} MB |")
    print(f"| training | {tuned.training.step} steps in {spent_min:.0f} min |")
    print(f"| held-out loss | {tuned.before:.4f}, then {tuned.best:.4f} |\n")


def print_scores(options: argparse.Namespace, out: Path, songs: SongSet) -> None:
    """Print distances to the held-out songs and how well the beat is kept."""
    pairs = [
        make_pair(_SEED + k, genre=genres.CODES[k % len(genres.CODES)], duration_s=DURATION_S)
        for k in range(options.dances)
    ]
    adapted = f"{options.start}+{out / 'run' / ADAPTER}"
    new = genres.known_or_new(options.genre)
    rows = {
        "before": generated(options.start, pairs, out / "before", lambda pair: pair.genre),
        f"after, genre {options.genre}": generated(adapted, pairs, out / "after", lambda _: new),
        "after, the dance's genre": generated(
            adapted, pairs, out / "after-own-genre", lambda pair: pair.genre
        ),
        "the corpus's music": [pair.sound for pair in pairs],
    }
    held_out = [read_sound(out / "songs" / name) for name in held_out_files(songs, out, new)]
    titles = [f"{kind} {name}" for name in _EMBEDDINGS for kind in DISTANCES]
    print(f"| {len(pairs)} dances of {DURATION_S:g} s | {' | '.join(titles)} | beats F |")
    print("|---|---|---|---|---|---|")
    embedded: dict[str, dict[str, list[Array]]] = {}
    followed: dict[str, list[float]] = {}
    for label, sounds in rows.items():
        cells = []
        for name in _EMBEDDINGS:
            embed = embedding_named(name)
            references = embedded.setdefault(name, {})
            references.setdefault("songs", [embed(sound) for sound in held_out])
            made = references[label] = [embed(sound) for sound in sounds]
            songs_made = references["songs"]
            cells += [f"{distance(songs_made, made):.3g}" for distance in DISTANCES.values()]
        scores = [measures(pair, sound)[0] for pair, sound in zip(pairs, sounds, strict=True)]
        followed[label] = scores
        print(f"| {label} | {' | '.join(cells)} | {interval(scores)} |", flush=True)
    own = [beat_agreement(sound, music_beats(sound).beats_s) for sound in held_out]
    print(f"| the held-out songs themselves | 0 | 0 | 0 | 0 | {interval(own)} |")
    print_changes(embedded, followed)
    octaves = {label: octave_errors(pairs, sounds) for label, sounds in rows.items()}
    print("\nbeats half or twice as many: " + ", ".join(f"{k} {n}" for k, n in octaves.items()))


def print_changes(
    embedded: dict[str, dict[str, list[Array]]], followed: dict[str, list[float]]
) -> None:
    """Print what the adapter changes, under each genre.

    Args:
        embedded: Embeddings of each dance's music by embedding and row; ``songs`` are the songs'.
        followed: F of each dance's music by row; the first is that before.
    """
    before, *others = (label for label in followed if label != "the corpus's music")
    names = [f"{kind} {name}" for name in embedded for kind in DISTANCES]
    print(f"\n| less before, 95 % interval | {' | '.join(names)} | beats F |")
    print("|---|---|---|---|---|---|")
    for label in others:
        cells = []
        for parts in embedded.values():
            for distance in DISTANCES.values():
                low, high = difference(parts["songs"], parts[before], parts[label], distance)
                cells.append(f"{low:+.3g} to {high:+.3g}")
        paired = np.subtract(followed[label], followed[before])
        print(f"| {label} | {' | '.join(cells)} | {interval(paired.tolist(), digits=3)} |")


def octave_errors(pairs: list[Pair], sounds: list[Sound]) -> int:
    """Return in how many pieces about half or twice as many beats are detected as were danced."""
    tracked = [music_beats(sound).bpm for sound in sounds]
    ratios = [bpm / pair.bpm for bpm, pair in zip(tracked, pairs, strict=True)]
    return sum(abs(abs(np.log2(ratio)) - 1.0) < 0.25 for ratio in ratios)


def generated(
    model: str, pairs: list[Pair], folder: Path, genre_of: Callable[[Pair], str]
) -> list[Sound]:
    """Return a model's music for the dances, on their beat grids; kept in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = None
    for pair in pairs:
        path = folder / f"{pair.seed}.wav"
        if not path.exists():
            pipeline = pipeline or DanceToMusicPipeline.from_pretrained(model)
            made = pipeline(pair.clip, genre=genre_of(pair), seed=pair.seed, grid=pair.grid)
            write_sound(path, made.sound)
    return [read_sound(folder / f"{pair.seed}.wav") for pair in pairs]


def held_out_files(songs: SongSet, out: Path, genre: str) -> list[str]:
    """Return the names of the excerpts that were not trained on."""
    held_out = {item.name for item in songs.prepared.items if item.held_out}
    paths = sorted((out / "songs").glob("*.flac"))
    return [p.name for p in paths if plain_name(f"{genre.lower()}-{p.stem}") in held_out]


def frechet(reference: list[Array], made: list[Array]) -> float:
    """Return the Fréchet distance of two lists of embeddings, (n, D) each."""
    with warnings.catch_warnings():
        # The sizes are the same in every row.
        warnings.simplefilter("ignore")
        return frechet_distance(np.concatenate(reference), np.concatenate(made))


def kernel(reference: list[Array], made: list[Array]) -> float:
    """Return the kernel distance of two lists of embeddings, (n, D) each."""
    return kernel_distance(np.concatenate(reference), np.concatenate(made))


DISTANCES: dict[str, Callable[[list[Array], list[Array]], float]] = {
    "Fréchet": frechet, "kernel": kernel,
}  # fmt: skip


def difference(
    reference: list[Array],
    before: list[Array],
    after: list[Array],
    distance: Callable[[list[Array], list[Array]], float],
) -> tuple[float, float]:
    """Return a 95 % interval of the difference of two distances, over dances."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(_DRAWS):
        chosen = rng.integers(0, len(before), len(before))
        one, other = (distance(reference, [part[k] for k in chosen]) for part in (before, after))
        values.append(other - one)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
