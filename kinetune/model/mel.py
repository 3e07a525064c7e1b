"""Pipeline components between waveform and mel spectrogram: settings and vocoder.

A checkpoint with :class:`Mel` and without a vocoder makes its sound by Griffin-Lim; one with
:class:`StereoMel` needs a vocoder.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from numpy.typing import NDArray
from torch import Tensor

from kinetune import timebase
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import REFERENCE_POWER, MelConfig, log_mel
from kinetune.audio.multiresolution import MelLayer, MultiresolutionConfig, log_multiresolution
from kinetune.audio.vocoder import VocoderConfig, VocoderNetwork
from kinetune.audio.vocoding import synthesise_waveform
from kinetune.errors import ConfigError, ModelError
from kinetune.memmap import zeros_or_memmap
from kinetune.model.checkpoint import BUNDLED, NETWORK_CONFIG, bundled_names, loading_errors


# diffusers saves a component without weights only if it is a scheduler; it is none otherwise.
class Mel(ConfigMixin, SchedulerMixin):
    """Between samples and the mel spectrograms a checkpoint was trained on; no weights.

    Args:
        rate_hz: Samples per second.
        n_fft: Window length in samples.
        hop_length: Samples a mel frame.
        n_mels: Mel bands M.
        top_db: Range kept below the reference, dB.
        reference: ``"max"`` (of the clip, as the paper) or ``"fixed"`` (loudness is kept).
        reference_power: Power of 0 dB under ``"fixed"``, see :class:`MelConfig`.
    """

    config_name = "mel_config.json"
    # Channels of the samples that :meth:`encode` takes.
    channels = 1

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


class StereoMel(ConfigMixin, SchedulerMixin):
    """Between stereo samples and multiresolution spectrograms; no weights.

    The arguments up to ``references_db`` have one value a layer, see
    :class:`~kinetune.audio.multiresolution.MelLayer`. The defaults: pitch up to 2.4 kHz from
    windows of 93 ms, attacks from windows of 12 to 23 ms, and how wide the music is.

    Args:
        layer_channels: ``mid`` or ``side``.
        windows: Window lengths in samples.
        hops: Samples from frame to frame.
        bands: Mel bands.
        lows_hz: Lower edge of the lowest band.
        highs_hz: Upper edge of the highest band.
        references_db: Level that becomes 1.
        rate_hz: Samples per second.
        hop_length: Samples from frame to frame of the whole.
        top_db: Range kept below the references, dB.
    """

    config_name = "mel_config.json"
    # Channels of the samples that :meth:`encode` takes.
    channels = 2

    @register_to_config
    def __init__(  # noqa: PLR0913 - diffusers wants a configuration's fields as arguments
        self,
        layer_channels: tuple[str, ...] = ("mid", "mid", "mid", "side"),
        windows: tuple[int, ...] = (4096, 512, 1024, 2048),
        hops: tuple[int, ...] = (1024, 256, 256, 1024),
        bands: tuple[int, ...] = (144, 28, 8, 32),
        lows_hz: tuple[float, ...] = (0.0, 2_400.0, 40.0, 0.0),
        highs_hz: tuple[float, ...] = (2_400.0, 22_050.0, 2_400.0, 22_050.0),
        # The level that one value in a thousand of the corpus passes, and 6 dB.
        references_db: tuple[float, ...] = (-9.0, -22.0, -10.0, -24.0),
        rate_hz: int = 44_100,
        hop_length: int = 1024,
        top_db: float = 72.0,
    ) -> None:
        figures = (layer_channels, windows, hops, bands, lows_hz, highs_hz, references_db)
        try:
            layers = tuple(MelLayer(*layer) for layer in zip(*figures, strict=True))
        except ValueError as error:
            counts = ", ".join(str(len(values)) for values in figures)
            raise ConfigError(
                f"a spectrogram's layers need one value each of all figures, found {counts}"
            ) from error
        self.settings = MultiresolutionConfig(rate_hz, hop_length, layers, top_db)

    def encode(self, samples: Tensor) -> Tensor:
        """Return spectrograms (B, M, L) in [-1, 1] of samples (B, 2, N), or mono (B, N)."""
        return log_multiresolution(samples, self.settings)

    def decode(self, mel: Tensor, *, n_samples: int, seed: int = 0) -> NDArray[np.float32]:
        """Refuse: only a vocoder makes sound of these.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            "this model's spectrograms become sound by a vocoder alone, and the checkpoint has "
            "none; train one with 'kinetune train vocoder'"
        )


class MelVocoder(ModelMixin, ConfigMixin):
    """Turns the mel spectrograms of one model into stereo sound.

    The arguments are the fields of :class:`~kinetune.audio.vocoder.VocoderConfig`.
    """

    @register_to_config
    def __init__(  # noqa: PLR0913 - diffusers wants a configuration's fields as arguments
        self,
        mel_bands: int = VocoderConfig.mel_bands,
        mel_hop_samples: int = VocoderConfig.mel_hop_samples,
        rate_hz: int = VocoderConfig.rate_hz,
        windows: tuple[int, ...] = VocoderConfig.windows,
        hops: tuple[int, ...] = VocoderConfig.hops,
        edges_hz: tuple[float, ...] = VocoderConfig.edges_hz,
        noise_shares: tuple[float, ...] = VocoderConfig.noise_shares,
        coarse_channels: int = VocoderConfig.coarse_channels,
        coarse_blocks: int = VocoderConfig.coarse_blocks,
        fine_factor: int = VocoderConfig.fine_factor,
        fine_channels: int = VocoderConfig.fine_channels,
        fine_blocks: int = VocoderConfig.fine_blocks,
    ) -> None:
        super().__init__()
        self.network = VocoderNetwork(
            VocoderConfig(
                mel_bands=mel_bands,
                mel_hop_samples=mel_hop_samples,
                rate_hz=rate_hz,
                windows=tuple(windows),
                hops=tuple(hops),
                edges_hz=tuple(edges_hz),
                noise_shares=tuple(noise_shares),
                coarse_channels=coarse_channels,
                coarse_blocks=coarse_blocks,
                fine_factor=fine_factor,
                fine_channels=fine_channels,
                fine_blocks=fine_blocks,
            )
        )

    @property
    def rate_hz(self) -> int:
        """Samples per second of the sound."""
        return self.network.config.rate_hz

    @property
    def settings(self) -> VocoderConfig:
        """Its figures."""
        return self.network.config

    def forward(self, mel: Tensor) -> list[Tensor]:
        """Return for each band (B, T, 8, K) what its bins do, of mel (B, M, L)."""
        outputs: list[Tensor] = self.network(mel)
        return outputs

    @torch.no_grad()
    def decode(
        self,
        mel: Tensor,
        *,
        n_samples: int,
        seed: int = 0,
        before: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Return stereo sound (n_samples, 2) for a log mel spectrogram (1, M, L).

        Args:
            mel: In [-1, 1].
            n_samples: How many samples, at the vocoder's rate.
            seed: Of the noise in it.
            before: Sound (n, 2) that stands already where this one begins; what is made continues
                from its phases.
        """
        out = zeros_or_memmap((n_samples, 2))
        return synthesise_waveform(
            self.network, mel[0], length=n_samples, seed=seed, before=before, out=out
        )


def load_vocoder(name: str | Path) -> MelVocoder:
    """Load a vocoder, in float32.

    Args:
        name: A bundled model's name, or a folder of a vocoder, of a model, or of a vocoder's
            training run.

    Raises:
        ModelError: It is missing or damaged.
    """
    root = BUNDLED / name if str(name) in bundled_names() else Path(name)
    folders = (root / "vocoder" / "model", root / "vocoder", root)
    folder = next((path for path in folders if (path / NETWORK_CONFIG).is_file()), root)
    with loading_errors(str(folder)):
        return MelVocoder.from_pretrained(folder).float()
