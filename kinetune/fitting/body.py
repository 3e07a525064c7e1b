"""What is measured of a dance before a song is fitted to it.

Seconds; curves at 60 frames per second, (T,).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinetune.metrics.evaluation.motion_analysis import analyse_motion
from kinetune.motion.beats import tempo
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, observations
from kinetune.motion.beats.metrical_model import MetricalModel
from kinetune.motion.clip import MotionClip

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BodyAnalysis:
    """Beats, accents and speed of a dance.

    Attributes:
        name: What to call it.
        duration_s: Its length.
        grid: Its beats and readings.
        activation: How likely a beat is at each frame, 0 or more, (T,).
        speed: Mean joint speed, m/s, (T,).
        accents_s: Times of sudden stops, (K,).
        vectors: For the similarity to music (:mod:`kinetune.metrics.similarity`), (T', D).
    """

    name: str
    duration_s: float
    grid: BeatGrid
    activation: Array
    speed: Array
    accents_s: Array
    vectors: NDArray[np.float32]


def analyse_body(clip: MotionClip, grid: BeatGrid | None = None) -> BodyAnalysis:
    """Return the analysis of a dance.

    Args:
        clip: The dance.
        grid: Its beats as a person names them, the only reading then; estimated from the motion if
            None.
    """
    from kinetune.metrics.similarity import motion_vectors

    motion = analyse_motion(clip)
    model = MetricalModel(observations(clip, tempo.collect_evidence(clip)))
    return BodyAnalysis(
        clip.name,
        clip.duration_s,
        beat_grid(clip) if grid is None else replace(grid, readings=()),
        model.activation,
        motion.speed,
        motion.accents_s,
        motion_vectors(clip),
    )
