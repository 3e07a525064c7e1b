"""Small scores by hand, with a mix that changes nothing it need not."""

import numpy as np

from kinetune.corpus.composition.music_score import Mix, Note, Part, Score
from kinetune.corpus.rendering.synthesis import Timbre

RATE_HZ = 22_050
NEUTRAL = Mix(
    tilt_db=0.0, reverb_s=0.5, reverb=0.0, saturation=0.0, ducking=0.0, vinyl_noise=0.0, seed=1
)


def part(name="line0", instrument="organ", *, timbre=None, pan=0.0, bus="music", **options):
    sends = {"reverb_send": 0.0, "ducked": False, "level": 1.0} | options
    return Part(name, instrument, timbre or Timbre(), pan=pan, bus=bus, **sends)


def score(parts, notes, *, mix=NEUTRAL, duration_s=2.0, bpm=120.0):
    """A score of notes given as (part, start, length, pitch)."""
    bars = tuple(np.arange(0.0, duration_s, 240.0 / bpm))
    written = tuple(Note(name, start, length, pitch, 0.9) for name, start, length, pitch in notes)
    return Score("HO", bpm, 0, duration_s, bars, np.zeros(0), np.zeros(0), parts, written, mix)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples))))


def decibels(ratio):
    return 20.0 * np.log10(ratio)


def power_between(samples, low_hz, high_hz, rate_hz=RATE_HZ):
    """Power of one channel within a band."""
    hz = np.fft.rfftfreq(len(samples), 1.0 / rate_hz)
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[(hz >= low_hz) & (hz < high_hz)].sum())


def pitch_of(wave, rate_hz, near_hz):
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * len(wave)))
    hz = np.fft.rfftfreq(8 * len(wave), 1 / rate_hz)
    band = (hz > near_hz * 0.94) & (hz < near_hz * 1.06)
    return hz[band][np.argmax(spectrum[band])]
