"""The sounds of a listening test: anchors, checks, headphone trials.

Seconds, Hz, LUFS. All clips of a test have one length, one rate and one loudness. Anchors after
ITU-R BS.1534 (low-pass at 3.5 and 7 kHz); the headphone check after Woods et al. 2017.
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound, resample

RATE_HZ = 44_100
_LUFS = -23.0
ANCHORS_HZ = (3500.0, 7000.0)
_FADE_S = 0.05
# Headphone check: three tones, one softer by 6 dB, another in antiphase.
_TONE_HZ, _TONE_S, _GAP_S, _TONE_LEVEL, _SOFTER_DB = 200.0, 0.8, 0.4, 0.25, -6.0
_BEEPS, _BEEP_HZ, _BEEP_S = 3, 1000.0, 0.25
_GOLD_HZ, _GOLD_NOISE = 700.0, 0.2


def clip_of(sound: Sound, duration_s: float, *, start_s: float = 0.0) -> Sound:
    """Return a part of a sound at the test's rate, length and loudness, with short fades.

    Args:
        sound: Any sound.
        duration_s: Length, seconds; what is beyond the sound is silent.
        start_s: Where it begins; before 0 is silent.
    """
    at_rate = resample(sound, RATE_HZ).samples
    first, count = timebase.samples_in(start_s, RATE_HZ), timebase.samples_in(duration_s, RATE_HZ)
    out = np.zeros((count, *at_rate.shape[1:]), np.float32)
    low, high = max(0, first), min(len(at_rate), first + count)
    if high > low:
        out[low - first : high - first] = at_rate[low:high]
    fade = min(timebase.samples_in(_FADE_S, RATE_HZ), count // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    ramp = ramp if out.ndim == 1 else ramp[:, None]
    out[:fade] *= ramp
    out[count - fade :] *= ramp[::-1]
    return _levelled(Sound(out, RATE_HZ))


def _levelled(sound: Sound) -> Sound:
    return normalise_loudness(sound, target_lufs=_LUFS) if np.any(sound.samples) else sound


def low_passed(sound: Sound, cutoff_hz: float) -> Sound:
    """Return a sound without what is above a frequency, as loud as before."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(8, cutoff_hz, fs=sound.rate_hz, output="sos")
    filtered = sosfiltfilt(sections, sound.samples, axis=0).astype(np.float32)
    return _levelled(Sound(filtered, sound.rate_hz))


def attention_clip(sound: Sound) -> Sound:
    """Return a sound whose last seconds are three beeps: the attention check."""
    samples = sound.samples.copy()
    start = len(samples) - timebase.samples_in(2.0 * _BEEPS * _BEEP_S, sound.rate_hz)
    samples[max(0, start) :] = 0.0
    beep = _tone(_BEEP_HZ, _BEEP_S, sound.rate_hz)
    for number in range(_BEEPS):
        first = max(0, start) + timebase.samples_in(2.0 * number * _BEEP_S, sound.rate_hz)
        part = samples[first : first + len(beep)]
        part[:] = beep[: len(part)] if part.ndim == 1 else beep[: len(part), None]
    return Sound(samples, sound.rate_hz)


def gold_clip(sound: Sound, *, seed: int = 0) -> Sound:
    """Return a sound that everybody must call bad: dull, and covered with noise."""
    dark = low_passed(sound, _GOLD_HZ)
    noise = np.random.default_rng(seed).normal(0.0, _GOLD_NOISE, dark.samples.shape)
    return _levelled(Sound((dark.samples + noise).clip(-1.0, 1.0).astype(np.float32), RATE_HZ))


def headphone_trial(softest: int, antiphase: int) -> Sound:
    """Return three tones in stereo, one softer and another in antiphase.

    Over loudspeakers the one in antiphase nearly cancels and seems the softest.

    Args:
        softest: Which is 6 dB softer, 0 to 2.
        antiphase: Which has its right channel inverted; not the same.
    """
    tone = _TONE_LEVEL * _tone(_TONE_HZ, _TONE_S, RATE_HZ)
    gap = np.zeros((timebase.samples_in(_GAP_S, RATE_HZ), 2), np.float32)
    parts: list[NDArray[np.float32]] = []
    for number in range(3):
        gain = 10.0 ** (_SOFTER_DB / 20.0) if number == softest else 1.0
        right = -1.0 if number == antiphase else 1.0
        parts += [np.stack([gain * tone, right * gain * tone], axis=1), gap]
    return Sound(np.concatenate(parts[:-1]).astype(np.float32), RATE_HZ)


def _tone(hz: float, duration_s: float, rate_hz: int) -> NDArray[np.float32]:
    times = timebase.frame_times(timebase.samples_in(duration_s, rate_hz), rate_hz)
    fade = np.minimum(1.0, np.minimum(times, duration_s - times) / 0.02)
    return (fade * np.sin(2.0 * np.pi * hz * times)).astype(np.float32)
