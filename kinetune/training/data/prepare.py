"""Conversion of dances and music to a format that trainers read fast.

A prepared folder contains ``prepared.json`` (settings and a list of items), ``samples/NAME.npy``
(int16 at the model's rate, (N,) mono or (N, 2) stereo, read memory-mapped) and
``features/NAME.npy`` (float32, (T, F) at 30 fps, not normalised). Spectrograms are computed from
the samples when they are needed, because the paper's are relative to the loudest point of each
slice.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import kinetune
from kinetune import files, genres, timebase
from kinetune.audio.sound import Sound, read_sound, resample, to_mono
from kinetune.config import Count, NonNegative, build, settings
from kinetune.corpus.folder import (
    CorpusChord,
    CorpusItem,
    PairSettings,
    PlannedPair,
    is_held_out,
    plan_pairs,
    read_manifest,
)
from kinetune.errors import ConfigError
from kinetune.model.conditioning.harmony import Chord, Harmony
from kinetune.motion.clip import MotionClip
from kinetune.motion.features import features_named
from kinetune.motion.io.formats import read_motion
from kinetune.training.config import DataConfig

_VERSION = 2
# What NumPy raises over a damaged .npy file, whose header is Python text.
_DAMAGE = (
    OSError, ValueError, EOFError, TypeError, OverflowError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip
# Called with the items done and the items in all.
Progress = Callable[[int, int], None]


@settings
class PreparedItem:
    """One dance with its music.

    Attributes:
        name: Stem of its files.
        genre: Genre code.
        duration_s: Seconds that both motion and music cover.
        beats_s: Known beat times, seconds, or empty.
        bar_start_s: Time of a bar's first beat, seconds.
        held_out: Kept for validation.
        digest: Of its samples and features.
        metre: Beats to the bar.
        tonic: Pitch class of the music's key; None if its harmony isn't known.
        chords: Its chords in order.
    """

    name: str
    genre: str
    duration_s: NonNegative
    beats_s: tuple[float, ...]
    bar_start_s: float
    held_out: bool
    digest: str
    metre: Literal[3, 4] = 4
    tonic: int | None = None
    chords: tuple[CorpusChord, ...] = ()

    def __post_init__(self) -> None:
        if not files.is_plain_name(self.name):
            raise ConfigError(f"name: expected a plain file name, found {self.name[:80]!r}")
        genres.genre_code(self.genre)

    @property
    def harmony(self) -> Harmony | None:
        """Key and chords of the music, if they are known."""
        if self.tonic is None:
            return None
        return Harmony(self.tonic, tuple(Chord(c.start_s, c.bass, c.tones) for c in self.chords))


@settings
class _PreparedFile:
    """Contents of ``prepared.json``."""

    version: int
    features: str
    rate_hz: Count
    items: tuple[PreparedItem, ...]
    channels: Count = 1


@dataclass(frozen=True)
class PreparedSet:
    """A prepared folder, opened.

    Attributes:
        folder: The folder.
        features: Name of the motion features.
        rate_hz: Samples per second of the music.
        items: Its dances.
        channels: Channels of the music, 1 or 2.
    """

    folder: Path
    features: str
    rate_hz: int
    items: tuple[PreparedItem, ...]
    channels: int = 1

    @property
    def identity(self) -> str:
        """Digest of all samples and features, whatever the folder is called."""
        content = repr((self.features, self.rate_hz, [asdict(item) for item in self.items]))
        return hashlib.sha256(content.encode()).hexdigest()

    def samples(self, item: PreparedItem) -> NDArray[np.int16]:
        """Return the music of an item, int16 (N,) or (N, 2), memory-mapped."""
        path = self.folder / "samples" / f"{item.name}.npy"
        samples: NDArray[np.int16] = _load(path, np.int16, min(self.channels, 2), mapped=True)
        return samples

    def feature_rows(self, item: PreparedItem) -> NDArray[np.float32]:
        """Return the motion features of an item, (T, F) at 30 fps."""
        path = self.folder / "features" / f"{item.name}.npy"
        rows: NDArray[np.float32] = _load(path, np.float32, 2)
        return rows


@dataclass(frozen=True, eq=False)
class TrainingPair:
    """A dance with its music before it is written.

    Attributes are those of :class:`PreparedItem`, with the clip and the sound themselves.
    """

    name: str
    genre: str
    clip: MotionClip
    sound: Sound
    beats_s: tuple[float, ...]
    bar_start_s: float
    held_out: bool
    metre: Literal[3, 4] = 4
    tonic: int | None = None
    chords: tuple[CorpusChord, ...] = ()


def open_prepared(folder: Path) -> PreparedSet:
    """Open a prepared folder.

    Raises:
        ConfigError: It is none, is damaged, or was made by another version.
    """
    path = folder / "prepared.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a prepared folder ({error})") from error
    if not isinstance(table, dict) or table.get("version") != _VERSION:
        raise ConfigError(f"{path}: made by another version; prepare it again")
    content = build(_PreparedFile, table, context=str(path))
    return PreparedSet(folder, content.features, content.rate_hz, content.items, content.channels)


def write_prepared(
    dances: Iterable[Callable[[], TrainingPair]],
    out: Path,
    *,
    features: str,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    channels: int = 1,
    progress: Progress | None = None,
) -> PreparedSet:
    """Write a prepared folder from dances that are read one by one.

    Args:
        dances: One function per dance, which reads it.
        out: The folder.
        features: Name of the motion features.
        rate_hz: Samples per second of the prepared music.
        channels: Its channels, 1 or 2.
        progress: Called after every dance with the dances done and the dances in all.

    Raises:
        ConfigError: There is no dance, or one has a name that can't be a file name.
    """
    readers = list(dances)
    if not readers:
        raise ConfigError(f"{out}: nothing to prepare; the source holds no usable dance")
    items = []
    # Reading and resampling release the interpreter lock often enough for threads to pay.
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = pool.map(lambda read: _write_item(read(), out, features, rate_hz, channels), readers)
        for done, item in enumerate(jobs, start=1):
            items.append(item)
            if progress is not None:
                progress(done, len(readers))
    table = {
        "version": _VERSION, "features": features, "rate_hz": rate_hz, "channels": channels,
    }  # fmt: skip
    files.write_json(out / "prepared.json", {**table, "items": [asdict(item) for item in items]})
    return open_prepared(out)


def corpus_pairs(source: Path, *, held_out_every: int) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a reader for every pair of a corpus folder; one in about so many is held out."""
    for item in read_manifest(source):
        yield partial(_read_pair, source, item, is_held_out(item.id, held_out_every))


def generated_pairs(
    minutes: float, seed: int, *, held_out_every: int, pair_settings: PairSettings | None = None
) -> Iterator[Callable[[], TrainingPair]]:
    """Yield a maker for every pair of a corpus that isn't written; the same pairs as on disk."""
    pair_settings = pair_settings or PairSettings()
    for planned in plan_pairs(pair_settings, minutes=minutes, seed=seed):
        held_out = is_held_out(planned.name, held_out_every)
        yield partial(_make_pair, planned, pair_settings, held_out)


@dataclass(frozen=True)
class _Form:
    """What a model needs of prepared data: named features, samples per second, channels."""

    features: str
    rate_hz: int
    channels: int


def open_dataset(
    data: DataConfig,
    cache: Path,
    *,
    features: str,
    rate_hz: int = timebase.SAMPLE_RATE_HZ,
    channels: int = 1,
) -> PreparedSet:
    """Open the data of a run: a prepared folder as it is, a corpus through a cache.

    The name of the cache is a digest of what it was made from, so no other corpus's cache is used.

    Args:
        data: The dances and their music.
        cache: Folder in which a cache may be kept.
        features: Name of the motion features.
        rate_hz: Samples per second of the model's music.
        channels: Its channels, 1 or 2.

    Raises:
        ConfigError: The source is neither, or there is nothing to generate.
    """
    form = _Form(features, rate_hz, channels)
    if not data.source:
        origin = f"generated by {kinetune.__version__}: {data.minutes} min, seed {data.seed}"
        settings = PairSettings(rate_hz=rate_hz, channels=channels)
        pairs = generated_pairs(
            data.minutes, data.seed, held_out_every=data.held_out, pair_settings=settings
        )
        return _open_cached(pairs, origin, cache, data, form)
    source = Path(data.source)
    if (source / "prepared.json").is_file():
        return _check_form(open_prepared(source), form)
    manifest = source / "manifest.jsonl"
    if not manifest.is_file():
        raise ConfigError(
            f"{source}: neither a corpus (manifest.jsonl) nor a prepared folder (prepared.json); "
            "make one with 'kinetune corpus make' or 'kinetune prepare aist'"
        )
    pairs = corpus_pairs(source, held_out_every=data.held_out)
    return _open_cached(pairs, _corpus_origin(source), cache, data, form)


def _corpus_origin(source: Path) -> str:
    """Describe a corpus: its items, and the sizes of their files, which change with the content."""
    sizes = [
        (item, [_size(source / path) for path in (item.motion, item.audio)])
        for item in read_manifest(source)
    ]
    return repr(sizes)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _open_cached(
    pairs: Iterable[Callable[[], TrainingPair]],
    origin: str,
    cache: Path,
    data: DataConfig,
    form: _Form,
) -> PreparedSet:
    key = json.dumps([_VERSION, data.held_out, asdict(form)])
    folder = cache / f"prepared-{hashlib.sha256((origin + key).encode()).hexdigest()[:16]}"
    if (folder / "prepared.json").is_file():
        return open_prepared(folder)
    return write_prepared(
        pairs, folder, features=form.features, rate_hz=form.rate_hz, channels=form.channels
    )


def _make_pair(planned: PlannedPair, pair_settings: PairSettings, held_out: bool) -> TrainingPair:
    pair = planned.make(pair_settings)
    return TrainingPair(
        name=planned.name,
        genre=pair.genre,
        clip=pair.clip,
        sound=pair.sound,
        beats_s=tuple(pair.beats_s.tolist()),
        bar_start_s=float(pair.downbeats_s[0]) if len(pair.downbeats_s) else 0.0,
        held_out=held_out,
        metre=pair.metre,
        tonic=pair.tonic,
        chords=tuple(CorpusChord(c.start_s, c.bass, c.tones) for c in pair.chords),
    )


def _check_form(prepared: PreparedSet, form: _Form) -> PreparedSet:
    if prepared.features != form.features:
        raise ConfigError(
            f"{prepared.folder}: prepared with {prepared.features!r} features, but the preset "
            f"needs {form.features!r}; prepare it again with --features {form.features}"
        )
    actual, expected = (
        f"{p.rate_hz} Hz in {p.channels} channel{'s' * (p.channels > 1)}" for p in (prepared, form)
    )
    if actual != expected:
        raise ConfigError(
            f"{prepared.folder}: prepared at {actual}, but the preset needs {expected}; "
            "use the corpus itself as data.source"
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
        metre=item.metre,
        tonic=item.tonic,
        chords=item.chords,
    )


def _write_item(
    pair: TrainingPair, out: Path, features: str, rate_hz: int, channels: int
) -> PreparedItem:
    sound = resample(to_mono(pair.sound) if channels == 1 else _stereo(pair.sound), rate_hz)
    duration_s = min(sound.duration_s, pair.clip.duration_s)
    trimmed = sound.samples[: timebase.samples_in(duration_s, rate_hz)]
    samples = np.round(trimmed * 32767).clip(-32768, 32767).astype(np.int16)
    rows = features_named(features)(pair.clip)
    digest = hashlib.sha256(samples.tobytes() + rows.tobytes()).hexdigest()[:16]
    item = PreparedItem(
        name=pair.name,
        genre=pair.genre,
        duration_s=duration_s,
        beats_s=pair.beats_s,
        bar_start_s=pair.bar_start_s,
        held_out=pair.held_out,
        digest=digest,
        metre=pair.metre,
        tonic=pair.tonic,
        chords=pair.chords,
    )
    _save(out / "samples" / f"{item.name}.npy", samples)
    _save(out / "features" / f"{item.name}.npy", rows)
    return item


def _stereo(sound: Sound) -> Sound:
    """Return a sound with two channels; a mono sound is the same on both."""
    if sound.samples.ndim == 2:
        return sound
    return Sound(np.stack([sound.samples] * 2, axis=1), sound.rate_hz)


def _load(path: Path, dtype: type[np.generic], axes: int, *, mapped: bool = False) -> NDArray:
    try:
        if mapped:
            values: NDArray = np.lib.format.open_memmap(path, mode="r")
        else:
            with path.open("rb") as file:
                values = np.lib.format.read_array(file, allow_pickle=False)
        if (values.dtype, values.ndim) != (dtype, axes):
            raise ValueError(f"expected {axes} axes of {dtype.__name__}")
    except _DAMAGE as error:
        raise ConfigError(f"{path}: missing or damaged ({error}); prepare it again") from error
    return values


def _save(path: Path, values: NDArray) -> None:
    with files.atomic_file(path) as temporary:
        np.save(temporary, values)
