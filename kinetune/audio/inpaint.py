"""Audio inpainting: phases for a gap that are continuous with the sound on both sides.

Griffin-Lim with known samples outside the gap. In every iteration the spectrum is scaled to the
target mel power, and the known samples are restored. Axes: N samples, M mel bands, L mel frames.
"""

import torch
from torch import Tensor

from kinetune.audio.griffin_lim import correction, mel_to_samples
from kinetune.audio.mel import MelConfig, hann_window, mel_power

_ROUNDS = 40


def inpaint_gap(
    known: Tensor, gap: slice, mel: Tensor, config: MelConfig, *, seed: int = 0
) -> Tensor:
    """Return ``known`` with the samples of ``gap`` made new.

    Args:
        known: (N,), N > 0; values in the gap are ignored.
        gap: Start and stop in samples.
        mel: Log mel spectrogram of the whole as it shall sound, (M, L), L frames of N samples.
        config: Figures of the spectrogram.
        seed: Seed of the first phases.
    """
    inside = torch.zeros(len(known), dtype=torch.bool, device=known.device)
    inside[gap] = True
    first = mel_to_samples(mel[None], config, seed=seed, length=len(known))[0]
    samples = torch.where(inside, first, known)
    power = mel_power(mel[None], config).transpose(1, 2)  # (1, L, M)
    size, hop, window = config.n_fft, config.hop_length, hann_window(config.n_fft, known.device)
    for _ in range(_ROUNDS):
        spectrum = torch.stft(
            samples[None], size, hop, window=window, pad_mode="constant", return_complex=True
        )
        energy = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)
        spectrum = spectrum * correction(energy, power, config).transpose(1, 2).sqrt()
        made = torch.istft(spectrum, size, hop, window=window, length=len(known))[0]
        samples = torch.where(inside, made, known)
    return samples
