"""When a body rests, turns and lands, against beats that are known.

The lag of an event is its time after the nearest beat, within half a beat to either side; events
count by their weight (:mod:`kinetune.motion.beats.kinematic_events`). Events without any tie to the
beat have a median lag of 0, quartiles half a beat apart, and are within a reach of a beat by
chance. Seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.motion import kinematics, skeleton
from kinetune.motion.beats import kinematic_events
from kinetune.motion.beats.kinematic_events import ANALYSIS_FPS
from kinetune.motion.clip import MotionClip, resample

Array = NDArray[np.float64]

#: The kinds of events: rests are minima of a joint's speed, turns reversals of its direction,
#: landings feet that come to stand, sinks the lowest points of the hips.
EVENT_KINDS = ("rests of arms", "rests of legs", "turns", "landings", "sinks")
#: An event this near to a beat is on it, as mir_eval's F-measure counts beats.
REACH_S = 0.07
_ARMS = [skeleton.joint_index(f"{s}_{j}") for s in ("left", "right")
         for j in ("shoulder", "elbow", "wrist", "hand")]  # fmt: skip
_LEGS = [skeleton.joint_index(f"{s}_{j}") for s in ("left", "right")
         for j in ("knee", "ankle", "foot")]  # fmt: skip


@dataclass(frozen=True, eq=False)
class EventLags:
    """Lags of the events of one kind.

    Attributes:
        lags_s: Time after the nearest beat, (n,).
        weights: What each event counts, (n,).
        periods_s: The beat at each event, (n,).
    """

    lags_s: Array
    weights: Array
    periods_s: Array

    def quantile_s(self, share: float) -> float:
        """Return the lag below which a share of the weight lies; NaN without events."""
        if not len(self.lags_s):
            return float("nan")
        order = np.argsort(self.lags_s, kind="stable")
        weight = self.weights[order]
        middle = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
        return float(np.interp(share, middle, self.lags_s[order]))

    @property
    def median_s(self) -> float:
        """The weighted median."""
        return self.quantile_s(0.5)

    @property
    def quartiles_s(self) -> tuple[float, float]:
        """The weighted lower and upper quartile."""
        return self.quantile_s(0.25), self.quantile_s(0.75)

    @property
    def on_beat(self) -> float:
        """Share of the weight within ``REACH_S`` of a beat."""
        return self._mean(np.abs(self.lags_s) <= REACH_S)

    @property
    def on_beat_by_chance(self) -> float:
        """The share that events without any tie to the beat would have."""
        return self._mean(np.minimum(2.0 * REACH_S / self.periods_s, 1.0))

    def _mean(self, values: NDArray) -> float:
        return float(np.average(values, weights=self.weights)) if len(values) else float("nan")


def event_lags(clip: MotionClip, beats_s: Array) -> dict[str, EventLags]:
    """Return the lags of a dance's events by kind, see ``EVENT_KINDS``.

    Args:
        clip: The dance.
        beats_s: Its beats, seconds, ascending, (n,); two or more. Events before the first or after
            the last by more than half a beat are left out.
    """
    return {kind: _lags(weights, beats_s) for kind, weights in event_weights(clip).items()}


def pooled(each: Iterable[EventLags]) -> EventLags:
    """Return the lags of several dances as one."""
    rows = [(lags.lags_s, lags.weights, lags.periods_s) for lags in each]
    if not rows:
        return EventLags(np.zeros(0), np.zeros(0), np.zeros(0))
    return EventLags(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def event_weights(clip: MotionClip) -> dict[str, Array]:
    """Return the weight of each kind's events at 60 frames per second, (T,), zero elsewhere."""
    fine = resample(clip, ANALYSIS_FPS)
    positions = kinematics.joint_positions(fine)
    speed = np.linalg.norm(kinematics.velocity(positions, ANALYSIS_FPS), axis=-1)
    rests = kinematic_events.speed_minima(speed)
    kinds = (
        rests[:, _ARMS].sum(axis=1),
        rests[:, _LEGS].sum(axis=1),
        kinematic_events.direction_reversals(positions).sum(axis=1),
        kinematic_events.foot_contacts(speed),
        kinematic_events.pelvis_minima(positions),
    )
    return dict(zip(EVENT_KINDS, kinds, strict=True))


def _lags(weights: Array, beats_s: Array) -> EventLags:
    frames = np.flatnonzero(weights)
    times_s = frames / ANALYSIS_FPS
    nearest = np.abs(times_s[:, None] - beats_s).argmin(axis=1)
    periods_s = np.gradient(beats_s)[nearest]
    lags_s = times_s - beats_s[nearest]
    inside = np.abs(lags_s) <= 0.5 * periods_s
    return EventLags(lags_s[inside], weights[frames][inside], periods_s[inside])
