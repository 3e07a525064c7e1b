"""Where the beat of a dance is: kinematic beats, and tempo and phase from the body alone.

Seconds and beats a minute throughout. :func:`motion_beats` is the field's definition (local minima
of the mean joint speed, Li et al. 2021, Siyao et al. 2022). :func:`beat_grid` finds the grid; the
evidence it weighs is in ``motion/beats/tempo.py`` and ``motion/beats/kinematic_events.py``.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import kinematics
from kinetune.motion.beats import tempo
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, resample
from kinetune.timebase import BEATS_IN_BAR

Times = NDArray[np.float64]

# Bailando's smoothing for kinematic beats: five frames at 60 fps.
_BEAT_SIGMA_S = 5.0 / 60.0
# What can be asked for; the search itself is narrower.
SLOWEST_ASKED_BPM, FASTEST_ASKED_BPM = 30.0, 300.0
# Below this many rests there is nothing to find a beat in.
_LEAST_RESTS = 6
# A tracked grid must collect this much more evidence a beat than the steady one to be believed: of
# 300 made-up dances that drift by 0 to 12 % and 120 of bent clips, F is best so (0.91 and 0.71;
# with 1.4 0.88 and 0.67).
_DRIFT_GAIN = 1.2
# Shorter than this a tempo has no time to drift audibly.
_DRIFT_FROM_S = 20.0


@dataclass(frozen=True)
class Tempo:
    """A tempo the dance could have.

    Attributes:
        bpm: Beats a minute.
        first_beat_s: Time of the first beat, in [0, period).
        score: How likely against the chosen tempo, 1 for equally good.
    """

    bpm: float
    first_beat_s: float
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class BeatGrid:
    """The beats of a dance.

    Attributes:
        bpm: Beats a minute; the mean where the tempo drifts.
        first_beat_s: Time of the first beat, in [0, period).
        beats_s: All beats inside the clip, seconds, ascending.
        confidence: How clearly the body speaks for this tempo, 0 (not at all) to 1.
        alternatives: Other tempi, best first; half and double time among them.
        steady: Whether one tempo is held; otherwise ``beats_s`` follow the drift.
        bar_start_s: Time of a beat that opens a bar of four, as named or as the body tells it.
    """

    bpm: float
    first_beat_s: float
    beats_s: Times
    confidence: float
    alternatives: tuple[Tempo, ...] = ()
    steady: bool = True
    bar_start_s: float = 0.0

    def __repr__(self) -> str:
        pace = "" if self.steady else ", drifting"
        return (
            f"<BeatGrid: {self.bpm:.1f} bpm{pace}, {len(self.beats_s)} beats, "
            f"a bar begins at {self.bar_start_s:.2f} s>"
        )


def motion_beats(clip: MotionClip) -> Times:
    """Return the kinematic beats: local minima of the smoothed mean joint speed, seconds."""
    fine = resample(clip, ANALYSIS_FPS)
    speed = kinematics.joint_speeds(fine).mean(axis=1)
    smooth = gaussian_filter1d(speed, _BEAT_SIGMA_S * ANALYSIS_FPS)
    return np.asarray(find_peaks(-smooth)[0] / ANALYSIS_FPS, dtype=np.float64)


def fixed_grid(bpm: float, first_beat_s: float, duration_s: float) -> BeatGrid:
    """Return the steady grid that a person names.

    Args:
        bpm: Beats a minute, 30 to 300.
        first_beat_s: Time of any beat, seconds.
        duration_s: Length of the dance, seconds.

    Raises:
        MotionError: A number is impossible.
    """
    _check_asked(bpm, first_beat_s)
    first = first_beat_s % timebase.beat_period_s(bpm)
    beats = timebase.beat_times(bpm, first_beat_s, duration_s)
    return BeatGrid(bpm, first, beats, 1.0, bar_start_s=first_beat_s)


def grid_of_beats(beats_s: Times, duration_s: float) -> BeatGrid:
    """Return the grid of beats that a person lists; the first of them opens a bar.

    Where the list stops short of the dance it goes on at its first or last beat's pace.

    Args:
        beats_s: Two or more times, seconds, ascending.
        duration_s: Length of the dance, seconds.

    Raises:
        MotionError: The times are too few, not ascending, or all beyond the dance.
    """
    beats = np.asarray(beats_s, dtype=np.float64)
    if len(beats) < 2 or not np.isfinite(beats).all() or (np.diff(beats) <= 0).any():
        raise MotionError("expected two beats or more, in ascending order")
    if beats[0] >= duration_s:
        raise MotionError(
            f"the first beat is at {beats[0]:g} s, but the dance lasts {duration_s:g} s"
        )
    step = np.diff(beats)
    before = np.arange(beats[0] - step[0], -1e-9, -step[0])[::-1]
    after = np.arange(beats[-1] + step[-1], duration_s, step[-1])
    whole = np.concatenate([before, beats[beats < duration_s], after])
    bpm = timebase.bpm_of(float(np.mean(np.diff(whole))) if len(whole) > 1 else float(step[0]))
    return BeatGrid(
        bpm, float(whole[0]), whole, 1.0, steady=bool(np.ptp(step) < 1e-3), bar_start_s=beats[0]
    )


def beat_grid(
    clip: MotionClip,
    *,
    bpm: float | None = None,
    first_beat_s: float | None = None,
    network: bool = True,
) -> BeatGrid:
    """Find tempo and phase of a dance; what the caller names is held.

    Args:
        clip: Any dance; one that hardly moves gets the prior's tempo with confidence 0.
        bpm: Tempo to hold.
        first_beat_s: Time of a beat to hold; it opens a bar.
        network: Whether to hear the network as well as the rules; without it bars are a guess.

    Raises:
        MotionError: ``bpm`` is outside 30 to 300, or a number is not finite.
    """
    _check_asked(bpm, first_beat_s)
    if bpm is not None and first_beat_s is not None:
        return fixed_grid(bpm, first_beat_s, clip.duration_s)
    evidence = tempo.gather(clip, network=network)
    if evidence.rests < _LEAST_RESTS:
        return _unknown(clip, bpm, first_beat_s)
    ranked, confidence = _ranked(evidence) if bpm is None else ([(bpm, 0.0)], 1.0)
    found = [
        Tempo(value, tempo.phase_s(evidence, value), float(np.exp(score - ranked[0][1])))
        for value, score in ranked
    ]
    best = found[0]
    start_s = best.first_beat_s if first_beat_s is None else first_beat_s
    grid = fixed_grid(best.bpm, start_s, clip.duration_s)
    tracked = None if bpm or first_beat_s is not None else _tracked(evidence, grid, clip.duration_s)
    if tracked is not None:
        grid = BeatGrid(*tracked, confidence, steady=False)
    if first_beat_s is None:
        opens = tempo.bar_start(evidence, grid.beats_s, BEATS_IN_BAR)
        grid = replace(grid, bar_start_s=float(grid.beats_s[opens]) if len(grid.beats_s) else 0.0)
    return replace(grid, confidence=confidence, alternatives=tuple(found[1:]))


def _ranked(evidence: tempo.Evidence) -> tuple[list[tuple[float, float]], float]:
    """Return tempi with scores, best first: rivals, then half and double time; and a confidence."""
    peaks = [(tempo.sharpened(evidence, bpm), score) for bpm, score in tempo.peaks(evidence)]
    best, best_score = peaks[0]
    rivals = [peak for peak in peaks[1:4]]
    octaves = [
        (best * factor, tempo.score_at(evidence, best * factor))
        for factor in (0.5, 2.0)
        if all(abs(np.log2(best * factor / value)) > 0.06 for value, _ in rivals)
    ]
    strangers = [score for value, score in rivals if not _same_pulse(value, best)]
    margin = best_score - max(strangers, default=-np.inf)
    # On 250 made-up dances of 4 to 12 s: 0.5 right with no margin, 0.8 at 2.8, 0.98 at 5.
    confidence = 1.0 - 0.5 * float(np.exp(-((margin / 2.8) ** 2)))
    return [(best, best_score), *rivals, *octaves], confidence


def _same_pulse(one: float, other: float) -> bool:
    """Whether two tempi are the same, or twice or half each other, within 4 %."""
    return any(abs(one / (other * factor) - 1.0) < 0.04 for factor in (0.5, 1.0, 2.0))


def _tracked(
    evidence: tempo.Evidence, grid: BeatGrid, duration_s: float
) -> tuple[float, float, Times] | None:
    """Return tempo, first beat and beats that follow a drift, or None where it holds steady."""
    if duration_s < _DRIFT_FROM_S:
        return None
    beats = tempo.track(evidence, grid.bpm)
    if len(beats) < 3:
        return None
    steady, moving = (tempo.evidence_at(evidence, times) for times in (grid.beats_s, beats))
    if moving < _DRIFT_GAIN * steady:
        return None
    period_s = float(np.mean(np.diff(beats)))
    return timebase.bpm_of(period_s), float(beats[0] % period_s), beats


def _unknown(clip: MotionClip, bpm: float | None, first_beat_s: float | None) -> BeatGrid:
    """Return the prior's grid for a body that tells nothing."""
    chosen = tempo.PRIOR_BPM if bpm is None else bpm
    grid = fixed_grid(chosen, first_beat_s or 0.0, clip.duration_s)
    rivals = tuple(Tempo(chosen * factor, grid.first_beat_s, 0.0) for factor in (0.5, 2.0))
    return replace(grid, confidence=0.0, alternatives=rivals)


def _check_asked(bpm: float | None, first_beat_s: float | None) -> None:
    if bpm is not None and not SLOWEST_ASKED_BPM <= bpm <= FASTEST_ASKED_BPM:
        raise MotionError(
            f"the tempo must be {SLOWEST_ASKED_BPM:g} to {FASTEST_ASKED_BPM:g} bpm, found {bpm:g}"
        )
    if first_beat_s is not None and not np.isfinite(first_beat_s):
        raise MotionError(f"the first beat must be a time in seconds, found {first_beat_s}")
