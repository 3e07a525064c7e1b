"""The one place where time is converted.

Frames of motion, samples of sound and columns of a spectrogram all meet here; no other file
divides by a frame rate or multiplies by a hop. Frame ``i`` of anything sampled at ``rate_hz``
stands at ``i / rate_hz`` seconds. A mel spectrogram is centred: its frame ``i`` is centred on
sample ``i * hop``.
"""

import numpy as np
from numpy.typing import NDArray

# The paper's sound: 22,050 Hz mono, hop 512 (Tan et al. 2023, section 3.1).
SAMPLE_RATE_HZ = 22_050
HOP_LENGTH = 512
# The paper's motion rate: every second frame of AIST++'s 60 fps.
MOTION_FPS = 30.0
# All ten dances are danced to four beats per bar.
BEATS_IN_BAR = 4


def frame_times(n_frames: int, rate_hz: float) -> NDArray[np.float64]:
    """Times of the first ``n_frames`` frames, seconds, shape (n_frames,)."""
    return np.asarray(np.arange(n_frames) / rate_hz, dtype=np.float64)


def duration_of(n_frames: int, rate_hz: float) -> float:
    """Length of ``n_frames`` frames in seconds, each frame counted whole."""
    return n_frames / rate_hz


def frames_in(duration_s: float, rate_hz: float) -> int:
    """How many whole frames at ``rate_hz`` fit ``duration_s``, to the nearest frame."""
    return round(duration_s * rate_hz)


def first_frame_from(time_s: float, rate_hz: float) -> int:
    """Index of the first frame at ``time_s`` or later; negative where that is before time 0."""
    # A hair of rounding is not later.
    return int(np.ceil(time_s * rate_hz - 1e-9))


def samples_in(duration_s: float, rate_hz: float) -> int:
    """How many samples at ``rate_hz`` last ``duration_s``, to the nearest sample."""
    return round(duration_s * rate_hz)


def mel_rate_hz(sample_rate_hz: float = SAMPLE_RATE_HZ, hop_length: int = HOP_LENGTH) -> float:
    """Mel frames per second."""
    return sample_rate_hz / hop_length


def mel_frames_in(n_samples: int, hop_length: int = HOP_LENGTH) -> int:
    """How many centred mel frames ``n_samples`` samples give (librosa's count)."""
    return n_samples // hop_length + 1


def samples_of_mel_frames(n_frames: int, hop_length: int = HOP_LENGTH) -> int:
    """How many samples ``n_frames`` hops cover."""
    return n_frames * hop_length


def beat_period_s(bpm: float) -> float:
    """Seconds from one beat to the next at ``bpm`` beats per minute."""
    return 60.0 / bpm


def bpm_of(period_s: float) -> float:
    """Beats per minute for a beat every ``period_s`` seconds."""
    return 60.0 / period_s


def beat_times(bpm: float, first_beat_s: float, duration_s: float) -> NDArray[np.float64]:
    """Times of the beats of a steady grid inside [0, duration_s), seconds, ascending.

    Args:
        bpm: Beats per minute, positive.
        first_beat_s: Time of any beat of the grid, seconds; the grid extends both ways.
        duration_s: End of the span, seconds.
    """
    period = beat_period_s(bpm)
    first = first_beat_s % period
    # A beat a hair before the first period boundary is the beat at zero seen through rounding.
    if period - first < 1e-6:
        first = 0.0
    count = max(0, int(np.ceil((duration_s - first) / period - 1e-9)))
    return np.asarray(first + period * np.arange(count), dtype=np.float64)
