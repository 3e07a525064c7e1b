"""Synthesised pitched instruments, and the table of all synthesised instruments by name.

Every instrument maps a :class:`NoteSpec` to samples (N,), peak about 1 at full velocity; velocity
also brightens. Parameters of :class:`Timbre`: ``bright`` filter, ``decay`` length, ``color``
character, ``drive`` grit, ``tune`` detuning or octave blend.
"""

from collections.abc import Callable, Mapping

import numpy as np

from kinetune.corpus.rendering import basses, drums
from kinetune.corpus.rendering import synthesis as s
from kinetune.corpus.rendering.synthesis import NoteSpec, Wave

Instrument = Callable[[NoteSpec], Wave]


# --- keys -------------------------------------------------------------------------------------


def electric_piano(note: NoteSpec) -> Wave:
    """A tine piano by frequency modulation."""
    k = note.timbre
    n, rate = s.note_length(note, 0.3)
    cycles = s.phase(note.hz, n, rate)
    bark = (0.08 + 0.35 * k.bright * note.velocity) * s.decay(n, rate, 0.25 + 0.3 * k.decay)
    tine = 0.12 * k.color * s.tone((14.0 if note.hz < 500 else 7.0) * note.hz, n, rate, 0.06)
    wave = s.sine(cycles + bark * s.tone(note.hz, n, rate)) + tine
    tremolo = 1.0 + 0.25 * k.tune * s.tone(4.0 + 2.0 * k.drive, n, rate)
    level = s.envelope(n, rate, note.gate_s, (0.002, 0.5 + 1.2 * k.decay, 0.1, 0.2))
    return 0.8 * wave * tremolo * level


_DRAWBARS = ((0.5, 1.0), (1.0, 1.0), (1.5, 0.6), (2.0, 0.7), (3.0, 0.4), (4.0, 0.4), (6.0, 0.2))


def organ(note: NoteSpec) -> Wave:
    """A drawbar organ with a key click."""
    k = note.timbre
    n, rate = s.note_length(note, 0.06)
    vibrato = 0.004 * k.tune * s.tone(6.3, n, rate)
    cycles = s.phase(note.hz, n, rate) + vibrato * note.hz / 30.0
    wave = np.zeros(n)
    for index, (ratio, gain) in enumerate(_DRAWBARS):
        if ratio * note.hz < 0.45 * rate:
            share = gain * (1.0 if index < 3 else k.bright + 0.2)
            wave += share * s.sine(ratio * cycles)
    click = s.highpass(s.noise(n, k.seed), 1500, rate) * s.decay(n, rate, 0.004)
    wave = s.soft_clip(0.28 * wave + 0.3 * click * k.color, 0.5 * k.drive)
    return wave * s.envelope(n, rate, note.gate_s, (0.005, 0.15 + 2.0 * k.decay, 0.7, 0.05))


def piano(note: NoteSpec) -> Wave:
    """A piano: stretched partials that die the faster the higher they are, and the hammer."""
    k = note.timbre
    n, rate = s.note_length(note, 0.35)
    tau = (0.5 + 1.2 * k.decay) * (220.0 / note.hz) ** 0.4
    tilt = 1.2 - 0.7 * (0.5 * k.bright + 0.5 * note.velocity)
    rows = []
    for p in range(1, 13):
        hz = p * note.hz * np.sqrt(1.0 + 0.0006 * p * p)
        if hz < 0.45 * rate:
            rows.append((hz, np.exp(-tilt * (p - 1) * 0.55), tau / (1.0 + 0.35 * (p - 1))))
    wave = s.modal(n, rate, tuple(rows))
    hammer = s.lowpass(s.noise(n, k.seed), 1200 + 1800 * k.bright, rate) * s.decay(n, rate, 0.012)
    wave = 0.5 * wave + 0.5 * note.velocity * hammer
    return wave * s.envelope(n, rate, note.gate_s, (0.002, 5.0, 1.0, 0.3))


def clavinet(note: NoteSpec) -> Wave:
    """A funky, nasal string keyboard."""
    k = note.timbre
    n, rate = s.note_length(note, 0.05)
    wave = s.plucked_string(n, rate, note.hz, damp=0.02 + 0.1 * k.decay, bright=0.9, seed=k.seed)
    peak = 900.0 + 1400.0 * k.color
    wave = 0.6 * wave + s.bandpass(wave, peak * 0.7, peak * 1.5, rate)
    return s.soft_clip(wave, 0.3 * k.drive) * s.envelope(
        n, rate, note.gate_s, (0.002, 0.5, 0.5, 0.03)
    )


def stab(note: NoteSpec) -> Wave:
    """A short synth chord hit."""
    k = note.timbre
    n, rate = s.note_length(note, 0.12)
    spread = 1.0 + 0.008 * k.tune
    wave = s.sawtooth(s.phase(note.hz, n, rate), note.hz, rate)
    wave = wave + s.sawtooth(s.phase(note.hz * spread, n, rate), note.hz, rate)
    opening = note.velocity * s.decay(n, rate, 0.04 + 0.12 * k.decay)
    wave = s.swept_lowpass(0.5 * wave, rate, 350.0, 1500.0 + 4000.0 * k.bright, opening)
    return wave * s.envelope(n, rate, note.gate_s, (0.002, 0.12 + 0.25 * k.decay, 0.15, 0.1))


# --- pads, strings, brass, vocals -------------------------------------------------------------


def _chorus(note: NoteSpec, n: int, voices: int, width: float) -> Wave:
    k, rate = note.timbre, note.rate_hz
    rng = np.random.default_rng([k.seed, 5])
    wave = np.zeros(n)
    for offset in np.linspace(-1.0, 1.0, voices):
        hz = note.hz * (1.0 + width * offset)
        wave += s.sawtooth(s.phase(hz, n, rate) + rng.random(), hz, rate)
    return wave / np.sqrt(voices)


def pad(note: NoteSpec) -> Wave:
    """A soft bed of detuned sawtooths."""
    k = note.timbre
    n, rate = s.note_length(note, 0.5)
    wave = _chorus(note, n, 3, 0.003 + 0.006 * k.tune)
    cut = 350.0 + 1800.0 * k.bright * (0.4 + note.velocity)
    slow = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.minimum(s.sample_times(n, rate) / 2.0, 1.0))
    wave = s.swept_lowpass(wave, rate, cut * 0.6, cut * 1.5, slow * k.color)
    return 0.6 * wave * s.envelope(n, rate, note.gate_s, (0.12 + 0.2 * k.decay, 2.0, 0.8, 0.5))


def strings(note: NoteSpec) -> Wave:
    """A string section."""
    k = note.timbre
    n, rate = s.note_length(note, 0.3)
    t = s.sample_times(n, rate)
    wave = _chorus(note, n, 4, 0.004 + 0.003 * k.tune)
    wave = s.lowpass(
        s.highpass(wave, 220, rate, 1), 1600 + 3000 * k.bright * note.velocity, rate, 1
    )
    wave = wave * (1.0 + 0.08 * s.tone(5.4, n, rate) * np.minimum(t, 1.0))
    quick = 0.02 + 0.1 * k.decay * (note.gate_s > 0.3)
    return 0.55 * wave * s.envelope(n, rate, note.gate_s, (quick, 1.5, 0.85, 0.28))


def brass(note: NoteSpec) -> Wave:
    """A horn: a sawtooth whose filter blows open."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    t = s.sample_times(n, rate)
    scoop = 2.0 ** (-0.7 * s.decay(n, rate, 0.025) / 12.0)
    vibrato = 1.0 + 0.004 * s.tone(5.2, n, rate) * np.clip(t - 0.25, 0.0, 0.4)
    cycles = s.phase(note.hz * scoop * vibrato, n, rate)
    second = s.sawtooth(cycles * (1.002 + 0.002 * k.tune), note.hz, rate)
    wave = 0.7 * s.sawtooth(cycles, note.hz, rate) + 0.5 * second
    blow = np.minimum(t / (0.02 + 0.04 * (1 - note.velocity)), 1.0) * (
        0.45 + 0.55 * s.decay(n, rate, 0.25)
    )
    wave = s.swept_lowpass(wave, rate, 400.0, 1300.0 + 3800.0 * k.bright * note.velocity, blow)
    wave = s.soft_clip(0.7 * wave, 0.3 * k.drive)
    return wave * s.envelope(n, rate, note.gate_s, (0.015, 0.5, 0.75, 0.08))


_VOWELS = (
    (730, 1090, 2440),
    (570, 840, 2410),
    (530, 1840, 2480),
    (300, 870, 2240),
    (440, 1020, 2240),
)


def vocal(note: NoteSpec) -> Wave:
    """A wordless voice: a sawtooth through three formants, gliding from vowel to vowel."""
    k = note.timbre
    n, rate = s.note_length(note, 0.12)
    t = s.sample_times(n, rate)
    hz = note.hz * (1.0 + 0.011 * s.tone(5.6, n, rate) * np.clip(2.5 * t, 0.0, 1.0))
    buzz = s.lowpass(s.sawtooth(s.phase(hz, n, rate), note.hz, rate), 2800, rate, 1)
    buzz = buzz + 0.1 * s.noise(n, k.seed)
    first, second = (_VOWELS[int(x * 4.99)] for x in (k.color, k.tune))
    slide = np.clip(t / max(note.gate_s, 0.05), 0.0, 1.0)
    wave = (1.0 - slide) * _formants(buzz, first, rate) + slide * _formants(buzz, second, rate)
    return 1.6 * wave * s.envelope(n, rate, note.gate_s, (0.035, 1.0, 0.8, 0.1))


def talkbox(note: NoteSpec) -> Wave:
    """A synth through a talk box: bright, and gliding between two vowels like "wow"."""
    k = note.timbre
    n, rate = s.note_length(note, 0.08)
    t = s.sample_times(n, rate)
    hz = note.hz * 2.0 ** (-1.5 * k.tune * s.decay(n, rate, 0.03) / 12.0)
    buzz = s.sawtooth(s.phase(hz, n, rate), note.hz, rate)
    first, second = (_VOWELS[int(x * 4.99)] for x in (k.color, k.decay))
    mouth = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.clip(t / max(note.gate_s, 0.1), 0.0, 1.0))
    closed, opened = (_formants(buzz, vowel, rate) for vowel in (first, second))
    wave = 1.3 * ((1.0 - mouth) * closed + mouth * opened) + 0.12 * buzz
    return s.soft_clip(wave, 0.2) * s.envelope(n, rate, note.gate_s, (0.01, 1.0, 0.85, 0.06))


def _formants(buzz: Wave, vowel: tuple[int, int, int], rate: int) -> Wave:
    gains, widths = (1.0, 0.55, 0.25), (90, 110, 170)
    return np.sum(
        [
            g * s.bandpass(buzz, hz - w, hz + w, rate)
            for hz, g, w in zip(vowel, gains, widths, strict=True)
        ],
        axis=0,
    )


# --- plucks and leads -------------------------------------------------------------------------


def guitar(note: NoteSpec) -> Wave:
    """A clean electric guitar."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    wave = s.plucked_string(
        n, rate, note.hz, damp=0.1 + 0.3 * k.decay, bright=0.3 + 0.6 * k.bright, seed=k.seed
    )
    wave = s.soft_clip(s.highpass(wave, 140, rate, 1), 0.5 * k.drive)
    return wave * s.envelope(n, rate, note.gate_s, (0.002, 1.0, 0.7, 0.06))


def wah_guitar(note: NoteSpec) -> Wave:
    """A guitar through a wah pedal that opens on every stroke."""
    k = note.timbre
    n, rate = s.note_length(note, 0.06)
    wave = s.plucked_string(n, rate, note.hz, damp=0.15, bright=0.8, seed=k.seed)
    wave = wave + 0.3 * s.noise(n, k.seed + 1) * s.decay(n, rate, 0.01)
    opened = s.bandpass(wave, 1100 + 700 * k.bright, 2400, rate)
    closed = s.bandpass(wave, 320 + 200 * k.color, 800, rate)
    pedal = s.rise(n, rate, 0.05 + 0.12 * k.decay)
    if k.tune > 0.5:
        pedal = 1.0 - pedal
    wave = 1.5 * (pedal * opened + (1.0 - pedal) * closed)
    return s.soft_clip(wave, 0.3 * k.drive) * s.envelope(
        n, rate, note.gate_s, (0.002, 0.5, 0.6, 0.04)
    )


def pluck(note: NoteSpec) -> Wave:
    """A synth pluck."""
    k = note.timbre
    n, rate = s.note_length(note, 0.2)
    wave = s.square(s.phase(note.hz, n, rate), note.hz, rate, 0.25 + 0.25 * k.color)
    opening = note.velocity * s.decay(n, rate, 0.03 + 0.1 * k.decay)
    wave = s.swept_lowpass(wave, rate, 500.0, 1500.0 + 4500.0 * k.bright, opening)
    return 0.6 * wave * s.decay(n, rate, 0.08 + 0.2 * k.decay)


def mallet(note: NoteSpec) -> Wave:
    """A vibraphone or marimba bar."""
    k = note.timbre
    n, rate = s.note_length(note, 0.4)
    tau = 0.12 + 0.7 * k.decay
    top = 0.25 * k.bright + 0.2 * note.velocity
    rows = ((note.hz, 0.9, tau), (note.hz * 3.98, top, tau / 3), (note.hz * 9.9, top / 2, tau / 8))
    return s.modal(n, rate, rows) * s.envelope(n, rate, note.gate_s + 0.3, (0.001, 9.0, 1.0, 0.3))


def whistle(note: NoteSpec) -> Wave:
    """A gliding, whistling synth lead."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    t = s.sample_times(n, rate)
    glide = 2.0 ** ((-3.0 + 6.0 * k.tune) * s.decay(n, rate, 0.03) / 12.0)
    vibrato = 1.0 + 0.012 * s.tone(5.5, n, rate) * np.clip(3.0 * t - 0.4, 0.0, 1.0)
    cycles = s.phase(note.hz * glide * vibrato, n, rate)
    wave = (
        s.sine(cycles) + 0.3 * k.color * s.sine(2 * cycles) + 0.12 * k.bright * s.sine(3 * cycles)
    )
    return 0.7 * wave * s.envelope(n, rate, note.gate_s, (0.012, 1.0, 0.8, 0.08))


def lead(note: NoteSpec) -> Wave:
    """A square-wave lead."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    t = s.sample_times(n, rate)
    hz = note.hz * (1.0 + 0.008 * s.tone(5.8, n, rate) * np.clip(3.0 * t - 0.3, 0.0, 1.0))
    wave = s.square(s.phase(hz, n, rate), note.hz, rate, 0.15 + 0.35 * k.color)
    wave = s.lowpass(wave, 900 + 3500 * k.bright * note.velocity, rate)
    return 0.6 * wave * s.envelope(n, rate, note.gate_s, (0.006, 0.8, 0.7, 0.08))


def flute(note: NoteSpec) -> Wave:
    """A breathy flute."""
    k = note.timbre
    n, rate = s.note_length(note, 0.12)
    t = s.sample_times(n, rate)
    cycles = s.phase(note.hz * (1.0 + 0.006 * s.tone(5.0, n, rate) * np.clip(2 * t, 0, 1)), n, rate)
    wave = s.sine(cycles) + (0.2 + 0.2 * k.bright) * s.sine(2 * cycles) + 0.08 * s.sine(3 * cycles)
    breath = s.bandpass(s.noise(n, k.seed), note.hz, min(note.hz * 4, 8000), rate)
    wave = wave + (0.3 + 0.5 * k.color) * breath * (0.4 + s.decay(n, rate, 0.05))
    return 0.6 * wave * s.envelope(n, rate, note.gate_s, (0.04, 1.5, 0.85, 0.1))


def riser(note: NoteSpec) -> Wave:
    """A sweep of noise that grows until the next bar."""
    k = note.timbre
    n, rate = s.note_length(note, 0.01)
    grow = s.rise(n, rate, max(note.gate_s, 0.05))
    wave = s.swept_lowpass(s.noise(n, k.seed), rate, 500.0, 5000.0, grow)
    return s.highpass(wave, 300, rate) * grow**2


def sub_drop(note: NoteSpec) -> Wave:
    """A deep sine that falls for a second."""
    n, rate = s.note_length(note, 0.6)
    hz = 30.0 + 60.0 * s.decay(n, rate, 0.35)
    return s.sine(s.phase(hz, n, rate)) * s.decay(n, rate, 0.5)


#: Every synthesised instrument by name.
SYNTHESISED: Mapping[str, Instrument] = {
    instrument.__name__: instrument
    for instrument in (
        drums.kick_808, drums.kick_909, drums.kick_live, drums.snare_live, drums.snare_808,
        drums.clap, drums.snap, drums.hat, drums.hat_open, drums.ride, drums.crash, drums.brush,
        drums.rim, drums.tom, drums.conga, drums.shaker, drums.tambourine, drums.cowbell,
        drums.scratch, basses.sub_bass, basses.slap_bass, basses.saw_bass, basses.square_bass,
        basses.glide_bass, basses.finger_bass, basses.upright_bass, electric_piano, organ, piano,
        clavinet, stab, pad, strings, brass, vocal, talkbox, guitar, wah_guitar, pluck, mallet,
        whistle, lead, flute, riser, sub_drop,
    )
}  # fmt: skip
