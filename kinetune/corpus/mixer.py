"""A score made audible: every note sounded, placed, put in a room and brought to level.

Rendered at the target rate and channel count directly, so mono at 22,050 Hz is fast. Samples are
float64 inside and float32 in the delivered Sound; axes: N samples x channels.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.corpus import synthesis
from kinetune.corpus.instruments import VOICES
from kinetune.corpus.score import Mix, Note, Part, Score
from kinetune.corpus.synthesis import Strike, Wave
from kinetune.errors import ConfigError

PEAK = 0.97
# Loudness of the loudest passages before limiting, root mean square.
_TARGET_RMS = 0.16
# What every sound is trimmed to before the part's own level: loudest 30 ms of a firm note.
_REFERENCE_RMS = 0.5
_FORCE_LAYERS = 4
# Length buckets grow by this factor, so that notes of nearly equal length share one rendering.
_LENGTH_GRID = 1.2
_BLOCK_S = 0.004


def render(score: Score, rate_hz: int = 44_100, *, channels: int = 2) -> Sound:
    """Return the sound of a score.

    Args:
        score: What to play.
        rate_hz: Samples a second, 8,000 or more.
        channels: 1 or 2.

    Raises:
        ConfigError: The rate or the number of channels is out of range.
    """
    if channels not in (1, 2):
        raise ConfigError(f"channels must be 1 or 2, found {channels}")
    if rate_hz < 8_000:
        raise ConfigError(f"the sample rate must be 8000 Hz or more, found {rate_hz}")
    lead_in = timebase.samples_in(max(0.0, -score.bars_s[0]), rate_hz) if score.bars_s else 0
    n = timebase.samples_in(score.duration_s, rate_hz)
    stems = _play(score, lead_in + n, lead_in, rate_hz)
    duck = _ducking(score, lead_in + n, lead_in, rate_hz)
    dry, wet = _place(score, stems, duck, channels)
    bus = dry + _room(wet, score.mix, rate_hz)
    bus = _ridden(bus, score, lead_in, rate_hz)
    bus = _finish(bus, score.mix, rate_hz)[lead_in:]
    return Sound((bus[:, 0] if channels == 1 else bus).astype(np.float32), rate_hz)


def _play(score: Score, n: int, lead_in: int, rate_hz: int) -> dict[str, Wave]:
    """Every part's own sound, shape (N,) each."""
    parts = {part.name: part for part in score.parts}
    by_part: dict[str, list[Note]] = defaultdict(list)
    for note in score.notes:
        by_part[note.part].append(note)
    stems = {}
    for name, notes in by_part.items():
        stem = np.zeros(n)
        cache: dict[tuple[float, int, int], Wave] = {}
        for note in notes:
            wave = _sounded(parts[name], note, rate_hz, cache)
            start = max(0, timebase.samples_in(note.start_s, rate_hz) + lead_in)
            length = min(len(wave), n - start)
            if length > 0:
                loud = note.velocity * (0.25 + 0.75 * note.velocity)
                stem[start : start + length] += loud * wave[:length]
        stems[name] = stem * _trim(parts[name], notes, rate_hz)
    return stems


def _trim(part: Part, notes: list[Note], rate_hz: int) -> float:
    """Gain that brings a firm note of this sound to the reference level, whatever its knobs."""
    pitch = float(np.median([note.pitch for note in notes]))
    firm = Note(part.name, 0.0, 0.25, pitch, 0.9)
    wave = _sounded(part, firm, rate_hz, {})
    block = timebase.samples_in(0.03, rate_hz)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    return _REFERENCE_RMS / max(float(np.sqrt(power.max())), 0.02)


def _sounded(
    part: Part, note: Note, rate_hz: int, cache: dict[tuple[float, int, int], Wave]
) -> Wave:
    bucket = round(np.log(max(note.duration_s, 0.02)) / np.log(_LENGTH_GRID))
    layer = min(int(note.velocity * _FORCE_LAYERS), _FORCE_LAYERS - 1)
    key = (note.pitch, bucket, layer)
    if key not in cache:
        strike = Strike(
            hz=440.0 * 2.0 ** ((note.pitch - 69.0) / 12.0),
            gate_s=_LENGTH_GRID**bucket,
            force=(layer + 0.5) / _FORCE_LAYERS,
            rate_hz=rate_hz,
            timbre=part.timbre,
        )
        cache[key] = synthesis.end_softly(VOICES[part.voice](strike), rate_hz)
    return cache[key]


def _ducking(score: Score, n: int, lead_in: int, rate_hz: int) -> Wave:
    """Gain of the ducked parts: a dip at every kick, back up within an eighth of a second."""
    dip = np.zeros(n)
    for note in score.notes:
        if note.part == "kick":
            start = max(0, timebase.samples_in(note.start_s, rate_hz) + lead_in)
            if start < n:
                dip[start] = max(dip[start], note.velocity)
    tail = synthesis.fade(timebase.samples_in(0.4, rate_hz), rate_hz, 0.08)
    return 1.0 - score.mix.duck * np.clip(signal.fftconvolve(dip, tail)[:n], 0.0, 1.0)


def _place(
    score: Score, stems: dict[str, Wave], duck: Wave, channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The dry sum and what goes to the room, each (N, channels)."""
    dry = np.zeros((len(duck), channels))
    wet = np.zeros_like(dry)
    for part in score.parts:
        if part.name not in stems:
            continue
        stem = part.level * stems[part.name]
        if part.ducked:
            stem *= duck
        angle = 0.25 * np.pi * (1.0 + part.pan)
        gains = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)
        if channels == 1:
            gains = gains.mean(keepdims=True)
        placed = stem[:, None] * gains
        dry += placed
        wet += part.send * placed
    return dry, wet


def _room(wet: NDArray[np.float64], mix: Mix, rate_hz: int) -> NDArray[np.float64]:
    """Reverberation by convolution with decaying, darkening noise."""
    n = timebase.samples_in(mix.room_s, rate_hz)
    rng = np.random.default_rng([mix.seed, 9])
    out = np.empty_like(wet)
    for channel in range(wet.shape[1]):
        tail = rng.standard_normal(n) * synthesis.fade(n, rate_hz, mix.room_s / 5.0)
        tail[: timebase.samples_in(0.008, rate_hz)] = 0.0
        tail = synthesis.highpass(synthesis.lowpass(tail, 4500, rate_hz, 1), 250, rate_hz)
        tail /= np.sqrt(np.sum(tail**2)) + 1e-9
        out[:, channel] = signal.oaconvolve(wet[:, channel], tail)[: len(wet)]
    return 4.0 * mix.wet * out


def _ridden(
    bus: NDArray[np.float64], score: Score, lead_in: int, rate_hz: int
) -> NDArray[np.float64]:
    """The fader follows the dance: softer and duller in calm beats, louder and brighter in strong.

    Five decibels from the calmest to the strongest, and as much again in the treble.
    """
    if not len(score.energy):
        return bus
    points = score.beats_s * rate_hz + lead_in
    energy = ndimage.gaussian_filter1d(score.energy, 0.5, mode="nearest")
    level_db = 5.0 * np.interp(np.arange(len(bus)), points, energy) - 4.0
    gain = np.power(10.0, level_db / 20.0)[:, None]
    low = np.stack([synthesis.lowpass(x, 1800, rate_hz, 1) for x in bus.T], axis=-1)
    return gain * (low + gain * 1.25 * (bus - low))


def _finish(bus: NDArray[np.float64], mix: Mix, rate_hz: int) -> NDArray[np.float64]:
    """Tone, dust, glue and level."""
    out = np.stack([synthesis.highpass(x, 28, rate_hz) for x in bus.T], axis=-1)
    low = np.stack([synthesis.lowpass(x, 900, rate_hz, 1) for x in out.T], axis=-1)
    tilt = 10.0 ** ((mix.tilt_db - 2.0) / 40.0)
    out = low / tilt + (out - low) * tilt
    out *= _TARGET_RMS / max(_loud_rms(out, rate_hz), 1e-6)
    out += _dust(out.shape, mix, rate_hz)
    drive = 1.0 + 2.0 * mix.drive
    out = np.tanh(drive * out) / drive**0.7
    out = _compressed(out, rate_hz)
    out *= _TARGET_RMS / max(_loud_rms(out, rate_hz), 1e-6)
    return _limited(out - out.mean(axis=0), rate_hz)


def _loud_rms(bus: NDArray[np.float64], rate_hz: int) -> float:
    """Root mean square of the louder part: the 80th percentile over half seconds."""
    block = timebase.samples_in(0.5, rate_hz)
    power = np.add.reduceat((bus**2).mean(axis=1), np.arange(0, len(bus), block)) / block
    return float(np.sqrt(np.quantile(power, 0.8)))


def _dust(shape: tuple[int, ...], mix: Mix, rate_hz: int) -> NDArray[np.float64]:
    """The crackle and hiss of an old record."""
    if mix.dust <= 0.0:
        return np.zeros(shape)
    rng = np.random.default_rng([mix.seed, 10])
    clicks = (rng.random(shape[0]) < 12.0 / rate_hz) * rng.normal(0.0, 0.12, shape[0])
    hiss = synthesis.lowpass(0.0035 * rng.standard_normal(shape[0]), 5000, rate_hz, 1)
    return mix.dust * (synthesis.bandpass(clicks, 600, 5000, rate_hz) * 3.0 + hiss)[:, None]


def _blocks(bus: NDArray[np.float64], rate_hz: int) -> tuple[Wave, int]:
    size = timebase.samples_in(_BLOCK_S, rate_hz)
    return np.maximum.reduceat(np.abs(bus).max(axis=1), np.arange(0, len(bus), size)), size


def _spread(gain: Wave, n: int, size: int) -> Wave:
    return np.interp(np.arange(n), (np.arange(len(gain)) + 0.5) * size, gain)


def _compressed(bus: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Two to one above a threshold, slow enough to leave the beat its punch."""
    level, size = _blocks(bus, rate_hz)
    level = ndimage.gaussian_filter1d(level, 0.06 / _BLOCK_S, mode="nearest")
    gain = np.minimum(1.0, (0.35 / np.maximum(level, 1e-6)) ** 0.4)
    return bus * _spread(gain, len(bus), size)[:, None]


def _limited(bus: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Turn down ahead of peaks, then make sure of the ceiling."""
    level, size = _blocks(bus, rate_hz)
    gain = np.minimum(1.0, 0.9 * PEAK / np.maximum(level, 1e-6))
    gain = ndimage.minimum_filter1d(gain, 7, mode="nearest")
    gain = ndimage.uniform_filter1d(gain, 5, mode="nearest")
    out = bus * _spread(gain, len(bus), size)[:, None]
    return out * min(1.0, PEAK / max(float(np.abs(out).max()), 1e-9))
