"""Ranking of variations: three scores of how well music follows the motion, and their mean.

Conventions: those of :mod:`kinetune.metrics.beats` and :mod:`kinetune.metrics.body`, whose measures
these are; seconds. An undefined score, as the accents of a body without any, is NaN and left out of
the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.metrics.beats import f_measure
from kinetune.metrics.body import accents_hit, energy_correlation
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from kinetune.motion.group import Dancers, dancers_of, mean_over_dancers


@dataclass(frozen=True)
class MotionFit:
    """How well a piece follows a body.

    Attributes:
        beats: F-measure of tracked beats against the grid, 0 to 1.
        energy: Rank correlation of body speed and loudness, -1 to 1.
        accents: Share of the body's accents with a strong onset, 0 to 1.
    """

    beats: float
    energy: float
    accents: float

    @property
    def total(self) -> float:
        """The mean of the defined scores, energy mapped to 0 to 1; 0 if none is defined."""
        parts = [self.beats, 0.5 * (1.0 + self.energy), self.accents]
        defined = [part for part in parts if np.isfinite(part)]
        return float(np.mean(defined)) if defined else 0.0


def motion_fit(clip: Dancers, sound: Sound, beats_s: NDArray[np.float64]) -> MotionFit:
    """Return how well a sound follows a dance.

    Args:
        clip: The dance; of a group the mean speed and the accents of all dancers count.
        sound: The music, half a second or longer; it begins with the dance.
        beats_s: Beats that it should keep, seconds, ascending, (K,).

    Raises:
        AudioError: The sound is shorter.
    """
    audio = analyse_audio(sound)
    dancers = [analyse_motion(dancer) for dancer in dancers_of(clip)]
    speed = mean_over_dancers([dancer.speed for dancer in dancers])
    accents_s = np.sort(np.concatenate([dancer.accents_s for dancer in dancers]))
    return MotionFit(
        f_measure(beats_s[beats_s >= 0.0], audio.beats_s),
        energy_correlation(speed, audio.power),
        accents_hit(accents_s, audio.strength),
    )
