"""Pairs of a dance and its music, one at a time or a whole corpus on disk.

A corpus is a folder: ``motion/<id>.npz`` in AMASS's layout (z up), ``audio/<id>.flac``,
``manifest.jsonl`` with one item a line, and ``README.txt`` with the terms. Seconds, Hz. The same
seed gives the same corpus, whatever the number of workers.
"""

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import config, files, genres, timebase
from kinetune.audio.sound import Sound, write_sound
from kinetune.corpus.choreographer import Dance, choreograph
from kinetune.corpus.composer import compose
from kinetune.corpus.mixer import render
from kinetune.errors import ConfigError
from kinetune.motion.amass import write_amass
from kinetune.motion.clip import MotionClip

SLOWEST_BPM, FASTEST_BPM = 70.0, 150.0
_SPILL_CHANCE = 0.2
_MANIFEST = "manifest.jsonl"
_TERMS = """A corpus of paired dances and music, made from random numbers by kinetune.

No recording, score or motion capture of anyone went into it; it is free of anyone's rights.
Terms: CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/): do with it what you like.

motion/<id>.npz     poses (T, 156) axis-angle, trans (T, 3) metres, z up, mocap_framerate
audio/<id>.flac     the music of that dance
manifest.jsonl      one item a line: id, genre, bpm, beats_s, downbeats_s, energy, duration_s, seed
"""


@dataclass(frozen=True, eq=False)
class Pair:
    """A dance and its music."""

    id: str
    genre: str
    bpm: float
    seed: int
    dance: Dance
    sound: Sound

    @property
    def clip(self) -> MotionClip:
        """The motion."""
        return self.dance.clip

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """Times of the beats, seconds."""
        return self.dance.beats_s

    @property
    def downbeats_s(self) -> NDArray[np.float64]:
        """Times of the downbeats, seconds."""
        return self.dance.downbeats_s


@dataclass(frozen=True)
class CorpusItem:
    """A line of a manifest; ``motion`` and ``audio`` are paths within the corpus."""

    id: str
    genre: str
    bpm: float
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    energy: tuple[float, ...]
    duration_s: float
    seed: int
    source: str = "kinetune corpus"

    @property
    def motion(self) -> Path:
        """The motion file, relative to the corpus."""
        return Path("motion") / f"{self.id}.npz"

    @property
    def audio(self) -> Path:
        """The sound file, relative to the corpus."""
        return Path("audio") / f"{self.id}.flac"


def make_pair(
    seed: int,
    *,
    genre: str | None = None,
    bpm: float | None = None,
    duration_s: float = 12.0,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    channels: int = 1,
    fps: float = 60.0,
) -> Pair:
    """Return a dance and the music that answers it.

    Args:
        seed: Not negative; same arguments, same pair, bit for bit.
        genre: Name or code; drawn when left out.
        bpm: Beats a minute; drawn from the genre's range, with some spill, when left out.
        duration_s: Length of both, seconds.
        rate_hz: Samples a second of the sound.
        channels: 1 or 2.
        fps: Frames a second of the motion.

    Raises:
        ConfigError: The genre is unknown or a number is out of range.
    """
    if seed < 0:
        raise ConfigError(f"the seed must not be negative, found {seed}")
    rng = np.random.default_rng([seed, 303])
    drawn = genres.CODES[int(rng.integers(len(genres.CODES)))]
    code = drawn if genre is None else genres.genre_code(genre)
    tempo = _draw_bpm(rng, code) if bpm is None else float(bpm)
    dance = choreograph(seed, genre=code, bpm=tempo, duration_s=duration_s, fps=fps)
    sound = render(compose(dance, seed), rate_hz, channels=channels)
    return Pair(f"{code.lower()}-{seed:08d}", code, tempo, seed, dance, sound)


def _draw_bpm(rng: np.random.Generator, code: str) -> float:
    low, high = genres.TEMPO_RANGE_BPM[code]
    if rng.random() < _SPILL_CHANCE:
        low, high = int(SLOWEST_BPM), int(FASTEST_BPM)
    return round(float(rng.uniform(low, high)), 2)


def make_corpus(
    out: Path,
    *,
    minutes: float,
    seed: int,
    genre: str | None = None,
    pair_duration_s: float = 24.0,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a corpus on disk and return the path of its manifest.

    Items that stand complete from an earlier call with the same seed and settings are kept.

    Args:
        out: The folder; made if missing.
        minutes: How much music, at least; positive.
        seed: Of the corpus.
        genre: One genre only; all ten in turn when left out.
        pair_duration_s: Length of each pair, seconds.
        rate_hz: Samples a second of the sound.
        workers: Processes; as many as there are cores when left out.
        progress: Called with (items done, items in all).

    Raises:
        ConfigError: A setting is out of range, or the genre is unknown.
        OutputError: The folder can't be written to.
    """
    jobs = _jobs(Path(out), minutes, seed, genre, pair_duration_s, rate_hz)
    todo = [job for job in jobs if not job.is_done()]
    done = len(jobs) - len(todo)
    _make_all(todo, workers, lambda k: progress(done + k, len(jobs)) if progress else None)
    files.write_text(Path(out) / "README.txt", _TERMS)
    lines = [job.item_path.read_text(encoding="utf-8").strip() for job in jobs]
    manifest = Path(out) / _MANIFEST
    files.write_text(manifest, "\n".join(lines) + "\n")
    return manifest


def read_manifest(folder: Path) -> list[CorpusItem]:
    """Return the items of a corpus.

    Raises:
        ConfigError: The folder holds no manifest, or a line of it is damaged.
    """
    path = Path(folder) / _MANIFEST
    if not path.is_file():
        raise ConfigError(f"{path}: no such manifest; make a corpus there first")
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            items.append(config.build(CorpusItem, json.loads(line), where="item"))
        except (ValueError, AttributeError, TypeError, ConfigError) as error:
            raise ConfigError(f"{path}:{number}: not an item of a corpus ({error})") from error
    return items


@dataclass(frozen=True)
class _Job:
    """One pair to be made and written."""

    folder: Path
    seed: int
    genre: str
    duration_s: float
    rate_hz: int

    @property
    def name(self) -> str:
        """The item's id; it tells the settings, so other settings never reuse it."""
        return f"{self.genre.lower()}-{self.seed:010d}-{self.duration_s:g}s-{self.rate_hz}"

    @property
    def item_path(self) -> Path:
        """Where the item's own line stands; written last, it marks the item complete."""
        return self.folder / "items" / f"{self.name}.json"

    def is_done(self) -> bool:
        """Whether all three files stand."""
        motion, audio = (self.folder / k / f"{self.name}.{s}" for k, s in
                         (("motion", "npz"), ("audio", "flac")))  # fmt: skip
        return self.item_path.is_file() and motion.is_file() and audio.is_file()


def _jobs(
    out: Path, minutes: float, seed: int, genre: str | None, duration_s: float, rate_hz: int
) -> list[_Job]:
    if not (np.isfinite(minutes) and minutes > 0):
        raise ConfigError(f"minutes must be positive, found {minutes}")
    if not (np.isfinite(duration_s) and duration_s > 0):
        raise ConfigError(f"the length of a pair must be positive, found {duration_s} s")
    if seed < 0:
        raise ConfigError(f"the seed must not be negative, found {seed}")
    codes = genres.CODES if genre is None else (genres.genre_code(genre),)
    count = int(np.ceil(minutes * 60.0 / duration_s))
    seeds = [int(np.random.SeedSequence([seed, k]).generate_state(1)[0]) for k in range(count)]
    return [
        _Job(out, item, codes[k % len(codes)], duration_s, rate_hz) for k, item in enumerate(seeds)
    ]


def _make_all(jobs: list[_Job], workers: int | None, report: Callable[[int], None]) -> None:
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    if workers == 1 or len(jobs) < 2:
        for count, job in enumerate(jobs, start=1):
            _make_item(job)
            report(count)
        return
    # A fresh interpreter for each worker: safe with threads and the same on every system.
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        for count, _ in enumerate(pool.map(_make_item, jobs), start=1):
            report(count)


def _make_item(job: _Job) -> None:
    pair = make_pair(job.seed, genre=job.genre, duration_s=job.duration_s, rate_hz=job.rate_hz)
    write_amass(job.folder / "motion" / f"{job.name}.npz", pair.clip)
    write_sound(job.folder / "audio" / f"{job.name}.flac", pair.sound)
    item = CorpusItem(
        job.name, pair.genre, pair.bpm, _rounded(pair.beats_s), _rounded(pair.downbeats_s),
        _rounded(pair.dance.energy), pair.clip.duration_s, job.seed,
    )  # fmt: skip
    files.write_text(job.item_path, json.dumps(asdict(item)) + "\n")


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
