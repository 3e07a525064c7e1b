"""A score rendered to sound: every note synthesised, panned, sent to effects, and mastered.

Rendered at the target rate and channel count directly, so mono at 22,050 Hz is fast. Samples are
float64 inside and float32 in the returned Sound; axes: N samples x channels.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.composition.music_score import Mix, Note, Part, Score
from kinetune.corpus.rendering import synthesis
from kinetune.corpus.rendering.instruments_table import INSTRUMENTS
from kinetune.corpus.rendering.mastering import Bus, follow_energy, map_channels, master
from kinetune.corpus.rendering.synthesis import NoteSpec, Timbre, Wave
from kinetune.errors import ConfigError

# Level every instrument is normalised to before its part's gain: loudest 30 ms of a firm note.
_REFERENCE_RMS = 0.5
_VELOCITY_LAYERS = 4
# Exponent from velocity to amplitude: steep enough for accents, flat enough for soft chords.
_VELOCITY_CURVE = 1.35
# Lengths are rounded to powers of this, so that notes of nearly equal length share one rendering.
_LENGTH_GRID = 1.2
# Offsets of tuning and brightness from hit to hit of a drum.
_ROUND_ROBIN = (0.0, 0.03, -0.03)
# A stroke is heard on the beat when it has risen by then: trackers hear the corpus this much later
# than clicks on the same beats (median of 20 pieces: 37 ms against 20 ms).
RISE_S = 0.017
# High-pass of the music bus, and its low-pass on a record without noise.
_MUSIC_FROM_HZ = 130.0
_CLEAN_TOP_HZ = 12_000.0

# Timbre, pitch, length bucket and velocity layer of a rendering.
_Key = tuple[Timbre, float, int, int]


@dataclass(frozen=True, eq=False)
class _Buses:
    """The buses of the mix, each (N, channels): three of parts, two sends."""

    low: Bus
    drums: Bus
    music: Bus
    reverb: Bus
    echo: Bus


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
    stems = _render_stems(score, lead_in + n, lead_in, rate_hz)
    duck = _sidechain_gain(score, lead_in + n, lead_in, rate_hz)
    buses = _route(stems, duck, channels)
    bus = _sum_buses(buses, score.mix, rate_hz)
    bus = master(follow_energy(bus, score, lead_in, rate_hz), score.mix, rate_hz)[lead_in:]
    return Sound((bus[:, 0] if channels == 1 else bus).astype(np.float32), rate_hz)


def _render_stems(score: Score, n: int, lead_in: int, rate_hz: int) -> Iterator[tuple[Part, Wave]]:
    """Every part that plays with its own sound, shape (N,), one at a time."""
    by_part: dict[str, list[Note]] = defaultdict(list)
    for note in score.notes:
        by_part[note.part].append(note)
    for part in score.parts:
        if part.name in by_part:
            yield part, _render_part(part, by_part[part.name], n, lead_in, rate_hz)


def _render_part(part: Part, notes: list[Note], n: int, lead_in: int, rate_hz: int) -> Wave:
    stem = np.zeros(n)
    cache: dict[_Key, Wave] = {}
    timbres = _round_robin(part)
    for count, note in enumerate(notes):
        wave = _render_note(part.instrument, timbres[count % len(timbres)], note, rate_hz, cache)
        start = max(0, timebase.samples_in(note.start_s - RISE_S, rate_hz) + lead_in)
        length = min(len(wave), n - start)
        if length > 0:
            gain = note.velocity**_VELOCITY_CURVE
            stem[start : start + length] += gain * wave[:length]
    return stem * _level_gain(part, notes, rate_hz)


def _round_robin(part: Part) -> list[Timbre]:
    """The timbres a part uses in turn: no two hits of a drum are the same."""
    if part.bus != "drums":
        return [part.timbre]
    k = part.timbre
    return [
        replace(k, tune=k.tune + offset, bright=k.bright - offset, seed=k.seed + index)
        for index, offset in enumerate(_ROUND_ROBIN)
    ]


def _level_gain(part: Part, notes: list[Note], rate_hz: int) -> float:
    """Gain that brings a firm note of this timbre to the reference level."""
    pitch = float(np.median([note.pitch for note in notes]))
    firm = Note(part.name, 0.0, 0.25, pitch, 0.9)
    wave = _render_note(part.instrument, part.timbre, firm, rate_hz, {})
    block = timebase.samples_in(0.03, rate_hz)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    return _REFERENCE_RMS / max(float(np.sqrt(power.max())), 0.02)


def _render_note(
    instrument: str, timbre: Timbre, note: Note, rate_hz: int, cache: dict[_Key, Wave]
) -> Wave:
    bucket = round(np.log(max(note.duration_s, 0.02)) / np.log(_LENGTH_GRID))
    layer = min(int(note.velocity * _VELOCITY_LAYERS), _VELOCITY_LAYERS - 1)
    key = (timbre, note.pitch, bucket, layer)
    if key not in cache:
        spec = NoteSpec(
            hz=440.0 * 2.0 ** ((note.pitch - 69.0) / 12.0),
            gate_s=_LENGTH_GRID**bucket,
            velocity=(layer + 0.5) / _VELOCITY_LAYERS,
            rate_hz=rate_hz,
            timbre=timbre,
        )
        cache[key] = synthesis.fade_out(INSTRUMENTS[instrument](spec), rate_hz)
    return cache[key]


def _sidechain_gain(score: Score, n: int, lead_in: int, rate_hz: int) -> Wave:
    """Gain of the ducked parts: a dip at every kick that recovers with a time constant of 80 ms."""
    dip = np.zeros(n)
    for note in score.notes:
        if note.part == "kick":
            start = max(0, timebase.samples_in(note.start_s - RISE_S, rate_hz) + lead_in)
            if start < n:
                dip[start] = max(dip[start], note.velocity)
    tail = synthesis.decay(timebase.samples_in(0.4, rate_hz), rate_hz, 0.08)
    return 1.0 - score.mix.ducking * np.clip(signal.fftconvolve(dip, tail)[:n], 0.0, 1.0)


def _route(stems: Iterable[tuple[Part, Wave]], duck: Wave, channels: int) -> _Buses:
    """Every part at its level and pan (constant power), on its bus and sends."""
    buses = _Buses(*(np.zeros((channels, len(duck))).T for _ in range(5)))
    for part, wave in stems:
        stem = part.level * wave
        if part.ducked:
            stem *= duck
        angle = 0.25 * np.pi * (1.0 + part.pan)
        gains = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)
        if channels == 1:
            gains = gains.mean(keepdims=True)
        sends = (
            (getattr(buses, part.bus), 1.0), (buses.reverb, part.reverb_send),
            (buses.echo, part.echo_send),
        )  # fmt: skip
        for bus, share in sends:
            for channel, gain in enumerate(gains if share else ()):
                bus[:, channel] += gain * share * stem
    return buses


def _sum_buses(buses: _Buses, mix: Mix, rate_hz: int) -> Bus:
    """The buses processed and summed."""
    # The bass range belongs to kick and bass; an old record has no treble.
    music = map_channels(buses.music, lambda x: synthesis.highpass(x, _MUSIC_FROM_HZ, rate_hz))
    if mix.vinyl_noise > 0.0:
        dull = _CLEAN_TOP_HZ * (1.0 - 0.75 * mix.vinyl_noise)
        music = map_channels(music, lambda x: synthesis.lowpass(x, dull, rate_hz))
    drums = buses.drums
    if mix.drum_saturation > 0.0:
        drums = (
            1.0 - 0.5 * mix.drum_saturation
        ) * drums + 0.5 * mix.drum_saturation * synthesis.soft_clip(drums, 0.5)
    echo = _delay(buses.echo, mix, rate_hz)
    reverb = _reverb(buses.reverb + 0.4 * echo, mix, rate_hz)
    return buses.low + drums + _widen(music + echo, mix, rate_hz) + reverb


def _widen(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Music widened by a delayed side signal, which cancels in the mono sum."""
    if bus.shape[1] == 1:
        return bus
    delay = timebase.samples_in(0.011, rate_hz)
    side = synthesis.highpass(bus.mean(axis=1), 300, rate_hz)
    side = 0.6 * mix.stereo_width * np.concatenate([np.zeros(delay), side[:-delay]])
    return bus + np.stack([side, -side], axis=-1)


def _delay(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Three echoes ``mix.echo_s`` apart, each softer and duller."""
    out = np.zeros_like(bus)
    step = timebase.samples_in(mix.echo_s, rate_hz)
    if mix.echo <= 0.0 or not bus.any():
        return out
    for count in range(1, 4):
        if count * step >= len(bus):
            break
        bus = map_channels(bus, lambda x: synthesis.lowpass(x, 3500, rate_hz, 1))
        out[count * step :] += mix.echo * 0.55 ** (count - 1) * bus[: len(bus) - count * step]
    return out


def _reverb(send: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Reverberation: early reflections, then decaying noise whose treble decays faster."""
    n = timebase.samples_in(mix.reverb_s, rate_hz)
    rng = np.random.default_rng([mix.seed, 9])
    out = np.empty_like(send)
    for channel in range(send.shape[1]):
        tail = rng.standard_normal(n)
        low = synthesis.lowpass(tail, 1200, rate_hz, 1)
        dark = low * synthesis.decay(n, rate_hz, mix.reverb_s / 5.0)
        tail = dark + (tail - low) * synthesis.decay(n, rate_hz, mix.reverb_s / 9.0)
        tail[: timebase.samples_in(0.012, rate_hz)] = 0.0
        early = rng.uniform(0.006, 0.045, 6)
        at = np.minimum((early * rate_hz).astype(int), n - 1)
        tail[at] += rng.choice([-1.0, 1.0], 6) * 12.0 * np.exp(-early / 0.03)
        tail = synthesis.highpass(synthesis.lowpass(tail, 5500, rate_hz, 1), 250, rate_hz)
        tail /= np.sqrt(np.sum(tail**2)) + 1e-9
        out[:, channel] = signal.oaconvolve(send[:, channel], tail)[: len(send)]
    return 4.0 * mix.reverb * out
