"""From mel spectrograms back to sound: mel to magnitude, then fast Griffin-Lim, in torch."""

import torch
from torch import Tensor

from kinetune.audio.mel import MelConfig, filterbank, mel_power


def linear_magnitude(power: Tensor, config: MelConfig, *, iterations: int = 20) -> Tensor:
    """Return magnitudes (B, K, L) whose power has the mel power (B, M, L)."""
    bank = filterbank(config).to(power.device)
    value = (torch.linalg.pinv(bank) @ power).clamp(min=1e-10)
    gram, target = bank.T @ bank, bank.T @ power
    for _ in range(iterations):
        value = value * target / (gram @ value).clamp(min=1e-12)
    return value.sqrt()


def griffin_lim(
    magnitude: Tensor,
    config: MelConfig,
    *,
    iterations: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
    length: int | None = None,
) -> Tensor:
    """Return samples (B, N) whose spectrum has these magnitudes (B, K, L), Perraudin 2013."""
    window = torch.hann_window(config.n_fft, device=magnitude.device)
    generator = torch.Generator().manual_seed(seed)
    angle = torch.rand(magnitude.shape, generator=generator).to(magnitude.device)
    phase = torch.polar(torch.ones_like(magnitude), 2 * torch.pi * angle)
    count = (magnitude.shape[-1] - 1) * config.hop_length
    previous = torch.zeros_like(phase)
    for _ in range(iterations):
        samples = torch.istft(
            magnitude * phase, config.n_fft, config.hop_length, window=window, length=count
        )
        rebuilt = torch.stft(
            samples, config.n_fft, config.hop_length, window=window, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        phase = rebuilt - (momentum / (1.0 + momentum)) * previous
        phase = phase / phase.abs().clamp(min=1e-12)
        previous = rebuilt
    return torch.istft(
        magnitude * phase, config.n_fft, config.hop_length, window=window, length=length or count
    )


def mel_to_samples(
    mel: Tensor,
    config: MelConfig,
    *,
    iterations: int = 32,
    seed: int = 0,
    length: int | None = None,
) -> Tensor:
    """Return samples (B, N) of log mel spectrograms (B, M, L)."""
    magnitude = linear_magnitude(mel_power(mel, config), config)
    return griffin_lim(magnitude, config, iterations=iterations, seed=seed, length=length)
