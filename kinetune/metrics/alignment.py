"""Beat alignment of dance and music, in both directions, and as one published script has it.

Conventions: times in seconds from the start, ascending. A beat that is d seconds from the nearest
beat of the other kind scores exp(-d^2 / (2 w^2)) with w = 0.05 s (three frames at 60 fps, as
published); the score is the mean. Without a beat of the other kind the score is 0; without a beat
of the counted kind it is undefined (NaN).

Sources: motion to music: FACT (Li et al. 2021), EDGE (Tseng et al. 2023), the text of Tan et al.
2023. Music to motion: Bailando (Siyao et al. 2022). :func:`as_published`: the script of Tan et al.
2023 goes from music to motion and compares music beats in librosa frames of 1/43.07 s with motion
beats in frames of 1/60 s; it gives about 0.22 for any music (docs/metrics.md).
"""

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import MetricError
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS

Times = NDArray[np.float64]
NAN = float("nan")
# Three frames at 60 fps: FACT, Bailando and EDGE alike.
_WIDTH_FRAMES = 3
WIDTH_S = timebase.duration_of(_WIDTH_FRAMES, ANALYSIS_FPS)


def validate(motion_beats_s: Times, music_beats_s: Times) -> None:
    """Check that both are lists of beats.

    Raises:
        MetricError: They are not 1-D, not finite, or not ascending.
    """
    for name, beats in (("motion", motion_beats_s), ("music", music_beats_s)):
        if beats.ndim != 1:
            raise MetricError(f"{name} beats: expected times (K,), found shape {beats.shape}")
        if not np.isfinite(beats).all() or (np.diff(beats) <= 0).any():
            raise MetricError(f"{name} beats: expected ascending times in seconds")


def motion_to_music(motion_beats_s: Times, music_beats_s: Times) -> float:
    """Return how near each motion beat is to a music beat, 0 to 1; NaN without motion beats."""
    validate(motion_beats_s, music_beats_s)
    return _mean_nearness(motion_beats_s, music_beats_s, WIDTH_S)


def music_to_motion(motion_beats_s: Times, music_beats_s: Times) -> float:
    """Return how near each music beat is to a motion beat, 0 to 1.

    0 without music beats, NaN without motion beats.
    """
    validate(motion_beats_s, music_beats_s)
    if len(motion_beats_s) == 0:
        return NAN
    return _mean_nearness(music_beats_s, motion_beats_s, WIDTH_S) if len(music_beats_s) else 0.0


def as_published(motion_frames: NDArray[np.int64], music_frames: NDArray[np.int64]) -> float:
    """Return what the script of Tan et al. 2023 prints for one clip.

    Args:
        motion_frames: Motion beats in frames at 60 fps, (K,).
        music_frames: Music beats in librosa frames at 43.07 a second, (K,); used as if at 60.

    Returns:
        The score; NaN where the script stops with an error (no beats of one kind).
    """
    validate(motion_frames.astype(np.float64), music_frames.astype(np.float64))
    if len(motion_frames) == 0 or len(music_frames) == 0:
        return NAN
    return _mean_nearness(music_frames.astype(float), motion_frames.astype(float), _WIDTH_FRAMES)


def _mean_nearness(events: Times, targets: Times, width: float) -> float:
    """Mean of exp(-d^2 / 2 width^2), d from each event to the nearest target."""
    if len(events) == 0:
        return NAN
    if len(targets) == 0:
        return 0.0
    distance = np.abs(events[:, None] - targets).min(axis=1)
    return float(np.exp(-(distance**2) / (2.0 * width**2)).mean())


def evaluate(motion_beats_s: Times, music_beats_s: Times) -> dict[str, float]:
    """Return both directions of one clip by name."""
    return {
        "bas_motion_to_music": motion_to_music(motion_beats_s, music_beats_s),
        "bas_music_to_motion": music_to_motion(motion_beats_s, music_beats_s),
    }
