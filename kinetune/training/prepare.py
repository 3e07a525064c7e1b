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

from kinetune import files, timebase
from kinetune.audio.sound import Sound, read_sound, resample, to_mono
from kinetune.corpus.folder import CorpusItem, read_manifest
from kinetune.errors import ConfigError
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import features_named
from kinetune.motion.formats import read_motion

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
class Dance:
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
    dances: Iterable[Callable[[], Dance]],
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


def corpus_dances(source: Path, *, held_out_every: int) -> Iterator[Callable[[], Dance]]:
    """Yield a reader for every pair of a corpus folder; about one in so many is held out."""
    for item in read_manifest(source):
        # By a digest of the name: whatever the order of genres, each gives its share.
        draw = int(hashlib.sha256(item.id.encode()).hexdigest()[:8], 16)
        held_out = held_out_every > 0 and draw % held_out_every == 0
        yield partial(_read_pair, source, item, held_out)


def open_source(source: Path, cache: Path, *, features: str, held_out: int) -> PreparedSet:
    """Open a training source: a prepared folder as it is, a corpus through a cache.

    The cache's name is a digest of the manifest and the settings, so that no other corpus's cache
    is ever taken for this one.

    Raises:
        ConfigError: The folder is neither.
    """
    if (source / "prepared.json").is_file():
        return _matching(open_prepared(source), features)
    manifest = source / "manifest.jsonl"
    if not manifest.is_file():
        raise ConfigError(
            f"{source}: neither a corpus (manifest.jsonl) nor a prepared folder (prepared.json); "
            "make one with 'kinetune corpus make' or 'kinetune prepare aist'"
        )
    key = json.dumps([_VERSION, features, held_out, timebase.SAMPLE_RATE_HZ])
    digest = hashlib.sha256(manifest.read_bytes() + key.encode()).hexdigest()[:16]
    folder = cache / f"prepared-{digest}"
    if (folder / "prepared.json").is_file():
        return open_prepared(folder)
    return write_prepared(corpus_dances(source, held_out_every=held_out), folder, features=features)


def _matching(prepared: PreparedSet, features: str) -> PreparedSet:
    if prepared.features != features:
        raise ConfigError(
            f"{prepared.folder}: prepared with {prepared.features!r} features, but the preset "
            f"needs {features!r}; prepare it again with --features {features}"
        )
    return prepared


def _read_pair(source: Path, item: CorpusItem, held_out: bool) -> Dance:
    return Dance(
        name=item.id,
        genre=item.genre,
        clip=read_motion(source / item.motion),
        sound=read_sound(source / item.audio),
        beats_s=tuple(item.beats_s),
        bar_start_s=item.downbeats_s[0] if item.downbeats_s else 0.0,
        held_out=held_out,
    )


def _write_item(dance: Dance, out: Path, features: str, rate_hz: int) -> PreparedItem:
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
    with files.whole_file(path) as aside:
        np.save(aside, values)
