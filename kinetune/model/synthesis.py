"""Sound from a mel spectrogram: by the vocoder of a checkpoint, or by Griffin-Lim without one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ModelError
from kinetune.model.mel import Mel, MelVocoder, StereoMel
from kinetune.model.sampling.loops import Loop, crossfade_loop, pad_circular


@dataclass(frozen=True, eq=False)
class Synthesiser:
    """What makes the sound.

    Attributes:
        mel: Made the spectrograms.
        vocoder: Makes the sound; None for Griffin-Lim.
    """

    mel: Mel | StereoMel
    vocoder: MelVocoder | None

    @property
    def rate_hz(self) -> int:
        """Samples per second of the sound: the vocoder's, or the mel spectrogram's without one."""
        return self.mel.settings.rate_hz if self.vocoder is None else self.vocoder.rate_hz

    def sound(
        self, mel: Tensor, duration_s: float, *, seed: int = 0, loop: Loop | None = None
    ) -> Sound:
        """Return the sound of a mel spectrogram (1, M, L), at the model's own loudness.

        Args:
            mel: The spectrogram.
            duration_s: Length of the sound; that of a loop is its own.
            seed: Of Griffin-Lim's first phases, or of the vocoder's noise.
            loop: The loop that the spectrogram is of.

        Raises:
            ModelError: The model's weights hold NaN.
        """
        if loop is None:
            samples = self.samples(mel, timebase.samples_in(duration_s, self.rate_hz), seed=seed)
        else:
            samples = self.loop_samples(mel, loop, seed=seed)
        try:
            return Sound(samples, self.rate_hz)
        except AudioError as error:
            raise ModelError(
                f"the model made no sound ({error}): its weights are damaged; copy the whole "
                "checkpoint again"
            ) from error

    def samples(
        self,
        mel: Tensor,
        n_samples: int,
        *,
        seed: int = 0,
        before: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return samples for a mel spectrogram (1, M, L).

        Args:
            mel: The spectrogram.
            n_samples: How many samples.
            seed: Of Griffin-Lim's first phases, or of the vocoder's noise.
            before: Only with a vocoder: see :meth:`MelVocoder.decode`.

        Returns:
            (n_samples, 2) by the vocoder, (n_samples,) by Griffin-Lim.
        """
        if self.vocoder is None:
            return self.mel.decode(mel, n_samples=n_samples, seed=seed)[0]
        return self.vocoder.decode(mel, n_samples=n_samples, seed=seed, before=before)

    def loop_samples(self, mel: Tensor, loop: Loop, *, seed: int = 0) -> NDArray[np.float32]:
        """Return the samples of a loop, its end faded into its beginning."""
        padded, before = pad_circular(mel)
        padded_s, before_s, loop_s = (
            timebase.duration_of(count, self.mel.settings.frame_rate_hz)
            for count in (padded.shape[-1], before, mel.shape[-1])
        )
        return crossfade_loop(
            self.samples(padded, timebase.samples_in(padded_s, self.rate_hz), seed=seed),
            before=timebase.samples_in(before_s, self.rate_hz),
            count=timebase.samples_in(loop_s, self.rate_hz),
            rate_hz=self.rate_hz,
            output=timebase.samples_in(loop.duration_s, self.rate_hz),
        )
