"""Mel spectrograms in torch, exactly the paper's, or with a fixed reference level.

Power mel with Slaney's scale and norm on centred, zero-padded Hann windows, as librosa makes it;
then decibels below a reference, mapped from [-top_db, 0] dB to [-1, 1]. Axes: B batch, N samples,
M mel bands, L mel frames.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from kinetune import timebase


@dataclass(frozen=True)
class MelConfig:
    """Figures of a mel spectrogram.

    Attributes:
        rate_hz: Samples a second.
        n_fft: Window length in samples.
        hop_length: Samples from frame to frame.
        n_mels: Mel bands M.
        top_db: Range kept below the reference, dB.
        reference: ``max`` takes the loudest point of the clip (the paper); ``fixed`` takes
            ``reference_power``, so that loudness is not lost.
        reference_power: Power that becomes 0 dB under ``fixed``.
    """

    rate_hz: int = timebase.SAMPLE_RATE_HZ
    n_fft: int = 2048
    hop_length: int = timebase.HOP_LENGTH
    n_mels: int = 256
    top_db: float = 80.0
    reference: Literal["max", "fixed"] = "max"
    reference_power: float = 1.0e4


@lru_cache(maxsize=8)
def filterbank(config: MelConfig) -> Tensor:
    """Return the mel filters (M, K), float32 on the CPU."""
    import librosa

    bank = librosa.filters.mel(sr=config.rate_hz, n_fft=config.n_fft, n_mels=config.n_mels)
    return torch.from_numpy(bank)


def log_mel(samples: Tensor, config: MelConfig) -> Tensor:
    """Return log mel spectrograms (B, M, L) in [-1, 1] of samples (B, N)."""
    window = torch.hann_window(config.n_fft, device=samples.device)
    spectrum = torch.stft(
        samples,
        config.n_fft,
        config.hop_length,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = filterbank(config).to(samples.device) @ (spectrum.real**2 + spectrum.imag**2)
    if config.reference == "max":
        reference = power.amax(dim=(1, 2), keepdim=True).clamp(min=1e-10)
    else:
        reference = torch.full_like(power[:, :1, :1], config.reference_power)
    decibels = 10.0 * (power.clamp(min=1e-10).log10() - reference.log10())
    return (2.0 * decibels / config.top_db + 1.0).clamp(-1.0, 1.0)


def mel_power(mel: Tensor, config: MelConfig) -> Tensor:
    """Return power mel spectrograms (B, M, L) of log ones in [-1, 1]."""
    decibels = (mel.clamp(-1.0, 1.0) - 1.0) * (0.5 * config.top_db)
    reference = config.reference_power if config.reference == "fixed" else 1.0
    return reference * 10.0 ** (decibels / 10.0)
