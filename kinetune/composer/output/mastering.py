"""The master of a piece: tone, saturation, compressor, limiter, loudness; and the same on stems.

The tone is one linear filter. Everything behind it multiplies each sample by a gain, saturation
too (its curve is odd): the gain of the mix, applied to the toned stems, makes stems whose sum is
the mastered mix. Long sounds are worked through a chunk at a time. Axes: (N, channels).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from kinetune import timebase
from kinetune.audio.loudness import normalise_loudness
from kinetune.audio.sound import Sound
from kinetune.composer.piece import Piece
from kinetune.corpus.composition.music_score import Mix
from kinetune.corpus.rendering.block_filters import Block, Convolver, Kernel, ramp
from kinetune.corpus.rendering.mastering import (
    BLOCK_S,
    DRIVEN_RMS,
    PEAK,
    RUMBLE_HZ,
    TARGET_RMS,
    TILT_HZ,
    tone_filter,
)
from kinetune.memmap import chunks, copy, zeros_like
from kinetune.model.conditioning.control_score import apply_silences

_LOUD_S, _LOUD_QUANTILE = 0.5, 0.8
# Threshold, exponent and smoothing of the compressor.
_THRESHOLD, _EXPONENT, _COMPRESSOR_S = 0.05, 0.5, 0.06
# A shelf that gives the bass the weight it has on records.
_BASS_HZ, _BASS_DB = 130.0, 3.0
# Length of the whole tone filter.
_TAPS_S = 0.12
# Samples that are worked through at once: what the processor's cache holds.
_CHUNK = 1 << 16
# The gain of a sample that is smaller is interpolated between its neighbours.
_SMALL = 1e-6


@dataclass(frozen=True, eq=False)
class Master:
    """A mastered piece, and what makes stems of it.

    Attributes:
        sound: The mastered mix.
        toned: The mix behind the tone filter, (N, channels).
        taps: The tone filter, (taps,).
        level: Gain behind the tone filter, before saturation.
        settings: The chain in words and numbers.
    """

    sound: Sound
    toned: Block
    taps: NDArray[np.float64]
    level: float
    settings: dict[str, object]

    @cached_property
    def gain(self) -> Block:
        """What each sample behind the tone filter was multiplied by, (N, channels)."""
        final = self.sound.samples.reshape(self.toned.shape)
        gain = zeros_like(self.toned)
        for part in chunks(gain, final, self.toned, size=_CHUNK):
            gain[part] = _gain(final[part], self.toned[part])
        return gain


def master_mix(piece: Piece, mix: Block, rate_hz: int, *, target_lufs: float = -14.0) -> Master:
    """Return the master of a mix.

    Args:
        piece: The piece.
        mix: Its sound before mastering, (N, channels).
        rate_hz: Samples per second.
        target_lufs: Integrated loudness.
    """
    taps = _tone_taps(piece.mix, mix, rate_hz)
    toned = _shape(piece, _convolved(mix, taps, loop=piece.loop), rate_hz)
    level = TARGET_RMS / max(_loud_rms(toned, rate_hz), 1e-6)
    drive = drive_of(piece.mix)
    out = zeros_like(toned)
    for part in chunks(out, toned, size=_CHUNK):
        out[part] = saturated(toned[part], level, drive)
    edge = "wrap" if piece.loop else "nearest"
    levels = _block_peaks(out, rate_hz)
    smooth = ndimage.gaussian_filter1d(levels, _COMPRESSOR_S / BLOCK_S, mode=edge)
    _apply(out, compressor_gains(smooth), rate_hz)
    push = DRIVEN_RMS / max(_loud_rms(out, rate_hz), 1e-6)
    gain = np.minimum(1.0, 0.9 * PEAK / np.maximum(push * _block_peaks(out, rate_hz), 1e-6))
    gain = ndimage.uniform_filter1d(ndimage.minimum_filter1d(gain, 7, mode=edge), 5, mode=edge)
    _apply(out, push * gain, rate_hz)
    sound = normalise_loudness(Sound(_squeezed(out), rate_hz), target_lufs=target_lufs)
    settings: dict[str, object] = {
        "tone": {"taps": len(taps), "tilt_db": piece.mix.tilt_db, "highpass_hz": RUMBLE_HZ,
                 "bass_hz": _BASS_HZ, "bass_db": _BASS_DB},
        "level": level,
        "saturation": {"curve": "tanh(drive x) / drive^0.7", "drive": drive},
        "compressor": {
            "threshold": _THRESHOLD, "ratio": round(1.0 / (1.0 - _EXPONENT), 2),
            "smoothing_s": _COMPRESSOR_S,
        },
        "limiter": {"push": push, "ceiling": 0.9 * PEAK, "block_s": BLOCK_S},
        "loudness_lufs": target_lufs,
        "true_peak_dbtp": -1.0,
    }  # fmt: skip
    return Master(sound, toned, taps, level, settings)


def drive_of(mix: Mix) -> float:
    """Return the drive of a mix's saturation."""
    return 1.0 + 2.0 * mix.saturation


def saturated(samples: Block, level: float, drive: float) -> Block:
    """Return samples of any shape, amplified by ``level`` and saturated."""
    out: Block = np.tanh(np.float32(drive * level) * samples) / np.float32(drive**0.7)
    return out


def compressor_gains(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the compressor's gain at each level of the sound, (n,)."""
    return np.minimum(1.0, (_THRESHOLD / np.maximum(levels, 1e-6)) ** _EXPONENT)


def master_stem(piece: Piece, master: Master, stem: Block) -> Sound:
    """Return a stem with the master's tone and gain: the sum of all is the mastered mix.

    Args:
        piece: The piece.
        master: The master of its mix.
        stem: The stem before mastering, (N, channels).
    """
    rate_hz = master.sound.rate_hz
    out = _shape(piece, _convolved(stem, master.taps, loop=piece.loop), rate_hz)
    gain = master.gain
    for part in chunks(out, gain, size=_CHUNK):
        out[part] *= gain[part]
    return Sound(_squeezed(out), rate_hz)


def headroom(sounds: Iterable[Block]) -> float:
    """Return the power of two, 1 at most, that turns sounds down below full scale."""
    return float(2.0 ** min(0.0, np.floor(-np.log2(max(peak_of(sounds), 1e-9)))))


def peak_of(sounds: Iterable[Block]) -> float:
    """Return the largest magnitude of any sample."""
    return max(
        float(np.abs(samples[part]).max())
        for samples in sounds
        for part in chunks(samples, size=_CHUNK)
    )


def unmastered(piece: Piece, samples: Block, rate_hz: int, gain: float) -> Sound:
    """Return a mix or a stem before mastering, turned down by ``gain``; silences are kept."""
    out = _shape(piece, copy(samples), rate_hz)
    for part in chunks(out, size=_CHUNK):
        out[part] *= np.float32(gain)
    return Sound(_squeezed(out), rate_hz)


def _gain(final: Block, toned: Block) -> Block:
    """What the master multiplies each sample by, (n, channels)."""
    safe = np.abs(toned) > _SMALL
    ratio = np.divide(final, toned, out=np.zeros_like(final), where=safe)
    for gain, there in zip(ratio.T, safe.T, strict=True):
        if not there.all() and there.any():
            gain[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), gain[there])
    return ratio


def _squeezed(samples: Block) -> Block:
    return samples[:, 0] if samples.shape[1] == 1 else samples


def _shape(piece: Piece, samples: Block, rate_hz: int) -> Block:
    """The samples with the piece's silences and the fade at its end."""
    samples = apply_silences(Sound(samples, rate_hz), piece.silences, loop=piece.loop).samples
    fade = min(len(samples), timebase.samples_in(piece.fade_s, rate_hz))
    if fade:
        samples[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)[:, None]
    return samples


def _tone_taps(mix: Mix, samples: Block, rate_hz: int) -> NDArray[np.float64]:
    """Rumble filter, tone and tilt as one filter, (taps,)."""
    impulse = np.zeros(timebase.samples_in(_TAPS_S, rate_hz))
    impulse[0] = 1.0
    taps = signal.sosfilt(
        signal.butter(2, RUMBLE_HZ, "highpass", fs=rate_hz, output="sos"), impulse
    )
    if mix.tone_db and any(samples[part].any() for part in chunks(samples, size=_CHUNK)):
        hz, power = _spectrum(samples, rate_hz)
        tone = tone_filter(hz, power, mix, rate_hz)
        taps = signal.oaconvolve(taps, tone)[: len(taps)]
    bass = signal.sosfilt(signal.butter(1, _BASS_HZ, "lowpass", fs=rate_hz, output="sos"), taps)
    taps = taps + (10.0 ** (_BASS_DB / 20.0) - 1.0) * bass
    low = signal.sosfilt(signal.butter(1, TILT_HZ, "lowpass", fs=rate_hz, output="sos"), taps)
    tilt = 10.0 ** (mix.tilt_db / 40.0)
    return np.asarray(low / tilt + (taps - low) * tilt)


def _spectrum(samples: Block, rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies and mean power (Welch), of the channels' mean."""
    size = fft.next_fast_len(rate_hz // 8, real=True)
    window = signal.get_window("hann", size).astype(np.float32)
    total, count = np.zeros(size // 2 + 1), 0
    for part in chunks(samples):
        mono = samples[part].sum(axis=1) / np.float32(samples.shape[1])
        if len(mono) < size:
            mono = np.pad(mono, (0, size - len(mono)))
        frames = np.lib.stride_tricks.sliding_window_view(mono, size)[:: size // 2]
        spectra = fft.rfft(frames * window)
        total += (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0)
        count += len(frames)
    scale = 2.0 / (rate_hz * float(np.square(window).sum()))
    return fft.rfftfreq(size, 1.0 / rate_hz), scale * total / count


def _convolved(samples: Block, taps: NDArray[np.float64], *, loop: bool) -> Block:
    """The samples through a filter, (N, channels); a loop goes round."""
    out = zeros_like(samples)
    kernel = Kernel(taps[None])
    convolver = Convolver(kernel, samples.shape[1])
    if loop:
        around = -(-len(taps) // len(samples))
        before = np.concatenate([samples] * around)[-len(taps) :]
        convolver.next_block(np.ascontiguousarray(before.T))
    for part in chunks(out, samples, size=kernel.block_size()):
        out.T[:, part] = convolver.next_block(samples[part].T)
    return out


def _loud_rms(samples: Block, rate_hz: int) -> float:
    """Root mean square of the louder part: the 80th percentile over half seconds."""
    size = timebase.samples_in(_LOUD_S, rate_hz)
    powers = [
        np.add.reduceat(np.square(samples[part]).mean(axis=1), np.arange(0, _length(part), size))
        for part in chunks(samples, size=4 * size)
    ]
    return float(np.sqrt(np.quantile(np.concatenate(powers) / size, _LOUD_QUANTILE)))


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _block_peaks(samples: Block, rate_hz: int) -> NDArray[np.float64]:
    """Peak of every few milliseconds over all channels."""
    size = timebase.samples_in(BLOCK_S, rate_hz)
    peaks = [
        np.maximum.reduceat(np.abs(samples[part]).max(axis=1), np.arange(0, _length(part), size))
        for part in chunks(samples, size=512 * size)
    ]
    return np.concatenate(peaks).astype(np.float64)


def _apply(samples: Block, gain: NDArray[np.float64], rate_hz: int) -> None:
    """Multiply the samples, in place, by a gain given for every few milliseconds."""
    size = timebase.samples_in(BLOCK_S, rate_hz)
    for part in chunks(samples, size=_CHUNK):
        samples[part] *= ramp(gain, size, range(part.start, part.stop), 0.5 * size)[:, None]
