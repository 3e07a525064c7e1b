"""The beats of the music: continuous, and brought towards the body's beat gently.

A phase-locked loop of first order: every beat is one period after the one before, plus part of the
distance to the nearest beat of the body. Neither the period nor the phase ever leaps. Seconds.
"""

import numpy as np

from kinetune.live.following.window_reading import BeatHypothesis

# Share of the distance that a beat makes up for, and the most it is moved, in periods.
_GAIN, _MOST_MOVED = 0.5, 0.08
# The period changes by no more than this ratio from beat to beat.
_MOST_CHANGE = 1.1


class BeatClock:
    """The beats of the music, one after another.

    Args:
        beat_s: Time of the first.
        period_s: Time to the second.
    """

    def __init__(self, beat_s: float, period_s: float) -> None:
        self.beats_s = [beat_s]
        self.period_s = period_s

    def advance(self, target: BeatHypothesis) -> float:
        """Return the next beat, on its way to the body's beats.

        Args:
            target: Beat and period of the body.
        """
        ratio = np.clip(target.period_s / self.period_s, 1.0 / _MOST_CHANGE, _MOST_CHANGE)
        self.period_s *= float(ratio)
        expected_s = self.beats_s[-1] + self.period_s
        phase = (expected_s - target.beat_s) / target.period_s
        away = phase - round(phase)
        moved = float(np.clip(_GAIN * away, -_MOST_MOVED, _MOST_MOVED)) * self.period_s
        self.beats_s.append(expected_s - moved)
        return self.beats_s[-1]
