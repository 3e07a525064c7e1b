"""MIDI clock of the music's beats: 24 ticks a beat, at the beats' own times.

System real-time messages of MIDI 1.0: start (FA), timing clock (F8), stop (FC). Seconds.
"""

import threading
import time
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.live.playing.music import RenderedBlock

TICKS_A_BEAT = 24
START, TICK, STOP = b"\xfa", b"\xf8", b"\xfc"
_LONGEST_SLEEP_S = 0.05


class Port(Protocol):
    """What MIDI messages are sent to."""

    def send(self, message: bytes) -> None:
        """Send one message."""


def tick_times(start_s: float, end_s: float) -> NDArray[np.float64]:
    """Return the times of the ticks of one beat, (24,).

    Args:
        start_s: The beat.
        end_s: The next one.
    """
    return np.asarray(np.linspace(start_s, end_s, TICKS_A_BEAT, endpoint=False))


class MidiClock:
    """Sends what is due of the clock; the first beat is preceded by a start message.

    Args:
        port: Where to.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._due: deque[float] = deque()
        self._lock = threading.Lock()
        self._started = False

    def add_beat(self, start_s: float, end_s: float) -> None:
        """Take a beat and the next, in order."""
        with self._lock:
            self._due.extend(tick_times(start_s, end_s).tolist())

    @property
    def next_s(self) -> float | None:
        """Time of the next tick; None if there is none."""
        with self._lock:
            return self._due[0] if self._due else None

    def send_until(self, now_s: float) -> None:
        """Send the ticks that are due."""
        while (due_s := self.next_s) is not None and due_s <= now_s:
            if not self._started:
                self._port.send(START)
                self._started = True
            with self._lock:
                self._due.popleft()
            self._port.send(TICK)

    def stop(self) -> None:
        """Send a stop, if the clock was started."""
        if self._started:
            self._port.send(STOP)
            self._started = False


class MidiClockSink:
    """A sink that sends the clock from a thread of its own, in real time.

    Args:
        port: Where to.
        began: ``time.perf_counter()`` at time 0 of the session.
    """

    def __init__(self, port: Port, began: float) -> None:
        self._clock, self._began = MidiClock(port), began
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="midi clock", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            now_s = time.perf_counter() - self._began
            self._clock.send_until(now_s)
            next_s = self._clock.next_s
            wait_s = _LONGEST_SLEEP_S if next_s is None else next_s - now_s
            self._ended.wait(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))

    def write(self, block: RenderedBlock) -> None:
        """Take sound, of which the clock needs none."""

    def beat(self, start_s: float, end_s: float) -> None:
        """Take a beat."""
        self._clock.add_beat(start_s, end_s)

    def close(self) -> None:
        """Send a stop and end the thread."""
        self._ended.set()
        self._thread.join()
        self._clock.stop()


class _RtMidiPort:
    """A port of python-rtmidi."""

    def __init__(self, name: str) -> None:
        with extra("live"):
            import rtmidi
        try:
            self._out = rtmidi.MidiOut()
            names = list(self._out.get_ports())
        except (rtmidi.RtMidiError, SystemError) as error:
            raise ConfigError(f"no MIDI on this machine ({error})") from error
        matching = [k for k, known in enumerate(names) if name.lower() in known.lower()]
        if not matching:
            listed = ", ".join(names) or "none"
            raise ConfigError(f"no MIDI output is called {name!r}; there are: {listed}")
        self._out.open_port(matching[0])

    def send(self, message: bytes) -> None:
        self._out.send_message(list(message))


def open_port(name: str) -> Port:
    """Return a MIDI output.

    Args:
        name: Part of its name.

    Raises:
        ConfigError: There is none of that name.
        MissingExtraError: python-rtmidi isn't installed.
    """
    return _RtMidiPort(name)
