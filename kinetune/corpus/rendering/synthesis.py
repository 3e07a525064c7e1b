"""Building blocks of synthesis: oscillators, noise, envelopes, filters, plucked strings.

All functions are vectorised over the samples of one note and return float64 arrays of shape (N,).
Hz, seconds, radians. Sources: band-limited steps after Valimaki and Huovilainen (2007), plucked
strings after Karplus and Strong (1983), frequency modulation after Chowning (1973).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from kinetune import timebase
from kinetune.corpus.rendering.recursive_filter import RecursiveFilter

Wave = NDArray[np.float64]

# Samples a row where a curve is computed as a product of rows and columns.
_ROW = 256


@dataclass(frozen=True)
class Timbre:
    """Parameters of an instrument, each 0 to 1, and the seed of its noise."""

    bright: float = 0.5
    decay: float = 0.5
    color: float = 0.5
    drive: float = 0.2
    tune: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class NoteSpec:
    """One note to be synthesised.

    Attributes:
        hz: Pitch.
        gate_s: Time from note on to note off, seconds; the release follows.
        velocity: 0 to 1.
        rate_hz: Samples per second.
        timbre: The instrument's parameters.
    """

    hz: float
    gate_s: float
    velocity: float
    rate_hz: int
    timbre: Timbre

    def samples(self, duration_s: float) -> int:
        """How many samples last ``duration_s`` seconds, at least 16."""
        return max(16, timebase.samples_in(duration_s, self.rate_hz))


def sample_times(n: int, rate_hz: int) -> Wave:
    """Times of ``n`` samples, seconds."""
    return timebase.frame_times(n, rate_hz)


def note_length(note: NoteSpec, release_s: float) -> tuple[int, int]:
    """Length of a note with its release, samples, and the sample rate."""
    return note.samples(note.gate_s + release_s), note.rate_hz


def decay(n: int, rate_hz: int, tau_s: float) -> Wave:
    """An exponential decay from 1 with time constant ``tau_s``."""
    # An exponential of a sum is a product: one exponential a row and one a column.
    coarse = np.exp(-sample_times(-(-n // _ROW), rate_hz) * (_ROW / tau_s))
    fine = np.exp(-sample_times(_ROW, rate_hz) / tau_s)
    return np.outer(coarse, fine).ravel()[:n]


def release(n: int, rate_hz: int, gate_s: float, tau_s: float) -> Wave:
    """One up to ``gate_s``, seconds, and from there an exponential decay."""
    out = np.ones(n)
    first = max(0, timebase.first_frame_from(gate_s, rate_hz))
    if first < n:
        late_s = timebase.duration_of(first, rate_hz) - gate_s
        out[first:] = np.exp(-late_s / tau_s) * decay(n - first, rate_hz, tau_s)
    return out


def rise(n: int, rate_hz: int, duration_s: float) -> Wave:
    """A straight line from 0 to 1 over ``duration_s``, then 1."""
    out = np.ones(n)
    head = out[: max(0, timebase.first_frame_from(duration_s, rate_hz))]
    head[:] = sample_times(len(head), rate_hz) / duration_s
    return out


def envelope(n: int, rate_hz: int, gate_s: float, shape: tuple[float, float, float, float]) -> Wave:
    """Attack, decay, sustain, release: seconds, seconds, level, seconds."""
    attack, fall, sustain, end = shape
    body = release(n, rate_hz, attack, max(fall, 1e-4))
    body *= 1.0 - sustain
    body += sustain
    body *= rise(n, rate_hz, max(attack, 1e-4))
    body *= release(n, rate_hz, gate_s, max(end / 4.0, 1e-4))
    return body


def fade_out(wave: Wave, rate_hz: int) -> Wave:
    """Fade the last 6 ms to zero, in place, so that no note ends in a click."""
    n = min(len(wave), timebase.samples_in(0.006, rate_hz))
    wave[len(wave) - n :] *= np.linspace(1.0, 0.0, n)
    return wave


def phase(hz: float | Wave, n: int, rate_hz: int) -> Wave:
    """Running phase in cycles of a tone at ``hz`` (a number, or one for each sample)."""
    if isinstance(hz, np.ndarray):
        return np.cumsum(hz) / rate_hz
    return sample_times(n, rate_hz) * hz


def sine(cycles: Wave) -> Wave:
    """A sine of a phase in cycles."""
    return np.asarray(np.sin(2.0 * np.pi * cycles))


def tone(hz: float, n: int, rate_hz: int, tau_s: float = np.inf) -> Wave:
    """A sine of a steady pitch that begins at phase 0 and decays with time constant ``tau_s``."""
    # The sine of a sum of two angles: one angle a row and one a column.
    coarse, fine = sample_times(-(-n // _ROW), rate_hz) * _ROW, sample_times(_ROW, rate_hz)
    decayed, decays = np.exp(-coarse / tau_s), np.exp(-fine / tau_s)
    row, column = 2.0 * np.pi * hz * coarse, 2.0 * np.pi * hz * fine
    out = np.outer(decayed * np.sin(row), decays * np.cos(column))
    out += np.outer(decayed * np.cos(row), decays * np.sin(column))
    return out.ravel()[:n]


def sign(cycles: Wave) -> Wave:
    """The sign of a sine of a phase in cycles that begins at 0."""
    wave = np.where(_turn(cycles) < 0.5, 1.0, -1.0)
    wave[0] = 0.0
    return wave


def sawtooth(cycles: Wave, hz: float, rate_hz: int) -> Wave:
    """A band-limited sawtooth (two-point polynomial step)."""
    p = _turn(cycles)
    return 2.0 * p - 1.0 - _poly_blep(p, min(hz / rate_hz, 0.49))


def square(cycles: Wave, hz: float, rate_hz: int, width: float = 0.5) -> Wave:
    """A band-limited pulse wave without offset."""
    step = min(hz / rate_hz, 0.49)
    p, q = _turn(cycles), _turn(cycles + 1.0 - width)
    wave = np.where(p < width, 1.0, -1.0) + _poly_blep(p, step) - _poly_blep(q, step)
    return wave - (2.0 * width - 1.0)


def _turn(cycles: Wave) -> Wave:
    """The phase within its cycle, as ``cycles % 1.0`` gives it but several times as fast."""
    return np.asarray(cycles - np.floor(cycles))


def _poly_blep(p: Wave, step: float) -> Wave:
    out = np.zeros_like(p)
    # Only few samples lie beside a step of the wave.
    after, before = np.flatnonzero(p < step), np.flatnonzero(p > 1.0 - step)
    a, b = p[after] / step, (p[before] - 1.0) / step
    out[after] = 2.0 * a - a * a - 1.0
    out[before] = b * b + 2.0 * b + 1.0
    return out


def noise(n: int, seed: int) -> Wave:
    """White noise, standard deviation 0.33."""
    return 0.33 * np.random.default_rng([seed, 77]).standard_normal(n)


def soft_clip(wave: Wave, amount: float) -> Wave:
    """Soft saturation, tanh of the wave amplified by 1 + 5 ``amount``; full scale stays 1."""
    gain = 1.0 + 5.0 * amount
    return np.asarray(np.tanh(gain * wave) / np.tanh(gain))


@lru_cache(maxsize=1024)
def _design_filter(
    kind: str, order: int, low_hz: float, high_hz: float, rate_hz: int
) -> tuple[RecursiveFilter, ...]:
    top = 0.47 * rate_hz
    edges = {"lowpass": [high_hz], "highpass": [low_hz], "bandpass": [low_hz, high_hz]}[kind]
    band = np.clip(np.array(edges), 10.0, top)
    if kind == "bandpass" and band[1] <= band[0] * 1.02:
        band = np.array([band[1] / 1.1, band[1]])
    sections = signal.butter(order, band.squeeze(), kind, fs=rate_hz, output="sos")
    return tuple(RecursiveFilter(section[:3], section[3:]) for section in sections)


def _filtered(wave: Wave, *design: Any) -> Wave:
    for section in _design_filter(*design):
        wave = np.asarray(section.apply(wave), dtype=np.float64)
    return wave


def lowpass(wave: Wave, hz: float, rate_hz: int, order: int = 2) -> Wave:
    """Butterworth low-pass."""
    if hz > 0.46 * rate_hz:
        return wave
    return _filtered(wave, "lowpass", order, 0.0, round(hz), rate_hz)


def highpass(wave: Wave, hz: float, rate_hz: int, order: int = 2) -> Wave:
    """Butterworth high-pass."""
    return _filtered(wave, "highpass", order, round(hz), 0.0, rate_hz)


def bandpass(wave: Wave, low_hz: float, high_hz: float, rate_hz: int) -> Wave:
    """Second-order band-pass."""
    return _filtered(wave, "bandpass", 1, round(low_hz), round(high_hz), rate_hz)


def swept_lowpass(wave: Wave, rate_hz: int, low_hz: float, high_hz: float, opening: Wave) -> Wave:
    """A low-pass whose cutoff follows ``opening`` (0 to 1) from ``low_hz`` up to ``high_hz``.

    Three fixed filters are cross-faded: cheap, and without the zipper noise of a moving one.
    """
    cutoffs = np.geomspace(low_hz, max(high_hz, low_hz * 1.05), 3)
    layers = [lowpass(wave, float(hz), rate_hz) for hz in cutoffs]
    position = 2.0 * np.clip(opening, 0.0, 1.0)
    low = np.clip(1.0 - position, 0.0, 1.0)
    high = np.clip(position - 1.0, 0.0, 1.0)
    return low * layers[0] + (1.0 - low - high) * layers[1] + high * layers[2]


def modal(n: int, rate_hz: int, rows: tuple[tuple[float, float, float], ...]) -> Wave:
    """Modal synthesis: a sum of decaying sines from rows of (hz, gain, time constant in s)."""
    out = np.zeros(n)
    for hz, gain, tau in rows:
        if hz < 0.46 * rate_hz:
            out += gain * tone(hz, n, rate_hz, tau)
    return out


def plucked_string(
    n: int, rate_hz: int, hz: float, *, damp: float, bright: float, seed: int
) -> Wave:
    """A plucked string.

    Args:
        n: Samples.
        rate_hz: Samples per second.
        hz: Pitch.
        damp: Share of the level kept over each second at low pitch, 0 to 1.
        bright: Brightness of the pluck, 0 a thumb, 1 a plectrum.
        seed: Of the pluck.
    """
    delay = rate_hz / hz - 0.5
    whole = max(2, int(delay))
    part = delay - whole
    gain = max(damp, 1e-3) ** (1.0 / hz)
    # The loop's filter: half a sample of averaging, and the fraction of the delay.
    taps = 0.5 * gain * np.convolve([1.0 - part, part], [1.0, 1.0])
    burst = np.zeros(n)
    length = min(n, whole)
    burst[:length] = noise(length, seed)
    burst = lowpass(burst, 400.0 + 7000.0 * bright**1.5, rate_hz, 1)
    burst[:length] -= burst[:length].mean()
    wave = _looped(burst, taps, whole)
    return np.asarray(wave / max(float(np.abs(wave).max()), 1e-6))


def _looped(wave: Wave, taps: Wave, delay: int) -> Wave:
    """The samples fed back through a filter and a delay in samples, one delay's length at once."""
    reach = delay + len(taps) - 1
    out = np.concatenate([np.zeros(reach), wave])
    for start in range(reach + delay, len(out), delay):
        made = out[start : start + delay]
        for index, tap in enumerate(taps, start=delay):
            made += tap * out[start - index :][: len(made)]
    return out[reach:]
