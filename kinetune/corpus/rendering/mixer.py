"""A score rendered to sound: every note synthesised, panned, sent to effects, and mastered.

Rendered at the target rate and channel count directly, so mono at 22,050 Hz is fast. Samples are
float64 inside and float32 in the returned Sound; axes: N samples x channels.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import signal

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.corpus.composition.music_score import Mix, Note, Part, Score
from kinetune.corpus.rendering import effects, synthesis
from kinetune.corpus.rendering.mastering import Bus, follow_energy, map_channels, master
from kinetune.corpus.rendering.note_player import MAX_LEAD_S, NotePlayer
from kinetune.corpus.rendering.synthesis import Wave
from kinetune.errors import ConfigError

# High-pass of the music bus, and its low-pass on a record without noise.
MUSIC_FROM_HZ = 130.0
_CLEAN_TOP_HZ = 12_000.0


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
        rate_hz: Samples per second, 8,000 or more.
        channels: 1 or 2.

    Raises:
        ConfigError: The rate or the number of channels is out of range.
    """
    if channels not in (1, 2):
        raise ConfigError(f"channels must be 1 or 2, found {channels}")
    if rate_hz < 8_000:
        raise ConfigError(f"the sample rate must be 8000 Hz or more, found {rate_hz}")
    before_s = max(0.0, -score.bars_s[0]) if score.bars_s else 0.0
    lead_in = timebase.samples_in(before_s + MAX_LEAD_S, rate_hz)
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
            player = NotePlayer(part, by_part[part.name], rate_hz, first=-lead_in)
            yield part, player.next_block(n)


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
        gains = effects.pan_gains(part.pan, channels)
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
    music = map_channels(buses.music, lambda x: synthesis.highpass(x, MUSIC_FROM_HZ, rate_hz))
    if mix.vinyl_noise > 0.0:
        cutoff_hz = _CLEAN_TOP_HZ * (1.0 - 0.75 * mix.vinyl_noise)
        music = map_channels(music, lambda x: synthesis.lowpass(x, cutoff_hz, rate_hz))
    drums = buses.drums
    if mix.drum_saturation > 0.0:
        drums = (
            1.0 - 0.5 * mix.drum_saturation
        ) * drums + 0.5 * mix.drum_saturation * synthesis.soft_clip(drums, 0.5)
    echo = effects.echo(buses.echo, mix, rate_hz)
    reverb = effects.reverb(buses.reverb + 0.4 * echo, mix, rate_hz)
    return buses.low + drums + effects.widen(music + echo, mix, rate_hz) + reverb
