"""From mel spectrograms back to sound: mel to magnitude, then fast Griffin-Lim, in torch.

Batched and on any device. Long spectrograms go chunk by chunk: a chunk begins inside the one
before, and the frames they share keep the phase they already have, so nothing jumps at the joins
and memory does not grow. Axes: B batch, K frequency bins, M mel bands, L mel frames, N samples.
Source: Perraudin, Balazs, Søndergaard 2013; momentum 0.99 as in librosa.
"""

from functools import lru_cache

import torch
from torch import Tensor

from kinetune import timebase
from kinetune.audio.mel import MelConfig, filterbank, mel_power

# About 20 s: long enough that joins are rare, short enough that memory stays small.
CHUNK_FRAMES = 860
_OVERLAP_FRAMES = 16
# The last frames of a chunk lack what comes after them; they are made again by the next chunk.
_UNSURE_FRAMES = 4


def linear_magnitude(power: Tensor, config: MelConfig, *, iterations: int = 12) -> Tensor:
    """Return magnitudes (B, K, L) whose mel power is ``power`` (B, M, L), none negative.

    Non-negative least squares by multiplicative updates (Lee and Seung 2001) on the power, from
    the clipped pseudo-inverse.
    """
    bank, inverse, gram = (part.to(power.device) for part in _inversion(config))
    value = (inverse @ power).clamp(min=1e-10)
    target = bank.T @ power
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
    pinned: Tensor | None = None,
) -> Tensor:
    """Return samples (B, N) whose spectrum has these magnitudes (B, K, L).

    Args:
        magnitude: Wanted magnitudes.
        config: Window and hop.
        iterations: Rounds.
        momentum: Of the fast variant; 0 is Griffin and Lim's own.
        seed: Of the first phases; each item of a batch gets the same ones.
        length: Samples wanted; the last frame's centre if None.
        pinned: Complex spectrum (B, K, P) that the first P frames must keep.
    """
    window = torch.hann_window(config.n_fft, device=magnitude.device)
    whole = timebase.samples_of_mel_frames(magnitude.shape[-1] - 1, config.hop_length)
    # Shorter than a window there is nothing to overlap: work on a padded spectrum.
    if whole < config.n_fft:
        missing = -(-(config.n_fft - whole) // config.hop_length)
        padded = torch.nn.functional.pad(magnitude, (0, missing))
        samples = griffin_lim(
            padded, config, iterations=iterations, momentum=momentum, seed=seed, pinned=pinned
        )
        return _fit(samples, whole if length is None else length)
    spectrum = magnitude * _random_phase(magnitude, seed)
    previous = torch.zeros_like(spectrum)
    for _ in range(iterations):
        spectrum = _pin(spectrum, pinned)
        rebuilt = _stft(_istft(spectrum, window, config, whole), window, config)
        angle = rebuilt - (momentum / (1.0 + momentum)) * previous
        spectrum = magnitude * (angle / angle.abs().clamp(min=1e-12))
        previous = rebuilt
    samples = _istft(_pin(spectrum, pinned), window, config, whole)
    return _fit(samples, whole if length is None else length)


def mel_to_samples(
    mel: Tensor,
    config: MelConfig,
    *,
    iterations: int = 32,
    seed: int = 0,
    length: int | None = None,
    chunk_frames: int = CHUNK_FRAMES,
) -> Tensor:
    """Return samples (B, N) of log mel spectrograms (B, M, L) of any length.

    Args:
        mel: In [-1, 1], see :func:`kinetune.audio.mel.log_mel`.
        config: How they were made.
        iterations: Rounds of Griffin-Lim.
        seed: Of the first phases.
        length: Samples wanted; the last frame's centre if None.
        chunk_frames: Frames worked on at a time.
    """
    frames = mel.shape[-1]
    count = timebase.samples_of_mel_frames(frames - 1, config.hop_length)
    out = mel.new_zeros((len(mel), count))
    done = 0
    while done < frames:
        start = max(0, done - _OVERLAP_FRAMES)
        end = min(frames, start + chunk_frames)
        # A last chunk of a few frames would have no room to settle: take it along.
        end = frames if frames - end < 2 * _OVERLAP_FRAMES else end
        _append(out, mel, config, start, end, iterations=iterations, seed=seed)
        done = end
    return _fit(out, count if length is None else length)


def _append(
    out: Tensor, mel: Tensor, config: MelConfig, start: int, end: int, *, iterations: int, seed: int
) -> None:
    """Make the samples of frames ``start`` to ``end`` and fade them into ``out``."""
    magnitude = linear_magnitude(mel_power(mel[..., start:end], config), config)
    first = timebase.samples_of_mel_frames(start, config.hop_length)
    last = timebase.samples_of_mel_frames(end - 1, config.hop_length)
    if start == 0:
        made = griffin_lim(magnitude, config, iterations=iterations, seed=seed)
        out[:, :last] = made
        return
    kept = _OVERLAP_FRAMES - _UNSURE_FRAMES
    pinned = _known(out, config, start, kept)
    made = griffin_lim(magnitude, config, iterations=iterations, seed=seed, pinned=pinned)
    # Fade where both sides are sure: behind the new chunk's edge, before the old one's.
    fade = timebase.samples_of_mel_frames(kept - 2 * _UNSURE_FRAMES, config.hop_length)
    skip = timebase.samples_of_mel_frames(_UNSURE_FRAMES, config.hop_length)
    ramp = torch.linspace(0.0, 1.0, fade, device=out.device)
    place = slice(first + skip, first + skip + fade)
    out[:, place] += ramp * (made[:, skip : skip + fade] - out[:, place])
    out[:, place.stop : last] = made[:, skip + fade :]


def _known(out: Tensor, config: MelConfig, start: int, count: int) -> Tensor:
    """Analyse samples already made: the complex frames ``start`` to ``start + count``."""
    half = config.n_fft // 2
    first = timebase.samples_of_mel_frames(start, config.hop_length) - half
    size = timebase.samples_of_mel_frames(count - 1, config.hop_length) + config.n_fft
    window = torch.hann_window(config.n_fft, device=out.device)
    part = torch.nn.functional.pad(out[:, max(0, first) : first + size], (max(0, -first), 0))
    return torch.stft(
        part, config.n_fft, config.hop_length, window=window, center=False, return_complex=True
    )


def _pin(spectrum: Tensor, pinned: Tensor | None) -> Tensor:
    if pinned is None:
        return spectrum
    return torch.cat([pinned, spectrum[..., pinned.shape[-1] :]], dim=-1)


def _random_phase(magnitude: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    angle = 2.0 * torch.pi * torch.rand(magnitude.shape[1:], generator=generator)
    return torch.polar(torch.ones_like(angle), angle).to(magnitude.device)


def _stft(samples: Tensor, window: Tensor, config: MelConfig) -> Tensor:
    return torch.stft(
        samples,
        config.n_fft,
        config.hop_length,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )


def _istft(spectrum: Tensor, window: Tensor, config: MelConfig, length: int) -> Tensor:
    return torch.istft(spectrum, config.n_fft, config.hop_length, window=window, length=length)


def _fit(samples: Tensor, length: int) -> Tensor:
    """Cut or pad with silence to ``length`` samples."""
    missing = max(0, length - samples.shape[-1])
    return torch.nn.functional.pad(samples, (0, missing))[:, :length]


@lru_cache(maxsize=8)
def _inversion(config: MelConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Return the filters (M, K), their pseudo-inverse (K, M) and Gram matrix (K, K)."""
    bank = filterbank(config)
    return bank, torch.linalg.pinv(bank), bank.T @ bank
