"""What music may suffer on its way to a listener, so that a classifier learns to hear past it.

Other speed, other colour, missing treble, noise, and the marks of a mel codec: blurred and noised
spectrograms brought back by Griffin-Lim, as generated music is. Gain is left out, for the
classifier levels every window. Samples (B, L) or (L,), float32; the generator given draws all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.errors import ConfigError

# Enough for the marks of Griffin-Lim; twice as many sound little different to a classifier.
_ROUNDS = 8
# Where the tilt leaves the level as it is.
_PIVOT_HZ = 1000.0
_LOWEST_HZ = 50.0
# Treble is cut somewhere between these.
_CUTS_HZ = (3000.0, 9000.0)
# Decibels of music above noise.
_NOISE_DB = (10.0, 40.0)
# Largest deviation of noise on the codec's spectrogram: the bundled codec's own error is 1.7 dB.
_CODEC_NOISE_DB = 3.0


@dataclass(frozen=True)
class AudioAugmentation:
    """How much of what.

    Attributes:
        speed: Largest change of speed, as a share: 0.08 is 0.92 to 1.08.
        tilt_db: Largest tilt of the spectrum, decibels an octave.
        lowpass_share: Share of windows without treble.
        noise_share: Share of windows with noise.
        codec_share: Share of windows that went through a mel codec.
        non_music_share: Share of windows that are not music; their target is uniform over genres.

    Raises:
        ConfigError: A share is not within 0 to 1, the speed not below a half, the tilt negative.
    """

    speed: float = 0.08
    tilt_db: float = 2.0
    lowpass_share: float = 0.25
    noise_share: float = 0.25
    codec_share: float = 0.25
    non_music_share: float = 0.04

    def __post_init__(self) -> None:
        shares = (self.lowpass_share, self.noise_share, self.codec_share, self.non_music_share)
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ConfigError(f"shares of an augmentation must be 0 to 1, found {self}")
        if not 0.0 <= self.speed < 0.5 or self.tilt_db < 0.0:
            raise ConfigError(f"expected a speed of 0 to 0.5 and a tilt of 0 or more, found {self}")


def augment_audio(
    samples: Tensor,
    length: int,
    rate_hz: int,
    settings: AudioAugmentation,
    rng: np.random.Generator,
) -> Tensor:
    """Return windows (B, ``length``) of music that suffered.

    Args:
        samples: (B, L), L at least ``length * (1 + settings.speed)``.
        length: Samples of a window.
        rate_hz: Samples a second.
        settings: How much of what.
        rng: Draws it.
    """
    speeds = rng.uniform(1.0 - settings.speed, 1.0 + settings.speed, len(samples))
    out = torch.stack(
        [change_speed(row, speed, length) for row, speed in zip(samples, speeds, strict=True)]
    )
    out = filter_spectrum(out, rate_hz, settings, rng)
    chosen = _random_rows(len(out), settings.codec_share, rng)
    if len(chosen):
        out[chosen] = simulate_codec(out[chosen], rate_hz, rng)
    for row in _random_rows(len(out), settings.noise_share, rng):
        out[row] = add_noise(out[row], float(rng.uniform(*_NOISE_DB)), rng)
    return out


def change_speed(samples: Tensor, speed: float, length: int) -> Tensor:
    """Return the first ``length`` samples of a sound (L,) played at another speed."""
    taken = samples[: round(length * speed)][None, None]
    return functional.interpolate(taken, size=length, mode="linear", align_corners=True)[0, 0]


def filter_spectrum(
    samples: Tensor, rate_hz: int, settings: AudioAugmentation, rng: np.random.Generator
) -> Tensor:
    """Return sounds (B, L) whose spectrum is tilted, and cut in some."""
    hz = torch.fft.rfftfreq(samples.shape[1], 1.0 / rate_hz)
    octaves = (hz.clamp(min=_LOWEST_HZ) / _PIVOT_HZ).log2()
    tilts = rng.uniform(-settings.tilt_db, settings.tilt_db, (len(samples), 1))
    decibels = torch.from_numpy(tilts.astype(np.float32)) * octaves
    for row in _random_rows(len(samples), settings.lowpass_share, rng):
        cut_hz = np.exp(rng.uniform(*np.log(_CUTS_HZ)))
        # 48 dB an octave, as steep as the filters of codecs and loudspeakers.
        decibels[row] -= 48.0 * (hz.clamp(min=cut_hz) / cut_hz).log2()
    gains = 10.0 ** (decibels / 20.0)
    return torch.fft.irfft(torch.fft.rfft(samples) * gains, n=samples.shape[1])


def add_noise(samples: Tensor, music_over_noise_db: float, rng: np.random.Generator) -> Tensor:
    """Return a sound (L,) with white noise so many decibels below it."""
    noise = torch.from_numpy(rng.standard_normal(len(samples), dtype=np.float32))
    level = samples.square().mean().sqrt() * 10.0 ** (-music_over_noise_db / 20.0)
    return samples + level * noise


def simulate_codec(samples: Tensor, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """Return sounds (B, L) from their blurred, noised mel spectrograms by Griffin-Lim."""
    settings = MelConfig(rate_hz=rate_hz, n_mels=128, reference="fixed")
    mel = log_mel(samples, settings)
    weight = float(rng.uniform(0.0, 1.0))
    blurred = functional.avg_pool2d(
        functional.pad(mel[:, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1
    )[:, 0]
    scale = float(rng.uniform(0.0, _CODEC_NOISE_DB)) * 2.0 / settings.top_db
    noise = torch.from_numpy(rng.standard_normal(tuple(mel.shape), dtype=np.float32))
    spoilt = torch.lerp(mel, blurred, weight) + scale * noise
    # At the bottom of the range there is nothing that could err.
    spoilt = torch.where(mel <= -1.0, mel, spoilt).clamp(-1.0, 1.0)
    return mel_to_samples(
        spoilt,
        settings,
        iterations=_ROUNDS,
        seed=int(rng.integers(1 << 31)),
        length=len(samples[0]),
    )


def non_music(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """Return silence, noise, a hum or clicks, (``length``,): nothing of any genre."""
    kinds: tuple[Callable[[int, int, np.random.Generator], Tensor], ...] = (
        _silence, _noise, _hum, _clicks,
    )  # fmt: skip
    return kinds[int(rng.integers(len(kinds)))](length, rate_hz, rng)


def _silence(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    return torch.zeros(length)


def _noise(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """White to brown: power falls with a random power of frequency."""
    white = torch.from_numpy(rng.standard_normal(length, dtype=np.float32))
    hz = torch.fft.rfftfreq(length, 1.0 / rate_hz).clamp(min=_LOWEST_HZ)
    fall = float(rng.choice([0.0, rng.uniform(0.0, 1.0)]))
    return torch.fft.irfft(torch.fft.rfft(white) * hz**-fall, n=length)


def _hum(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    hz = np.exp(rng.uniform(np.log(_LOWEST_HZ), np.log(rate_hz / 4)))
    return torch.sin(2.0 * np.pi * hz / rate_hz * torch.arange(length))


def _clicks(length: int, rate_hz: int, rng: np.random.Generator) -> Tensor:
    """A metronome of 60 to 180 beats a minute: decaying sines of one pitch."""
    period = round(rate_hz * 60.0 / rng.uniform(60.0, 180.0))
    hz, decay = rng.uniform(500.0, 4000.0), rng.uniform(50.0, 1000.0)
    t = ((np.arange(length) + rng.integers(period)) % period) / rate_hz
    clicks = np.sin(2.0 * np.pi * hz * t) * np.exp(-decay * t)
    return torch.from_numpy(clicks.astype(np.float32))


def _random_rows(count: int, share: float, rng: np.random.Generator) -> list[int]:
    return np.flatnonzero(rng.random(count) < share).tolist()
