"""Filters, echoes and convolution of a sound that is made block by block.

Every class keeps what it needs of the blocks before. Samples are float32; axes: channels x N, or N
where there is one channel. Hz, seconds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from kinetune import timebase
from kinetune.corpus.composition.music_score import Mix
from kinetune.corpus.rendering.recursive_filter import RecursiveFilter

Block = NDArray[np.float32]
# Samples that one transform gives: it stays in the processor's cache. A filter of one partition has
# room for more.
_HOP, _SHORT_HOP = 1 << 14, 1 << 15
# Samples that are rendered at once, a whole number of hops.
_BLOCK = 1 << 16
_ECHO_TOP_HZ, _ECHOES, _ECHO_DECAY = 3500.0, 3, 0.55


def ramp(values: NDArray[np.floating], step: int, span: range, offset: float = 0.0) -> Block:
    """Return control values interpolated to samples, linearly and held at both ends, (n,).

    Args:
        values: The control values, (m,); the first stands at sample ``offset``.
        step: Samples from one value to the next.
        span: The samples wanted.
        offset: Multiples of a half.
    """
    first = int(np.floor((span.start - offset) / step))
    last = int(np.floor((span.stop - 1 - offset) / step)) + 1
    at = np.arange(first, last + 1).clip(0, len(values) - 1)
    points = np.asarray(values, dtype=np.float32)[at]
    begins = first * step + offset
    fraction = np.float32(np.ceil(begins) - begins)
    share = (np.arange(step, dtype=np.float32) + fraction) / np.float32(step)
    lines = points[:-1, None] + np.diff(points)[:, None] * share
    skipped = span.start - int(np.ceil(begins))
    return lines.ravel()[skipped : skipped + len(span)]


class Filter:
    """A Butterworth filter of order 1 or 2 whose state continues from block to block."""

    def __init__(self, kind: str, order: int, hz: float, rate_hz: int) -> None:
        numerator, denominator = signal.butter(order, hz, kind, fs=rate_hz)
        self._filter = RecursiveFilter(numerator, denominator, np.float32)
        self._state = np.zeros(order)

    def next_block(self, wave: Block) -> Block:
        """Return the next samples, (n,), of (n,)."""
        return np.asarray(self._filter.apply(wave, self._state), dtype=np.float32)


class Delay:
    """A delay by a fixed number of samples."""

    def __init__(self, samples: int) -> None:
        self._delayed = np.zeros(samples, np.float32)

    def next_block(self, wave: Block) -> Block:
        """Return the next samples, (n,), of (n,)."""
        both = np.concatenate([self._delayed, wave])
        self._delayed = both[len(wave) :]
        return both[: len(wave)]


class Echo:
    """Echoes of a send, each softer and duller than the one before; mono."""

    def __init__(self, mix: Mix, rate_hz: int) -> None:
        step = timebase.samples_in(mix.echo_s, rate_hz)
        self._gains = [mix.echo * _ECHO_DECAY**count for count in range(_ECHOES)]
        self._filters = [Filter("lowpass", 1, _ECHO_TOP_HZ, rate_hz) for _ in range(_ECHOES)]
        self._delays = [Delay((count + 1) * step) for count in range(_ECHOES)]
        self._longest = _ECHOES * step
        self._quiet = self._longest

    def next_block(self, send: Block) -> Block:
        """Return the echoes in the next samples, (n,), of a send, (n,)."""
        out = np.zeros(len(send), np.float32)
        self._quiet = self._quiet + len(send) if is_silent(send) else 0
        if self._quiet > self._longest + len(send) or not self._gains[0]:
            return out
        for gain, lowpass, delay in zip(self._gains, self._filters, self._delays, strict=True):
            send = lowpass.next_block(send)
            out += np.float32(gain) * delay.next_block(send)
        return out


class Kernel:
    """Filters and the spectra of their partitions.

    Args:
        taps: Filters, (channels, taps); one for all channels has one row.
    """

    def __init__(self, taps: NDArray[np.floating]) -> None:
        self.channels, self.taps = taps.shape
        #: Samples of output of a transform.
        self.hop = _HOP if self.taps > _HOP else _SHORT_HOP
        count = -(-self.taps // self.hop)
        length = min(self.taps, self.hop)
        #: Samples of a transform: enough for a hop of output from one partition of the filter.
        self.size: int = fft.next_fast_len(self.hop + length - 1, real=True)
        padded = np.zeros((self.channels, count * length), np.float32)
        padded[:, : self.taps] = taps
        parts = padded.reshape(self.channels, count, length)
        #: Spectra, (partitions, channels, bins).
        self.spectra = fft.rfft(parts, self.size).transpose(1, 0, 2).copy()

    @staticmethod
    def block_size() -> int:
        """Return a number of samples that are whole hops."""
        return _BLOCK


class Convolver:
    """Convolution of one or several channels with filters, block by block.

    Uniformly partitioned overlap-save (Wefers, "Partitioned convolution algorithms for real-time
    auralization", 2015): short transforms are many times quicker per sample than one as long as a
    reverberation, since they stay in the cache.

    Args:
        kernel: The filters.
        channels: How many channels go in.
    """

    def __init__(self, kernel: Kernel, channels: int) -> None:
        self._kernel = kernel
        taken = kernel.size - kernel.hop + (len(kernel.spectra) - 1) * kernel.hop
        self._past = np.zeros((channels, taken), np.float32)
        self._before: list[NDArray[np.complex64]] | None = None

    def next_block(self, block: Block) -> Block:
        """Return the next samples, (channels, n), of (channels, n)."""
        count, taken, hop = block.shape[1], self._past.shape[1], self._kernel.hop
        frames = -(-count // hop)
        whole = np.zeros((len(self._past), taken + frames * hop), np.float32)
        whole[:, :taken] = self._past
        whole[:, taken : taken + count] = block
        self._past = whole[:, count : count + taken].copy()
        spectra, channels = self._kernel.spectra, max(self._kernel.channels, len(whole))
        if is_silent(whole):
            self._before = None
            return np.zeros((channels, count), np.float32)
        transformed = self._transformed(whole, frames)
        # Those of whole hops are not computed again.
        self._before = transformed[frames:] if count == frames * hop else None
        total = np.empty((channels, frames, spectra.shape[-1]), np.complex64)
        for frame in range(frames):
            # Newest first, as the partitions are.
            rows = transformed[frame : frame + len(spectra)][::-1]
            _add_products(spectra, rows, total[:, frame])
        made = fft.irfft(total, self._kernel.size, overwrite_x=True)[:, :, -hop:]
        return np.ascontiguousarray(made).reshape(channels, -1)[:, :count]

    def _transformed(self, whole: Block, frames: int) -> list[NDArray[np.complex64]]:
        """Spectra of the transforms, old and new ones, (channels, bins) each."""
        views = np.lib.stride_tricks.sliding_window_view(whole, self._kernel.size, axis=1)
        views = views[:, :: self._kernel.hop].transpose(1, 0, 2)
        if self._before is None:
            return list(fft.rfft(views))
        return [*self._before, *fft.rfft(views[-frames:])]


def is_silent(wave: Block) -> bool:
    """Whether all samples are zero."""
    return not (wave.max() or wave.min())


def _add_products(
    spectra: NDArray[np.complex64],
    transformed: list[NDArray[np.complex64]],
    out: NDArray[np.complex64],
) -> None:
    """Write the spectrum of one hop's samples into ``out``, (channels, bins)."""
    np.multiply(spectra[0], transformed[0], out=out)
    if len(spectra) == 1:
        return
    product = np.empty_like(out)
    for filters, frame in zip(spectra[1:], transformed[1:], strict=True):
        out += np.multiply(filters, frame, out=product)
