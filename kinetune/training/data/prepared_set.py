"""A prepared folder: its items, opened.

A prepared folder contains ``prepared.json`` (settings and a list of items), ``samples/NAME.npy``
(int16 at the model's rate, (N,) mono or (N, 2) stereo, read memory-mapped) and
``features/NAME.npy`` (float32, (T, F) at 30 fps, not normalised). Spectrograms are computed from
the samples when they are needed, because the paper's are relative to the loudest point of each
slice.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinetune import files, genres
from kinetune.config import Count, NonNegative, build, settings
from kinetune.corpus.folder import CorpusChord
from kinetune.errors import ConfigError
from kinetune.model.conditioning.harmony import Chord, Harmony

VERSION = 3
# Those before have no attributes.
_READABLE = (2, VERSION)
# What NumPy raises over a damaged .npy file, whose header is Python text.
_DAMAGE = (
    OSError, ValueError, EOFError, TypeError, OverflowError, MemoryError, SyntaxError, TokenError,
)  # fmt: skip


@settings
class PreparedItem:
    """One dance with its music.

    Attributes:
        name: Stem of its files.
        genre: Genre code; of a new genre its name.
        duration_s: Seconds that both motion and music cover.
        beats_s: Known beat times, seconds, or empty.
        bar_start_s: Time of a bar's first beat, seconds.
        held_out: Kept for validation.
        digest: Of its samples and features.
        metre: Beats to the bar.
        tonic: Pitch class of the music's key; None if its harmony isn't known.
        chords: Its chords in order.
        attributes: All musical attributes of the music by name, such as ``mode:minor``; none if
            they aren't known.
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
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not files.is_plain_name(self.name):
            raise ConfigError(f"name: expected a plain file name, found {self.name[:80]!r}")
        genres.known_or_new(self.genre)

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
    if not isinstance(table, dict) or table.get("version") not in _READABLE:
        raise ConfigError(f"{path}: made by another version; prepare it again")
    content = build(_PreparedFile, table, context=str(path))
    return PreparedSet(folder, content.features, content.rate_hz, content.items, content.channels)


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
