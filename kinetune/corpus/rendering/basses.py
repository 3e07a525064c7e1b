"""Synthesised basses, from a gliding sine to plucked strings.

Every instrument maps a :class:`NoteSpec` to samples (N,), peak about 1; parameters as in
instruments.py.
"""

from kinetune.corpus.rendering import synthesis as s
from kinetune.corpus.rendering.synthesis import NoteSpec, Wave


def sub_bass(note: NoteSpec) -> Wave:
    """An 808 bass: a gliding, slightly driven sine."""
    k = note.timbre
    n, rate = s.note_length(note, 0.12)
    hz = note.hz * (1.0 + (0.3 + 0.8 * k.color) * s.decay(n, rate, 0.03))
    wave = s.sine(s.phase(hz, n, rate))
    wave = s.soft_clip(wave, 0.1 + 0.6 * k.drive) + 0.1 * s.sine(s.phase(2.0 * hz, n, rate))
    return wave * s.envelope(n, rate, note.gate_s, (0.004, 0.4 + k.decay, 0.35, 0.1))


def slap_bass(note: NoteSpec) -> Wave:
    """A slapped electric bass: frequency modulation that dies quickly, and the fret's click."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    cycles = s.phase(note.hz, n, rate)
    index = (1.2 + 3.0 * k.bright) * (0.3 + note.velocity) * s.decay(n, rate, 0.05 + 0.08 * k.decay)
    wave = s.sine(cycles + index * s.sine(cycles) / 6.0) + 0.3 * s.sine(2 * cycles + index / 4)
    pop = s.bandpass(s.noise(n, k.seed), 900, 3000, rate) * s.decay(n, rate, 0.006)
    wave = wave + 0.9 * note.velocity**2 * k.color * pop
    return 0.8 * wave * s.envelope(n, rate, note.gate_s, (0.002, 0.22, 0.45, 0.06))


def _synth_bass(note: NoteSpec, wave: Wave, low: float, high: float) -> Wave:
    k, rate, n = note.timbre, note.rate_hz, len(wave)
    opening = (0.35 + 0.65 * note.velocity) * s.decay(n, rate, 0.05 + 0.25 * k.decay)
    wave = s.swept_lowpass(wave, rate, low + 120 * k.bright, high * (0.4 + k.bright), opening)
    wave = s.soft_clip(wave + 0.5 * s.tone(note.hz, n, rate), 0.1 + 0.4 * k.drive)
    return wave * s.envelope(n, rate, note.gate_s, (0.004, 0.3, 0.6, 0.06))


def saw_bass(note: NoteSpec) -> Wave:
    """A filtered sawtooth bass."""
    n, rate = s.note_length(note, 0.08)
    spread = 1.0 + 0.004 * note.timbre.tune
    wave = s.sawtooth(s.phase(note.hz, n, rate), note.hz, rate)
    wave = 0.6 * wave + 0.4 * s.sawtooth(s.phase(note.hz * spread, n, rate), note.hz, rate)
    return _synth_bass(note, wave, 160.0, 2600.0)


def square_bass(note: NoteSpec) -> Wave:
    """A hollow synth bass that slides up into its note."""
    n, rate = s.note_length(note, 0.08)
    hz = note.hz * 2.0 ** (-2.0 * note.timbre.color * s.decay(n, rate, 0.035) / 12.0)
    wave = s.square(s.phase(hz, n, rate), note.hz, rate, 0.3 + 0.2 * note.timbre.tune)
    return _synth_bass(note, wave, 180.0, 2000.0)


def glide_bass(note: NoteSpec) -> Wave:
    """A synth bass that glides up to its note from several semitones below."""
    k = note.timbre
    n, rate = s.note_length(note, 0.08)
    glide = (3.0 + 9.0 * k.color) * s.decay(n, rate, 0.02 + 0.05 * k.tune)
    cycles = s.phase(note.hz * 2.0 ** (-glide / 12.0), n, rate)
    wave = 0.6 * s.sawtooth(cycles, note.hz, rate) + 0.5 * s.square(cycles, note.hz, rate, 0.4)
    return _synth_bass(note, wave, 200.0, 3200.0)


def finger_bass(note: NoteSpec) -> Wave:
    """An electric bass played with the fingers."""
    k = note.timbre
    n, rate = s.note_length(note, 0.1)
    bright = 0.08 + 0.25 * k.bright * note.velocity
    wave = s.plucked_string(n, rate, note.hz, damp=0.35 + 0.4 * k.decay, bright=bright, seed=k.seed)
    wave = 0.7 * wave + 0.5 * s.tone(note.hz, n, rate, 0.5)
    wave = s.lowpass(wave, 700 + 1800 * k.bright, rate)
    return 1.1 * wave * s.envelope(n, rate, note.gate_s, (0.003, 1.0, 0.6, 0.08))


def upright_bass(note: NoteSpec) -> Wave:
    """A plucked double bass."""
    k = note.timbre
    n, rate = s.note_length(note, 0.15)
    wave = s.plucked_string(n, rate, note.hz, damp=0.12 + 0.2 * k.decay, bright=0.06, seed=k.seed)
    thump = s.lowpass(s.noise(n, k.seed + 1), 350, rate) * s.decay(n, rate, 0.02)
    tone = s.tone(note.hz, n, rate, 0.3 + 0.2 * k.decay)
    wave = s.lowpass(wave, 500 + 900 * k.bright, rate) + 0.6 * tone + 0.8 * thump
    return 0.8 * wave * s.envelope(n, rate, note.gate_s, (0.006, 0.8, 0.4, 0.12))
