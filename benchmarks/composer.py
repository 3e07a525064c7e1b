"""Speed and memory of the composer: seconds of music a second of one core, stems included.

    python benchmarks/composer.py [--seconds 60 180] [--genres house krump] [--repeat 3]

Each piece is made for a choreographed dance: composed, played at 44.1 kHz in stereo, mastered, and
all its stems mastered too. Instruments are loaded before the clock starts, by a short piece of the
same seed. Times are CPU seconds of this process (``time.process_time``), the least of the repeats:
other programs on the machine, which share its caches, can only add to them. Memory is the growth
of the largest resident size while the piece is made; sounds beyond 53 MB lie in temporary files.
"""

import argparse
import time

from kinetune import genres
from kinetune.composer.output.mastering import master_stem
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.motion.clip import MotionClip
from kinetune.tasks.composing.engine import compose_music
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.run_costs import peak_memory_mb

_WARM_UP_S = 8.0


def main() -> None:
    """Print a row a piece."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[60.0, 180.0])
    parser.add_argument("--genres", nargs="+", default=["house", "krump"])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print("genre, seconds, stems, CPU s, times real time, MB more")
    for genre in options.genres:
        code = genres.genre_code(genre)
        make(dance(code, _WARM_UP_S), genre)
        for seconds in options.seconds:
            clip, before_mb = dance(code, seconds), peak_memory_mb()
            spent, stems = float("inf"), 0
            for _ in range(options.repeat):
                began = time.process_time()
                stems = make(clip, genre)
                spent = min(spent, time.process_time() - began)
            more_mb = peak_memory_mb() - before_mb
            print(
                f"{genre}, {seconds:g}, {stems}, {spent:.1f}, {seconds / spent:.1f}, {more_mb:.0f}",
                flush=True,
            )


def dance(code: str, seconds: float) -> MotionClip:
    """Return a dance."""
    request = DanceRequest(code, 120.0, seconds, first_beat_s=0.0, fps=30.0)
    return choreograph(1, request).clip


def make(clip: MotionClip, genre: str) -> int:
    """Make the music of a dance and all its stems; return how many."""
    options = MusicOptions(engine="composer", beats=BeatOptions(120.0, 0.0))
    made = compose_music(clip, options, genre=genre, keep_stems=True)
    stems = made.stems or {}
    for stem in stems.values():
        master_stem(made.piece, made.master, stem)
    return len(stems)


if __name__ == "__main__":
    main()
