"""Beats, downbeats and onsets of a sound; librosa is loaded only when needed."""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.audio.sound import Sound, resample, to_mono

Times = NDArray[np.float64]
# librosa's own window, and ours.
_WINDOW = 2048


def music_beats(sound: Sound) -> tuple[float, Times]:
    """Return tempo (beats a minute) and beat times (seconds, ascending); 0 and none in silence."""
    from librosa.beat import beat_track

    mono = _prepared(sound)
    if not np.any(mono):
        return 0.0, np.empty(0)
    tempo, beats = beat_track(y=mono, sr=timebase.SAMPLE_RATE_HZ, units="time")
    return float(np.atleast_1d(tempo)[0]), np.asarray(beats, dtype=np.float64)


def onset_envelope(sound: Sound) -> NDArray[np.float32]:
    """Return librosa's onset strength, one value a mel frame of 22,050 Hz sound."""
    from librosa.onset import onset_strength

    strength: NDArray[np.float32] = onset_strength(
        y=_prepared(sound), sr=timebase.SAMPLE_RATE_HZ, hop_length=timebase.HOP_LENGTH
    )
    return strength


def onset_times(sound: Sound) -> Times:
    """Return onset times, seconds, ascending."""
    from librosa.onset import onset_detect

    times = onset_detect(
        y=_prepared(sound), sr=timebase.SAMPLE_RATE_HZ, hop_length=timebase.HOP_LENGTH, units="time"
    )
    return np.asarray(times, dtype=np.float64)


def _prepared(sound: Sound) -> NDArray[np.float32]:
    """Mono at 22,050 Hz, with silence behind what is shorter than librosa's window."""
    samples = resample(to_mono(sound), timebase.SAMPLE_RATE_HZ).samples
    return np.pad(samples, (0, max(0, _WINDOW - len(samples))))
