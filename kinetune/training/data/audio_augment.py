"""Random changes of music, so that a classifier generalises to other recordings of it.

Speed, spectral tilt, low-pass filters, noise, and the artefacts of a mel codec: blurred and noised
spectrograms inverted by Griffin-Lim, as generated music is. Gain is left out because the classifier
normalises the level of every window. Samples are (B, N) or (N,), float32; all random numbers come
from the generator that is passed in.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.config import NonNegative, Share, settings

# Enough for Griffin-Lim's artefacts; twice as many change little for a classifier.
_ROUNDS = 8
# The tilt leaves the level at this frequency unchanged.
_PIVOT_HZ = 1000.0
_LOWEST_HZ = 50.0
# Cut-off frequencies of the low-pass filter.
_CUTS_HZ = (3000.0, 9000.0)
# Slope of codecs' and loudspeakers' low-pass filters, decibels an octave.
_CUT_SLOPE_DB = 48.0
# Signal-to-noise ratios, decibels.
_NOISE_DB = (10.0, 40.0)
# Largest deviation of noise on the codec's spectrogram: the bundled codec's own error is 1.7 dB.
_CODEC_NOISE_DB = 3.0


@settings
class AudioAugmentation:
    """How much music is changed.

    Attributes:
        speed: Largest relative change of speed: 0.08 gives factors of 0.92 to 1.08.
        tilt_db: Largest tilt of the spectrum, decibels an octave.
        lowpass_share: Share of windows with a low-pass filter.
        noise_share: Share of windows with white noise.
        codec_share: Share of windows that passed through a mel codec.
        non_music_share: Share of windows that are not music; their target is uniform over genres.
    """

    speed: Annotated[float, msgspec.Meta(ge=0, lt=0.5)] = 0.08
    tilt_db: NonNegative = 2.0
    lowpass_share: Share = 0.25
    noise_share: Share = 0.25
    codec_share: Share = 0.25
    non_music_share: Share = 0.04


def augment_audio(
    samples: Tensor,
    length: int,
    rate_hz: int,
    augmentation: AudioAugmentation,
    rng: np.random.Generator,
) -> Tensor:
    """Return augmented windows (B, ``length``) of music.

    Args:
        samples: (B, N), N at least ``length * (1 + augmentation.speed)``.
        length: Samples of a window.
        rate_hz: Samples per second.
        augmentation: How much is changed.
        rng: Source of the random numbers.
    """
    speeds = rng.uniform(1.0 - augmentation.speed, 1.0 + augmentation.speed, len(samples))
    out = torch.stack(
        [change_speed(row, speed, length) for row, speed in zip(samples, speeds, strict=True)]
    )
    out = filter_spectrum(out, rate_hz, augmentation, rng)
    chosen = _random_rows(len(out), augmentation.codec_share, rng)
    if len(chosen):
        out[chosen] = simulate_codec(out[chosen], rate_hz, rng)
    for row in _random_rows(len(out), augmentation.noise_share, rng):
        out[row] = add_noise(out[row], float(rng.uniform(*_NOISE_DB)), rng)
    return out


def change_speed(samples: Tensor, speed: float, length: int) -> Tensor:
    """Return the first ``length`` samples of a sound (N,) played at another speed."""
    part = samples[: round(length * speed)][None, None]
    return functional.interpolate(part, size=length, mode="linear", align_corners=True)[0, 0]


def filter_spectrum(
    samples: Tensor, rate_hz: int, augmentation: AudioAugmentation, rng: np.random.Generator
) -> Tensor:
    """Return sounds (B, N) with a tilted spectrum, and a low-pass filter in some of them."""
    hz = torch.fft.rfftfreq(samples.shape[1], 1.0 / rate_hz)
    octaves = (hz.clamp(min=_LOWEST_HZ) / _PIVOT_HZ).log2()
    tilts = rng.uniform(-augmentation.tilt_db, augmentation.tilt_db, (len(samples), 1))
    decibels = torch.from_numpy(tilts.astype(np.float32)) * octaves
    for row in _random_rows(len(samples), augmentation.lowpass_share, rng):
        cut_hz = np.exp(rng.uniform(*np.log(_CUTS_HZ)))
        decibels[row] -= _CUT_SLOPE_DB * (hz.clamp(min=cut_hz) / cut_hz).log2()
    gains = 10.0 ** (decibels / 20.0)
    return torch.fft.irfft(torch.fft.rfft(samples) * gains, n=samples.shape[1])


def add_noise(samples: Tensor, snr_db: float, rng: np.random.Generator) -> Tensor:
    """Return a sound (N,) with white noise at a signal-to-noise ratio in decibels."""
    noise = torch.from_numpy(rng.standard_normal(len(samples), dtype=np.float32))
    level = samples.square().mean().sqrt() * 10.0 ** (-snr_db / 20.0)
    return samples + level * noise


def simulate_codec(samples: Tensor, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """Return sounds (B, N) from their blurred and noised mel spectrograms, by Griffin-Lim."""
    config = MelConfig(rate_hz=rate_hz, n_mels=128, reference="fixed")
    mel = log_mel(samples, config)
    weight = float(rng.uniform(0.0, 1.0))
    blurred = functional.avg_pool2d(
        functional.pad(mel[:, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1
    )[:, 0]
    scale = float(rng.uniform(0.0, _CODEC_NOISE_DB)) * 2.0 / config.top_db
    noise = torch.from_numpy(rng.standard_normal(tuple(mel.shape), dtype=np.float32))
    degraded = torch.lerp(mel, blurred, weight) + scale * noise
    # Silence stays silence: the codec makes no error there.
    degraded = torch.where(mel <= -1.0, mel, degraded).clamp(-1.0, 1.0)
    return mel_to_samples(
        degraded,
        config,
        iterations=_ROUNDS,
        seed=int(rng.integers(1 << 31)),
        length=len(samples[0]),
    )


def non_music(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """Return silence, noise, a sine or clicks, (``length``,)."""
    kinds: tuple[Callable[[int, int, np.random.Generator], Tensor], ...] = (
        _silence, _noise, _sine, _clicks,
    )  # fmt: skip
    return kinds[int(rng.integers(len(kinds)))](length, rate_hz, rng)


def _silence(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    return torch.zeros(length)


def _noise(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """White to brown: power falls with a random power of frequency."""
    white = torch.from_numpy(rng.standard_normal(length, dtype=np.float32))
    hz = torch.fft.rfftfreq(length, 1.0 / rate_hz).clamp(min=_LOWEST_HZ)
    exponent = float(rng.choice([0.0, rng.uniform(0.0, 1.0)]))
    return torch.fft.irfft(torch.fft.rfft(white) * hz**-exponent, n=length)


def _sine(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    hz = np.exp(rng.uniform(np.log(_LOWEST_HZ), np.log(rate_hz / 4)))
    return torch.sin(2.0 * np.pi * hz / rate_hz * torch.arange(length))


def _clicks(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """A metronome of 60 to 180 beats per minute: decaying sines of one pitch."""
    period = round(rate_hz * 60.0 / rng.uniform(60.0, 180.0))
    hz, decay = rng.uniform(500.0, 4000.0), rng.uniform(50.0, 1000.0)
    t = ((np.arange(length) + rng.integers(period)) % period) / rate_hz
    clicks = np.sin(2.0 * np.pi * hz * t) * np.exp(-decay * t)
    return torch.from_numpy(clicks.astype(np.float32))


def _random_rows(count: int, share: float, rng: np.random.Generator) -> list[int]:
    return np.flatnonzero(rng.random(count) < share).tolist()
