"""The body's beat while it dances: windows read at intervals, and the music's beats from them.

A reading is made of the window that ends now, and counts a fixed delay later, whatever the machine:
so a simulated clock gives the same beats as a real one that keeps up. Seconds of the body's time.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetune.live.following.beat_clock import BeatClock
from kinetune.live.following.beat_tracker import BeatTracker
from kinetune.live.following.window_reading import WindowReading, read_window
from kinetune.motion.clip import MotionClip
from kinetune.timebase import bpm_of

Array = NDArray[np.float64]

# After so long without motion the energy of the music is low.
_STALE_S, _LOW_ENERGY = 4.0, 0.1


class MotionSource(Protocol):
    """Motion that arrives while time goes on."""

    def window(self, now_s: float, length_s: float) -> tuple[MotionClip, float] | None:
        """Return the motion of the last seconds and where it begins; None if there is none yet."""

    def is_finished(self, now_s: float) -> bool:
        """Return whether no motion comes any more."""


class Executor(Protocol):
    """What makes readings: a pool's ``submit``, or one that works at once."""

    def submit(self, task: Callable[[], WindowReading | None]) -> Future[WindowReading | None]:
        """Begin a task."""


class Immediate:
    """Works at once, in the caller's thread: for a simulated clock."""

    def submit(self, task: Callable[[], WindowReading | None]) -> Future[WindowReading | None]:
        """Return the finished task."""
        future: Future[WindowReading | None] = Future()
        future.set_result(task())
        return future


@dataclass(frozen=True)
class FollowOptions:
    """How the body is followed.

    Attributes:
        window_s: Length of the windows.
        every_s: Time from reading to reading.
        delay_s: Time from a window's end until its reading counts.
        least_s: Motion that is needed before the first reading.
        least_confidence: Probability at which the music begins.
        patience_s: It begins after so much motion, however unsure the beat is.
        bpm: Tempo to hold; read from the body if None.
        metre: Beats to the bar to hold; read from the body if None.
    """

    window_s: float = 14.0
    every_s: float = 0.5
    delay_s: float = 0.5
    least_s: float = 4.0
    least_confidence: float = 0.35
    patience_s: float = 7.0
    bpm: float | None = None
    metre: int | None = None


@dataclass(frozen=True)
class TracePoint:
    """What was believed at a time, for pictures and reports."""

    time_s: float
    bpm: float
    confidence: float


class BeatFollower:
    """Reads the body's beat at intervals, and makes the music's beats.

    Args:
        source: The motion.
        options: How it is followed.
        executor: Where readings are made.
    """

    def __init__(
        self, source: MotionSource, options: FollowOptions, executor: Executor | None = None
    ) -> None:
        self._source, self._options = source, options
        self._executor = executor or Immediate()
        self._tracker = BeatTracker()
        self._pending: tuple[float, Future[WindowReading | None]] | None = None
        self._next_s = options.least_s
        self._energy_s, self._energy = np.zeros(0), np.zeros(0)
        self.clock: BeatClock | None = None
        self.trace: list[TracePoint] = []

    def update(self, now_s: float) -> None:
        """Begin readings that are due, and take those whose delay is over."""
        while True:
            self._take(now_s)
            if self._pending is not None or now_s < self._next_s:
                return
            begun_s = self._next_s
            self._next_s = max(self._next_s + self._options.every_s, now_s - self._options.every_s)
            self._pending = (begun_s, self._executor.submit(partial(self._read, begun_s)))

    def _read(self, now_s: float) -> WindowReading | None:
        got = self._source.window(now_s, self._options.window_s)
        if got is None or got[0].duration_s < self._options.least_s - 0.1:
            return None
        return read_window(*got, bpm=self._options.bpm, metre=self._options.metre)

    def _take(self, now_s: float) -> None:
        if self._pending is None:
            return
        begun_s, future = self._pending
        if now_s < begun_s + self._options.delay_s or not future.done():
            return
        self._pending = None
        reading = future.result()
        if reading is None:
            return
        self._tracker.update(reading.hypotheses, reading.end_s)
        self._energy_s, self._energy = reading.times_s, reading.energy
        if (best := self._tracker.best) is not None:
            bpm = bpm_of(best.hypothesis.period_s)
            self.trace.append(TracePoint(now_s, bpm, self._tracker.confidence))

    def start(self, now_s: float, earliest_s: float) -> bool:
        """Begin the music's beats, if the beat is sure enough or the body has danced long enough.

        Args:
            now_s: Now.
            earliest_s: The first beat comes no earlier; it opens a bar.
        """
        best = self._tracker.best
        if best is None or (
            self._tracker.confidence < self._options.least_confidence
            and now_s < self._options.patience_s
        ):
            return False
        beat = best.hypothesis
        count = np.ceil((earliest_s - beat.beat_s) / beat.period_s)
        self.clock = BeatClock(beat.beat_s + float(count) * beat.period_s, beat.period_s)
        return True

    def beats_to_bar(self, beat_s: float) -> int:
        """Return how many beats after ``beat_s`` the body's next bar opens, 0 to metre - 1."""
        best = self._tracker.best
        if best is None:
            return 0
        beat = best.hypothesis
        return int(-round((beat_s - beat.bar_s) / beat.period_s) % beat.metre)

    def next_beat(self) -> float:
        """Return the time of the music's next beat, after :meth:`start`."""
        best = self._tracker.best
        if self.clock is None or best is None:
            raise RuntimeError("start() comes first")
        return self.clock.advance(best.hypothesis)

    @property
    def metre(self) -> int:
        """Beats to the bar as the body has them now."""
        best = self._tracker.best
        return 4 if best is None else best.hypothesis.metre

    def recent_energy(self, start_s: float, period_s: float, beats: int, now_s: float) -> Array:
        """Return the energy of beats to come: that of the same beats of the last known bar.

        Args:
            start_s: First beat.
            period_s: Time from beat to beat.
            beats: How many, a bar.
            now_s: Now; where nothing was read for long before, the energy is low.
        """
        if not len(self._energy) or now_s - self._energy_s[-1] > _STALE_S:
            return np.full(beats, _LOW_ENERGY)
        bar_s = beats * period_s
        back_s = bar_s * np.ceil((start_s + bar_s - self._energy_s[-1]) / bar_s)
        edges = start_s - back_s + period_s * np.arange(beats + 1)
        index = np.searchsorted(self._energy_s, edges).clip(0, len(self._energy) - 1)
        return np.array([self._energy[a : max(b, a + 1)].mean() for a, b in pairwise(index)])
