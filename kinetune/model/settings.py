"""The settings of a pipeline, saved in ``model_index.json`` beside the component names.

Older checkpoints lack some of them: the defaults of :class:`PipelineSettings` are the values those
checkpoints were trained with, and are defined only here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetune.errors import ConfigError, MotionError

if TYPE_CHECKING:
    from kinetune.motion.group import Dancers

# A shorter dance has no step to play to; a longer one would need too much memory.
MIN_DURATION_S = 0.5
MAX_DURATION_S = 2 * 3600.0


@dataclass(frozen=True)
class PipelineSettings:
    """How a trained pipeline is run.

    Attributes:
        preset: ``default``, ``mono`` or ``paper``.
        window_frames: Mel frames of a window.
        useful_frames: Mel frames of a window that carry music.
        overlap_columns: Latent columns shared by neighbouring windows of a long dance.
        inference_steps: Denoising steps where the caller names none.
        guidance_scale: Classifier-free guidance where the caller names none; 1 is none.
        training_lufs: Integrated loudness of the training music, LUFS. Music that is edited is
            brought to it before it is encoded. The first corpus was at -19 (docs/results.md);
            given 5 dB louder, that model answers 2.5 dB too softly.
        effort_contrast: How much more the body's efforts differ in the conditions than in the
            dance, see :func:`~kinetune.model.conditioning.dynamics.effort_contrast`; 1 is as is.
        compression: Dynamic range compression of what is generated, see
            :func:`~kinetune.model.conditioning.compression.compress`; 0 is none.

    Raises:
        ConfigError: A value is impossible.
    """

    preset: str
    window_frames: int
    useful_frames: int
    overlap_columns: int
    inference_steps: int
    guidance_scale: float
    training_lufs: float = -19.0
    effort_contrast: float = 1.0
    compression: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.useful_frames <= self.window_frames:
            raise ConfigError(
                f"useful_frames must be 1 to window_frames ({self.window_frames}), found "
                f"{self.useful_frames}"
            )
        if self.overlap_columns < 0:
            raise ConfigError(f"overlap_columns must be 0 or more, found {self.overlap_columns}")
        if not -70.0 <= self.training_lufs <= 0.0:
            raise ConfigError(f"training_lufs must be -70 to 0, found {self.training_lufs}")
        if not 0.0 < self.effort_contrast <= 4.0:
            raise ConfigError(
                f"effort_contrast must be above 0 and at most 4, found {self.effort_contrast}"
            )
        if not 0.0 <= self.compression < 1.0:
            raise ConfigError(
                f"compression must be 0 or more and below 1, found {self.compression}"
            )
        check_steps(self.inference_steps)
        check_guidance(self.guidance_scale)


def check_steps(steps: int) -> None:
    """See that so many denoising steps are possible.

    Raises:
        ConfigError: They are not 1 to 1000.
    """
    if not 1 <= steps <= 1000:
        raise ConfigError(f"steps must be 1 to 1000, found {steps}")


def check_guidance(guidance: float) -> None:
    """See that a guidance scale is possible.

    Raises:
        ConfigError: It is not 0 to 50.
    """
    if not (np.isfinite(guidance) and 0.0 <= guidance <= 50.0):
        raise ConfigError(f"guidance must be 0 to 50, found {guidance}")


def check_length(clip: "Dancers") -> None:
    """See that a dance is neither too short nor too long.

    Raises:
        MotionError: It is.
    """
    if not MIN_DURATION_S <= clip.duration_s <= MAX_DURATION_S:
        raise MotionError(
            f"{clip.name}: {clip.frame_count} frames at {clip.fps:g} fps last "
            f"{clip.duration_s:.2f} s; expected {MIN_DURATION_S:g} s to {MAX_DURATION_S / 3600:g} h"
        )
