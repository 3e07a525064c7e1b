"""Where the sound goes: a WAV file that is finished whatever happens, and an audio device."""

import contextlib
import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from kinetune.corpus.rendering.block_filters import Block
from kinetune.errors import ConfigError, OutputError
from kinetune.extras import extra
from kinetune.files import atomic_file
from kinetune.live.playing.music import RenderedBlock

# Blocks that wait for the device; more are a fault of the clock.
_MOST_WAITING = 256


class WavSink:
    """A WAV file of 16 bits; its name appears when it is finished.

    Args:
        path: The file.
        rate_hz: Samples per second.
        channels: 1 or 2.

    Raises:
        OutputError: It can't be written.
    """

    def __init__(self, path: Path, rate_hz: int, channels: int) -> None:
        self._stack = contextlib.ExitStack()
        self._path = path
        aside = self._stack.enter_context(atomic_file(path))
        self._file = soundfile.SoundFile(str(aside), "w", rate_hz, channels, "PCM_16", format="WAV")

    def write(self, block: RenderedBlock) -> None:
        """Append sound."""
        try:
            self._file.write(block.samples.clip(-1.0, 1.0))
        except soundfile.LibsndfileError as error:
            raise OutputError(f"{self._path}: {error}; is the disk full?") from error

    def beat(self, start_s: float, end_s: float) -> None:
        """Take a beat, which the file doesn't need."""

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._stack.close()


class BlockQueue:
    """Sound that waits to be played, and what a device takes of it; silence where none waits.

    Args:
        channels: Of the sound.
    """

    def __init__(self, channels: int) -> None:
        self._blocks: queue.Queue[Block] = queue.Queue(_MOST_WAITING)
        self._left = np.zeros((0, channels), np.float32)
        self._lock = threading.Lock()
        self.underruns = 0

    def put(self, samples: Block) -> None:
        """Append sound, (n, channels); waits while too much of it does."""
        self._blocks.put(samples)

    def take(self, out: NDArray[np.float32]) -> None:
        """Fill ``out``, (n, channels), with what comes next."""
        done = 0
        with self._lock:
            while done < len(out):
                if not len(self._left):
                    try:
                        self._left = self._blocks.get_nowait()
                    except queue.Empty:
                        break
                part = self._left[: len(out) - done]
                out[done : done + len(part)] = part
                self._left = self._left[len(part) :]
                done += len(part)
        if done < len(out):
            out[done:] = 0.0
            self.underruns += 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._blocks.empty() and not len(self._left)


class DeviceSink:
    """An audio device.

    Args:
        name: Part of its name; the default device if empty.
        rate_hz: Samples per second.
        channels: 1 or 2.

    Raises:
        ConfigError: There is no such device.
        MissingExtraError: sounddevice isn't installed.
    """

    def __init__(self, name: str, rate_hz: int, channels: int) -> None:
        self.queue = BlockQueue(channels)
        with extra("live"):
            try:
                import sounddevice
            except OSError as error:
                raise ConfigError(f"no audio device: {error}; install PortAudio") from error
        try:
            self._stream = sounddevice.OutputStream(
                rate_hz, device=name or None, channels=channels, dtype="float32",
                callback=self._callback, latency="low",
            )  # fmt: skip
        except (sounddevice.PortAudioError, ValueError) as error:
            raise ConfigError(f"audio device {name or 'default'!r}: {error}") from error
        self._started = False

    @property
    def latency_s(self) -> float:
        """The device's own latency as it states it."""
        return float(self._stream.latency)

    def _callback(self, out: NDArray[np.float32], *_: Any) -> None:
        self.queue.take(out)

    def write(self, block: RenderedBlock) -> None:
        """Take sound; the device starts with the first."""
        self.queue.put(np.ascontiguousarray(block.samples))
        if not self._started:
            self._stream.start()
            self._started = True

    def beat(self, start_s: float, end_s: float) -> None:
        """Take a beat, which the device doesn't need."""

    def close(self) -> None:
        """Play what waits, and close."""
        while self._started and not self.queue.is_empty:
            threading.Event().wait(0.05)
        self._stream.close()
