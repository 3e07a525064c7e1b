"""Mastering: the sum follows the dance's energy, then tone, saturation, compressor and limiter.

A bus is float64, (N, channels). Levels in decibels, frequencies in Hz.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from kinetune import timebase
from kinetune.corpus.composition.music_score import Mix, Score
from kinetune.corpus.rendering import synthesis
from kinetune.corpus.rendering.synthesis import Wave

PEAK = 0.97
# Loudness of the loudest passages, root mean square: that at which a mix meets compressor and
# limiter, so that its crest factor is that of records, and that to which it is attenuated again.
DRIVEN_RMS, TARGET_RMS = 0.24, 0.16
# Gain is computed for blocks of this length.
BLOCK_S = 0.004
# Gain from energy 0 to energy 1: of everything, and of the treble on top of that.
_ENERGY_GAIN_DB, _ENERGY_TREBLE_DB = 3.5, 12.0
# The energy that changes nothing, and where its treble begins.
MIDDLE_ENERGY, SHELF_HZ = 0.6, 1800.0
# Rumble filter and the corner of the tilt.
RUMBLE_HZ, TILT_HZ = 28.0, 900.0
# Where a mix's tone is given, and the mean of popular music there: five decibels an octave down
# from 100 Hz to 4 kHz (Pestana, Ma, Reiss, Barbosa, Black, AES 135, 2013), more above.
TONE_HZ = (60.0, 160.0, 450.0, 1300.0, 3800.0, 9500.0)
_MEAN_TONE_DB = (0.0, -3.5, -11.0, -18.5, -26.5, -37.0)
# How much of the way to its tone a mix is brought, and the most that is cut or raised.
_TONE_STRENGTH, _MAX_TONE_DB = 0.85, 10.0

Bus = NDArray[np.float64]


def map_channels(bus: Bus, change: Callable[[Wave], Wave]) -> Bus:
    """Return the bus with ``change`` applied to every channel, each contiguous in memory."""
    return np.array([change(x) for x in bus.T]).T


def energy_gains(energy: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return the gains of everything and of the treble on top, at energies 0 to 1; any shape."""
    gain, treble = (
        10.0 ** (db * (energy - MIDDLE_ENERGY) / 20.0)
        for db in (_ENERGY_GAIN_DB, _ENERGY_TREBLE_DB)
    )
    return gain, treble


def follow_energy(bus: Bus, score: Score, lead_in: int, rate_hz: int) -> Bus:
    """Return the bus softer and duller where the dance is calm, louder and brighter elsewhere."""
    if not len(score.energy):
        return bus
    points = score.beats_s * rate_hz + lead_in
    energy = ndimage.gaussian_filter1d(score.energy, 0.5, mode="nearest")
    at = np.interp(np.arange(len(bus)), points, energy)[:, None]
    gain, bright = energy_gains(at)
    low = map_channels(bus, lambda x: synthesis.lowpass(x, SHELF_HZ, rate_hz, 1))
    return gain * (low + bright * (bus - low))


def master(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Return the bus with the mix's tone, vinyl noise, saturation, compression and level."""
    out = map_channels(bus, lambda x: synthesis.highpass(x, RUMBLE_HZ, rate_hz))
    out = _match_tone(out, mix, rate_hz)
    low = map_channels(out, lambda x: synthesis.lowpass(x, TILT_HZ, rate_hz, 1))
    tilt = 10.0 ** (mix.tilt_db / 40.0)
    out = low / tilt + (out - low) * tilt
    out *= TARGET_RMS / max(_loud_rms(out, rate_hz), 1e-6)
    out += _vinyl_noise(out.shape, mix, rate_hz)
    drive = 1.0 + 2.0 * mix.saturation
    out = np.tanh(drive * out) / drive**0.7
    out = _compress(out, rate_hz)
    out = _limit(out * DRIVEN_RMS / max(_loud_rms(out, rate_hz), 1e-6), rate_hz)
    out *= TARGET_RMS * 10.0 ** (mix.loudness_db / 20.0) / max(_loud_rms(out, rate_hz), 1e-6)
    # A quiet piece's lone hit may have come above the ceiling again.
    return _scale_to_peak(out - out.mean(axis=0))


def _match_tone(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """The sum equalised most of the way to the mix's tone by one smooth filter.

    Minimum phase: a linear-phase filter this narrow rings 17 ms ahead of every drum.
    """
    if not mix.tone_db:
        return bus
    hz, power = signal.welch(bus.mean(axis=1), rate_hz, nperseg=rate_hz // 8)
    taps = tone_filter(hz, power, mix, rate_hz)
    return map_channels(bus, lambda x: signal.oaconvolve(x, taps)[: len(x)])


def tone_filter(hz: Wave, power: Wave, mix: Mix, rate_hz: int) -> Wave:
    """Return the minimum-phase filter that brings a spectrum to the mix's tone, (taps,).

    Args:
        hz: Frequencies of the spectrum, ascending.
        power: Its power at each.
        mix: Its ``tone_db`` is not empty.
        rate_hz: Samples per second.
    """
    tone_hz = np.array([hz for hz in TONE_HZ if hz < 0.45 * rate_hz])
    third = 2.0 ** (1.0 / 3.0)
    measured = np.array([power[(hz >= f / third) & (hz <= f * third)].mean() for f in tone_hz])
    wanted = np.array(_MEAN_TONE_DB[: len(tone_hz)]) + np.array(mix.tone_db[: len(tone_hz)])
    change = wanted - 10.0 * np.log10(measured + 1e-12)
    change = _TONE_STRENGTH * (change - change.mean())
    change = np.clip(change, -_MAX_TONE_DB, _MAX_TONE_DB)
    grid = np.linspace(0.0, rate_hz / 2.0, 2049)
    gain_db = np.interp(np.log(np.maximum(grid, 20.0)), np.log(tone_hz), change)
    taps = signal.firwin2(rate_hz // 30 | 1, grid, 10.0 ** (gain_db / 20.0), fs=rate_hz)
    return minimum_phase(taps)


def minimum_phase(taps: Wave) -> Wave:
    """Return the minimum-phase filter of the same response, (taps,).

    As ``scipy.signal.minimum_phase(taps, half=False)``, in a third of the time: transforms of real
    sequences.
    """
    size = 1 << int(np.ceil(np.log2(200 * (len(taps) - 1))))
    response = np.abs(fft.rfft(taps, size))
    # Zeros of the response have no logarithm.
    response += 1e-7 * response[response > 0].min()
    cepstrum = fft.irfft(np.log(response), size)
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 :] = 0.0
    return np.asarray(fft.irfft(np.exp(fft.rfft(cepstrum)), size)[: len(taps)])


def _loud_rms(bus: Bus, rate_hz: int) -> float:
    """Root mean square of the louder part: the 80th percentile over half seconds."""
    block = timebase.samples_in(0.5, rate_hz)
    starts = np.arange(0, len(bus), block)
    power = np.mean([np.add.reduceat(x * x, starts) for x in bus.T], axis=0) / block
    return float(np.sqrt(np.quantile(power, 0.8)))


def _vinyl_noise(shape: tuple[int, ...], mix: Mix, rate_hz: int) -> Bus:
    """The crackle and hiss of an old record, (N, 1)."""
    if mix.vinyl_noise <= 0.0:
        return np.zeros(shape)
    rng = np.random.default_rng([mix.seed, 10])
    clicks = (rng.random(shape[0]) < 12.0 / rate_hz) * rng.normal(0.0, 0.12, shape[0])
    hiss = synthesis.lowpass(0.0035 * rng.standard_normal(shape[0]), 5000, rate_hz, 1)
    return mix.vinyl_noise * (synthesis.bandpass(clicks, 600, 5000, rate_hz) * 3.0 + hiss)[:, None]


def _blocks(bus: Bus, rate_hz: int) -> tuple[Wave, int]:
    size = timebase.samples_in(BLOCK_S, rate_hz)
    starts = np.arange(0, len(bus), size)
    return np.max([np.maximum.reduceat(np.abs(x), starts) for x in bus.T], axis=0), size


def _interpolate_gain(gain: Wave, n: int, size: int) -> Wave:
    return np.interp(np.arange(n), (np.arange(len(gain)) + 0.5) * size, gain)


def _compress(bus: Bus, rate_hz: int) -> Bus:
    """Compress by a ratio of 1.8 above 0.15 of full scale, smoothed over 60 ms to keep attacks."""
    level, size = _blocks(bus, rate_hz)
    level = ndimage.gaussian_filter1d(level, 0.06 / BLOCK_S, mode="nearest")
    gain = np.minimum(1.0, (0.15 / np.maximum(level, 1e-6)) ** 0.45)
    return bus * _interpolate_gain(gain, len(bus), size)[:, None]


def _limit(bus: Bus, rate_hz: int) -> Bus:
    """Turn down around peaks, with look-ahead, then scale to the ceiling."""
    level, size = _blocks(bus, rate_hz)
    gain = np.minimum(1.0, 0.9 * PEAK / np.maximum(level, 1e-6))
    gain = ndimage.minimum_filter1d(gain, 7, mode="nearest")
    gain = ndimage.uniform_filter1d(gain, 5, mode="nearest")
    return _scale_to_peak(bus * _interpolate_gain(gain, len(bus), size)[:, None])


def _scale_to_peak(bus: Bus) -> Bus:
    """The whole bus scaled down if its peak is above the ceiling."""
    return bus * min(1.0, PEAK / max(float(np.abs(bus).max()), 1e-9))
