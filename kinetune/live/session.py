"""A session: the loop that takes time from a clock, motion from a source, and fills the sinks.

On a simulated clock it is quicker than real time, and every number is the same but the costs.
Seconds of the body's time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetune.live.following.follower import MotionSource, TracePoint
from kinetune.live.playing.music import LiveMusic, PlayedBar, RenderedBlock

# The loop looks for motion and sound this often.
_STEP_S = 0.05
# What rings after the last bar.
_TAIL_S = 3.0


class Clock(Protocol):
    """Time of a session, seconds from its beginning."""

    def now(self) -> float:
        """Return the time."""

    def wait_until(self, time_s: float) -> None:
        """Return when it is so late."""


class SimulatedClock:
    """A clock that stands still while there is work to do."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now(self) -> float:
        """Return the time."""
        return self._now_s

    def wait_until(self, time_s: float) -> None:
        """Move to a time."""
        self._now_s = max(self._now_s, time_s)


class WallClock:
    """Real time, from when the clock is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def now(self) -> float:
        """Return the time."""
        return time.perf_counter() - self._began

    def wait_until(self, time_s: float) -> None:
        """Sleep until a time."""
        time.sleep(max(0.0, time_s - self.now()))


class Sink(Protocol):
    """Where sound and beats go."""

    def write(self, block: RenderedBlock) -> None:
        """Take the sound that comes after that before."""

    def beat(self, start_s: float, end_s: float) -> None:
        """Take a beat of the music and the one after it, before they are played."""

    def close(self) -> None:
        """Finish: nothing comes any more."""


@dataclass(frozen=True, eq=False)
class LiveReport:
    """What happened in a session.

    Attributes:
        duration_s: Time of the body until the music ended.
        beats_s: Beats of the music, those of the count-in too.
        bars: Bars that were written.
        trace: Tempo and confidence over time.
        underruns: Blocks that were ready later than they were to be played.
        block_s: Length of a block.
        block_seconds: What each took to compose and render.
        interrupted: Whether the user ended it.
    """

    duration_s: float
    beats_s: NDArray[np.float64]
    bars: tuple[PlayedBar, ...]
    trace: tuple[TracePoint, ...]
    underruns: int
    block_s: float
    block_seconds: NDArray[np.float64]
    interrupted: bool = False

    @property
    def load(self) -> float:
        """Time to compose and render over the time it plays, mean."""
        return float(self.block_seconds.mean() / self.block_s) if len(self.block_seconds) else 0.0

    @property
    def bar_loads(self) -> NDArray[np.float64]:
        """The same of each whole bar, (n,)."""
        starts = np.array([bar.start_s for bar in self.bars])
        edges = (starts / self.block_s).astype(int).clip(0, len(self.block_seconds))
        total = np.concatenate([[0.0], np.cumsum(self.block_seconds)])
        return np.asarray(np.diff(total[edges]) / np.diff(starts)) if len(starts) > 1 else starts


def run_session(
    music: LiveMusic,
    source: MotionSource,
    clock: Clock,
    sinks: Sequence[Sink],
    *,
    limit_s: float | None = None,
    progress: Callable[[float, LiveMusic], None] | None = None,
) -> LiveReport:
    """Play until the motion ends, the limit is reached, or the user interrupts.

    Args:
        music: The music.
        source: The motion.
        clock: Real or simulated.
        sinks: Where it goes; they are closed at the end.
        limit_s: Longest time.
        progress: Called with the time.
    """
    loop = _Loop(music, sinks)
    interrupted = False
    try:
        now_s = clock.now()
        while not source.is_finished(now_s) and (limit_s is None or now_s < limit_s):
            loop.advance(now_s, clock)
            if progress is not None:
                progress(now_s, music)
            clock.wait_until(now_s + _STEP_S)
            now_s = clock.now()
    except KeyboardInterrupt:
        interrupted = True
    try:
        music.end()
        loop.advance(music.position / music.options.rate_hz, None, tail_s=_TAIL_S)
    finally:
        for sink in sinks:
            sink.close()
    return LiveReport(
        music.position / music.options.rate_hz, np.array(music.beats_s), tuple(music.bars),
        tuple(music.follower.trace), loop.underruns,
        music.options.block_samples / music.options.rate_hz, np.array(loop.seconds), interrupted,
    )  # fmt: skip


class _Loop:
    """What is carried from step to step."""

    def __init__(self, music: LiveMusic, sinks: Sequence[Sink]) -> None:
        self._music, self._sinks = music, sinks
        self._beats = 0
        self.underruns = 0
        self.seconds: list[float] = []

    def advance(self, now_s: float, clock: Clock | None, *, tail_s: float | None = None) -> None:
        until_s = None if tail_s is None else now_s + tail_s
        for block in self._music.advance(now_s, until_s):
            self.seconds.append(block.seconds)
            # The first blocks are rendered when it begins.
            if clock is not None and block.start_s > self._music.options.ahead_s:
                self.underruns += clock.now() > block.start_s
            for sink in self._sinks:
                sink.write(block)
            self._send_beats()

    def _send_beats(self) -> None:
        beats_s = self._music.beats_s
        while self._beats + 1 < len(beats_s):
            for sink in self._sinks:
                sink.beat(beats_s[self._beats], beats_s[self._beats + 1])
            self._beats += 1
