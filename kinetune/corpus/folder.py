"""A corpus on disk, made by all cores, resumed after a stop.

A corpus is a folder: ``motion/<id>.npz`` in AMASS's layout (z up), ``audio/<id>.flac``,
``manifest.jsonl`` with one item per line, and ``README.txt`` with the terms. Seconds, Hz. The same
seed gives the same corpus, whatever the number of workers.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinetune import config, files, genres
from kinetune.audio.export import ExportFormat
from kinetune.audio.sound import write_sound
from kinetune.corpus.choreography import motion_library as motions
from kinetune.corpus.pairs import EDITION, PHRASES, Pair, make_pair
from kinetune.corpus.prompts.captions import caption
from kinetune.corpus.shards import MANIFEST, Shard, write_shard
from kinetune.errors import ConfigError
from kinetune.motion.io.amass import write_amass
from kinetune.processes import process_pool

_FOLDERS = ("motion", "audio", "items")
_TERMS = """A corpus of paired dances and music, made by kinetune.

The music is written from random numbers and played by synthesis and by single sampled notes
(FluidR3 GM, MIT License; Sonic Pi samples, CC0); no song or recording of anyone is in it. So is
every dance whose source is "phrases". Terms of both: CC0 1.0
(https://creativecommons.org/publicdomain/zero/1.0/): do with it what you like.

Dances whose source is "library" are cut from freely usable motion capture; keep these credits with
them: AIST++ dataset, Google LLC, CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), changed,
most of it retargeted by MotionMind;
CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu; Animated Drawings, Meta Platforms, MIT
License. Dances whose source is "clips" are cut from the folder that was named with --clips and
stand under the terms of what lies there.

motion/<id>.npz     poses (T, 156) axis-angle, trans (T, 3) metres, z up, mocap_framerate
audio/<id>.flac     the music of that dance
manifest.jsonl      one item a line: id, genre, bpm, beats_s, downbeats_s, energy, duration_s, seed,
                    source, metre, tonic (pitch class of the key), chords (start, bass, tones),
                    attributes (of the music, such as mode:minor), caption (the same in words)
"""


@dataclass(frozen=True)
class PairSettings:
    """Settings of all pairs of a corpus.

    Attributes:
        genre: One genre; all ten in turn when None.
        duration_s: Length of each pair, seconds.
        rate_hz: Samples per second of the sound; that of the bundled model by default.
        channels: 1 or 2.
        clips: Folder of motions to warp to the beat; the bundled ones when None.
    """

    genre: str | None = None
    duration_s: float = 24.0
    rate_hz: int = 44_100
    channels: int = 2
    clips: Path | None = None

    @property
    def suffix(self) -> str:
        """End of an item's name that identifies the settings and the edition of the composer."""
        channels = "-stereo" if self.channels == 2 else ""
        suffix = f"{self.duration_s:g}s-{self.rate_hz}{channels}-e{EDITION}"
        if self.clips is None:
            return suffix
        names = [(c.name, c.frame_count) for c in motions.read_clip_folder(self.clips)]
        return f"{suffix}-{hashlib.sha256(repr(names).encode()).hexdigest()[:8]}"


@config.settings
class CorpusChord:
    """A chord of an item's music, until the next begins; pitch classes, 0 is C."""

    start_s: float
    bass: int
    tones: tuple[int, ...]


@config.settings
class CorpusItem:
    """A line of a manifest; ``motion`` and ``audio`` are paths within the corpus.

    ``source`` is what the dance was made of: ``phrases``, ``library`` or ``clips``. ``tonic`` is
    the pitch class of the music's key; older corpora don't know it, nor the chords, nor the
    ``attributes`` of the music (see corpus/prompts/vocabulary.toml) and the ``caption`` of them.
    """

    id: str
    genre: str
    bpm: config.Positive
    beats_s: tuple[float, ...]
    downbeats_s: tuple[float, ...]
    energy: tuple[float, ...]
    duration_s: config.Positive
    seed: config.CountOrZero
    source: str = PHRASES
    metre: Literal[3, 4] = 4
    tonic: int | None = None
    chords: tuple[CorpusChord, ...] = ()
    attributes: tuple[str, ...] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        if not files.is_plain_name(self.id):
            raise ConfigError(f"id: expected a plain file name, found {self.id[:80]!r}")

    @property
    def motion(self) -> Path:
        """The motion file, relative to the corpus."""
        return Path("motion") / f"{self.id}.npz"

    @property
    def audio(self) -> Path:
        """The sound file, relative to the corpus."""
        return Path("audio") / f"{self.id}.flac"


def make_corpus(
    out: Path,
    *,
    minutes: float,
    seed: int,
    settings: PairSettings | None = None,
    shard: Shard | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a corpus on disk and return the path of its manifest, or of a part's list.

    Items that are complete from an earlier call with the same seed and settings are kept; temporary
    files that an earlier call left when it was killed are removed.

    Args:
        out: The folder; made if missing.
        minutes: How much music, at least; positive.
        seed: Of the corpus.
        settings: Settings of its pairs.
        shard: Make only this part, for :func:`~kinetune.corpus.shards.merge_corpus`.
        workers: Processes; as many as there are cores when None.
        progress: Called with (items done, items in all), first before the work.

    Raises:
        ConfigError: A setting is out of range, the genre is unknown, or a clip can't be used.
        OutputError: The folder can't be written to.
        KinetuneError: A worker process was killed.
    """
    settings = settings or PairSettings()
    jobs = corpus_jobs(Path(out), settings, minutes=minutes, seed=seed, shard=shard)
    _remove_leftovers(Path(out))
    todo = [job for job in jobs if not job.is_done()]
    done = len(jobs) - len(todo)

    def report(count: int) -> None:
        if progress is not None:
            progress(done + count, len(jobs))

    report(0)
    _make_all(todo, workers, report)
    # Again, for workers of a killed run may have ended only now.
    _remove_leftovers(Path(out))
    files.write_text(Path(out) / "README.txt", _TERMS)
    if shard is not None:
        planned = plan_pairs(settings, minutes=minutes, seed=seed)
        corpus = hashlib.sha256(repr([pair.name for pair in planned]).encode()).hexdigest()
        return write_shard(Path(out), shard, corpus, [job.pair.name for job in jobs])
    lines = [job.item_path.read_text(encoding="utf-8").strip() for job in jobs]
    manifest = Path(out) / MANIFEST
    files.write_text(manifest, "\n".join(lines) + "\n")
    return manifest


def _remove_leftovers(out: Path) -> None:
    for folder in ("", *_FOLDERS):
        files.remove_abandoned(out / folder)


def read_manifest(folder: Path) -> list[CorpusItem]:
    """Return the items of a corpus.

    Raises:
        ConfigError: The folder contains no manifest, or a line of it is damaged.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ConfigError(f"{path}: no such manifest; make a corpus there first")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read ({error})") from error
    return [_read_item(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _read_item(line: str, context: str) -> CorpusItem:
    try:
        table = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{context}: not valid JSON ({error})") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{context}: expected an item of a corpus, found {line[:40]!r}")
    return config.build(CorpusItem, table, context=context)


def is_held_out(name: str, every: int) -> bool:
    """Return whether an item is kept for validation: about one in ``every``, none for 0.

    Decided by a digest of its name, so that a corpus that grows keeps what is held out, and every
    network that learns from it leaves the same items out.
    """
    return every > 0 and zlib.crc32(name.encode()) % every == 0


@dataclass(frozen=True)
class PlannedPair:
    """A pair before it is made: the arguments of ``make_pair``, and its name."""

    seed: int
    genre: str
    name: str

    def make(self, settings: PairSettings) -> Pair:
        """Make the pair."""
        return make_pair(
            self.seed, genre=self.genre, duration_s=settings.duration_s,
            rate_hz=settings.rate_hz, channels=settings.channels, clips=settings.clips,
        )  # fmt: skip


def plan_pairs(settings: PairSettings, *, minutes: float, seed: int) -> list[PlannedPair]:
    """Return the pairs of a corpus, in order.

    Raises:
        ConfigError: A setting is out of range, the genre is unknown, or a clip can't be used.
    """
    if not (np.isfinite(minutes) and minutes > 0):
        raise ConfigError(f"minutes must be positive, found {minutes}")
    if not (np.isfinite(settings.duration_s) and settings.duration_s > 0):
        raise ConfigError(f"the length of a pair must be positive, found {settings.duration_s} s")
    if seed < 0:
        raise ConfigError(f"the seed must not be negative, found {seed}")
    # Out of range they would be found only when the first pair is rendered.
    ExportFormat(settings.rate_hz, settings.channels)
    codes = genres.CODES if settings.genre is None else (genres.genre_code(settings.genre),)
    count = int(np.ceil(minutes * 60.0 / settings.duration_s))
    suffix = settings.suffix
    planned = []
    for k in range(count):
        item = int(np.random.SeedSequence([seed, k]).generate_state(1)[0])
        code = codes[k % len(codes)]
        planned.append(PlannedPair(item, code, f"{code.lower()}-{item:010d}-{suffix}"))
    return planned


@dataclass(frozen=True)
class PairJob:
    """One pair to be made and written into a corpus folder."""

    folder: Path
    settings: PairSettings
    pair: PlannedPair

    @property
    def item_path(self) -> Path:
        """The item's own line of the manifest; written last, it marks the item complete."""
        return self.folder / "items" / f"{self.pair.name}.json"

    def is_done(self) -> bool:
        """Whether all three files exist."""
        motion, audio = (self.folder / k / f"{self.pair.name}.{s}" for k, s in
                         (("motion", "npz"), ("audio", "flac")))  # fmt: skip
        return self.item_path.is_file() and motion.is_file() and audio.is_file()

    def make(self) -> None:
        """Make the pair and write its files, each whole."""
        pair, name = self.pair.make(self.settings), self.pair.name
        write_amass(self.folder / "motion" / f"{name}.npz", pair.clip)
        write_sound(self.folder / "audio" / f"{name}.flac", pair.sound)
        item = CorpusItem(
            name, pair.genre, pair.bpm, _round(pair.beats_s), _round(pair.downbeats_s),
            _round(pair.dance.energy), pair.clip.duration_s, pair.seed, pair.source, pair.metre,
            pair.tonic,
            tuple(CorpusChord(round(c.start_s, 6), c.bass, c.tones) for c in pair.chords),
            pair.attributes, caption(pair.attributes, pair.seed),
        )  # fmt: skip
        files.write_text(self.item_path, json.dumps(asdict(item)) + "\n")


def corpus_jobs(
    out: Path,
    settings: PairSettings,
    *,
    minutes: float,
    seed: int,
    shard: Shard | None = None,
) -> list[PairJob]:
    """Return the pairs of a corpus, or of a part of it, in order; see :func:`plan_pairs`."""
    planned = plan_pairs(settings, minutes=minutes, seed=seed)
    chosen = planned if shard is None else shard.of(planned)
    return [PairJob(out, settings, pair) for pair in chosen]


def _make_all(jobs: list[PairJob], workers: int | None, report: Callable[[int], None]) -> None:
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    if workers == 1 or len(jobs) < 2:
        for count, job in enumerate(jobs, start=1):
            job.make()
            report(count)
        return
    with process_pool(min(workers, len(jobs))) as pool:
        for count, _ in enumerate(pool.map(PairJob.make, jobs), start=1):
            report(count)


def _round(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
