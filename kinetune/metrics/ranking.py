"""Ranking of variations: scores of how well music follows the motion, and one number from them.

Conventions: those of :mod:`kinetune.metrics.beats`, :mod:`kinetune.metrics.body` and
:mod:`kinetune.metrics.similarity`, whose measures these are; seconds. An undefined score, as the
accents of a body without any, is NaN and left out. What each is worth: docs/metrics.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.audio.sound import Sound
from kinetune.metrics.beats import f_measure
from kinetune.metrics.body import accents_hit, energy_correlation
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from kinetune.metrics.similarity import motion_music_similarity
from kinetune.motion.group import Dancers, dancers_of, mean_over_dancers


@dataclass(frozen=True)
class MotionFit:
    """How well a piece follows a body.

    Attributes:
        beats: F-measure of tracked beats against the grid, 0 to 1.
        energy: Rank correlation of body speed and loudness, -1 to 1.
        accents: Share of the body's accents with a strong onset, 0 to 1.
        similarity: Learned similarity of motion and music, -1 to 1.
    """

    beats: float
    energy: float
    accents: float
    similarity: float = float("nan")

    @property
    def total(self) -> float:
        """The mean of the similarity and of the other three's mean, 0 to 1; 0 if none is defined.

        Energy is mapped to 0 to 1 before.
        """
        parts = _mean([self.beats, 0.5 * (1.0 + self.energy), self.accents])
        total = _mean([parts, self.similarity])
        return max(0.0, total) if np.isfinite(total) else 0.0


_NAN = float("nan")


def _mean(values: list[float]) -> float:
    """The mean of the finite values; NaN if there are none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else _NAN


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
        motion_music_similarity(clip, sound),
    )
