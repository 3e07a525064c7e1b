"""A score made audible: every note sounded, placed, put in a room, and mastered.

Rendered at the target rate and channel count directly, so mono at 22,050 Hz is fast. Samples are
float64 inside and float32 in the delivered Sound; axes: N samples x channels.
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
from kinetune.corpus.rendering.instruments_table import VOICES
from kinetune.corpus.rendering.mastering import Bus, each_channel, mastered, ridden
from kinetune.corpus.rendering.synthesis import Strike, Timbre, Wave
from kinetune.errors import ConfigError

# What every sound is trimmed to before the part's own level: loudest 30 ms of a firm note.
_REFERENCE_RMS = 0.5
_FORCE_LAYERS = 4
# How loudness grows with velocity: steep enough for accents, not so that chords drown.
_LOUDNESS_CURVE = 1.35
# Length buckets grow by this factor, so that notes of nearly equal length share one rendering.
_LENGTH_GRID = 1.2
# How far the strokes of a drum differ in tuning and brightness, turn by turn.
_STROKES = (0.0, 0.03, -0.03)
# A stroke is heard on the beat when it has risen by then: trackers hear the corpus this much later
# than clicks on the same beats (median of 20 pieces: 37 ms against 20 ms).
RISE_S = 0.017
# Where chords and tunes begin, and how far up they go on a record without dust.
_MUSIC_FROM_HZ = 130.0
_DUSTLESS_HZ = 12_000.0

# Timbre, pitch, length and force of a rendering.
_Key = tuple[Timbre, float, int, int]


@dataclass(frozen=True, eq=False)
class _Desk:
    """The buses of the mix, each (N, channels): three that sound, two that are sent on."""

    low: Bus
    drums: Bus
    music: Bus
    room: Bus
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
    stems = _play(score, lead_in + n, lead_in, rate_hz)
    duck = _ducking(score, lead_in + n, lead_in, rate_hz)
    desk = _place(stems, duck, channels)
    bus = _summed(desk, score.mix, rate_hz)
    bus = mastered(ridden(bus, score, lead_in, rate_hz), score.mix, rate_hz)[lead_in:]
    return Sound((bus[:, 0] if channels == 1 else bus).astype(np.float32), rate_hz)


def _play(score: Score, n: int, lead_in: int, rate_hz: int) -> Iterator[tuple[Part, Wave]]:
    """Every part that plays with its own sound, shape (N,), one after the other."""
    by_part: dict[str, list[Note]] = defaultdict(list)
    for note in score.notes:
        by_part[note.part].append(note)
    for part in score.parts:
        if part.name in by_part:
            yield part, _play_part(part, by_part[part.name], n, lead_in, rate_hz)


def _play_part(part: Part, notes: list[Note], n: int, lead_in: int, rate_hz: int) -> Wave:
    stem = np.zeros(n)
    cache: dict[_Key, Wave] = {}
    takes = _takes(part)
    for count, note in enumerate(notes):
        wave = _sounded(part.voice, takes[count % len(takes)], note, rate_hz, cache)
        start = max(0, timebase.samples_in(note.start_s - RISE_S, rate_hz) + lead_in)
        length = min(len(wave), n - start)
        if length > 0:
            loud = note.velocity**_LOUDNESS_CURVE
            stem[start : start + length] += loud * wave[:length]
    return stem * _trim(part, notes, rate_hz)


def _takes(part: Part) -> list[Timbre]:
    """The timbres a part takes turns with: no two strokes of a drummer are alike."""
    if part.bus != "drums":
        return [part.timbre]
    k = part.timbre
    return [
        replace(k, tune=k.tune + away, bright=k.bright - away, seed=k.seed + place)
        for place, away in enumerate(_STROKES)
    ]


def _trim(part: Part, notes: list[Note], rate_hz: int) -> float:
    """Gain that brings a firm note of this sound to the reference level, whatever its knobs."""
    pitch = float(np.median([note.pitch for note in notes]))
    firm = Note(part.name, 0.0, 0.25, pitch, 0.9)
    wave = _sounded(part.voice, part.timbre, firm, rate_hz, {})
    block = timebase.samples_in(0.03, rate_hz)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    return _REFERENCE_RMS / max(float(np.sqrt(power.max())), 0.02)


def _sounded(voice: str, timbre: Timbre, note: Note, rate_hz: int, cache: dict[_Key, Wave]) -> Wave:
    bucket = round(np.log(max(note.duration_s, 0.02)) / np.log(_LENGTH_GRID))
    layer = min(int(note.velocity * _FORCE_LAYERS), _FORCE_LAYERS - 1)
    key = (timbre, note.pitch, bucket, layer)
    if key not in cache:
        strike = Strike(
            hz=440.0 * 2.0 ** ((note.pitch - 69.0) / 12.0),
            gate_s=_LENGTH_GRID**bucket,
            force=(layer + 0.5) / _FORCE_LAYERS,
            rate_hz=rate_hz,
            timbre=timbre,
        )
        cache[key] = synthesis.end_softly(VOICES[voice](strike), rate_hz)
    return cache[key]


def _ducking(score: Score, n: int, lead_in: int, rate_hz: int) -> Wave:
    """Gain of the ducked parts: a dip at every kick, back up within an eighth of a second."""
    dip = np.zeros(n)
    for note in score.notes:
        if note.part == "kick":
            start = max(0, timebase.samples_in(note.start_s - RISE_S, rate_hz) + lead_in)
            if start < n:
                dip[start] = max(dip[start], note.velocity)
    tail = synthesis.fade(timebase.samples_in(0.4, rate_hz), rate_hz, 0.08)
    return 1.0 - score.mix.duck * np.clip(signal.fftconvolve(dip, tail)[:n], 0.0, 1.0)


def _place(stems: Iterable[tuple[Part, Wave]], duck: Wave, channels: int) -> _Desk:
    """Every part at its level and place, on its bus."""
    desk = _Desk(*(np.zeros((channels, len(duck))).T for _ in range(5)))
    buses = {"low": desk.low, "drums": desk.drums, "music": desk.music}
    for part, wave in stems:
        stem = part.level * wave
        if part.ducked:
            stem *= duck
        angle = 0.25 * np.pi * (1.0 + part.pan)
        gains = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)
        if channels == 1:
            gains = gains.mean(keepdims=True)
        sends = ((buses[part.bus], 1.0), (desk.room, part.send), (desk.echo, part.echo))
        for bus, share in sends:
            for channel, gain in enumerate(gains if share else ()):
                bus[:, channel] += gain * share * stem
    return desk


def _summed(desk: _Desk, mix: Mix, rate_hz: int) -> Bus:
    """The buses treated and put together."""
    # Chords and tunes leave the bottom to kick and bass; dust takes their top.
    music = each_channel(desk.music, lambda x: synthesis.highpass(x, _MUSIC_FROM_HZ, rate_hz))
    if mix.dust > 0.0:
        dull = _DUSTLESS_HZ * (1.0 - 0.75 * mix.dust)
        music = each_channel(music, lambda x: synthesis.lowpass(x, dull, rate_hz))
    drums = desk.drums
    if mix.punch > 0.0:
        drums = (1.0 - 0.5 * mix.punch) * drums + 0.5 * mix.punch * synthesis.bend(drums, 0.5)
    echo = _echoed(desk.echo, mix, rate_hz)
    room = _room(desk.room + 0.4 * echo, mix, rate_hz)
    return desk.low + drums + _widened(music + echo, mix, rate_hz) + room


def _widened(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Music spread to the sides by a short delay that the sum of both sides takes away again."""
    if bus.shape[1] == 1:
        return bus
    late = timebase.samples_in(0.011, rate_hz)
    side = synthesis.highpass(bus.mean(axis=1), 300, rate_hz)
    side = 0.6 * mix.width * np.concatenate([np.zeros(late), side[:-late]])
    return bus + np.stack([side, -side], axis=-1)


def _echoed(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Three echoes in time with the music, each softer and duller."""
    out = np.zeros_like(bus)
    step = timebase.samples_in(mix.echo_s, rate_hz)
    if mix.echo <= 0.0 or not bus.any():
        return out
    for count in range(1, 4):
        if count * step >= len(bus):
            break
        bus = each_channel(bus, lambda x: synthesis.lowpass(x, 3500, rate_hz, 1))
        out[count * step :] += mix.echo * 0.55 ** (count - 1) * bus[: len(bus) - count * step]
    return out


def _room(wet: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Reverberation: a few early reflections, then noise whose treble dies first."""
    n = timebase.samples_in(mix.room_s, rate_hz)
    rng = np.random.default_rng([mix.seed, 9])
    out = np.empty_like(wet)
    for channel in range(wet.shape[1]):
        tail = rng.standard_normal(n)
        low = synthesis.lowpass(tail, 1200, rate_hz, 1)
        dark = low * synthesis.fade(n, rate_hz, mix.room_s / 5.0)
        tail = dark + (tail - low) * synthesis.fade(n, rate_hz, mix.room_s / 9.0)
        tail[: timebase.samples_in(0.012, rate_hz)] = 0.0
        early = rng.uniform(0.006, 0.045, 6)
        at = np.minimum((early * rate_hz).astype(int), n - 1)
        tail[at] += rng.choice([-1.0, 1.0], 6) * 12.0 * np.exp(-early / 0.03)
        tail = synthesis.highpass(synthesis.lowpass(tail, 5500, rate_hz, 1), 250, rate_hz)
        tail /= np.sqrt(np.sum(tail**2)) + 1e-9
        out[:, channel] = signal.oaconvolve(wet[:, channel], tail)[: len(wet)]
    return 4.0 * mix.wet * out
