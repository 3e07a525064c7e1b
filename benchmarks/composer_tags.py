"""Whether networks trained on records hear the genre and the beats of the composer's music.

    python benchmarks/composer_tags.py --out out/tags --python tags/bin/python [--dances 3]

Composes for a few choreographed dances of each genre, 30 s each, and prints a row a genre, from
benchmarks/outside_tags.py, whose environment ``--python`` belongs to:

- the five strongest of musicnn's fifty tags, mean of the dances;
- family: the best rank (1 to 50) of a tag of the genre's family, and which it is;
- lift: by how much the family's tags are stronger than in the mean of all genres, a ratio of sums;
- beats: F-measure of madmom's beats against those of the score, mean and least;

and for some tags the genres in which they are strongest.

The families were written down before the first measurement.
"""

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np

from kinetune import genres
from kinetune.audio.sound import write_sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.tasks.composing.engine import compose_music
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions

_FIRST_SEED, _SECONDS = 7000, 30.0
# Tempo of each dance of a genre; house is danced quicker.
_BPM, _HOUSE_BPM = (95.0, 105.0, 115.0), (118.0, 124.0, 130.0)
# Tags of which the second table says where they are strongest.
_TAGS = ("House", "dance", "Hip-Hop", "funk", "soul", "jazz")
_FAMILIES = {
    "break": ("Hip-Hop", "funk", "soul"),
    "house": ("House", "dance", "electronic", "electronica"),
    "ballet-jazz": ("jazz", "instrumental", "easy listening", "beautiful", "Mellow"),
    "street-jazz": ("jazz", "funk", "soul", "rnb", "dance", "pop"),
    "krump": ("Hip-Hop", "electronic", "electro"),
    "la-hip-hop": ("Hip-Hop", "rnb"),
    "locking": ("funk", "soul", "70s"),
    "middle-hip-hop": ("Hip-Hop", "rnb", "soul"),
    "popping": ("funk", "electro", "electronic", "Hip-Hop"),
    "waacking": ("dance", "funk", "soul", "70s", "80s"),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--dances", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    request = [
        compose(name, number, options.out)
        for name in genres.NAMES
        for number in range(options.dances)
    ]
    script = Path(__file__).with_name("outside_tags.py")
    made = subprocess.run(
        [options.python, script], input=json.dumps(request), text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    rows = json.loads(made.stdout)
    names = list(rows[0]["tags"])
    tags = np.array([list(row["tags"].values()) for row in rows])
    tags = tags.reshape(len(genres.NAMES), options.dances, -1).mean(axis=1)
    beats = np.array([row["beat_f"] for row in rows]).reshape(len(genres.NAMES), -1)
    print(
        "| genre | strongest tags | family: rank | lift | beats: mean, least |\n" + 5 * "|---" + "|"
    )
    for genre, mine, f in zip(genres.NAMES, tags, beats, strict=True):
        cells = row(genre, names, mine, tags.mean(axis=0))
        print(f"| {genre} | {cells} | {f.mean():.2f}, {f.min():.2f} |")
    print(f"| all | | | | {beats.mean():.2f}, {beats.min():.2f} |\n")
    print("| tag | strongest in |\n|---|---|")
    for tag in _TAGS:
        strength = tags[:, names.index(tag)]
        order = np.argsort(-strength)[:4]
        print(
            f"| {tag} | " + ", ".join(f"{genres.NAMES[k]} {strength[k]:.2f}" for k in order) + " |"
        )


def compose(name: str, number: int, folder: Path) -> tuple[str, list[float]]:
    """Write the music of a dance and return its path and its beats, seconds."""
    tempi = _HOUSE_BPM if name == "house" else _BPM
    bpm = tempi[number % len(tempi)]
    code = genres.genre_code(name)
    request = DanceRequest(code, bpm, _SECONDS, first_beat_s=0.0, fps=30.0)
    clip = choreograph(_FIRST_SEED + number, request).clip
    options = MusicOptions(engine="composer", seed=number, beats=BeatOptions(bpm, 0.0))
    path = folder / f"{name}-{number}.wav"
    write_sound(path, compose_music(clip, options, genre=name).sound)
    return str(path.resolve()), np.arange(0.0, _SECONDS, 60.0 / bpm).tolist()


def row(genre: str, names: list[str], tags: np.ndarray, mean: np.ndarray) -> str:
    """Return the cells of a genre: strongest tags, best of its family with the rank, lift."""
    order = np.argsort(-tags)
    strongest = ", ".join(f"{names[k]} {tags[k]:.2f}" for k in order[:5])
    family = [names.index(tag) for tag in _FAMILIES[genre]]
    rank, best = min((int(np.flatnonzero(order == k)[0]) + 1, names[k]) for k in family)
    return f"{strongest} | {best}: {rank} | {tags[family].sum() / mean[family].sum():.1f}"


if __name__ == "__main__":
    main()
