"""Loudness: integrated LUFS after ITU-R BS.1770 (pyloudnorm), true peak by oversampling.

Units: LUFS for loudness, dBTP for true peaks. Gains are broadband; when the target would push a
peak over the ceiling the loudest moments are held down by a smooth limiter first.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from kinetune import timebase
from kinetune.audio.sound import Sound

# BS.1770 measures blocks of 0.4 s; shorter sounds are measured repeated to that length.
_BLOCK_S = 0.4
_OVERSAMPLING = 4
_SILENCE_LUFS = -70.0


def integrated_lufs(sound: Sound) -> float:
    """Return the integrated loudness, LUFS; minus infinity for silence."""
    import pyloudnorm

    samples = np.asarray(sound.samples, dtype=np.float64)
    if len(samples) == 0 or not np.any(samples):
        return float("-inf")
    shortest = timebase.samples_in(_BLOCK_S, sound.rate_hz) + 1
    if len(samples) < shortest:
        repeats = -(-shortest // len(samples))
        samples = np.concatenate([samples] * repeats)
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sound.rate_hz).integrated_loudness(samples))


def true_peak_dbtp(sound: Sound) -> float:
    """Return the true peak, dBTP, by four times oversampling; minus infinity for silence."""
    peak = float(_peak_envelope(sound.samples).max(initial=0.0))
    return 20.0 * float(np.log10(peak)) if peak > 0 else float("-inf")


def normalise(sound: Sound, *, target_lufs: float = -14.0, ceiling_dbtp: float = -1.0) -> Sound:
    """Return the sound at a target loudness with true peaks below a ceiling.

    Args:
        sound: Any sound; silence comes back as it is.
        target_lufs: Integrated loudness wanted.
        ceiling_dbtp: Highest true peak allowed.
    """
    loudness = integrated_lufs(sound)
    if not np.isfinite(loudness) or loudness < _SILENCE_LUFS:
        return sound
    ceiling = 10.0 ** (ceiling_dbtp / 20.0)
    samples = sound.samples
    # Limiting takes a little loudness away; two rounds give it back to within a tenth of a LU.
    for _ in range(3):
        loudness = integrated_lufs(Sound(samples, sound.rate_hz))
        samples = samples * np.float32(10.0 ** ((target_lufs - loudness) / 20.0))
        samples = _limit(samples, sound.rate_hz, ceiling)
    return Sound(samples.astype(np.float32), sound.rate_hz)


def _limit(samples: NDArray[np.float32], rate_hz: int, ceiling: float) -> NDArray[np.float32]:
    """Hold true peaks under ``ceiling`` with a gain that moves smoothly over about 5 ms."""
    peaks = _peak_envelope(samples)
    if peaks.max(initial=0.0) <= ceiling:
        return samples
    needed = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    reach = max(1, timebase.samples_in(0.005, rate_hz))
    # The smallest gain nearby, then a moving average no wider: never above what is needed.
    lowest = ndimage.minimum_filter1d(needed, 2 * reach + 1)
    gain = ndimage.uniform_filter1d(lowest, 2 * reach + 1)
    limited = samples * (gain if samples.ndim == 1 else gain[:, None]).astype(np.float32)
    peak = float(_peak_envelope(limited).max())
    return limited * np.float32(min(1.0, ceiling / peak))


def _peak_envelope(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest oversampled magnitude around each sample over all channels, (N,)."""
    if len(samples) == 0:
        return np.zeros(0)
    chunk, margin = 1 << 18, 64
    parts = []
    for first in range(0, len(samples), chunk):
        start = max(0, first - margin)
        piece = samples[start : first + chunk + margin]
        fine = np.abs(signal.resample_poly(piece, _OVERSAMPLING, 1, axis=0))
        fine = fine if fine.ndim == 1 else fine.max(axis=1)
        rough = fine.reshape(-1, _OVERSAMPLING).max(axis=1)
        parts.append(rough[first - start : first - start + chunk])
    return np.concatenate(parts)[: len(samples)].astype(np.float64)
