"""Puts dances and their music into one form the trainers can read fast.

A prepared folder holds ``prepared.json`` (settings and a list of items), ``samples/NAME.npy``
(int16 mono at the model's rate, read memory-mapped) and ``features/NAME.npy`` (float32, (T, F) at
30 fps, not normalised). Spectrograms are made from the samples when they are needed, because the
paper's are relative to the loudest point of each slice.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import kinetune
from kinetune import files, timebase
from kinetune.audio.sound import Sound, read_sound, resample, to_mono
from kinetune.corpus.folder import (
    CorpusItem,
    PairSettings,
    PlannedPair,
    plan_pairs,
    read_manifest,
)
from kinetune.errors import ConfigError
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import features_named
from kinetune.motion.io.formats import read_motion
from kinetune.training.config import DataConfig

_VERSION = 1
# Called with the items done and the items in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PreparedItem:
    """One dance with its music.

    Attributes:
        name: Stem of its files.
        genre: Genre code.
        duration_s: What motion and music have in common, seconds.
        beats_s: Known beat times, or empty.
        bar_start_s: Time of a bar's first beat.
        held_out: Kept for validation.
    """

    name: str
    genre: str
    duration_s: float
    beats_s: tuple[float, ...]
    bar_start_s: float
    held_out: bool


@dataclass(frozen=True)
class PreparedSet:
    """A prepared folder, opened."""

    folder: Path
    features: str
    rate_hz: int
    items: tuple[PreparedItem, ...]

    def samples(self, item: PreparedItem) -> NDArray[np.int16]:
        """Return the music of an item, int16 (N,), memory-mapped."""
        found: NDArray[np.int16] = np.load(
            self.folder / "samples" / f"{item.name}.npy", mmap_mode="r"
        )
        return found

    def feature_rows(self, item: PreparedItem) -> NDArray[np.float32]:
        """Return the motion features of an item, (T, F) at 30 fps."""
        found: NDArray[np.float32] = np.load(self.folder / "features" / f"{item.name}.npy")
        return found


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """A dance with its music before it is written.

    Attributes: as in :class:`PreparedItem`, with the clip and the sound themselves.
    """

    name: str
    genre: str
    clip: MotionClip
    sound: Sound
    beats_s: tuple[float, ...]
    bar_start_s: float
    held_out: bool


def open_prepared(folder: Path) -> PreparedSet:
    """Open a prepared folder.

    Raises:
        ConfigError: It is not one, or was made by another version.
    """
    path = folder / "prepared.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a prepared folder ({error})") from error
    if table.get("version") != _VERSION:
        raise ConfigError(f"{path}: made by another version; prepare it again")
    items = tuple(
        PreparedItem(**{**item, "beats_s": tuple(item["beats_s"])}) for item in table["items"]
    )
    return PreparedSet(folder, table["features"], table["rate_hz"], items)


def write_prepared(
    dances: Iterable[Callable[[], TrainingPair]],
    out: Path,
    *,
    features: str,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    progress: Progress | None = None,
) -> PreparedSet:
    """Write a prepared folder from dances that are read one by one.

    Args:
        dances: A function for each dance that reads it.
        out: The folder.
        features: Name of the motion features.
        rate_hz: Samples a second of the prepared music.
        progress: Called after every dance.

    Raises:
        ConfigError: There is no dance at all.
    """
    readers = list(dances)
    if not readers:
        raise ConfigError(f"{out}: nothing to prepare; the source holds no usable dance")
    items = []
    # Reading and resampling release the interpreter lock often enough for threads to pay.
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = pool.map(lambda read: _write_item(read(), out, features, rate_hz), readers)
        for done, item in enumerate(jobs, start=1):
            items.append(item)
            if progress is not None:
                progress(done, len(readers))
    table = {"version": _VERSION, "features": features, "rate_hz": rate_hz}
    files.write_json(out / "prepared.json", {**table, "items": [asdict(item) for item in items]})
    return open_prepared(out)


def corpus_pairs(source: Path, *, held_out_every: int) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a reader for every pair of a corpus folder; about one in so many is held out."""
    for item in read_manifest(source):
        yield partial(_read_pair, source, item, _is_held_out(item.id, held_out_every))


def generated_pairs(
    minutes: float, seed: int, *, held_out_every: int
) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a maker for every pair of a corpus that is never written; the same pairs as on disk."""
    settings = PairSettings()
    for planned in plan_pairs(settings, minutes=minutes, seed=seed):
        yield partial(_make_pair, planned, settings, _is_held_out(planned.name, held_out_every))


def open_dataset(data: DataConfig, cache: Path, *, features: str) -> PreparedSet:
    """Open a training source: a prepared folder as it is, a corpus through a cache.

    The cache's name is a digest of what it was made from, so that no other corpus's cache is ever
    taken for this one.

    Args:
        data: Where the dances come from.
        cache: Folder in which a cache may be kept.
        features: Name of the motion features.

    Raises:
        ConfigError: The source is neither, or there is nothing to make.
    """
    if not data.source:
        told = f"made by {kinetune.__version__}: {data.minutes} min, seed {data.seed}".encode()
        dances = generated_pairs(data.minutes, data.seed, held_out_every=data.held_out)
        return _open_cached(dances, told, cache, data, features)
    source = Path(data.source)
    if (source / "prepared.json").is_file():
        return _check_features(open_prepared(source), features)
    manifest = source / "manifest.jsonl"
    if not manifest.is_file():
        raise ConfigError(
            f"{source}: neither a corpus (manifest.jsonl) nor a prepared folder (prepared.json); "
            "make one with 'kinetune corpus make' or 'kinetune prepare aist'"
        )
    dances = corpus_pairs(source, held_out_every=data.held_out)
    return _open_cached(dances, manifest.read_bytes(), cache, data, features)


def _open_cached(
    dances: Iterable[Callable[[], TrainingPair]],
    told: bytes,
    cache: Path,
    data: DataConfig,
    features: str,
) -> PreparedSet:
    key = json.dumps([_VERSION, features, data.held_out, timebase.SAMPLE_RATE_HZ])
    folder = cache / f"prepared-{hashlib.sha256(told + key.encode()).hexdigest()[:16]}"
    if (folder / "prepared.json").is_file():
        return open_prepared(folder)
    return write_prepared(dances, folder, features=features)


def _is_held_out(name: str, every: int) -> bool:
    """Draw by a digest of the name: whatever the order of genres, each gives its share."""
    draw = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    return every > 0 and draw % every == 0


def _make_pair(planned: PlannedPair, settings: PairSettings, held_out: bool) -> TrainingPair:
    pair = planned.make(settings)
    return TrainingPair(
        name=planned.name,
        genre=pair.genre,
        clip=pair.clip,
        sound=pair.sound,
        beats_s=tuple(pair.beats_s.tolist()),
        bar_start_s=float(pair.downbeats_s[0]) if len(pair.downbeats_s) else 0.0,
        held_out=held_out,
    )


def _check_features(prepared: PreparedSet, features: str) -> PreparedSet:
    if prepared.features != features:
        raise ConfigError(
            f"{prepared.folder}: prepared with {prepared.features!r} features, but the preset "
            f"needs {features!r}; prepare it again with --features {features}"
        )
    return prepared


def _read_pair(source: Path, item: CorpusItem, held_out: bool) -> TrainingPair:
    return TrainingPair(
        name=item.id,
        genre=item.genre,
        clip=read_motion(source / item.motion),
        sound=read_sound(source / item.audio),
        beats_s=tuple(item.beats_s),
        bar_start_s=item.downbeats_s[0] if item.downbeats_s else 0.0,
        held_out=held_out,
    )


def _write_item(dance: TrainingPair, out: Path, features: str, rate_hz: int) -> PreparedItem:
    mono = resample(to_mono(dance.sound), rate_hz).samples
    duration_s = min(timebase.duration_of(len(mono), rate_hz), dance.clip.duration_s)
    mono = mono[: timebase.samples_in(duration_s, rate_hz)]
    rows = features_named(features)(dance.clip)
    _save(out / "samples" / f"{dance.name}.npy", np.round(mono * 32767).astype(np.int16))
    _save(out / "features" / f"{dance.name}.npy", rows)
    return PreparedItem(
        dance.name, dance.genre, duration_s, dance.beats_s, dance.bar_start_s, dance.held_out
    )


def _save(path: Path, values: NDArray) -> None:
    with files.atomic_file(path) as aside:
        np.save(aside, values)
