"""Synthesised drums and percussion, from drum machines to acoustic kits.

Every instrument maps a :class:`NoteSpec` to samples (N,), peak about 1; only toms and congas use
``hz``. Parameters: ``tune`` pitch, ``decay`` length, ``bright`` treble, ``drive`` saturation,
``color`` blend.
"""

import numpy as np

from kinetune.corpus.rendering import synthesis as s
from kinetune.corpus.rendering.synthesis import NoteSpec, Wave


def _kick(note: NoteSpec, *, low: float, sweep: float, tau: float, click: float) -> Wave:
    k, rate = note.timbre, note.rate_hz
    tau = tau * (0.6 + 0.9 * k.decay)
    n = note.samples(6.0 * tau)
    base = low * (0.85 + 0.35 * k.tune)
    hz = base * (1.0 + sweep * s.decay(n, rate, 0.018) + 0.4 * s.decay(n, rate, 0.06))
    wave = s.sine(s.phase(hz, n, rate)) * s.decay(n, rate, tau)
    wave = s.soft_clip(wave, 0.15 + 0.6 * k.drive)
    tick = s.lowpass(s.noise(n, k.seed), 2500 + 4000 * k.bright, rate) * s.decay(n, rate, 0.007)
    return wave + click * (0.4 + k.bright) * note.velocity * tick


def kick_808(note: NoteSpec) -> Wave:
    """A long, round drum machine kick."""
    return _kick(note, low=46.0, sweep=1.6, tau=0.20, click=1.6)


def kick_909(note: NoteSpec) -> Wave:
    """A punchy drum machine kick."""
    return _kick(note, low=52.0, sweep=4.0, tau=0.10, click=2.4)


def kick_live(note: NoteSpec) -> Wave:
    """A bass drum with beater and shell."""
    k, rate = note.timbre, note.rate_hz
    wave = _kick(note, low=58.0, sweep=1.2, tau=0.075, click=2.2)
    n = len(wave)
    shell = s.bandpass(s.noise(n, k.seed + 1), 80, 420, rate) * s.decay(n, rate, 0.05)
    return 0.9 * wave + 1.1 * shell


def snare_live(note: NoteSpec) -> Wave:
    """A snare drum: two modes of the head and the rattle of the wires."""
    k, rate = note.timbre, note.rate_hz
    tau = 0.06 + 0.11 * k.decay
    n = note.samples(6.0 * tau)
    base = 165.0 + 75.0 * k.tune
    head = s.modal(n, rate, ((base, 0.7, 0.06), (base * 1.6, 0.4, 0.045), (base * 2.3, 0.2, 0.03)))
    wires = s.highpass(s.noise(n, k.seed), 900 + 1500 * k.bright, rate)
    wires = s.lowpass(wires, 5500 + 5000 * k.bright, rate, 1)
    crack = s.bandpass(s.noise(n, k.seed + 3), 700, 2600, rate) * s.decay(n, rate, 0.015)
    rattle = wires * s.decay(n, rate, tau)
    return s.soft_clip(
        head + (0.9 + 0.5 * k.color) * rattle + 1.3 * note.velocity * crack, 0.3 * k.drive
    )


def snare_808(note: NoteSpec) -> Wave:
    """A drum machine snare: two sines and a hiss."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.28 + 0.2 * k.decay)
    base = 170.0 + 60.0 * k.tune
    tone = s.modal(n, rate, ((base, 0.8, 0.05), (base * 1.83, 0.5, 0.03)))
    hiss = s.highpass(s.noise(n, k.seed), 1200, rate) * s.decay(n, rate, 0.05 + 0.08 * k.decay)
    return s.soft_clip(tone + (1.0 + 0.6 * k.color) * s.lowpass(hiss, 8500, rate, 1), 0.4 * k.drive)


def clap(note: NoteSpec) -> Wave:
    """Hands: three quick bursts and a tail."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.25 + 0.25 * k.decay)
    t = s.sample_times(n, rate)
    hands = sum(np.where(t >= at, np.exp(-(t - at) / 0.004), 0.0) for at in (0.0, 0.009, 0.019))
    tail = np.where(t >= 0.026, np.exp(-(t - 0.026) / (0.035 + 0.08 * k.decay)), 0.0)
    low = 700.0 + 500.0 * k.tune
    wave = s.bandpass(s.noise(n, k.seed), low, low * 2.6, rate)
    return s.soft_clip(2.2 * wave * (hands + 0.8 * tail), 0.3 + 0.5 * k.drive)


def snap(note: NoteSpec) -> Wave:
    """Fingers."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.16)
    wave = s.bandpass(s.noise(n, k.seed), 1500 + 700 * k.tune, 3600 + 900 * k.tune, rate)
    return 3.0 * wave * s.decay(n, rate, 0.012 + 0.01 * k.decay)


_METAL = (1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523)


def _cymbal(note: NoteSpec, tau: float, cut: float, metal: float) -> Wave:
    k, rate = note.timbre, note.rate_hz
    n = note.samples(5.0 * tau)
    base = 380.0 + 260.0 * k.tune
    partials = sum(s.sign(s.phase(base * r * 1.9, n, rate)) for r in _METAL) / 6.0
    wave = metal * partials + (1.1 - metal) * 1.6 * s.noise(n, k.seed)
    wave = s.highpass(wave, cut * (0.8 + 0.4 * k.bright), rate, 3)
    return 0.9 * wave * s.decay(n, rate, tau)


def hat(note: NoteSpec) -> Wave:
    """A closed hi-hat."""
    return _cymbal(note, 0.018 + 0.03 * note.timbre.decay, 5200.0, 0.3 + 0.5 * note.timbre.color)


def hat_open(note: NoteSpec) -> Wave:
    """An open hi-hat."""
    return _cymbal(note, 0.09 + 0.12 * note.timbre.decay, 4600.0, 0.3 + 0.5 * note.timbre.color)


def ride(note: NoteSpec) -> Wave:
    """A ride cymbal with its ping."""
    wave = _cymbal(note, 0.22 + 0.2 * note.timbre.decay, 4000.0, 0.6)
    n, rate = len(wave), note.rate_hz
    ping = s.modal(n, rate, ((2950.0, 0.35, 0.08), (4210.0, 0.25, 0.05), (1480.0, 0.12, 0.05)))
    return 0.55 * wave + ping


def crash(note: NoteSpec) -> Wave:
    """A crash cymbal."""
    wave = _cymbal(note, 0.45 + 0.4 * note.timbre.decay, 2600.0, 0.35)
    return wave * s.rise(len(wave), note.rate_hz, 0.004)


def brush(note: NoteSpec) -> Wave:
    """A brush swept over a snare drum."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.24)
    wave = s.bandpass(s.noise(n, k.seed), 1400 + 800 * k.bright, 6500, rate)
    swish = s.rise(n, rate, 0.025) * s.decay(n, rate, 0.05 + 0.05 * k.decay)
    tap = s.modal(n, rate, ((210.0 + 60 * k.tune, 0.35, 0.03),))
    return 1.8 * wave * swish + note.velocity * tap


def rim(note: NoteSpec) -> Wave:
    """A stick across the rim."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.12)
    up = 0.85 + 0.3 * k.tune
    wave = s.modal(
        n, rate, ((480 * up, 0.6, 0.015), (1180 * up, 0.6, 0.011), (1720 * up, 0.8, 0.008))
    )
    return s.soft_clip(wave, 0.4)


def tom(note: NoteSpec) -> Wave:
    """A tom, tuned by its pitch."""
    k, rate = note.timbre, note.rate_hz
    tau = 0.10 + 0.10 * k.decay
    n = note.samples(5.0 * tau)
    hz = note.hz * (1.0 + 0.5 * s.decay(n, rate, 0.03))
    skin = s.bandpass(s.noise(n, k.seed), 150, 900, rate) * s.decay(n, rate, 0.03)
    return s.sine(s.phase(hz, n, rate)) * s.decay(n, rate, tau) + 0.7 * skin


def conga(note: NoteSpec) -> Wave:
    """A hand drum."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.35)
    hz = note.hz * (0.95 + 0.1 * k.tune)
    tau = 0.05 + 0.05 * k.decay
    wave = s.modal(n, rate, ((hz, 0.9, tau), (hz * 1.56, 0.35, tau / 2), (hz * 2.7, 0.2, tau / 4)))
    slap = s.bandpass(s.noise(n, k.seed), 900, 3200, rate) * s.decay(n, rate, 0.008)
    return wave + 0.8 * note.velocity * slap


def shaker(note: NoteSpec) -> Wave:
    """A shaker."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.11)
    wave = s.highpass(s.noise(n, k.seed), 3800 + 1500 * k.bright, rate)
    return 1.4 * wave * s.rise(n, rate, 0.018) * s.decay(n, rate, 0.018 + 0.02 * k.decay)


def tambourine(note: NoteSpec) -> Wave:
    """Jingles."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.22)
    jingle = s.modal(n, rate, ((5600.0, 0.3, 0.05), (7300.0, 0.3, 0.04), (8800.0, 0.25, 0.04)))
    hiss = s.highpass(s.noise(n, k.seed), 5000, rate) * s.decay(n, rate, 0.035 + 0.03 * k.decay)
    return jingle + 1.3 * hiss


def cowbell(note: NoteSpec) -> Wave:
    """A drum machine's cowbell."""
    k, rate = note.timbre, note.rate_hz
    n = note.samples(0.3)
    base = 520.0 + 60.0 * k.tune
    pair = np.sum([s.square(s.phase(hz, n, rate), hz, rate) for hz in (base, base * 1.48)], axis=0)
    return 0.5 * s.bandpass(pair, base, base * 4, rate) * s.decay(n, rate, 0.05 + 0.06 * k.decay)


def scratch(note: NoteSpec) -> Wave:
    """A record pushed and pulled under the needle."""
    k, rate = note.timbre, note.rate_hz
    length = 0.16 + 0.1 * k.decay
    n = note.samples(length)
    t = s.sample_times(n, rate) / length
    hz = 300.0 + 1500.0 * np.sin(np.pi * t) ** 2 * (0.6 + 0.8 * k.tune)
    cycles = s.phase(hz, n, rate)
    wave = s.sine(cycles + 0.35 * s.sine(2.01 * cycles)) + 0.8 * s.noise(n, k.seed)
    return 0.6 * s.bandpass(wave, 400, 4500, rate) * np.abs(np.sin(2.0 * np.pi * t)) ** 0.5
