"""The documentation's listening page: one dance a genre, with the music of both engines.

    python benchmarks/listening_page.py [--seconds 8] [--seed 980000] [--out docs/listening]
        [--candidates 30]

For every genre a dance of the corpus from a seed that no model was trained on. Its music by the
model and by the composer (as ``kinetune generate`` makes it, with the true beats given), and the
corpus's own; as OGG. A film of the dance with the model's music for the first genre. Then the
model's three best and three worst of further dances, whose beats it had to estimate, by the score
that ranks variations (``kinetune.metrics.ranking``) against the true beats. Writes the sounds, the
film and the page.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import mir_eval
import numpy as np

import kinetune as kt
from kinetune import genres, timebase
from kinetune.audio.export import ExportFormat, export
from kinetune.audio.sound import write_sound
from kinetune.corpus.pairs import Pair, make_pair
from kinetune.files import write_text
from kinetune.metrics.ranking import MotionFit, motion_fit
from kinetune.motion.beats.beat_grid import BeatGrid

_FILMS = 1
# Seeds of the dances for the best and the worst, and how many of each.
_CANDIDATES_SEED, _SHOWN = 985_000, 3
_EXTREMES = """
## Three good, three bad

The model's music for {count} further dances of consecutive seeds, three a genre, with nothing given
but the genre. These are the three best and the three worst by the mean of beats, energy and
accents, the score that ranks variations, against the true beats. *F*: F-measure at 70 ms.
*Energy*: rank correlation of speed and loudness. The last column is what became of the dance's
beats before a note was made.

| | genre | music | beats F | energy | beats of the dance |
|---|---|---|---|---|---|
"""
_HEAD = """# Listening

One dance a genre, {seconds:g} s long, of seeds that no model was trained on. The bundled **model**
and the **composer** were given the dance, the genre and the beats. The **corpus** is the music that
the corpus's composer wrote with the dance; the model learned from other pieces of it. Nothing was
chosen: the seeds are consecutive. Made by `python benchmarks/listening_page.py`.

| genre | model | composer | corpus |
|---|---|---|---|
"""


def main() -> None:
    """Write the page and its files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--candidates", type=int, default=30)
    parser.add_argument("--seed", type=int, default=980_000)
    parser.add_argument("--out", type=Path, default=Path("docs/listening"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows, films = [], []
    for number, code in enumerate(genres.CODES):
        pair = make_pair(
            options.seed + number, genre=code, duration_s=options.seconds, rate_hz=44_100,
            channels=2,
        )  # fmt: skip
        name = genres.genre_name(code)
        model = kt.generate(pair.clip, genre=code, beats_s=pair.beats_s, seed=0)
        composed = kt.generate(
            pair.clip, genre=code, beats_s=pair.beats_s, seed=0, engine="composer"
        )
        sounds = {
            "model": model.sound,
            "composer": composed.sound,
            "corpus": export(pair.sound, ExportFormat()),
        }
        for kind, sound in sounds.items():
            write_sound(options.out / f"{name}-{kind}.ogg", sound)
        cells = (player(f"{name}-{kind}.ogg") for kind in sounds)
        rows.append(f"| {name} | {' | '.join(cells)} |")
        if number < _FILMS:
            film = model.film(options.out / f"{name}.mp4", overwrite=True)
            films.append(f'<video controls preload="none" width="400" src="{film.name}"></video>')
        print(name, flush=True)
    page = _HEAD.format(seconds=options.seconds) + "\n".join(rows)
    page += "\n\nThe dancer of the first, with the model's music:\n\n" + "\n".join(films) + "\n"
    page += extremes(options.candidates, options.seconds, options.out)
    write_text(options.out / "index.md", page)


class Candidate(NamedTuple):
    """The model's music for a dance whose beats it estimated."""

    pair: Pair
    music: kt.Music
    fit: MotionFit


def extremes(count: int, seconds: float, out: Path) -> str:
    """Write the sounds of the best and the worst, and return that part of the page."""
    candidates = []
    for number in range(count):
        pair = make_pair(
            _CANDIDATES_SEED + number, genre=genres.CODES[number % 10], duration_s=seconds
        )
        music = kt.generate(pair.clip, genre=pair.genre, seed=0)
        fit = motion_fit(pair.clip, music.sound, pair.beats_s)
        candidates.append(Candidate(pair, music, fit))
        print(number, pair.genre, fit, flush=True)
    candidates.sort(key=lambda candidate: -candidate.fit.total)
    rows = []
    for rank in [*range(_SHOWN), *range(-_SHOWN, 0)]:
        pair, music, fit = candidates[rank]
        name = f"best-{rank + 1}.ogg" if rank >= 0 else f"worst-{-rank}.ogg"
        write_sound(out / name, music.sound)
        rows.append(
            f"| {'good' if rank >= 0 else 'bad'} | {genres.genre_name(pair.genre)} "
            f"| {player(name)} | {fit.beats:.2f} | {fit.energy:.2f} "
            f"| {verdict(music.beats, pair)} |"
        )
    return _EXTREMES.format(count=count) + "\n".join(rows) + "\n"


def verdict(grid: BeatGrid, pair: Pair) -> str:
    """Say how well a grid meets the beats of a dance."""
    ratio = grid.bpm / pair.bpm
    if abs(ratio - 1.0) > 0.04:
        return f"{grid.bpm:.0f} bpm instead of {pair.bpm:.0f}"
    truth = pair.beats_s
    if mir_eval.beat.f_measure(truth, grid.beats_s, f_measure_threshold=0.07) > 0.9:
        return "right"
    period_s = timebase.beat_period_s(pair.bpm)
    turns = np.exp(2j * np.pi * (grid.beats_s[:, None] - truth) / period_s)
    late_ms = float(np.angle(turns.mean()) / (2.0 * np.pi) * period_s * 1000.0)
    return f"tempo right, {abs(late_ms):.0f} ms {'late' if late_ms > 0 else 'early'}"


def player(name: str) -> str:
    """Return an audio element."""
    return f'<audio controls preload="none" src="{name}"></audio>'


if __name__ == "__main__":
    main()
