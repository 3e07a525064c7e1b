"""A score rendered to sound: every note synthesised, panned, sent to effects, and mastered.

Rendered at the target rate and channel count directly, so mono at 22,050 Hz is fast. Samples are
float64 inside and float32 in the returned Sound; axes: N samples x channels.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import signal

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.composition.music_score import Mix, Note, Part, Score
from kinetune.corpus.rendering import effects, synthesis
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
# Other notes start early by their rise time, if that is not short, and by this much at most.
_FAST_ATTACK_S, _MAX_LEAD_S = 0.015, 0.2
# Struck parts outside the drum bus; parts whose rise is their purpose.
_STRUCK, _BUILDING_UP = ("kick", "drop"), ("riser",)
# High-pass of the music bus, and its low-pass on a record without noise.
_MUSIC_FROM_HZ = 130.0
_CLEAN_TOP_HZ = 12_000.0


class _Key(NamedTuple):
    """What a rendering of a note depends on: lengths are in powers of _LENGTH_GRID."""

    timbre: Timbre
    pitch: float
    length: int
    velocity_layer: int


class _Rendered(NamedTuple):
    """A rendered note, shape (N,), and how much before its beat it starts."""

    samples: Wave
    lead_s: float


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
    before_s = max(0.0, -score.bars_s[0]) if score.bars_s else 0.0
    lead_in = timebase.samples_in(before_s + _MAX_LEAD_S, rate_hz)
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
    cache: dict[_Key, _Rendered] = {}
    timbres = _round_robin(part)
    for count, note in enumerate(notes):
        timbre = timbres[count % len(timbres)]
        key = _key_of(timbre, note)
        if key not in cache:
            samples = _render_note(part.instrument, key, rate_hz)
            cache[key] = _Rendered(samples, _lead_s(part, samples, rate_hz))
        wave = cache[key]
        start = lead_in + timebase.samples_in(note.start_s - wave.lead_s, rate_hz)
        # Only a player's timing error could move a note before the first sample.
        start = max(0, start)
        length = min(len(wave.samples), n - start)
        if length > 0:
            gain = note.velocity**_VELOCITY_CURVE
            stem[start : start + length] += gain * wave.samples[:length]
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
    wave = _render_note(part.instrument, _key_of(part.timbre, firm), rate_hz)
    block = timebase.samples_in(0.03, rate_hz)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    return _REFERENCE_RMS / max(float(np.sqrt(power.max())), 0.02)


def _key_of(timbre: Timbre, note: Note) -> _Key:
    length = round(np.log(max(note.duration_s, 0.02)) / np.log(_LENGTH_GRID))
    layer = min(int(note.velocity * _VELOCITY_LAYERS), _VELOCITY_LAYERS - 1)
    return _Key(timbre, note.pitch, length, layer)


def _render_note(instrument: str, key: _Key, rate_hz: int) -> Wave:
    spec = NoteSpec(
        hz=440.0 * 2.0 ** ((key.pitch - 69.0) / 12.0),
        gate_s=_LENGTH_GRID**key.length,
        velocity=(key.velocity_layer + 0.5) / _VELOCITY_LAYERS,
        rate_hz=rate_hz,
        timbre=key.timbre,
    )
    return synthesis.fade_out(INSTRUMENTS[instrument](spec), rate_hz)


def onset_s(wave: Wave, rate_hz: int) -> float:
    """Return when a drum is struck: its level over 1 ms reaches 0.14 of that of the first 60 ms."""
    return _rise_s(wave, rate_hz, share=0.14, smoothing_s=0.001, window_s=0.06)


def attack_s(wave: Wave, rate_hz: int) -> float:
    """Return a note's rise time: its level over 5 ms reaches half of that of the first 0.4 s."""
    return _rise_s(wave, rate_hz, share=0.5, smoothing_s=0.005, window_s=0.4)


def _rise_s(
    wave: Wave, rate_hz: int, *, share: float, smoothing_s: float, window_s: float
) -> float:
    size = timebase.samples_in(smoothing_s, rate_hz)
    head = wave[: timebase.samples_in(window_s, rate_hz)]
    power = np.convolve(head**2, np.ones(size) / size)[: len(head)]
    return timebase.duration_of(int(np.argmax(power >= share**2 * power.max())), rate_hz)


def _lead_s(part: Part, wave: Wave, rate_hz: int) -> float:
    """How much before its beat a note starts, so that it has risen on the beat."""
    if part.bus == "drums" or part.name in _STRUCK:
        return onset_s(wave, rate_hz)
    rise_s = attack_s(wave, rate_hz)
    is_slow = rise_s >= _FAST_ATTACK_S and part.name not in _BUILDING_UP
    return min(rise_s, _MAX_LEAD_S) if is_slow else 0.0


def _sidechain_gain(score: Score, n: int, lead_in: int, rate_hz: int) -> Wave:
    """Gain of the ducked parts: a dip at every kick that recovers with a time constant of 80 ms."""
    dip = np.zeros(n)
    for note in score.notes:
        if note.part == "kick":
            start = max(0, timebase.samples_in(note.start_s, rate_hz) + lead_in)
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
    echo = effects.echo(buses.echo, mix, rate_hz)
    reverb = effects.reverb(buses.reverb + 0.4 * echo, mix, rate_hz)
    return buses.low + drums + effects.widen(music + echo, mix, rate_hz) + reverb
