"""The beat in a window of motion that ends now: hypotheses with their phase at the window's end.

Seconds of the body's time. The model is that of whole dances (``motion/beats``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from kinetune import timebase
from kinetune.corpus.choreography.dance import FULL_SPEED_M_S
from kinetune.motion import kinematics
from kinetune.motion.beats import tempo
from kinetune.motion.beats.beat_grid import observations
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.metrical_model import MetricalModel
from kinetune.motion.beats.readings import Constraints, Reading, reading_at
from kinetune.motion.clip import MotionClip, resample

Array = NDArray[np.float64]

# Below this many speed minima there is nothing to find a beat in.
_LEAST_MINIMA = 6
# Less likely readings are left out; and how many are followed at most.
_LEAST_PROBABILITY, _MOST = 5e-3, 4
# The tempo at the end of a drifting window is that of so many beats.
_LAST_BEATS = 8
_SPEED_SIGMA_S = 0.07


@dataclass(frozen=True)
class BeatHypothesis:
    """One way to count the beat now.

    Attributes:
        beat_s: Time of a beat, near the window's end.
        period_s: Time from beat to beat there.
        bar_s: Time of a beat that opens a bar.
        metre: Beats to the bar.
        probability: Of the window's reading, 0 to 1.
    """

    beat_s: float
    period_s: float
    bar_s: float
    metre: int
    probability: float


@dataclass(frozen=True, eq=False)
class WindowReading:
    """What a window of motion shows.

    Attributes:
        end_s: Its end.
        hypotheses: Most likely first; none where the body hardly moves.
        times_s: Frames at 60 a second, (T,).
        energy: Energy of the body at each, 0 to 1, (T,).
    """

    end_s: float
    hypotheses: tuple[BeatHypothesis, ...]
    times_s: Array
    energy: Array


def read_window(
    clip: MotionClip, start_s: float, *, bpm: float | None = None, metre: int | None = None
) -> WindowReading:
    """Return the beat and the energy of a window of motion.

    Args:
        clip: The window.
        start_s: Where it begins.
        bpm: Tempo to hold.
        metre: Beats to the bar to hold.
    """
    end_s = start_s + clip.duration_s
    rows = _known(clip) if clip.known_beats is not None else _modelled(clip, bpm, metre)
    hypotheses = tuple(_at_end(reading, beats_s, start_s) for reading, beats_s in rows)
    energy = _energy(clip)
    times_s = start_s + timebase.frame_times(len(energy), ANALYSIS_FPS)
    return WindowReading(end_s, hypotheses, times_s, energy)


def _modelled(
    clip: MotionClip, bpm: float | None, metre: int | None
) -> list[tuple[Reading, Array]]:
    evidence = tempo.collect_evidence(clip)
    if evidence.minima_count < _LEAST_MINIMA:
        return []
    model = MetricalModel(observations(clip, evidence), Constraints(bpm, None, metre))
    likely = [each for each in model.readings() if each.probability >= _LEAST_PROBABILITY]
    return [(each, model.beats(each)[0]) for each in likely[:_MOST]]


def _known(clip: MotionClip) -> list[tuple[Reading, Array]]:
    """Beats that the motion's source names, such as curves."""
    known = clip.known_beats
    if known is None or known.confidence <= 0.0 or len(known.beats_s) < 2:
        return []
    first = reading_at(known.bpm, known.bar_start_s, timebase.BEATS_IN_BAR, known.confidence)
    rows = [(first, np.array(known.beats_s))]
    for bpm, first_s, share in known.readings[1:_MOST]:
        other = reading_at(bpm, first_s, timebase.BEATS_IN_BAR, share * known.confidence)
        rows.append((other, timebase.beat_times(bpm, first_s, clip.duration_s)))
    return rows


def _at_end(reading: Reading, beats_s: Array, start_s: float) -> BeatHypothesis:
    last = beats_s[-_LAST_BEATS:]
    period_s = timebase.beat_period_s(reading.bpm)
    beat_s = float(last[-1]) if len(last) else reading.first_beat_s
    if len(last) >= 3:
        line = np.polynomial.Polynomial.fit(np.arange(len(last)), last, 1).convert()
        period_s = float(line.coef[1])
        beat_s = float(line(len(last) - 1))
    bar_s = beat_s
    if len(beats_s):
        opens = int(np.argmin(np.abs(beats_s - reading.bar_start_s)))
        bar_s -= period_s * ((len(beats_s) - 1 - opens) % reading.metre)
    return BeatHypothesis(
        start_s + beat_s, period_s, start_s + bar_s, reading.metre, reading.probability
    )


def _energy(clip: MotionClip) -> Array:
    speed = kinematics.joint_speeds(resample(clip, ANALYSIS_FPS)).mean(axis=1)
    smooth = gaussian_filter1d(speed, _SPEED_SIGMA_S * ANALYSIS_FPS, mode="nearest")
    return np.asarray(np.clip(smooth / FULL_SPEED_M_S, 0.0, 1.0))
