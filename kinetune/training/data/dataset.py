"""Training windows: which stretches of which dance, as spectrograms, latents and conditions.

A window is a stretch of a prepared item, ``window_frames`` mel frames long; where the model uses
fewer (the paper's 5 s in a picture of 5.94 s) the rest is silence. Every draw is made from the
seed and the step's number alone, so a run that stops and goes on sees exactly what an unbroken
one sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.model.condition import ConditionBatch, DanceInput, stack
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import posterior_of, scale_latents
from kinetune.training.data.prepare import PreparedItem, PreparedSet


@dataclass(frozen=True)
class Window:
    """A stretch of an item.

    Attributes:
        item: Place of the item in the prepared set.
        start_s: Where it begins, seconds.
    """

    item: int
    start_s: float


@dataclass(frozen=True)
class WindowShape:
    """How long a window is, in samples.

    Attributes:
        samples: Of the whole picture.
        music_samples: Of the music in it; the rest is silence.
        rate_hz: Samples a second.
    """

    samples: int
    music_samples: int
    rate_hz: int

    @property
    def music_s(self) -> float:
        """Seconds of music."""
        return timebase.duration_of(self.music_samples, self.rate_hz)


def window_shape(pipeline: DanceToMusicPipeline) -> WindowShape:
    """Return how long the pipeline's windows are."""
    settings, mel = pipeline.config.settings, pipeline.mel.settings
    whole = timebase.samples_of_mel_frames(settings["window_frames"], mel.hop_length)
    music = timebase.samples_of_mel_frames(settings["useful_frames"], mel.hop_length)
    if music < whole:
        # The paper's slices are 5 s sharp, not a whole number of mel frames.
        music = timebase.samples_in(round(music / mel.rate_hz), mel.rate_hz)
    return WindowShape(whole, music, mel.rate_hz)


def list_windows(
    prepared: PreparedSet, shape: WindowShape, *, stride_s: float, held_out: bool
) -> list[Window]:
    """List the windows of the training items, or of the held-out ones.

    Raises:
        ConfigError: No item is as long as a window.
    """
    found = [
        Window(number, start * stride_s)
        for number, item in enumerate(prepared.items)
        if item.held_out == held_out
        for start in range(int((item.duration_s - shape.music_s + 1e-6) // stride_s) + 1)
        if item.duration_s + 1e-6 >= shape.music_s
    ]
    if not found and not held_out:
        raise ConfigError(
            f"{prepared.folder}: no training item lasts {shape.music_s:.2f} s; make longer pairs"
        )
    return found


def window_mel(
    prepared: PreparedSet, windows: list[Window], shape: WindowShape, pipeline: DanceToMusicPipeline
) -> Tensor:
    """Return the log mel spectrograms (B, M, L) of windows."""
    batch = np.zeros((len(windows), shape.samples), dtype=np.float32)
    for row, window in zip(batch, windows, strict=True):
        first = timebase.samples_in(window.start_s, shape.rate_hz)
        part = prepared.samples(prepared.items[window.item])[first : first + shape.music_samples]
        row[: len(part)] = part.astype(np.float32) / 32767.0
    mel: Tensor = pipeline.mel.encode(torch.from_numpy(batch).to(pipeline.device))
    # A centred spectrogram has one frame more than hops; the pictures do without it.
    return mel[..., : pipeline.settings.window_frames]


@torch.no_grad()
def encode_windows(
    prepared: PreparedSet,
    windows: list[Window],
    pipeline: DanceToMusicPipeline,
    *,
    batch_size: int = 16,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield scaled posterior means and deviations (B, C, H, W), batch by batch, in float16."""
    shape = window_shape(pipeline)
    for first in range(0, len(windows), batch_size):
        mel = window_mel(prepared, windows[first : first + batch_size], shape, pipeline)
        mean, std = posterior_of(pipeline.vae, mel)
        scaled = scale_latents(pipeline.vae, mean)
        spread = scale_latents(pipeline.vae, mean + std) - scaled
        yield scaled.half().cpu(), spread.half().cpu()


class Conditions:
    """The conditions of windows, cut out of dances held in memory.

    Args:
        prepared: The prepared set.
        pipeline: Its normaliser and condition encoder are used.
    """

    def __init__(self, prepared: PreparedSet, pipeline: DanceToMusicPipeline) -> None:
        self._encoder = pipeline.condition_encoder
        normaliser = pipeline.normaliser.cpu()
        self._dances = [
            DanceInput(
                normaliser(torch.from_numpy(prepared.feature_rows(item))),
                item.genre,
                np.asarray(item.beats_s, dtype=np.float64),
                item.bar_start_s,
            )
            for item in prepared.items
        ]

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


def sample_batch(seed: int, step: int, count: int, batch_size: int) -> list[int]:
    """Return which windows a step sees: every epoch is a new shuffle of all ``count``."""
    chosen: list[int] = []
    place = step * batch_size
    while len(chosen) < batch_size:
        epoch, offset = divmod(place + len(chosen), count)
        order = np.random.default_rng([seed, epoch]).permutation(count)
        chosen += order[offset : offset + batch_size - len(chosen)].tolist()
    return chosen


def _training_items(prepared: PreparedSet) -> list[PreparedItem]:
    return [item for item in prepared.items if not item.held_out]


def _shift_beats(dance: DanceInput, shift_s: float) -> DanceInput:
    return replace(dance, beats_s=dance.beats_s + shift_s, bar_start_s=dance.bar_start_s + shift_s)
