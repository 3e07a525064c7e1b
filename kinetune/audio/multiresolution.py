"""Stereo mel spectrograms of several windows at once: long ones for pitch, short ones for attacks.

A window long enough to resolve two semitones smears attacks, and the reverse. So a
frame of this spectrogram has rows of several layers, each a mel spectrogram of the mid or the
side channel in its own frequency range with its own window. A layer with a shorter hop has several
frames within one of the whole; their rows are concatenated. Multiresolution spectrograms
as input: Bock & Schedl 2012 (beats); here they are also what is generated.

Levels are those of sines of full scale, in decibels below the layer's reference, mapped from
[-top_db, 0] to [-1, 1]. Axes: B batch, N samples, K bins, M rows, L frames.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from kinetune.audio.mel import FrameTiming, MelConfig, filterbank, hann_window
from kinetune.errors import AudioError, ConfigError

CHANNELS = ("mid", "side")
# Amplitude of a sine of -100 dB: inaudible below.
_SMALLEST_POWER = 1e-10


@dataclass(frozen=True)
class MelLayer:
    """One mel spectrogram of several.

    Attributes:
        channel: ``mid``, half the sum of left and right, or ``side``, half their difference.
        n_fft: Window length in samples, a multiple of ``hop_length``.
        hop_length: Samples from frame to frame; divides the hop of the whole.
        n_mels: Mel bands.
        f_min_hz: Lower edge of the lowest band.
        f_max_hz: Upper edge of the highest band.
        reference_db: Level that becomes 1, dB below a sine of full scale.
    """

    channel: str
    n_fft: int
    hop_length: int
    n_mels: int
    f_min_hz: float
    f_max_hz: float
    reference_db: float

    def mel(self, rate_hz: int) -> MelConfig:
        """Return the figures of the layer's own spectrogram."""
        return MelConfig(
            rate_hz=rate_hz,
            n_fft=self.n_fft,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            reference="fixed",
            f_min_hz=self.f_min_hz,
            f_max_hz=self.f_max_hz,
        )


@dataclass(frozen=True)
class MultiresolutionConfig(FrameTiming):
    """Figures of a multiresolution spectrogram.

    Attributes:
        rate_hz: Samples per second.
        hop_length: Samples from frame to frame of the whole.
        layers: Its layers, in the order of their rows.
        top_db: Range kept below each layer's reference, dB.

    Raises:
        ConfigError: The figures contradict each other.
    """

    rate_hz: int
    hop_length: int
    layers: tuple[MelLayer, ...]
    top_db: float = 72.0
    # As MelConfig has it: levels are kept.
    reference: ClassVar[str] = "fixed"

    def __post_init__(self) -> None:
        if not self.layers:
            raise ConfigError("a multiresolution spectrogram needs one layer or more, found none")
        if self.top_db <= 0.0:
            raise ConfigError(f"top_db must be positive, found {self.top_db}")
        for layer in self.layers:
            if layer.channel not in CHANNELS:
                names = " and ".join(CHANNELS)
                raise ConfigError(f"layers are of {names}, found {layer.channel!r}")
            if self.hop_length % layer.hop_length:
                raise ConfigError(
                    f"a layer's hop must divide {self.hop_length}, found {layer.hop_length}"
                )
            layer.mel(self.rate_hz)

    @property
    def n_mels(self) -> int:
        """Rows M."""
        return sum(rows.stop - rows.start for rows in self.rows)

    @property
    def rows(self) -> tuple[slice, ...]:
        """The rows of each layer: the bands of its first frame in a whole one, then the next."""
        slices, first = [], 0
        for layer in self.layers:
            count = layer.n_mels * (self.hop_length // layer.hop_length)
            slices.append(slice(first, first + count))
            first += count
        return tuple(slices)

    @property
    def n_fft(self) -> int:
        """Samples of the longest window."""
        return max(layer.n_fft for layer in self.layers)


def log_multiresolution(samples: Tensor, config: MultiresolutionConfig) -> Tensor:
    """Return multiresolution spectrograms in [-1, 1].

    Args:
        samples: Left and right, (B, 2, N), N >= 1; (B, N) is the same on both.
        config: Figures of the spectrogram.

    Returns:
        (B, M, L), L = ``config.frames_of(N)``. Frame l of a layer with the hop of the whole, and
        the first of a layer with a shorter one, is centred on sample l * hop; windows reach into
        silence beyond both ends.

    Raises:
        AudioError: The shape is neither, or there are no samples.
    """
    if samples.ndim == 2:
        samples = samples[:, None].expand(-1, 2, -1)
    if samples.ndim != 3 or samples.shape[1] != 2 or samples.shape[-1] == 0:
        raise AudioError(f"expected samples (B, 2, N), N >= 1, found {tuple(samples.shape)}")
    left, right = samples.float().unbind(1)
    channels = {"mid": 0.5 * (left + right), "side": 0.5 * (left - right)}
    frames = config.frames_of(samples.shape[-1])
    parts = [
        _layer(channels[layer.channel], layer, frames, config.hop_length, config.rate_hz)
        for layer in config.layers
    ]
    references = [layer.reference_db for layer in config.layers]
    scaled = [
        1.0 + (decibels - reference) * (2.0 / config.top_db)
        for decibels, reference in zip(parts, references, strict=True)
    ]
    return torch.cat(scaled, dim=1).clamp(-1.0, 1.0)


def _layer(samples: Tensor, layer: MelLayer, frames: int, hop: int, rate_hz: int) -> Tensor:
    """Return a layer's levels of samples (B, N), dB, as rows (B, steps * bands, L)."""
    steps = hop // layer.hop_length
    window = hann_window(layer.n_fft, samples.device)
    # What the last whole frame's later steps need.
    padded = torch.nn.functional.pad(samples, (0, hop))
    spectrum = torch.stft(
        padded,
        layer.n_fft,
        layer.hop_length,
        window=window * (2.0 / window.sum()),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )[..., : frames * steps]
    power = _mean_bank(layer.mel(rate_hz), samples.device) @ spectrum.abs().square()
    decibels = 10.0 * power.clamp(min=_SMALLEST_POWER).log10()
    # (B, bands, L * steps) -> (B, steps * bands, L)
    return decibels.unflatten(-1, (frames, steps)).permute(0, 3, 1, 2).flatten(1, 2)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _mean_bank(config: MelConfig, device: torch.device) -> Tensor:
    """Return triangles whose bins weigh one together, (bands, K): the mean power of a band."""
    bank = filterbank(config, device)
    return bank / bank.sum(dim=1, keepdim=True)
