"""The documentation's listening page: one dance a genre, with the music of both engines.

    python benchmarks/listening_page.py [--seconds 10] [--seed 980000] [--out docs/listening]

For every genre a dance of the corpus from a seed that no model was trained on. Its music by the
model and by the composer (as ``kinetune generate`` makes it, with the true beats given), and the
corpus's own; as OGG. A film of the dance with the model's music for the first genre. Writes the
sounds, the films and the page.
"""

import argparse
from pathlib import Path

import kinetune as kt
from kinetune import genres
from kinetune.audio.export import ExportFormat, export
from kinetune.audio.sound import write_sound
from kinetune.corpus.pairs import make_pair
from kinetune.files import write_text

_FILMS = 1
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
    parser.add_argument("--seconds", type=float, default=10.0)
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
    write_text(options.out / "index.md", page)


def player(name: str) -> str:
    """Return an audio element."""
    return f'<audio controls preload="none" src="{name}"></audio>'


if __name__ == "__main__":
    main()
