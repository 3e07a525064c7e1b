"""Training windows of dances with music, as spectrograms, latents and conditions.

A window is a span of a prepared item, ``window_frames`` mel frames long. If the model uses fewer
(the paper's 5 s in a spectrogram of 5.94 s) the rest is silence. Random choices depend on the seed
and the number of the batch alone, so a resumed run trains on the same batches as an unbroken one,
and any number of processes on the same batches as one.

Axes: B batch, N samples, M mel bands, L mel frames, C, H, W latent with W columns over time.
"""

import copy
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.files import atomic_file
from kinetune.model.condition import ConditionBatch, DanceInput, stack
from kinetune.model.conditioning.attributes import MusicConditions, complete_attributes
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import posterior_of, scale_latents
from kinetune.training.config import DataConfig
from kinetune.training.data.prepare import PreparedItem, PreparedSet, open_dataset

# Durations are rounded when they are written.
_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class Window:
    """A span of an item.

    Attributes:
        item: Index of the item in the prepared set.
        start_s: Start within the item, seconds.
        length_s: Seconds of it that the item covers; None if it covers all of the window.
    """

    item: int
    start_s: float
    length_s: float | None = None


@dataclass(frozen=True)
class WindowShape:
    """Length of a window.

    Attributes:
        samples: Samples of the whole spectrogram.
        music_samples: Samples of the music in it; the rest is silence.
        rate_hz: Samples per second.
    """

    samples: int
    music_samples: int
    rate_hz: int

    @property
    def music_s(self) -> float:
        """Seconds of music."""
        return timebase.duration_of(self.music_samples, self.rate_hz)


def window_shape(pipeline: DanceToMusicPipeline) -> WindowShape:
    """Return the length of the pipeline's windows."""
    settings, mel = pipeline.settings, pipeline.mel.settings
    whole = timebase.samples_of_mel_frames(settings.window_frames, mel.hop_length)
    music = timebase.samples_of_mel_frames(settings.useful_frames, mel.hop_length)
    if music < whole:
        # The paper's slices are 5 s sharp, not a whole number of mel frames.
        music = timebase.samples_in(music // mel.rate_hz, mel.rate_hz)
    return WindowShape(whole, music, mel.rate_hz)


def open_items(data: DataConfig, cache: Path, pipeline: DanceToMusicPipeline) -> PreparedSet:
    """Open the data of a run in the form that a pipeline needs.

    Args:
        data: The dances and their music.
        cache: Folder in which the prepared data may be kept.
        pipeline: Its features, rate and channels are used.

    Raises:
        ConfigError: There is no such data, or it can't be used for the model.
    """
    return open_dataset(
        data,
        cache,
        features=pipeline.normaliser.config.features,
        rate_hz=pipeline.mel.settings.rate_hz,
        channels=pipeline.mel.channels,
    )


def open_windows(
    data: DataConfig, cache: Path, pipeline: DanceToMusicPipeline
) -> tuple[PreparedSet, list[Window]]:
    """Open the data of a run and list its training windows.

    Args:
        data: The dances and their music.
        cache: Folder in which the prepared data may be kept.
        pipeline: Its features and its window length are used.

    Raises:
        ConfigError: There is no such data, or no item is long enough.
    """
    prepared = open_items(data, cache, pipeline)
    stride_s = data.stride_s
    if pipeline.mel.channels == 2:
        # Windows are cut out of whole spectrograms: they begin with a frame.
        rate_hz = pipeline.mel.settings.frame_rate_hz
        stride_s = timebase.duration_of(max(1, timebase.frames_in(stride_s, rate_hz)), rate_hz)
    windows = list_windows(
        prepared, window_shape(pipeline), stride_s=stride_s, shortest_s=data.shortest_s
    )
    return prepared, windows


def list_windows(
    prepared: PreparedSet,
    shape: WindowShape,
    *,
    stride_s: float,
    held_out: bool = False,
    shortest_s: float = math.inf,
) -> list[Window]:
    """List the windows of the training items, or of the held-out ones.

    Args:
        prepared: The items.
        shape: Length of a window.
        stride_s: Seconds from one window of an item to its next.
        held_out: Whether to list the held-out items' windows.
        shortest_s: Items shorter than a window give one, padded, if they last this many seconds.

    Raises:
        ConfigError: No training item is long enough.
    """
    windows = []
    for number, item in enumerate(prepared.items):
        if item.held_out != held_out:
            continue
        spare_s = item.duration_s - shape.music_s + _ROUNDING_S
        if spare_s >= 0.0:
            windows += [Window(number, k * stride_s) for k in range(int(spare_s // stride_s) + 1)]
        elif item.duration_s + _ROUNDING_S >= shortest_s:
            windows.append(Window(number, 0.0, item.duration_s))
    if not windows and not held_out:
        needed_s = min(shape.music_s, shortest_s)
        raise ConfigError(
            f"{prepared.folder}: no training item lasts {needed_s:.2f} s; use longer dances, a "
            "smaller model.window_frames or a smaller data.shortest_s"
        )
    return windows


def window_mel(
    prepared: PreparedSet, windows: list[Window], pipeline: DanceToMusicPipeline
) -> Tensor:
    """Return the log mel spectrograms (B, M, L) of windows.

    Those of stereo sound are cut out of whole items' spectrograms, which are made once.
    """
    if pipeline.mel.channels == 2:
        cut = [
            cut_spectrogram(item_spectrogram(prepared, window.item, pipeline), window, pipeline)
            for window in windows
        ]
        return torch.stack(cut).to(pipeline.device)
    shape = window_shape(pipeline)
    batch = np.zeros((len(windows), shape.samples), dtype=np.float32)
    for row, window in zip(batch, windows, strict=True):
        first = timebase.samples_in(window.start_s, shape.rate_hz)
        part = prepared.samples(prepared.items[window.item])[first : first + shape.music_samples]
        row[: len(part)] = part.astype(np.float32) / 32767.0
    mel: Tensor = pipeline.mel.encode(torch.from_numpy(batch).to(pipeline.device))
    # A centred spectrogram has one frame more than hops; the model works without it.
    return mel[..., : pipeline.settings.window_frames]


def item_spectrogram(
    prepared: PreparedSet, number: int, pipeline: DanceToMusicPipeline
) -> NDArray[np.float16]:
    """Return the spectrogram (M, L) of a whole item, memory-mapped, made at the first call.

    It lies in the prepared folder under a digest of its settings.
    """
    item = prepared.items[number]
    digest = hashlib.sha256(repr(pipeline.mel.settings).encode()).hexdigest()[:16]
    path = prepared.folder / f"spectrograms-{digest}" / f"{item.name}.npy"
    if not path.is_file():
        samples = np.asarray(prepared.samples(item), np.float32).T / 32767.0
        mel = pipeline.mel.encode(torch.from_numpy(samples)[None])[0]
        path.parent.mkdir(exist_ok=True)
        with atomic_file(path) as aside, aside.open("wb") as file:
            np.save(file, mel.numpy().astype(np.float16))
    spectrogram: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return spectrogram


def cut_spectrogram(
    spectrogram: NDArray[np.float16], window: Window, pipeline: DanceToMusicPipeline
) -> Tensor:
    """Return a window of an item's spectrogram, (M, L); beyond the item's end there is silence."""
    settings, count = pipeline.mel.settings, pipeline.settings.window_frames
    first = timebase.frames_in(window.start_s, settings.frame_rate_hz)
    length_s = math.inf if window.length_s is None else window.length_s
    end = first + count
    if math.isfinite(length_s):
        end = min(end, first + timebase.frames_in(length_s, settings.frame_rate_hz))
    part = torch.from_numpy(spectrogram[:, first:end].astype(np.float32))
    return torch.nn.functional.pad(part, (0, count - part.shape[1]), value=-1.0)


def window_mask(windows: list[Window], count: int, pipeline: DanceToMusicPipeline) -> Tensor:
    """Return 1 for columns that count in the loss and 0 for the padding of short items.

    Args:
        windows: The windows.
        count: Columns of a window: its mel frames L or its latent columns W.
        pipeline: Its window length is used.

    Returns:
        (B, ``count``), float32; a column counts if the item covers its centre.
    """
    shape = window_shape(pipeline)
    window_s = timebase.duration_of(shape.samples, shape.rate_hz)
    centres_s = (torch.arange(count) + 0.5) * (window_s / count)
    lengths_s = torch.tensor([math.inf if w.length_s is None else w.length_s for w in windows])
    return (centres_s < lengths_s[:, None]).float()


@torch.no_grad()
def encode_windows(
    prepared: PreparedSet,
    windows: list[Window],
    pipeline: DanceToMusicPipeline,
    *,
    batch_size: int = 16,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield scaled posterior means and standard deviations (B, C, H, W) of batches, float16."""
    for first in range(0, len(windows), batch_size):
        mel = window_mel(prepared, windows[first : first + batch_size], pipeline)
        mean, std = posterior_of(pipeline.vae, mel)
        scaled = scale_latents(pipeline.vae, mean)
        deviation = scale_latents(pipeline.vae, mean + std) - scaled
        yield scaled.half().cpu(), deviation.half().cpu()


class Conditions:
    """Cuts the conditions of windows out of dances that are kept in memory.

    Args:
        prepared: The prepared set.
        pipeline: Its normaliser, condition encoder and similarity are used.
    """

    def __init__(self, prepared: PreparedSet, pipeline: DanceToMusicPipeline) -> None:
        self._encoder = pipeline.condition_encoder
        names = pipeline.attribute_names
        normaliser, similarity = pipeline.normaliser.cpu(), pipeline.similarity
        rows = map(prepared.feature_rows, prepared.items)
        self._dances = [
            DanceInput(
                normaliser(torch.from_numpy(features)),
                item.genre,
                np.asarray(item.beats_s, dtype=np.float64),
                item.bar_start_s,
                metre=item.metre,
                music=MusicConditions(
                    item.harmony,
                    complete_attributes(item.attributes, names if item.attributes else ()),
                ),
                similarity=None if similarity is None else similarity.of_features(features),
            )
            for item, features in zip(prepared.items, rows, strict=True)
        ]

    @property
    def count(self) -> int:
        """How many items there are."""
        return len(self._dances)

    @property
    def genres(self) -> list[str]:
        """The genre codes of all items, sorted."""
        return sorted({dance.genre for dance in self._dances})

    def joined(self, other: "Conditions") -> "Conditions":
        """Return the conditions of both sets; the other's items follow."""
        both = copy.copy(self)
        both._dances = self._dances + other._dances
        return both

    def under(self, names: Sequence[str]) -> "Conditions":
        """Return the same conditions under other genres, which the items take in turn."""
        other = copy.copy(self)
        other._dances = [
            replace(dance, genre=names[number % len(names)])
            for number, dance in enumerate(self._dances)
        ]
        return other

    def dance(self, window: Window) -> DanceInput:
        """Return the whole dance that a window is cut from."""
        return self._dances[window.item]

    def batch(self, windows: list[Window], *, shift_s: list[float]) -> ConditionBatch:
        """Return the windows' conditions, each beat grid shifted by so many seconds."""
        return stack(
            [
                self._encoder.gather(_shift_beats(self._dances[window.item], shift), window.start_s)
                for window, shift in zip(windows, shift_s, strict=True)
            ]
        )


def fit_normaliser(prepared: PreparedSet, pipeline: DanceToMusicPipeline) -> None:
    """Measure the pipeline's feature normaliser on the training items."""
    rows = [torch.from_numpy(prepared.feature_rows(item)) for item in _training_items(prepared)]
    pipeline.normaliser.fit(torch.cat(rows))


def sample_batch(seed: int, batch: int, count: int, batch_size: int) -> list[int]:
    """Return the indices of a batch's windows; every epoch is a new shuffle of all ``count``.

    Args:
        seed: Seed of the shuffles.
        batch: Number of the batch.
        count: Windows in all.
        batch_size: Windows of a batch.
    """
    chosen: list[int] = []
    while len(chosen) < batch_size:
        epoch, offset = divmod(batch * batch_size + len(chosen), count)
        order = np.random.default_rng([seed, epoch]).permutation(count)
        chosen += order[offset : offset + batch_size - len(chosen)].tolist()
    return chosen


def window_generators(
    seed: int, batch: int, batch_size: int, rows: Iterable[int]
) -> list[torch.Generator]:
    """Return a generator for each of some rows of a batch, from the seed and the window's number.

    Args:
        seed: Of the run.
        batch: Number of the batch.
        batch_size: Windows of a batch.
        rows: The rows.
    """
    # Prime, so that the windows of one seed are those of another only far into a run.
    first = seed * 1_000_000_007 + batch * batch_size
    return [torch.Generator().manual_seed(first + row) for row in rows]


def _training_items(prepared: PreparedSet) -> list[PreparedItem]:
    return [item for item in prepared.items if not item.held_out]


def _shift_beats(dance: DanceInput, shift_s: float) -> DanceInput:
    return replace(dance, beats_s=dance.beats_s + shift_s, bar_start_s=dance.bar_start_s + shift_s)
