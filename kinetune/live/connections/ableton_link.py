"""Ableton Link: tempo, beat and bar of the music for every program on the network that takes part.

The package LinkPython-extern brings Ableton's library, which is under the GPL; it is imported where
it is installed, and never needed. The session's timeline is moved to the music's beats, since the
music follows a body and nobody else. Seconds of the session.
"""

import time
from typing import Any

from kinetune.extras import extra
from kinetune.live.playing.music import RenderedBlock
from kinetune.timebase import bpm_of

_MICROSECONDS = 1e6


class LinkSink:
    """A sink that moves the Link session's beats to those of the music.

    Args:
        began: ``time.perf_counter()`` at time 0 of the session.
        metre: Beats to the bar.

    Raises:
        MissingExtraError: LinkPython-extern isn't installed.
    """

    def __init__(self, began: float, metre: int) -> None:
        with extra("link"):
            import link
        self._link: Any = link.Link(120.0)
        self._link.startStopSyncEnabled = True
        self._link.enabled = True
        self._metre, self._beat = metre, 0
        # Link has a clock of its own.
        self._began_us = self._link.clock().micros() - _MICROSECONDS * (time.perf_counter() - began)

    @property
    def peers(self) -> int:
        """How many other programs take part."""
        return int(self._link.numPeers())

    def write(self, block: RenderedBlock) -> None:
        """Take sound, of which Link needs none."""

    def beat(self, start_s: float, end_s: float) -> None:
        """Take a beat and the next one; the first opens a bar."""
        at_us = round(self._began_us + _MICROSECONDS * start_s)
        state = self._link.captureSessionState()
        state.setTempo(bpm_of(end_s - start_s), self._link.clock().micros())
        state.forceBeatAtTime(float(self._beat), at_us, float(self._metre))
        if self._beat == 0:
            state.setIsPlaying(True, at_us)
        self._link.commitSessionState(state)
        self._beat += 1

    def close(self) -> None:
        """Stop, and leave the session."""
        state = self._link.captureSessionState()
        state.setIsPlaying(False, self._link.clock().micros())
        self._link.commitSessionState(state)
        self._link.enabled = False
