"""Stretching of sound in time with its pitch kept.

One ratio goes to Signalsmith Stretch (MIT) where the package ``python-stretch`` is installed (extra
``fit``). Otherwise, and for maps whose ratio changes, a phase vocoder with identity phase locking
is used: each spectral peak keeps its phase advance, the bins around it keep their phase from the
peak, all channels turn together, and phases start anew at attacks. At ratio 1 the sound comes back
unchanged.

Source: Laroche & Dolson, "Improved phase vocoder time-scale modification of audio", IEEE
Transactions on Speech and Audio Processing 7 (3), 1999. Axes: N samples, channels, K bins.
"""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.fitting.time_map import TimeMap
from kinetune.memmap import zeros_or_memmap

Samples = NDArray[np.float32]

# A window of this length resolves a bass line and still keeps a drum together.
_WINDOW_S = 0.06
_OVERLAP = 4
# An attack: this many times the power of the hop before, above this frequency.
_ATTACK_RATIO, _ATTACK_HZ = 4.0, 1500.0
# Bins on each side that a peak stands above.
_PEAK_REACH = 2
# Ratios nearer to 1 change nothing one hears.
_UNCHANGED = 1e-5
# Sound before and after a cut that the stretcher may see.
_MARGIN_S = 0.5
# Fades where the song begins or ends within the dance.
_FADE_S = 0.01


def stretch_song(sound: Sound, time_map: TimeMap, duration_s: float) -> Sound:
    """Return a song as it plays during a dance; silence where the song has not begun or is over.

    Args:
        sound: The song.
        time_map: Song time to dance time.
        duration_s: Length of the dance, seconds.

    Returns:
        The sound, ``duration_s`` long, at the song's rate and with its channels.
    """
    samples = sound.samples if sound.samples.ndim == 2 else sound.samples[:, None]
    start_s, end_s = time_map.in_dance(np.array([0.0, sound.duration_s]))
    first = timebase.samples_in(max(0.0, float(start_s)), sound.rate_hz)
    total = timebase.samples_in(duration_s, sound.rate_hz)
    last = min(total, timebase.samples_in(max(0.0, float(end_s)), sound.rate_hz))
    out = zeros_or_memmap((total, samples.shape[1]))
    if last > first:
        times_s = np.array([first, last]) / sound.rate_hz
        made = _stretched(samples, sound.rate_hz, time_map, first, last - first)
        out[first:last] = _faded(made, time_map.in_song(times_s), sound)
    return Sound(out if sound.samples.ndim == 2 else out[:, 0], sound.rate_hz)


def stretcher_name(time_map: TimeMap) -> str:
    """Return which stretcher a map goes to: ``none``, ``signalsmith`` or ``phase vocoder``."""
    ratios = time_map.ratios
    if np.abs(ratios - 1.0).max() <= _UNCHANGED:
        return "none"
    steady = float(np.ptp(ratios)) <= _UNCHANGED
    installed = importlib.util.find_spec("python_stretch") is not None
    return "signalsmith" if steady and installed else "phase vocoder"


def _stretched(
    samples: Samples, rate_hz: int, time_map: TimeMap, first: int, count: int
) -> Samples:
    """Samples ``first`` to ``first + count`` of the dance's time, (count, channels)."""
    name = stretcher_name(time_map)
    start = float(time_map.in_song(np.array([first / rate_hz]))[0]) * rate_hz
    if name == "none":
        return _cut(samples, round(start), count)
    if name == "signalsmith":
        return _signalsmith(samples, rate_hz, float(time_map.ratios[0]), start, count)
    return phase_vocoder(samples, rate_hz, time_map, first, count)


def _cut(samples: Samples, first: int, count: int) -> Samples:
    """Samples from ``first`` on, silence beyond both ends."""
    out = np.zeros((count, samples.shape[1]), np.float32)
    low, high = max(0, first), min(len(samples), first + count)
    if high > low:
        out[low - first : high - first] = samples[low:high]
    return out


def _signalsmith(samples: Samples, rate_hz: int, ratio: float, start: float, count: int) -> Samples:
    """Stretch by Signalsmith, from sample ``start`` of the song on."""
    from python_stretch import Signalsmith

    margin = timebase.samples_in(_MARGIN_S, rate_hz)
    begin = round(start) - margin
    given = _cut(samples, begin, round(count / ratio) + 2 * margin)
    stretcher = Signalsmith.Stretch(0)
    stretcher.preset(samples.shape[1], rate_hz)
    stretcher.setTimeFactor(1.0 / ratio)
    made = np.asarray(stretcher.process(np.ascontiguousarray(given.T)), dtype=np.float32).T
    return _cut(made, round((start - begin) * ratio), count)


def phase_vocoder(
    samples: Samples, rate_hz: int, time_map: TimeMap, first: int, count: int
) -> Samples:
    """Stretch by any map, see the module.

    Args:
        samples: The song, (N, channels).
        rate_hz: Its samples per second.
        time_map: Song time to dance time.
        first: First sample of the dance's time.
        count: Number of samples.

    Returns:
        The stretched song, (count, channels).
    """
    size = 2 ** round(np.log2(_WINDOW_S * rate_hz))
    hop = size // _OVERLAP
    # Hann at analysis and at synthesis, at four hops a window, sums to 1.5.
    window = np.hanning(size + 1)[:size, None]
    centres = np.arange(first - size + hop, first + count + size, hop)
    song = np.round(time_map.in_song(centres / rate_hz) * rate_hz).astype(int)
    attack_bin = round(_ATTACK_HZ * size / rate_hz)
    out = np.zeros((len(centres) * hop + size, samples.shape[1]), np.float32)
    phase = np.zeros(size // 2 + 1)
    for number, centre in enumerate(song):
        now, before = (
            np.fft.rfft(window * _cut(samples, at - size // 2, size), axis=0)
            for at in (centre, centre - hop)
        )
        phase = _next_phase(now.sum(axis=1), before.sum(axis=1), phase, attack_bin)
        turned = now * np.exp(1j * (phase - np.angle(now.sum(axis=1))))[:, None]
        frame = np.fft.irfft(turned, size, axis=0) * window / 1.5
        out[number * hop : number * hop + size] += frame.astype(np.float32)
    # Frame k is centred on sample k * hop + size / 2 of the output.
    return out[size // 2 + first - int(centres[0]) :][:count]


def _next_phase(now: NDArray, before: NDArray, phase: NDArray, attack_bin: int) -> NDArray:
    """Phases (K,) of the next frame from its spectrum, that of a hop earlier, and the last phases.

    At an attack the spectrum's own.
    """
    own = np.angle(now)
    level = np.abs(now)
    high, high_before = (float((np.abs(x[attack_bin:]) ** 2).sum()) for x in (now, before))
    peaks = _peaks(level)
    if high > _ATTACK_RATIO * high_before or len(peaks) == 0:
        return np.asarray(own)
    rotation = phase[peaks] + np.angle(now[peaks] * np.conj(before[peaks])) - own[peaks]
    edges = (peaks[1:] + peaks[:-1] + 1) // 2
    return np.asarray(own + rotation[np.searchsorted(edges, np.arange(len(now)), side="right")])


def _peaks(level: NDArray) -> NDArray[np.intp]:
    """Bins above their two neighbours on each side."""
    wide = np.pad(level, _PEAK_REACH, constant_values=-1.0)
    others = [
        wide[_PEAK_REACH + shift : len(wide) - _PEAK_REACH + shift] for shift in (-2, -1, 1, 2)
    ]
    return np.flatnonzero((level > np.max(others, axis=0)) & (level > 0.0))


def _faded(made: Samples, song_s: NDArray[np.float64], sound: Sound) -> Samples:
    """Fade in or out where the dance cuts into the song."""
    fade = min(timebase.samples_in(_FADE_S, sound.rate_hz), len(made) // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)[:, None]
    if song_s[0] > _FADE_S:
        made[:fade] *= ramp
    if song_s[1] < sound.duration_s - _FADE_S:
        made[len(made) - fade :] *= ramp[::-1]
    return made
