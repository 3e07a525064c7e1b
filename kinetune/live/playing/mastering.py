"""The master of live music: tone, saturation, compressor and limiter that only know the past.

Tone and levels are calibrated once, on music of the same song. The limiter looks ahead a few
milliseconds, and what it does not catch a soft curve holds below full scale. Samples are float32.
Axes: channels x N.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.composer.output.mastering import Master, compressor_gains, drive_of, saturated
from kinetune.corpus.composition.music_score import Mix
from kinetune.corpus.rendering.block_filters import Block, Convolver, Delay, Kernel
from kinetune.corpus.rendering.mastering import BLOCK_S

# The level falls with this time constant; it rises at once.
_RELEASE_S = 0.12
# Below this samples are untouched, above it they are bent towards full scale.
_KNEE, _CEILING = 0.8, 0.97
_QUIET = 1e-6


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a master was set to.

    Attributes:
        taps: The tone filter, (taps,).
        level: Gain before saturation.
        drive: Of the saturation.
        gain: Behind the compressor.
    """

    taps: NDArray[np.float64]
    level: float
    drive: float
    gain: float


def calibrate(mix: Mix, master: Master) -> Calibration:
    """Return the settings that make live music as loud as a master, and of its tone.

    Args:
        mix: Of the song.
        master: Of some bars of it.
    """
    made = Calibration(master.taps, master.level, drive_of(mix), 1.0)
    rate_hz = master.sound.rate_hz
    compressed = _Dynamics(made, rate_hz, master.toned.shape[1]).next_block(master.toned.T.copy())
    wanted = float(np.sqrt(np.mean(np.square(master.sound.samples))))
    measured = float(np.sqrt(np.mean(np.square(compressed))))
    return replace(made, gain=wanted / max(measured, _QUIET))


class LiveMaster:
    """The master, block by block; it delays the sound by ``delay`` samples.

    Args:
        calibration: Its settings.
        rate_hz: Samples per second.
        channels: 1 or 2.
    """

    def __init__(self, calibration: Calibration, rate_hz: int, channels: int) -> None:
        self._tone = Convolver(Kernel(calibration.taps[None]), channels)
        self._dynamics = _Dynamics(calibration, rate_hz, channels)
        self.delay = self._dynamics.delay

    def next_block(self, block: Block) -> Block:
        """Return the next samples, (channels, n), of (channels, n); n is a multiple of delay."""
        return self._dynamics.next_block(self._tone.next_block(block))


class _Dynamics:
    """Saturation, compressor and soft limit."""

    def __init__(self, calibration: Calibration, rate_hz: int, channels: int) -> None:
        self._settings = calibration
        self.delay = timebase.samples_in(BLOCK_S, rate_hz)
        self._delays = [Delay(self.delay) for _ in range(channels)]
        self._release = float(np.exp(-BLOCK_S / _RELEASE_S))
        self._level, self._last_gain = 0.0, 1.0

    def next_block(self, block: Block) -> Block:
        s = self._settings
        count = block.shape[1]
        out = saturated(block, s.level, s.drive)
        peaks = np.maximum.reduceat(np.abs(out).max(axis=0), np.arange(0, count, self.delay))
        gains = s.gain * compressor_gains(np.array([self._level_at(float(p)) for p in peaks]))
        # The gain reaches a block's own value before the delayed block begins.
        ends = np.minimum(np.arange(1, len(gains) + 1) * self.delay, count)
        points = np.concatenate([[self._last_gain], gains])
        curve = np.interp(np.arange(count), np.concatenate([[0], ends]), points)
        self._last_gain = float(gains[-1])
        late = np.stack(
            [delay.next_block(row) for delay, row in zip(self._delays, out, strict=True)]
        )
        return _soft_limited(late * curve.astype(np.float32))

    def _level_at(self, peak: float) -> float:
        self._level = max(peak, self._release * self._level)
        return self._level


def _soft_limited(samples: Block) -> Block:
    """The samples, those above the knee bent towards the ceiling."""
    over = np.abs(samples) - np.float32(_KNEE)
    if not (over > 0.0).any():
        return samples
    span = np.float32(_CEILING - _KNEE)
    curved = np.float32(_KNEE) + span * np.tanh(np.maximum(over, 0.0) / span)
    return np.where(over > 0.0, np.sign(samples) * curved, samples).astype(np.float32)
