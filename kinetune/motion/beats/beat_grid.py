"""Where the beats of a dance are: kinematic beats, and the beat grid read from the body alone.

Seconds and beats a minute throughout. :func:`motion_beats` is the field's definition (local minima
of the mean joint speed, Li et al. 2021, Siyao et al. 2022). :func:`beat_grid` reads tempo, beats,
bars and metre with one probabilistic model (``motion/beats/metrical_model.py``) that observes the
beat network and kinematic events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from kinetune import timebase
from kinetune.errors import MotionError
from kinetune.motion import kinematics
from kinetune.motion.beats import tempo
from kinetune.motion.beats.beat_network import OUTPUT_FPS, OUTPUTS, BeatNetwork, beat_phasors
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.beats.metrical_model import METRES, MetricalModel
from kinetune.motion.beats.observations import Observations
from kinetune.motion.beats.readings import Constraints, Reading, reading_at
from kinetune.motion.clip import KnownBeats, MotionClip, resample
from kinetune.timebase import BEATS_IN_BAR

Times = NDArray[np.float64]

# Bailando's smoothing for kinematic beats: five frames at 60 fps.
_BEAT_SIGMA_S = 5.0 / 60.0
# What can be requested; the search itself is narrower.
SLOWEST_BPM_OPTION, FASTEST_BPM_OPTION = 30.0, 300.0
# Below this many speed minima there is nothing to find a beat in.
_LEAST_MINIMA = 6
#: The note of a grid that is the prior's, for want of movement.
HARDLY_MOVES = "hardly moves"
# A joint that is slower than this on average stands still, metres a second.
_MOVING_M_S = 0.05
# With fewer moving joints, fewer frames a second or fewer seconds, the evidence counts for less.
_ENOUGH_JOINTS, _ENOUGH_FPS, _ENOUGH_S = 6, 15.0, 6.0
# Below these probabilities a reading is called a guess, or unsure.
_GUESS, _UNSURE = 0.3, 0.6


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
        confidence: Calibrated probability that tempo and beats are right, 0 to 1; 1 where a person
            named them.
        alternatives: Other tempi, best first; half and double time among them.
        steady: Whether one tempo is held; otherwise ``beats_s`` follow the drift.
        bar_start_s: Time of a beat that opens a bar, as requested, or estimated from the body.
        metre: Beats to the bar.
        readings: The ways to count this dance, most likely first.
        note: What makes the reading uncertain, in a word or two; empty where nothing does.
    """

    bpm: float
    first_beat_s: float
    beats_s: Times
    confidence: float
    alternatives: tuple[Tempo, ...] = ()
    steady: bool = True
    bar_start_s: float = 0.0
    metre: int = BEATS_IN_BAR
    readings: tuple[Reading, ...] = ()
    note: str = ""

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
    _check_options(bpm, first_beat_s)
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
    metre: int | None = None,
    reading: int = 1,
    network: BeatNetwork | bool = True,
) -> BeatGrid:
    """Find tempo, beats, bars and metre of a dance; what the caller names restricts the model.

    Args:
        clip: Any dance; one that hardly moves gets the prior's tempo with confidence 0.
        bpm: Tempo to hold.
        first_beat_s: Time of a beat to hold; it opens a bar.
        metre: Beats to the bar to hold, 3 or 4.
        reading: Which of the readings to take, 1 for the most likely.
        network: Whether to use the beat network (or another network) beside the rules; without it
            bars are a guess.

    Raises:
        MotionError: ``bpm`` is outside 30 to 300, a number is not finite, the metre is neither 3
            nor 4, or there is no such reading.
    """
    return group_beat_grid(
        [clip],
        bpm=bpm,
        first_beat_s=first_beat_s,
        metre=metre,
        reading=reading,
        network=network,
    )


def group_beat_grid(
    clips: Sequence[MotionClip],
    *,
    bpm: float | None = None,
    first_beat_s: float | None = None,
    metre: int | None = None,
    reading: int = 1,
    network: BeatNetwork | bool = True,
) -> BeatGrid:
    """Find the one beat grid of dancers who dance together, from all of them.

    Args:
        clips: One or more dances that start at the same moment; the longest gives the duration.
        bpm: See :func:`beat_grid`, as the rest.
        first_beat_s: Time of a beat to hold.
        metre: Beats to the bar to hold.
        reading: Which of the readings to take.
        network: Whether to use the beat network.

    Raises:
        MotionError: See :func:`beat_grid`; or there is no clip.
    """
    if not clips:
        raise MotionError("expected one dance or more to find a beat in, found none")
    _check_options(bpm, first_beat_s, metre)
    duration_s = max(clip.duration_s for clip in clips)
    if clips[0].known_beats is not None and len(clips) == 1:
        return _known_grid(clips[0], clips[0].known_beats, (bpm, first_beat_s, metre), reading)
    if bpm is not None and first_beat_s is not None and reading == 1:
        return replace(fixed_grid(bpm, first_beat_s, duration_s), metre=metre or BEATS_IN_BAR)
    evidence = [tempo.collect_evidence(clip) for clip in clips]
    if max(each.minima_count for each in evidence) < _LEAST_MINIMA:
        return _unknown_grid(duration_s, bpm, first_beat_s, metre)
    seen = _joint_observations(clips, evidence, network)
    model = MetricalModel(seen, Constraints(bpm, first_beat_s, metre))
    return _grid_of(model, reading, clips, seen)


def _known_grid(
    clip: MotionClip,
    known: KnownBeats,
    named: tuple[float | None, float | None, int | None],
    number: int,
) -> BeatGrid:
    """The grid of beats that a motion's source names; what a person names goes before.

    Args:
        clip: The motion.
        known: Its beats.
        named: Tempo, time of a downbeat and metre, each None where not named.
        number: Which of the readings.
    """
    bpm, first_beat_s, metre = named[0], named[1], named[2] or BEATS_IN_BAR
    rows = known.readings or ((known.bpm, known.beats_s[0] if known.beats_s else 0.0, 1.0),)
    readings = tuple(reading_at(tempo, first, metre, share) for tempo, first, share in rows)
    if not 1 <= number <= len(readings):
        raise MotionError(
            f"{clip.name}: there are {len(readings)} readings of these curves, found {number}; "
            "kinetune inspect lists them"
        )
    chosen = readings[number - 1]
    if bpm is None and first_beat_s is None and number == 1 and len(known.beats_s) > 1:
        beats_s = np.array(known.beats_s)
        steps = np.diff(beats_s)
        grid = BeatGrid(
            known.bpm, float(beats_s[0]), beats_s, known.confidence,
            steady=bool(np.ptp(steps) < 1e-3), bar_start_s=known.bar_start_s,
        )  # fmt: skip
    else:
        first_s = chosen.first_beat_s if first_beat_s is None else first_beat_s
        grid = fixed_grid(bpm or chosen.bpm, first_s, clip.duration_s)
    return replace(
        grid, metre=metre, readings=readings, alternatives=_other_tempi(chosen, readings)
    )


def _grid_of(
    model: MetricalModel, number: int, clips: Sequence[MotionClip], seen: Observations
) -> BeatGrid:
    readings = model.readings()
    if not 1 <= number <= len(readings):
        raise MotionError(
            f"{clips[0].name}: there are {len(readings)} readings of this dance, found {number}; "
            "kinetune inspect lists them"
        )
    chosen = readings[number - 1]
    beats_s, steady = model.beats(chosen)
    bpm, first_s, bar_s = chosen.bpm, chosen.first_beat_s, chosen.bar_start_s
    if not steady and len(beats_s) > 1:
        bpm = timebase.bpm_of(float(np.mean(np.diff(beats_s))))
        first_s = float(beats_s[0] % timebase.beat_period_s(bpm))
        # The bar's first beat is counted at the middle, where the reading was made.
        middle = int(np.argmin(np.abs(beats_s - 0.5 * seen.duration_s)))
        count = round((beats_s[middle] - bar_s) / timebase.beat_period_s(chosen.bpm))
        bar_s = float(beats_s[(middle - count) % chosen.metre])
    return BeatGrid(
        bpm,
        first_s,
        beats_s,
        chosen.probability,
        alternatives=_other_tempi(chosen, readings),
        steady=steady,
        bar_start_s=bar_s,
        metre=chosen.metre,
        readings=readings,
        note=_note(clips, chosen.probability, seen),
    )


def observations(
    clip: MotionClip, evidence: tempo.TempoEvidence, network: BeatNetwork | bool = True
) -> Observations:
    """Return what the metrical model observes of a dance.

    Args:
        clip: The dance.
        evidence: What its kinematic events say.
        network: The network, or whether to use the bundled one.
    """
    if isinstance(network, BeatNetwork) or network:
        phasors = beat_phasors(clip, network if isinstance(network, BeatNetwork) else None)
    else:
        phasors = np.zeros((max(1, round(clip.duration_s * OUTPUT_FPS)), OUTPUTS), np.float32)
    times_s = timebase.frame_times(len(phasors), OUTPUT_FPS) + 0.25 / OUTPUT_FPS
    return Observations(
        phasors.astype(np.float64),
        tempo.salience_at(evidence, times_s),
        evidence.tempi_bpm,
        evidence.scores,
        clip.duration_s,
        reliability=_reliability(clip),
    )


def _joint_observations(
    clips: Sequence[MotionClip],
    evidence: Sequence[tempo.TempoEvidence],
    network: BeatNetwork | bool,
) -> Observations:
    """Average what is observed of dancers who dance together; those who stopped count as silent."""
    each = [observations(c, e, network) for c, e in zip(clips, evidence, strict=True)]
    longest = max(each, key=lambda one: len(one.phasors))
    frames = len(longest.phasors)

    def mean(values: Sequence[Times]) -> Times:
        padded = [np.pad(v, [(0, frames - len(v))] + [(0, 0)] * (v.ndim - 1)) for v in values]
        # Dancers are not independent: two give more evidence than one, but not twice as much.
        return np.asarray(np.sum(padded, axis=0) / np.sqrt(len(padded)))

    return replace(
        longest,
        phasors=mean([one.phasors for one in each]),
        salience=mean([one.salience for one in each]),
        tempo_scores=np.sum([one.tempo_scores for one in each], axis=0) / np.sqrt(len(each)),
        reliability=max(one.reliability for one in each),
    )


def _moving_joints(clip: MotionClip) -> int:
    """Number of joints that move, seen at no more than 30 frames a second."""
    rate = min(clip.fps, timebase.MOTION_FPS)
    speeds = kinematics.joint_speeds(resample(clip, rate)).mean(axis=0)
    return int((speeds > _MOVING_M_S).sum())


def _reliability(clip: MotionClip) -> float:
    """Weight of the evidence: less for few moving joints, few frames or few seconds."""
    joints = min(1.0, _moving_joints(clip) / _ENOUGH_JOINTS)
    frames = min(1.0, clip.fps / _ENOUGH_FPS)
    return float((joints * frames * min(1.0, clip.duration_s / _ENOUGH_S)) ** 2)


def _note(clips: Sequence[MotionClip], probability: float, seen: Observations) -> str:
    if max(_moving_joints(clip) for clip in clips) < _ENOUGH_JOINTS:
        return "few joints move"
    if max(clip.fps for clip in clips) < _ENOUGH_FPS:
        return "too few frames a second"
    if seen.duration_s < _ENOUGH_S:
        return "too short to be sure"
    if probability < _GUESS:
        return "a guess"
    return "unsure" if probability < _UNSURE else ""


def _other_tempi(chosen: Reading, readings: Sequence[Reading]) -> tuple[Tempo, ...]:
    """The readings of other tempi, best first."""
    alternatives: list[Tempo] = []
    for reading in readings:
        known = [chosen.bpm, *(each.bpm for each in alternatives)]
        if all(abs(np.log2(reading.bpm / bpm)) > 0.057 for bpm in known):
            score = min(1.0, reading.probability / max(chosen.probability, 1e-9))
            alternatives.append(Tempo(reading.bpm, reading.first_beat_s, score))
    return tuple(alternatives)


def _unknown_grid(
    duration_s: float, bpm: float | None, first_beat_s: float | None, metre: int | None
) -> BeatGrid:
    """Return the prior's grid for a body without evidence."""
    chosen = tempo.PRIOR_BPM if bpm is None else bpm
    beats = metre or BEATS_IN_BAR
    grid = fixed_grid(chosen, first_beat_s or 0.0, duration_s)
    tempi = (chosen, 0.5 * chosen, 2.0 * chosen)
    readings = tuple(
        Reading(each, grid.first_beat_s, grid.bar_start_s, beats, 0.0) for each in tempi
    )
    return replace(
        grid,
        confidence=0.0,
        alternatives=tuple(Tempo(each, grid.first_beat_s, 0.0) for each in tempi[1:]),
        metre=beats,
        readings=readings,
        note=HARDLY_MOVES,
    )


def _check_options(bpm: float | None, first_beat_s: float | None, metre: int | None = None) -> None:
    if bpm is not None and not SLOWEST_BPM_OPTION <= bpm <= FASTEST_BPM_OPTION:
        raise MotionError(
            f"the tempo must be {SLOWEST_BPM_OPTION:g} to {FASTEST_BPM_OPTION:g} bpm, found {bpm:g}"
        )
    if first_beat_s is not None and not np.isfinite(first_beat_s):
        raise MotionError(f"the first beat must be a time in seconds, found {first_beat_s}")
    if metre is not None and metre not in METRES:
        raise MotionError(f"the metre must be 3 or 4 beats to the bar, found {metre}")
