"""Baseline rows of every table: random pairs, clicks, noise and silence.

Conventions: mono at 22,050 Hz; all depend on a seed and the clip's name alone, not on the order or
number of files. A click is 50 ms of a decaying 1 kHz tone on each beat of the dance:
perfect timing, no music. Noise is white at -20 dBFS. ``random_pairing`` is the reference music of
other dances: real music for another body.
"""

import os
import zlib

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound

Times = NDArray[np.float64]
REFERENCE, RANDOM, CLICK, NOISE, SILENCE = (
    "reference", "random_pairing", "click", "noise", "silence",
)  # fmt: skip
LABELS = (REFERENCE, RANDOM, CLICK, NOISE, SILENCE)
_CLICK_S, _CLICK_HZ, _CLICK_LEVEL = 0.05, 1000.0, 0.5
# The click falls to a thousandth over its length.
_CLICK_DECAYS = 7.0
_NOISE_RMS = 0.1


def click_track(beats_s: Times, duration_s: float) -> Sound:
    """Return a click on every beat inside ``duration_s``."""
    rate_hz = timebase.SAMPLE_RATE_HZ
    samples = np.zeros(timebase.samples_in(duration_s, rate_hz), dtype=np.float32)
    times = timebase.frame_times(timebase.samples_in(_CLICK_S, rate_hz), rate_hz)
    click = np.sin(2 * np.pi * _CLICK_HZ * times) * np.exp(-_CLICK_DECAYS * times / _CLICK_S)
    for beat_s in beats_s:
        first = timebase.samples_in(float(beat_s), rate_hz)
        if 0 <= first < len(samples):
            samples[first : first + len(click)] = _CLICK_LEVEL * click[: len(samples) - first]
    return Sound(samples, rate_hz)


def noise(name: str, duration_s: float, *, seed: int = 0) -> Sound:
    """Return white noise, different for every name."""
    rng = np.random.default_rng([seed, zlib.crc32(os.fsencode(name))])
    count = timebase.samples_in(duration_s, timebase.SAMPLE_RATE_HZ)
    samples = (_NOISE_RMS * rng.standard_normal(count)).clip(-1.0, 1.0)
    return Sound(samples.astype(np.float32), timebase.SAMPLE_RATE_HZ)


def silence(duration_s: float) -> Sound:
    """Return digital silence."""
    count = timebase.samples_in(duration_s, timebase.SAMPLE_RATE_HZ)
    return Sound(np.zeros(count, dtype=np.float32), timebase.SAMPLE_RATE_HZ)


def random_partners(names: list[str], name: str, *, draws: int, seed: int = 0) -> list[str]:
    """Return the other dances whose music a dance is paired with, at most ``draws``, none twice."""
    others = sorted(set(names) - {name})
    rng = np.random.default_rng([seed, zlib.crc32(os.fsencode(name)), 1])
    chosen = rng.choice(len(others), size=min(draws, len(others)), replace=False)
    return [others[int(k)] for k in chosen]
