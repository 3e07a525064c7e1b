"""Mel spectrograms in torch, exactly the paper's, or with a fixed reference level.

Power mel with Slaney's scale and norm on centred, zero-padded Hann windows, as librosa makes it
(Tan et al. 2023, section 3.1); then decibels below a reference, mapped from [-top_db, 0] dB to
[-1, 1]. Any device, float32. Axes: B batch, N samples, K bins, M mel bands, L mel frames.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetune import timebase
from kinetune.errors import AudioError, ConfigError

Reference = Literal["max", "fixed"]
# Power of 0 dB under "fixed", 35 dB. Music at -14 LUFS peaks at 34 to 43 dB, its median lies at -5
# to -20 dB, near the middle of the 80 dB. The bundled checkpoint was trained with this value.
REFERENCE_POWER = 3162.0

# librosa's floor of power before the logarithm: "max" is the paper's in quiet clips too.
_SMALLEST_POWER = 1e-10
# Slaney's scale: 200 Hz hold three mels up to 1 kHz; above, 27 mels are a factor of 6.4.
_HZ_PER_MEL = 200.0 / 3.0
_LOG_FROM_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


class FrameTiming:
    """When the frames of a spectrogram are, for a dataclass with ``rate_hz`` and ``hop_length``."""

    rate_hz: int
    hop_length: int

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return timebase.mel_rate_hz(self.rate_hz, self.hop_length)

    def frames_of(self, n_samples: int) -> int:
        """Return how many frames ``n_samples`` samples give."""
        return timebase.mel_frames_in(n_samples, self.hop_length)

    def samples_of(self, n_frames: int) -> int:
        """Return how many samples the hops between ``n_frames`` frames cover."""
        return timebase.samples_of_mel_frames(max(0, n_frames - 1), self.hop_length)


@dataclass(frozen=True)
class MelConfig(FrameTiming):
    """Figures of a mel spectrogram.

    Attributes:
        rate_hz: Samples per second.
        n_fft: Window length in samples, a multiple of the hop.
        hop_length: Samples from frame to frame, at most half the window.
        n_mels: Mel bands M.
        top_db: Range kept below the reference, dB.
        reference: ``max`` takes the loudest point of the clip (the paper); ``fixed`` takes
            ``reference_power``, so that loudness is kept.
        reference_power: Power that becomes 0 dB under ``fixed``.
        f_min_hz: Lower edge of the lowest band.
        f_max_hz: Upper edge of the highest band; half the rate if None.

    Raises:
        ConfigError: A figure is impossible, or bands are narrower than the window resolves.
    """

    rate_hz: int = timebase.SAMPLE_RATE_HZ
    n_fft: int = 2048
    hop_length: int = timebase.HOP_LENGTH
    n_mels: int = 256
    top_db: float = 80.0
    reference: Reference = "max"
    reference_power: float = REFERENCE_POWER
    f_min_hz: float = 0.0
    f_max_hz: float | None = None

    def __post_init__(self) -> None:
        if self.reference not in get_args(Reference):
            names = ", ".join(get_args(Reference))
            raise ConfigError(f"unknown mel reference {self.reference!r}; choose one of {names}")
        if min(self.rate_hz, self.n_mels, self.top_db, self.reference_power) <= 0:
            raise ConfigError(f"mel settings must be positive, found {self}")
        if self.hop_length <= 0 or self.n_fft % self.hop_length or self.n_fft < 2 * self.hop_length:
            raise ConfigError(
                f"n_fft must be a multiple of hop_length, twice it or more; found {self.n_fft} "
                f"and {self.hop_length}"
            )
        if not 0 <= self.f_min_hz < self.highest_hz <= self.rate_hz / 2:
            raise ConfigError(
                f"mel bands must lie within 0 to {self.rate_hz / 2:g} Hz, found "
                f"{self.f_min_hz:g} to {self.highest_hz:g} Hz"
            )

    @property
    def highest_hz(self) -> float:
        """Upper edge of the highest band, Hz."""
        return self.rate_hz / 2 if self.f_max_hz is None else self.f_max_hz

    @property
    def n_bins(self) -> int:
        """Bins K of the linear spectrum."""
        return self.n_fft // 2 + 1


def log_mel(samples: Tensor, config: MelConfig) -> Tensor:
    """Return log mel spectrograms in [-1, 1].

    Args:
        samples: Sound at ``config.rate_hz``, (B, N), N >= 1.
        config: Figures of the spectrogram.

    Returns:
        (B, M, L), L = ``config.frames_of(N)``. Under ``max`` a silent clip is 1 everywhere, as
        librosa has it: all of it is as loud as its loudest point.

    Raises:
        AudioError: The shape is not (B, N) or there are no samples.
    """
    if samples.ndim != 2 or samples.shape[-1] == 0:
        raise AudioError(f"expected samples (B, N), N >= 1, found {tuple(samples.shape)}")
    power = _power(samples, config)
    if config.reference == "max":
        power = power / power.amax(dim=(1, 2), keepdim=True)
    else:
        power = power / config.reference_power
    decibels = 10.0 * power.log10()
    return (2.0 * decibels / config.top_db + 1.0).clamp(-1.0, 1.0)


def loudest_power(samples: Tensor, config: MelConfig) -> float:
    """Return the largest mel power of samples (B, N): what ``max`` calls 0 dB."""
    return float(_power(samples, config).max())


def _power(samples: Tensor, config: MelConfig) -> Tensor:
    """Mel power (B, M, L) of samples (B, N), not below librosa's floor."""
    spectrum = torch.stft(
        samples.float(),
        config.n_fft,
        config.hop_length,
        window=hann_window(config.n_fft, samples.device),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = filterbank(config, samples.device) @ (spectrum.real**2 + spectrum.imag**2)
    return power.clamp(min=_SMALLEST_POWER)


def mel_power(mel: Tensor, config: MelConfig) -> Tensor:
    """Return power mel spectrograms, the inverse of :func:`log_mel`.

    Under ``fixed`` the bottom of the range is silence: its power is taken off everything, which
    moves a point 20 dB above it by 0.04 dB. Under ``max`` the level is lost and 1 stands for 0 dB,
    as the paper has it.

    Args:
        mel: Log mel spectrograms in [-1, 1], (B, M, L).
        config: Figures of the spectrogram.

    Returns:
        (B, M, L), not negative.
    """
    decibels = (mel.float().clamp(-1.0, 1.0) - 1.0) * (0.5 * config.top_db)
    power = 10.0 ** (decibels / 10.0)
    if config.reference == "max":
        return power
    floor = 10.0 ** (-config.top_db / 10.0)
    return config.reference_power * (power - floor).clamp(min=0.0)


# Made outside inference mode, so that what is cached can serve a training run as well.
@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def hann_window(n_fft: int, device: torch.device) -> Tensor:
    """Return the periodic Hann window, (n_fft,)."""
    return torch.hann_window(n_fft, device=device)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def filterbank(config: MelConfig, device: torch.device) -> Tensor:
    """Return Slaney's triangles of unit area, (M, K), float32.

    Raises:
        ConfigError: A band is narrower than the bins of the window.
    """
    bins_hz = np.linspace(0.0, config.rate_hz / 2, config.n_bins)
    lowest, highest = _mel_of(np.array([config.f_min_hz, config.highest_hz]))
    edges_hz = _hz_of(np.linspace(lowest, highest, config.n_mels + 2))
    left, centre, right = (edges_hz[i : i + config.n_mels, None] for i in range(3))
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (right - left)
    empty = int((bank.max(axis=1) == 0.0).sum())
    if empty:
        raise ConfigError(
            f"{empty} of {config.n_mels} mel bands fall between the bins of n_fft "
            f"{config.n_fft}; use fewer bands or a longer window"
        )
    return torch.from_numpy(bank.astype(np.float32)).to(device)


def _mel_of(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.log(np.maximum(hz, _LOG_FROM_HZ) / _LOG_FROM_HZ) / _LOG_STEP
    return np.minimum(hz, _LOG_FROM_HZ) / _HZ_PER_MEL + above


def _hz_of(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _LOG_FROM_HZ / _HZ_PER_MEL
    return np.minimum(mel, knee) * _HZ_PER_MEL * np.exp(_LOG_STEP * np.maximum(mel - knee, 0.0))
