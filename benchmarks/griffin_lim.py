"""Mel inversion against librosa's, both in one process on one input.

Run ``python benchmarks/griffin_lim.py [SOUND]``; without a file it inverts a made-up song of the
corpus. Both get the same mel power and the same number of rounds, turn by turn; times are medians
of the repeats. Spectral convergence: distance of the magnitudes from the given ones, relative to
them, for Griffin-Lim alone on the same magnitudes (lower is better). Log mel: mean error in dB of
the whole way from mel back to mel.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import librosa
import torch
from torch import Tensor

from kinetune import timebase
from kinetune.audio.griffin_lim import griffin_lim, linear_magnitude, mel_to_samples
from kinetune.audio.mel import MelConfig, hann_window, log_mel, mel_power
from kinetune.audio.sound import read_sound, resample, to_mono
from kinetune.corpus.pairs import make_pair


@dataclass(frozen=True, eq=False)
class Way:
    """One way from a mel spectrogram to sound, and its Griffin-Lim on given magnitudes."""

    name: str
    invert: Callable[[], Tensor]
    phases: Callable[[], Tensor]


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    samples = music(options.sound, options.seconds)
    print(
        f"{timebase.duration_of(samples.shape[1], timebase.SAMPLE_RATE_HZ):.1f} s of sound, "
        f"{options.iterations} rounds, {options.threads} threads, {options.repeats} repeats"
    )
    print("bands  way        seconds  real time  Griffin-Lim s  convergence  log mel dB")
    for n_mels in (128, 256):
        compare(samples, MelConfig(n_mels=n_mels, reference="fixed"), options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sound", nargs="?", type=Path, help="a sound file")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--iterations", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def music(path: Path | None, duration_s: float) -> Tensor:
    """Return mono at 22,050 Hz, (1, N)."""
    sound = make_pair(7, duration_s=duration_s).sound if path is None else read_sound(path)
    sound = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ)
    wanted = timebase.samples_in(duration_s, sound.rate_hz)
    return torch.from_numpy(sound.samples[:wanted])[None]


def compare(samples: Tensor, config: MelConfig, options: argparse.Namespace) -> None:
    mel = log_mel(samples, config)
    magnitude = linear_magnitude(mel_power(mel, config), config)
    ways = both_ways(mel, magnitude, config, options.iterations, samples.shape[1])
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    phase_seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    results = {way.name: (way.invert(), way.phases()) for way in ways}
    for _ in range(options.repeats):
        for way in ways:
            seconds[way.name].append(timed(way.invert))
            phase_seconds[way.name].append(timed(way.phases))
    duration_s = timebase.duration_of(samples.shape[1], config.rate_hz)
    for name, (sound, phased) in results.items():
        spent = median(seconds[name])
        error_db = float((log_mel(sound, config) - mel).abs().mean()) * config.top_db / 2
        print(
            f"{config.n_mels:5d}  {name:9s}  {spent:7.3f}  {duration_s / spent:8.1f}x  "
            f"{median(phase_seconds[name]):13.3f}  {convergence(phased, magnitude, config):11.4f}  "
            f"{error_db:10.3f}",
            flush=True,
        )


def both_ways(
    mel: Tensor, magnitude: Tensor, config: MelConfig, iterations: int, length: int
) -> list[Way]:
    power = mel_power(mel, config)[0].numpy()
    shape = {"n_fft": config.n_fft, "hop_length": config.hop_length, "length": length}

    def librosa_invert() -> Tensor:
        samples = librosa.feature.inverse.mel_to_audio(
            power, sr=config.rate_hz, n_iter=iterations, **shape
        )
        return torch.from_numpy(samples)[None]

    def librosa_phases() -> Tensor:
        samples = librosa.griffinlim(
            magnitude[0].numpy(), n_iter=iterations, random_state=0, **shape
        )
        return torch.from_numpy(samples)[None]

    return [
        Way(
            "kinetune",
            lambda: mel_to_samples(mel, config, iterations=iterations, length=length),
            lambda: griffin_lim(magnitude, config, iterations=iterations, length=length),
        ),
        Way("librosa", librosa_invert, librosa_phases),
    ]


def timed(function: Callable[[], Tensor]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def convergence(samples: Tensor, magnitude: Tensor, config: MelConfig) -> float:
    spectrum = torch.stft(
        samples,
        config.n_fft,
        config.hop_length,
        window=hann_window(config.n_fft, samples.device),
        pad_mode="constant",
        return_complex=True,
    )
    return float((spectrum.abs() - magnitude).norm() / magnitude.norm())


if __name__ == "__main__":
    main()
