"""Beat options: user-defined beats, or beats estimated from the motion."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

# Factors on the tempo estimated from the motion.
TEMPO_FACTORS = {"auto": 1.0, "half": 0.5, "double": 2.0}
# Which of half, all and double of it is taken: the slowest, the fastest or the most moderate within
# the range.
PACES = ("slow", "fast", "moderate")
_PACE_RANGE_BPM, _MODERATE_BPM = (48.0, 180.0), 105.0
SLOWEST_BPM, FASTEST_BPM = 30.0, 300.0


@dataclass(frozen=True)
class BeatOptions:
    """Beat settings of a user; the rest is estimated from the motion.

    Attributes:
        bpm: Beats per minute, 30 to 300; or ``auto``, ``half`` or ``double`` of the tempo found in
            the dance; or ``slow``, ``fast`` or ``moderate``, the slowest, fastest or most moderate
            of these three from 48 to 180.
        first_beat_s: Time at which a bar begins, seconds.
        beats_s: All beat times, seconds, ascending; excludes the others.
        metre: Beats per bar, 3 or 4; estimated from the motion if None.
        reading: Which of the readings of the dance to take, 1 for the most likely.

    Raises:
        ConfigError: The tempo is neither a number nor one of the words, or is out of range; or
            beat times are given beside another option.
    """

    bpm: float | str = "auto"
    first_beat_s: float | None = None
    beats_s: tuple[float, ...] | None = None
    metre: int | None = None
    reading: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.bpm, str):
            if self.bpm not in (*TEMPO_FACTORS, *PACES):
                words = ", ".join((*TEMPO_FACTORS, *PACES))
                raise ConfigError(f"bpm must be a number, {words}; found {self.bpm!r}")
        elif not SLOWEST_BPM <= self.bpm <= FASTEST_BPM:
            raise ConfigError(f"bpm must be {SLOWEST_BPM:g} to {FASTEST_BPM:g}, found {self.bpm:g}")
        if self.metre not in (None, 3, 4):
            raise ConfigError(f"the metre must be 3 or 4 beats to the bar, found {self.metre}")
        if self.reading < 1:
            raise ConfigError(f"readings are counted from 1, found {self.reading}")
        if self.beats_s is not None and replace(self, beats_s=None) != BeatOptions():
            raise ConfigError("a list of beats sets them all; leave the other beat options out")

    @property
    def sets_tempo(self) -> bool:
        """Whether the user, not the dance, decides the tempo."""
        return self.beats_s is not None or not isinstance(self.bpm, str)

    def grid_for(self, clip: "Dancers") -> "BeatGrid":
        """Return the beat grid of a dance; of a group, the one grid of all its dancers.

        Raises:
            MotionError: The beats don't fit the dance, or a tempo is out of range.
        """
        import numpy as np

        from kinetune.motion.beats.beat_grid import grid_of_beats, group_beat_grid
        from kinetune.motion.group import dancers_of

        if self.beats_s is not None:
            return grid_of_beats(np.array(self.beats_s), clip.duration_s)
        clips, first_beat_s, metre = dancers_of(clip), self.first_beat_s, self.metre
        bpm = None if isinstance(self.bpm, str) else self.bpm
        if isinstance(self.bpm, str) and self.bpm != "auto":
            estimated = group_beat_grid(clips, metre=metre, reading=self.reading)
            factor = TEMPO_FACTORS.get(self.bpm) or _pace_factor(estimated.bpm, self.bpm)
            if factor == 1.0 and first_beat_s is None:
                return estimated
            return group_beat_grid(
                clips,
                bpm=estimated.bpm * factor,
                first_beat_s=first_beat_s,
                metre=metre,
            )
        return group_beat_grid(
            clips, bpm=bpm, first_beat_s=first_beat_s, metre=metre, reading=self.reading
        )


def _pace_factor(bpm: float, pace: str) -> float:
    """The factor on a tempo that a pace takes."""
    low, high = _PACE_RANGE_BPM
    factors = [f for f in TEMPO_FACTORS.values() if low <= f * bpm <= high] or [1.0]
    if pace == "moderate":
        return min(factors, key=lambda factor: abs(math.log(factor * bpm / _MODERATE_BPM)))
    return min(factors) if pace == "slow" else max(factors)
