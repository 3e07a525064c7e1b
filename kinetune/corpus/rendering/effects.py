"""Effects of the mix: stereo widening, tempo-synced echo, reverberation.

A bus is float64, (N, channels). Seconds, Hz.
"""

import numpy as np
from scipy import signal

from kinetune import timebase
from kinetune.corpus.composition.music_score import Mix
from kinetune.corpus.rendering import synthesis
from kinetune.corpus.rendering.mastering import Bus, map_channels
from kinetune.corpus.rendering.synthesis import Wave


def pan_gains(pan: float, channels: int) -> Wave:
    """Return the gains of a part on the channels by constant power, (channels,).

    Args:
        pan: -1 for left to 1 for right; in the middle both are 1.
        channels: 1, the mean of both, or 2.
    """
    angle = 0.25 * np.pi * (1.0 + pan)
    gains = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2.0)
    return gains.mean(keepdims=True) if channels == 1 else gains


def widen(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Return the music widened by a delayed side signal, which cancels in the mono sum."""
    if bus.shape[1] == 1:
        return bus
    delay = timebase.samples_in(0.011, rate_hz)
    side = synthesis.highpass(bus.mean(axis=1), 300, rate_hz)
    side = 0.6 * mix.stereo_width * np.concatenate([np.zeros(delay), side[:-delay]])
    return bus + np.stack([side, -side], axis=-1)


def echo(bus: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Return three echoes ``mix.echo_s`` apart, each softer and duller."""
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


def reverb(send: Bus, mix: Mix, rate_hz: int) -> Bus:
    """Return a send's reverberation: reflections, then noise whose treble decays faster."""
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
