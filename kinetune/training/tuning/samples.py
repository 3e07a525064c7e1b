"""Music of a model while it is tuned: sound and spectrogram of one window in TensorBoard."""

import logging
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.model.conditioning.window_conditions import WindowConditions, encode_windows
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling.genre_mixing import WeightedCondition
from kinetune.training.data.dataset import Conditions, Window
from kinetune.training.run import EVENTS

_LOG = logging.getLogger(__name__)


class SampleWriter:
    """Writes a sample every few minutes, if TensorBoard is installed.

    Args:
        folder: Folder of the run.
        minutes: From one sample to the next; 0 writes none.
        window: Which window's conditions the music follows.
        conditions: Cuts them.
    """

    def __init__(
        self, folder: Path, minutes: float, window: Window, conditions: Conditions
    ) -> None:
        self._minutes, self._window, self._conditions = minutes, window, conditions
        self._last = time.monotonic()
        self._board = None
        if minutes > 0:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                _LOG.warning("TensorBoard isn't installed: no samples")
            else:
                self._board = SummaryWriter(log_dir=str(folder / EVENTS / "samples"))

    @property
    def is_due(self) -> bool:
        """Whether it is time for a sample."""
        due = time.monotonic() - self._last >= 60.0 * self._minutes
        return self._board is not None and due

    def write(self, step: int, pipeline: DanceToMusicPipeline) -> None:
        """Generate the window's music and write it down."""
        self._last = time.monotonic()
        if self._board is None:
            return
        mel, sound = sample_window(pipeline, self._conditions, self._window)
        mono = sound.mono.clip(-1.0, 1.0)[None]
        self._board.add_audio("sample", mono, step, sample_rate=sound.rate_hz)
        self._board.add_image("spectrogram", 0.5 + 0.5 * np.flipud(mel)[None], step)
        self._board.flush()


@torch.no_grad()
def sample_window(
    pipeline: DanceToMusicPipeline, conditions: Conditions, window: Window, *, seed: int = 0
) -> tuple[NDArray[np.float32], Sound]:
    """Return the spectrogram (M, L) and the sound of a window's music."""
    layout = pipeline.layout
    plan = layout.plan(layout.width)
    options = pipeline.sampling_options(seed)
    dance = conditions.dance(window)
    encoded, uncond = encode_windows(
        pipeline.condition_encoder, dance, [window.start_s], guided=options.guided
    )
    whole = WeightedCondition(encoded, torch.ones(plan.total))
    inputs = WindowConditions([whole], uncond, np.empty(0), np.empty(0))
    window_s = layout.seconds_of(layout.width)
    mel = pipeline.decode(plan, pipeline.denoise(plan, inputs, options), window_s)
    return mel[0].cpu().numpy(), pipeline.vocode(mel, window_s, seed=seed)
