"""Music of a model while it is tuned: sound and spectrogram of a window, on the run's boards."""

import logging
import time

import numpy as np
import torch
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.model.conditioning.window_conditions import WindowConditions, encode_windows
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling.genre_mixing import WeightedCondition
from kinetune.training.data.dataset import Conditions, Window
from kinetune.training.run import EVENTS, Run

_LOG = logging.getLogger(__name__)


class SampleWriter:
    """Writes held-out losses and, every few minutes, a sample.

    They go to TensorBoard, if it is installed, and to Weights & Biases, if that is wanted.

    Args:
        run: The run.
        minutes: From one sample to the next; 0 writes none.
        window: Which window's conditions the music follows.
        conditions: Cuts them.
    """

    def __init__(self, run: Run, minutes: float, window: Window, conditions: Conditions) -> None:
        self._minutes, self._window, self._conditions = minutes, window, conditions
        self._last = time.monotonic()
        self._board, self._wandb = None, run.wandb
        if run.writes:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                _LOG.warning("TensorBoard isn't installed: no samples, no curves")
            else:
                self._board = SummaryWriter(log_dir=str(run.folder / EVENTS / "samples"))

    @property
    def is_due(self) -> bool:
        """Whether it is time for a sample."""
        if self._minutes == 0 or (self._board is None and self._wandb is None):
            return False
        return time.monotonic() - self._last >= 60.0 * self._minutes

    def write_held_out_loss(self, step: int, loss: float) -> None:
        """Write down a held-out loss."""
        if self._board is not None:
            self._board.add_scalar("held_out_loss", loss, step)
            self._board.flush()
        if self._wandb is not None:
            self._wandb.write(step, {"held_out_loss": loss})

    def write(self, step: int, pipeline: DanceToMusicPipeline) -> None:
        """Generate the window's music and write it down."""
        self._last = time.monotonic()
        mel, sound = sample_window(pipeline, self._conditions, self._window)
        picture = 0.5 + 0.5 * np.flipud(mel)
        if self._board is not None:
            mono = sound.mono.clip(-1.0, 1.0)[None]
            self._board.add_audio("sample", mono, step, sample_rate=sound.rate_hz)
            self._board.add_image("spectrogram", picture[None], step)
            self._board.flush()
        if self._wandb is not None:
            self._wandb.write_sample(step, sound, picture)


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
