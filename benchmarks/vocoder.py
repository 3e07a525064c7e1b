"""Vocoders and phase reconstruction methods, compared on held-out pieces.

    python benchmarks/vocoder.py --corpus runs/corpus44 --vocoder NAME=FOLDER
        [--outside-python measures/bin/python]

Each piece's mel spectrogram, original and reconstructed by the VAE (``--codec``; the bundled
model's), is turned into sound by Griffin-Lim, by phase gradients (:mod:`kinetune.audio.phase` on
the magnitudes, then eight iterations of Griffin-Lim) and by vocoders (``--vocoder`` may be
repeated). The result is compared with the piece at its own rate. Printed: multi-resolution STFT
distance (spectral convergence plus log magnitude), log-spectral distance (dB), rise from 10 to 90 %
and steepest slope (dB in 5 ms) of the attacks above 1.5 kHz, stereo width (side to middle, dB),
real-time factor (``--threads``, 1 by default); with ``--outside-python`` (``outside_measures.py``)
also Zimtohrli and the notes that basic-pitch detects.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy import signal

from kinetune.audio.griffin_lim import linear_magnitude
from kinetune.audio.mel import MelConfig, mel_power
from kinetune.audio.phase import integrate_phases
from kinetune.audio.sound import Sound, read_sound, resample, write_sound
from kinetune.model.mel import MelVocoder
from kinetune.training.data.codec import Codec, read_codec
from kinetune.training.data.vocoder_crops import held_out_paths, spectrograms_of

RATE_HZ = 44_100
FFT_SIZES = (512, 1024, 2048, 4096)
# Attacks: above this, rising at least so many dB in 5 ms, so far from the next.
ATTACKS_HZ, ATTACK_DB, APART_S = 1_500.0, 12.0, 0.08
ENVELOPE_HOP = 22


def log_envelope(samples: np.ndarray) -> np.ndarray:
    """Return the amplitude above 1.5 kHz over 2 ms, every 0.5 ms."""
    high = signal.butter(4, ATTACKS_HZ, "high", fs=RATE_HZ, output="sos")
    power = np.square(signal.sosfiltfilt(high, samples))
    window = np.hanning(RATE_HZ // 500)
    smooth = signal.fftconvolve(power, window / window.sum(), mode="same")
    return np.sqrt(np.maximum(smooth, 1e-12))[::ENVELOPE_HOP]


def rises(envelope: np.ndarray) -> np.ndarray:
    """Return the rise of the level over the next 5 ms, dB."""
    level = 20.0 * np.log10(envelope + 1e-5)
    reach = round(0.005 * RATE_HZ / ENVELOPE_HOP)
    return level[reach:] - level[:-reach]


def attacks_of(samples: np.ndarray) -> np.ndarray:
    """Return where a piece's attacks are, in steps of its envelope."""
    rate = RATE_HZ / ENVELOPE_HOP
    peaks, _ = signal.find_peaks(
        rises(log_envelope(samples)), height=ATTACK_DB, distance=round(APART_S * rate)
    )
    margin = round(0.1 * rate)
    return peaks[(peaks > margin) & (peaks < len(samples) // ENVELOPE_HOP - margin)]


def attack_figures(samples: np.ndarray, attacks: np.ndarray) -> tuple[float, float]:
    """Return mean rise from 10 to 90 % (ms) and mean steepest slope (dB in 5 ms)."""
    envelope, rate = log_envelope(samples), RATE_HZ / ENVELOPE_HOP
    slopes = rises(envelope)
    times_ms, steepest = [], []
    for attack in attacks:
        near = slice(attack - round(0.025 * rate), attack + round(0.04 * rate))
        steepest.append(slopes[near].max())
        around = envelope[attack - round(0.01 * rate) : attack + round(0.05 * rate)]
        peak = attack - round(0.01 * rate) + int(np.argmax(around))
        part = envelope[max(0, peak - round(0.06 * rate)) : peak + 1]
        share = (part - part.min()) / (part[-1] - part.min() + 1e-12)
        high = len(share) - 1 - int(np.argmax(share[::-1] < 0.9)) + 1
        low = np.flatnonzero(share[:high] <= 0.1)
        times_ms.append(1000.0 * (high - (low[-1] if len(low) else 0)) / rate)
    return float(np.mean(times_ms)), float(np.mean(steepest))


def magnitudes(samples: np.ndarray, size: int) -> torch.Tensor:
    """Return the magnitudes of a mono sound, (K, T)."""
    window = torch.hann_window(size)
    given = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    return torch.stft(given, size, size // 4, window=window, return_complex=True).abs()


def spectral_figures(made: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return multi-resolution STFT distance and log-spectral distance (dB, at 2048 samples)."""
    distances, apart_db = [], 0.0
    for size in FFT_SIZES:
        one, other = magnitudes(made, size), magnitudes(true, size)
        decibels = 20.0 * torch.log10((one + 1e-3) / (other + 1e-3))
        convergence = float((one - other).norm() / other.norm())
        distances.append(convergence + float(decibels.abs().mean()) * np.log(10.0) / 20.0)
        if size == 2048:
            apart_db = float(decibels.square().mean(dim=0).sqrt().mean())
    return float(np.mean(distances)), apart_db


def by_phase_gradient(mel: torch.Tensor, config: MelConfig, n_samples: int) -> np.ndarray:
    """Return sound (N,) by phases from the magnitudes' own slopes, then eight rounds.

    Průša & Søndergaard 2016: for a Hann window, gamma = 0.25645 window^2.
    """
    magnitude = linear_magnitude(mel_power(mel, config), config)[0].T  # (T, K)
    level = magnitude.clamp(min=1e-7).log()
    slope_t, slope_k = torch.gradient(level)
    gamma = 0.25645 * config.n_fft**2
    bins = torch.arange(config.n_bins)
    turn = config.hop_length / config.n_fft
    along_time = gamma**-1 * config.hop_length * config.n_fft * slope_k + 2 * np.pi * turn * bins
    along_bins = -gamma / (config.hop_length * config.n_fft) * slope_t - np.pi
    along_time[1:] = 0.5 * (along_time[1:] + along_time[:-1])
    along_bins[:, 1:] = 0.5 * (along_bins[:, 1:] + along_bins[:, :-1])
    before = torch.cat([level[:1] - 30.0, level])
    phases = integrate_phases(before, along_time, along_bins, np.zeros(config.n_bins))
    spectrum = torch.polar(magnitude, torch.from_numpy(phases).float()).T[None]
    # Griffin-Lim begins at random phases; here it goes on from those found.
    window = torch.hann_window(config.n_fft)
    for _ in range(8):
        samples = torch.istft(spectrum, config.n_fft, config.hop_length, window=window)
        again = torch.stft(
            samples, config.n_fft, config.hop_length, window=window, return_complex=True
        )
        again = again[..., : spectrum.shape[-1]]
        spectrum = magnitude.T[None] * again / again.abs().clamp(min=1e-9)
    made = torch.istft(spectrum, config.n_fft, config.hop_length, window=window, length=n_samples)
    return made[0].numpy()


def methods(
    codec: Codec, vocoders: dict[str, MelVocoder]
) -> dict[str, Callable[[torch.Tensor], Sound]]:
    """Return what turns a mel spectrogram (1, M, L) into sound, by name."""
    mel_config = codec.mel.settings

    def plain(mel: torch.Tensor) -> Sound:
        count = mel_config.samples_of(mel.shape[-1])
        return Sound(codec.mel.decode(mel, n_samples=count)[0], mel_config.rate_hz)

    def gradient(mel: torch.Tensor) -> Sound:
        count = mel_config.samples_of(mel.shape[-1])
        return Sound(by_phase_gradient(mel, mel_config, count), mel_config.rate_hz)

    def by(vocoder: MelVocoder) -> Callable[[torch.Tensor], Sound]:
        hop = vocoder.settings.mel_hop_samples
        return lambda mel: Sound(
            vocoder.decode(mel, n_samples=(mel.shape[-1] - 1) * hop), vocoder.rate_hz
        )

    named = {name: by(vocoder) for name, vocoder in vocoders.items()}
    if codec.mel.channels == 2:
        return named
    return {"Griffin-Lim": plain, "phase gradient": gradient, **named}


def figures(sound: Sound, true: np.ndarray, attacks: np.ndarray) -> dict[str, float]:
    """Return all measures of a sound (N,) or (N, 2) at RATE_HZ against a piece (N, 2)."""
    middle, truth = sound.mono[: len(true)], true.mean(axis=1)[: len(sound.mono)]
    distance, apart_db = spectral_figures(middle, truth)
    rise_ms, slope_db = attack_figures(middle, attacks)
    width_db = float("nan")
    if sound.samples.ndim == 2:
        left, right = sound.samples.T
        width_db = 20.0 * float(np.log10(np.std(left - right) / np.std(left + right)))
    return {
        "mrstft": distance, "lsd_db": apart_db, "rise_ms": rise_ms, "slope_db": slope_db,
        "width_db": width_db,
    }  # fmt: skip


def outside_measures(pairs: list[list[str]], python: str) -> list[dict[str, float]]:
    """Return the third-party measures of pairs of files; empty without an environment for them."""
    if not python:
        return [{} for _ in pairs]
    script = Path(__file__).with_name("outside_measures.py")
    done = subprocess.run(
        [python, str(script)], input=json.dumps(pairs), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout[done.stdout.index("[") :])


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True, help="44.1 kHz stereo")
    parser.add_argument("--vocoder", action="append", default=[], help="NAME=FOLDER")
    parser.add_argument("--codec", default="default", help="a model, or the run of a VAE")
    parser.add_argument("--pieces", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--every", type=int, default=16, help="held_out of the training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--outside-python", default="", help="Python of the measures' environment")
    parser.add_argument("--keep", type=Path, help="folder to keep the sounds in")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    named = dict(entry.split("=", 1) for entry in options.vocoder)
    vocoders = {k: MelVocoder.from_pretrained(v).float().eval() for k, v in named.items()}
    with tempfile.TemporaryDirectory() as temporary:
        measure(options, vocoders, options.keep or Path(temporary))


def measure(options: argparse.Namespace, vocoders: dict[str, MelVocoder], folder: Path) -> None:
    """Make the sounds, measure them, print the tables."""
    codec = read_codec(options.codec)
    folder.mkdir(parents=True, exist_ok=True)
    held_out = held_out_paths(options.corpus, options.every, held_out=True)
    chosen = held_out[:: max(1, len(held_out) // options.pieces)][: options.pieces]
    rows: list[tuple[str, str, dict[str, float]]] = []
    pairs: list[list[str]] = []
    with torch.no_grad():
        for path in chosen:
            sound = read_sound(path)
            through = torch.from_numpy(spectrograms_of(sound, codec, 1).astype(np.float32))
            frames = min(through.shape[2], 1 + int(options.seconds * RATE_HZ / 1024))
            true = sound.samples[: (frames - 1) * 1024]
            attacks = attacks_of(true.mean(axis=1))
            reference = folder / f"{path.stem}.piece.wav"
            write_sound(reference, Sound(true, RATE_HZ))
            rows.append(("the piece", "", figures(Sound(true, RATE_HZ), true, attacks)))
            pairs.append([str(reference), str(reference)])
            for source, mel in zip(("mel", "VAE"), through, strict=True):
                for name, method in methods(codec, vocoders).items():
                    began = time.perf_counter()
                    made = method(mel[None, :, :frames])
                    factor = made.duration_s / (time.perf_counter() - began)
                    made = resample(made, RATE_HZ)
                    kept = folder / f"{path.stem}.{source}.{name.replace(' ', '-')}.wav"
                    write_sound(kept, made)
                    rows.append((name, source, {**figures(made, true, attacks), "speed": factor}))
                    pairs.append([str(reference), str(kept)])
    outside = outside_measures(pairs, options.outside_python)
    print_tables([(n, s, {**f, **e}) for (n, s, f), e in zip(rows, outside, strict=True)])


def print_tables(rows: list[tuple[str, str, dict[str, float]]]) -> None:
    """Print the means by method and source as Markdown."""
    columns = list(dict.fromkeys(key for _, _, row in rows for key in row))
    print("| method | input | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for name, source in dict.fromkeys((name, source) for name, source, _ in rows):
        own = [row for n, s, row in rows if (n, s) == (name, source)]
        means = [np.mean([row.get(key, np.nan) for row in own]) for key in columns]
        cells = ["" if np.isnan(mean) else f"{mean:.3g}" for mean in means]
        print(f"| {name} | {source} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
