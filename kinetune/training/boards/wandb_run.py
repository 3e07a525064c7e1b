"""A training run on Weights & Biases, for those who ask for it (``--wandb``).

Curves, sounds and pictures go there beside TensorBoard. What is uploaded, where, and whether at all
is wandb's own business: ``WANDB_PROJECT``, ``WANDB_MODE=offline`` and the like are obeyed.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune import files
from kinetune.audio.sound import Sound
from kinetune.errors import ConfigError
from kinetune.extras import extra

RECORD = "wandb.json"
_PROJECT = "kinetune"


class WandbRun:
    """A run on Weights & Biases; a run that is resumed here goes on there.

    Args:
        folder: Folder of the run.

    Raises:
        MissingExtraError: wandb isn't installed.
        ConfigError: wandb refuses, for want of a login perhaps.
    """

    def __init__(self, folder: Path) -> None:
        with extra("wandb"):
            import wandb
        self._wandb: Any = wandb
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", _PROJECT), dir=str(folder),
                name=folder.resolve().parent.name, id=_known_id(folder), resume="allow",
            )  # fmt: skip
        except wandb.Error as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(
                f"--wandb: {reason}; log in with 'wandb login', set WANDB_MODE=offline, or leave "
                "--wandb out"
            ) from error
        # A run that was killed is resumed at an earlier step, which wandb's own counter refuses.
        self._run.define_metric("*", step_metric="step")
        files.write_json(folder / RECORD, {"id": self._run.id})

    def write(self, step: int, values: dict[str, float]) -> None:
        """Log named values of a step."""
        self._run.log({"step": step, **values})

    def write_sample(self, step: int, sound: Sound, picture: NDArray[np.float32]) -> None:
        """Log a sound and its spectrogram, (M, L) in 0 to 1, low bands last."""
        audio = self._wandb.Audio(sound.samples, sample_rate=sound.rate_hz)
        image = self._wandb.Image((255.0 * picture).clip(0.0, 255.0).astype(np.uint8))
        self._run.log({"step": step, "sample": audio, "spectrogram": image})

    def close(self) -> None:
        """End the run there."""
        self._run.finish()


def _known_id(folder: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((folder / RECORD).read_text(encoding="utf-8"))["id"])
    return None
