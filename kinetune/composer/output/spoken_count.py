"""A spoken count-in by espeak-ng, where that program is installed: "five, six, seven, eight".

A word is heard on the beat where its vowel begins, not where its first consonant does (the
perceptual centre: Morton, Marcus and Frankish, 1976), taken here as the moment at which its level
has risen to half. Samples mono (N,), seconds.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound, read_sound, resample
from kinetune.errors import AudioError

Wave = NDArray[np.float32]

#: What is said before bars of four, and of three.
WORDS = {4: ("five", "six", "seven", "eight"), 3: ("four", "five", "six")}
_PROGRAM = "espeak-ng"
# Speeds to try, words per minute, until every word is shorter than a beat.
_SPEEDS = (160, 220, 300, 400)
_TIMEOUT_S = 20.0
# Below this share of its peak a word has not begun, or has ended.
_QUIET, _RISEN = 0.02, 0.5
_LEVEL_S, _LEVEL, _FADE_S = 0.02, 0.5, 0.01


def spoken_count(metre: int, beat_s: float, rate_hz: int) -> list[tuple[Wave, float]] | None:
    """Return the words of a bar's count, each with the time from its start to its beat.

    Args:
        metre: Beats to the bar.
        beat_s: Length of a beat; no word is longer.
        rate_hz: Samples per second.

    Returns:
        Words and times; None where espeak-ng isn't installed, or doesn't work.
    """
    program = shutil.which(_PROGRAM)
    if program is None or metre not in WORDS:
        return None
    try:
        for speed in _SPEEDS:
            words = [_trimmed(_word(program, word, speed, rate_hz)) for word in WORDS[metre]]
            if max(map(len, words)) <= beat_s * rate_hz:
                break
    except (OSError, subprocess.SubprocessError, AudioError):
        return None
    return [_on_beat(word[: timebase.samples_in(beat_s, rate_hz)], rate_hz) for word in words]


def _word(program: str, word: str, speed: int, rate_hz: int) -> Wave:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        subprocess.run(
            [program, "-v", "en-us", "-s", str(speed), "-w", str(path), word],
            check=True, capture_output=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
        sound = read_sound(path)
    return np.asarray(resample(Sound(sound.mono, sound.rate_hz), rate_hz).samples, np.float32)


def _trimmed(wave: Wave) -> Wave:
    loud = np.flatnonzero(np.abs(wave) > _QUIET * np.abs(wave).max(initial=0.0))
    if len(loud) == 0:
        raise AudioError("the word is silent")
    return wave[loud[0] : loud[-1] + 1]


def _on_beat(wave: Wave, rate_hz: int) -> tuple[Wave, float]:
    """The word at its level, faded out, and the time at which it is heard."""
    size = timebase.samples_in(_LEVEL_S, rate_hz)
    level = np.sqrt(np.convolve(np.square(wave), np.ones(size) / size, "same"))
    risen = int(np.argmax(level >= _RISEN * level.max()))
    out = wave * np.float32(_LEVEL / np.abs(wave).max())
    fade = min(len(out), timebase.samples_in(_FADE_S, rate_hz))
    out[len(out) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return out, timebase.duration_of(risen, rate_hz)
