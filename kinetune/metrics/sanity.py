"""Sanity checks of recordings: loudness, clipping, silence.

Conventions: LUFS after ITU-R BS.1770-4; shares are of samples, or of 23 ms blocks, 0 to 1. A row
that scores well elsewhere and badly here contains broken files.
"""

from dataclasses import dataclass

import numpy as np

from kinetune import timebase
from kinetune.audio.loudness import integrated_lufs
from kinetune.audio.sound import Sound
from kinetune.errors import MetricError

# 16-bit full scale is 32767 / 32768.
_FULL_SCALE = 0.9999
# -60 dBFS: the noise floor of a cheap recording.
_SILENT_POWER = 1e-6
# BS.1770's absolute gate.
_SILENT_LUFS = -70.0


@dataclass(frozen=True)
class RecordingQuality:
    """How a sound was recorded.

    Attributes:
        loudness_lufs: Integrated loudness; minus infinity for silence.
        clipped_share: Share of samples at full scale.
        silent_share: Share of 23 ms blocks quieter than -60 dBFS.
    """

    loudness_lufs: float
    clipped_share: float
    silent_share: float

    @property
    def is_silent(self) -> bool:
        """Whether all of it is below BS.1770's gate."""
        return self.loudness_lufs < _SILENT_LUFS


def validate(sound: Sound) -> None:
    """Check that a sound holds samples.

    Raises:
        MetricError: It contains none.
    """
    if len(sound.samples) == 0:
        raise MetricError("expected samples, found none")


def clipped_share(sound: Sound) -> float:
    """Return the share of samples, over all channels, at full scale."""
    validate(sound)
    return float(np.mean(np.abs(sound.samples) >= _FULL_SCALE))


def silent_share(sound: Sound) -> float:
    """Return the share of 23 ms blocks of the mono sound quieter than -60 dBFS."""
    validate(sound)
    size = max(1, timebase.samples_in(1.0 / timebase.mel_rate_hz(), sound.rate_hz))
    mono = sound.mono.astype(np.float64)
    sums = np.add.reduceat(mono**2, np.arange(0, len(mono), size))
    counts = np.diff(np.append(np.arange(0, len(mono), size), len(mono)))
    return float(np.mean(sums / counts < _SILENT_POWER))


def analyse_recording(sound: Sound) -> RecordingQuality:
    """Return how a sound was recorded."""
    validate(sound)
    return RecordingQuality(integrated_lufs(sound), clipped_share(sound), silent_share(sound))


def evaluate(sound: Sound) -> dict[str, float]:
    """Return all figures by name; silence has no loudness (NaN)."""
    return scores(analyse_recording(sound))


def scores(quality: RecordingQuality) -> dict[str, float]:
    """Return the figures of a recording by name; silence has no loudness (NaN)."""
    loudness = quality.loudness_lufs
    return {
        "loudness_lufs": loudness if np.isfinite(loudness) else float("nan"),
        "clipped_share": quality.clipped_share,
        "silent_share": quality.silent_share,
    }
