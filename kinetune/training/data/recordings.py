"""Stereo music in the form a vocoder learns from: middle and side, and the spectrogram it reads.

A cache folder holds for every piece ``NAME-sound-F.npy`` (int16, (2, N / F): middle and side at the
full rate over F) and ``NAME-mel.npy`` (float16, (V, M, L): the spectrogram as it is, then as a
codec brings it through, its windows begun at V - 1 different places).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from kinetune.audio.sound import Sound, read_sound, resample, to_mono
from kinetune.audio.vocoder import Band, VocoderConfig
from kinetune.errors import ConfigError
from kinetune.files import atomic_file

# Room for middle and side above full scale, which stereo may reach.
_HEADROOM = 2.0
# A band's sound keeps so many samples a period of its highest tone.
_SAMPLES_A_PERIOD = 3.4


@dataclass(frozen=True)
class Recordings:
    """Pieces in a cache folder.

    Attributes:
        folder: The cache.
        names: Stems of the pieces' files.
    """

    folder: Path
    names: tuple[str, ...]

    def sound(self, name: str, factor: int) -> NDArray[np.int16]:
        """Return middle and side of a piece at the full rate over ``factor``, memory-mapped."""
        samples: NDArray[np.int16] = np.load(_sound_path(self.folder, name, factor), mmap_mode="r")
        return samples

    def mel(self, name: str) -> NDArray[np.float16]:
        """Return the spectrograms of a piece, (V, M, L), memory-mapped."""
        mel: NDArray[np.float16] = np.load(self.folder / f"{name}-mel.npy", mmap_mode="r")
        return mel


def decimation(band: Band) -> int:
    """Return by how much the sound of a band can be decimated, a power of two."""
    factor = 1
    highest_hz = (band.first + band.count) * band.bin_hz
    while (
        band.rate_hz / (2 * factor) > _SAMPLES_A_PERIOD * highest_hz
        and band.hop % (2 * factor) == 0
    ):
        factor *= 2
    return factor


def as_floats(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return cached samples as they sounded."""
    return samples.astype(np.float32) * np.float32(_HEADROOM / 32768.0)


def cache_recordings(
    paths: Iterable[Path],
    folder: Path,
    config: VocoderConfig,
    spectrograms: Callable[[Sound], NDArray[np.float16]],
) -> Recordings:
    """Bring pieces into the cache; those already there are kept.

    Args:
        paths: Sound files at the vocoder's rate.
        folder: The cache, made if missing.
        config: The vocoder's figures.
        spectrograms: What the vocoder shall read of a piece, (V, M, L).

    Raises:
        ConfigError: A file has another rate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for path in paths:
        names.append(path.stem)
        if (folder / f"{path.stem}-mel.npy").is_file():
            continue
        sound = read_sound(path)
        if sound.rate_hz != config.rate_hz:
            raise ConfigError(f"{path}: expected {config.rate_hz} Hz, found {sound.rate_hz}")
        for factor in {decimation(band) for band in config.bands}:
            if not _sound_path(folder, path.stem, factor).is_file():
                _write(_sound_path(folder, path.stem, factor), _middle_and_side(sound, factor))
        _write(folder / f"{path.stem}-mel.npy", spectrograms(sound))
    return Recordings(folder, tuple(names))


def samples_at(sound: Sound, rate_hz: int, channels: int) -> torch.Tensor:
    """Return the samples at another rate: (1, N) for one channel, (1, 2, N) for two."""
    if channels == 1 or sound.samples.ndim == 1:
        return torch.from_numpy(resample(to_mono(sound), rate_hz).samples)[None]
    return torch.from_numpy(resample(sound, rate_hz).samples.T.copy())[None]


def _middle_and_side(sound: Sound, factor: int) -> NDArray[np.int16]:
    samples = sound.samples if sound.samples.ndim == 2 else np.stack([sound.samples] * 2, axis=1)
    both = np.stack([samples.mean(axis=1), 0.5 * (samples[:, 0] - samples[:, 1])])
    if factor > 1:
        both = resample_poly(both, 1, factor, axis=1)
    return np.round(both * (32768.0 / _HEADROOM)).clip(-32768, 32767).astype(np.int16)


def _sound_path(folder: Path, name: str, factor: int) -> Path:
    return folder / f"{name}-sound-{factor}.npy"


def _write(path: Path, array: NDArray) -> None:
    with atomic_file(path) as aside, aside.open("wb") as file:
        np.save(file, array)
