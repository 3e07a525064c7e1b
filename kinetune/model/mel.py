"""The mel settings as a component of the pipeline, saved beside the weights."""

import numpy as np
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from numpy.typing import NDArray
from torch import Tensor

from kinetune import timebase
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import REFERENCE_POWER, MelConfig, log_mel
from kinetune.memmap import zeros_or_memmap


# diffusers saves a component without weights only if it is a scheduler; it is none otherwise.
class Mel(ConfigMixin, SchedulerMixin):
    """Between samples and the mel spectrograms a checkpoint was trained on; no weights.

    Args:
        rate_hz: Samples a second.
        n_fft: Window length in samples.
        hop_length: Samples a mel frame.
        n_mels: Mel bands M.
        top_db: Range kept below the reference, dB.
        reference: ``"max"`` (of the clip, as the paper) or ``"fixed"`` (loudness is kept).
        reference_power: Power of 0 dB under ``"fixed"``, see :class:`MelConfig`.
    """

    config_name = "mel_config.json"

    @register_to_config
    def __init__(
        self,
        rate_hz: int = timebase.SAMPLE_RATE_HZ,
        n_fft: int = 2048,
        hop_length: int = timebase.HOP_LENGTH,
        n_mels: int = 256,
        top_db: float = 80.0,
        reference: str = "max",
        reference_power: float = REFERENCE_POWER,
    ) -> None:
        self.settings = MelConfig(
            rate_hz=rate_hz,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            top_db=top_db,
            reference=reference,  # type: ignore[arg-type]
            reference_power=reference_power,
        )

    def encode(self, samples: Tensor) -> Tensor:
        """Return log mel spectrograms (B, M, L) in [-1, 1] of samples (B, N)."""
        return log_mel(samples, self.settings)

    def decode(self, mel: Tensor, *, n_samples: int, seed: int = 0) -> NDArray[np.float32]:
        """Return samples (B, n_samples) for log mel spectrograms (B, M, L) by Griffin-Lim.

        Long ones lie in a temporary file, see :mod:`kinetune.memmap`.
        """
        out = zeros_or_memmap((len(mel), n_samples))
        mel_to_samples(mel, self.settings, seed=seed, length=n_samples, out=out)
        return out
