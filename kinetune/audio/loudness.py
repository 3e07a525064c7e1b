"""Loudness: integrated LUFS after ITU-R BS.1770 (pyloudnorm), true peak by oversampling.

Units: LUFS for loudness, dBTP for true peaks. Gains are broadband. If the target would push a
peak over the ceiling, a smooth limiter first attenuates the loudest moments.
"""

from functools import cache, reduce

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from kinetune import timebase
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError
from kinetune.memmap import chunks, zeros_like

# BS.1770 measures slices of 0.4 s; shorter sounds are measured repeated to that length.
_BLOCK_S = 0.4
_OVERSAMPLING = 4
# Samples to either side that SciPy's oversampling filter takes in, a few more, and the samples that
# are oversampled or left alone together.
_FILTER_REACH, _EDGE, _TILE = 10, 16, 256
# Samples that are worked through at once: what the processor's cache holds.
_CHUNK = 1 << 16
# Long sounds are measured so much at a time, and what lies before it is filtered with it: longer
# than the filters ring, and seven measuring blocks, which belong to the stretch before.
_STRETCH_S, _LEAD_S, _LEAD_BLOCKS = 10.0, 1.0, 7
# BS.1770's absolute gate: what is quieter counts as silence.
_SILENCE_LUFS = -70.0
_MOST_CHANNELS = 5
# The limiter takes some loudness away; each round gives it back.
_ROUNDS = 5
_CLOSE_ENOUGH_LU = 0.05
# The limiter's gain moves over this long to either side of a peak.
_REACH_S = 0.005


def integrated_lufs(sound: Sound) -> float:
    """Return the integrated loudness, LUFS; minus infinity for silence.

    Raises:
        AudioError: More than the five channels BS.1770 gives weights for.
    """
    samples = sound.samples
    if samples.ndim == 2 and samples.shape[1] > _MOST_CHANNELS:
        raise AudioError(
            f"loudness is defined for {_MOST_CHANNELS} channels or fewer, "
            f"found {samples.shape[1]}; mix them down"
        )
    if not any(np.any(samples[part]) for part in chunks(samples)):
        return float("-inf")
    shortest = timebase.samples_in(_BLOCK_S, sound.rate_hz) + 1
    if len(samples) < shortest:
        samples = np.concatenate([samples] * -(-shortest // len(samples)))
    return _gated(np.concatenate(_block_levels(samples, sound.rate_hz)))


def _block_levels(samples: NDArray[np.float32], rate_hz: int) -> list[NDArray[np.float64]]:
    """Loudness of all measuring blocks, LUFS, a stretch at a time to spare memory."""
    import pyloudnorm

    meter = pyloudnorm.Meter(rate_hz)
    size, lead, least = (timebase.samples_in(s, rate_hz) for s in (_STRETCH_S, _LEAD_S, _BLOCK_S))
    levels = []
    for part in chunks(samples, size=size):
        piece = samples[max(0, part.start - lead) : part.stop].astype(np.float64)
        if len(piece) > least:
            with np.errstate(divide="ignore"):
                meter.integrated_loudness(piece)
            first = _LEAD_BLOCKS if part.start else 0
            levels.append(np.asarray(meter.blockwise_loudness[first:], dtype=np.float64))
    return levels


def _gated(levels: NDArray[np.float64]) -> float:
    """Integrated loudness of block levels (n,), LUFS: BS.1770-4's two gates."""
    loud = levels[levels >= _SILENCE_LUFS]
    if len(loud) == 0:
        return float("-inf")
    threshold = _mean_level(loud) - 10.0
    return _mean_level(loud[loud > threshold])


def _mean_level(levels: NDArray[np.float64]) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (levels / 10.0))))


def true_peak_dbtp(sound: Sound) -> float:
    """Return the true peak, dBTP, by four times oversampling; minus infinity for silence."""
    peak = _true_peak(sound.samples)
    return 20.0 * float(np.log10(peak)) if peak > 0 else float("-inf")


def normalise_loudness(
    sound: Sound,
    *,
    target_lufs: float = -14.0,
    ceiling_dbtp: float = -1.0,
    loudness_lufs: float | None = None,
) -> Sound:
    """Return the sound at a target loudness, its true peaks no higher than a ceiling.

    Where both can't be had, as with a few clicks in silence, the ceiling is kept and the sound
    stays quieter.

    Args:
        sound: Any sound; silence comes back as it is.
        target_lufs: Integrated loudness wanted.
        ceiling_dbtp: Highest true peak allowed.
        loudness_lufs: Of the sound, where it is known; None measures it.
    """
    loudness = integrated_lufs(sound) if loudness_lufs is None else loudness_lufs
    if loudness < _SILENCE_LUFS:
        return sound
    gain_db, levelled = 0.0, Sound(zeros_like(sound.samples), sound.rate_hz)
    for _ in range(_ROUNDS):
        gain_db += target_lufs - loudness
        amplitude, ceiling = _amplitude(gain_db), _amplitude(ceiling_dbtp)
        if not _apply_gain(sound, levelled.samples, amplitude, ceiling):
            # A gain alone moves the loudness by as much: there is nothing to measure again.
            break
        loudness = integrated_lufs(levelled)
        if abs(loudness - target_lufs) < _CLOSE_ENOUGH_LU:
            break
    return levelled


def limit_peaks(sound: Sound, *, ceiling_dbtp: float = -0.3) -> Sound:
    """Return the sound with true peaks above a ceiling reduced to it."""
    out = Sound(zeros_like(sound.samples), sound.rate_hz)
    _apply_gain(sound, out.samples, 1.0, _amplitude(ceiling_dbtp))
    return out


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def _apply_gain(sound: Sound, out: NDArray[np.float32], gain: float, ceiling: float) -> bool:
    """Write the sound times ``gain`` into ``out``, its true peaks limited to ``ceiling``.

    Returns whether any peak had to be.
    """
    for part in chunks(out, sound.samples, size=_CHUNK):
        np.multiply(sound.samples[part], np.float32(gain), out=out[part])
    if _true_peak(out) <= ceiling:
        return False
    reach = max(1, timebase.samples_in(_REACH_S, sound.rate_hz))
    margin = 4 * reach
    for part in chunks(out, sound.samples, size=_CHUNK):
        start = max(0, part.start - margin)
        piece = sound.samples[start : part.stop + margin] * np.float32(gain)
        gain_curve = _limiter_gain(_peak_envelope(piece, ceiling), reach, ceiling)
        limited = piece * (gain_curve if piece.ndim == 1 else gain_curve[:, None])
        out[part] = limited[part.start - start :][: part.stop - part.start]
    # A hair under, so that rounding to float32 does not carry it over.
    down = np.float32(min(1.0, 0.9999 * ceiling / _true_peak(out)))
    for part in chunks(out, size=_CHUNK):
        out[part] *= down
    return True


def _limiter_gain(peaks: NDArray[np.float32], reach: int, ceiling: float) -> NDArray[np.float32]:
    """Gain (N,) that keeps ``peaks`` (N,) under ``ceiling``, smooth over ``reach`` samples."""
    needed = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    # The smallest gain nearby, then a moving average no wider: never above what is needed.
    lowest = ndimage.minimum_filter1d(needed, 2 * reach + 1)
    return ndimage.uniform_filter1d(lowest, 2 * reach + 1).astype(np.float32)


def _true_peak(samples: NDArray[np.float32]) -> float:
    """Largest oversampled magnitude over all channels; 0 for no samples."""
    peak = 0.0
    for part in chunks(samples, size=_CHUNK):
        piece = samples[max(0, part.start - _EDGE) : part.stop + _EDGE]
        # The filter leaves the samples themselves as they are but for a thousandth.
        least = max(peak, 0.99 * float(np.abs(piece).max()))
        peak = max(peak, float(_peak_envelope(piece, least).max()))
    return peak


def _peak_envelope(samples: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """Largest oversampled magnitude around each sample over all channels, (N,).

    Where that can't reach ``least``, it is the largest magnitude of the samples themselves.
    """
    channels = samples[:, None] if samples.ndim == 1 else samples
    envelope = np.abs(channels[:, 0])
    for wave in channels.T[1:]:
        np.maximum(envelope, np.abs(wave), out=envelope)
    count = -(-len(envelope) // _TILE)
    tiles = np.zeros((count, _TILE), np.float32)
    tiles.ravel()[: len(envelope)] = envelope
    near = np.flatnonzero(_near_loud(tiles > least / _most_overshoot()))
    for wave in channels.T if len(near) else ():
        padded = np.pad(wave, (_EDGE, count * _TILE - len(wave) + _EDGE))
        rows = np.lib.stride_tricks.sliding_window_view(padded, _TILE + 2 * _EDGE)[near * _TILE]
        able = _peak_bounds(rows) >= least
        loud = near[able]
        fine = np.abs(signal.resample_poly(rows[able], _OVERSAMPLING, 1, axis=1))
        fine = fine[:, _EDGE * _OVERSAMPLING : -_EDGE * _OVERSAMPLING]
        # Element by element: NumPy's maximum along a short axis is slow.
        peaks = reduce(np.maximum, (fine[:, k::_OVERSAMPLING] for k in range(_OVERSAMPLING)))
        tiles[loud] = np.maximum(tiles[loud], peaks)
    return tiles.ravel()[: len(envelope)]


def _near_loud(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which tiles hold a loud sample or lie within the oversampling filter's reach of one."""
    near = np.array(loud.any(axis=1))
    near[1:] |= loud[:-1, -_EDGE:].any(axis=1)
    near[:-1] |= loud[1:, :_EDGE].any(axis=1)
    return near


def _peak_bounds(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the oversampled magnitudes of each row of samples (n, N) can't exceed, (n,).

    Oversampling is interpolation along straight lines and a filter of the second differences,
    which are small where the bass is loud and the treble soft.
    """
    level, slope, bend = _bound_gains()
    largest = np.abs(rows).max(axis=1)
    steps = np.diff(rows, axis=1)
    bends = np.abs(np.diff(steps, axis=1)).max(axis=1)
    bound: NDArray[np.float32] = level * largest + slope * np.abs(steps).max(axis=1) + bend * bends
    return bound


@cache
def _bound_gains() -> tuple[float, float, float]:
    """Gains of the largest sample, step and second difference that bound an oversampled value."""
    return tuple(np.max([_phase_gains(k) for k in range(_OVERSAMPLING)], axis=0).tolist())


def _phase_gains(phase: int) -> tuple[float, float, float]:
    """The same for the values at one place between two samples."""
    share = phase / _OVERSAMPLING
    # Gains of the samples around, the latest first.
    rest = _OVERSAMPLING * _taps()[phase::_OVERSAMPLING]
    rest[_FILTER_REACH] -= 1.0 - share
    rest[_FILTER_REACH - 1] -= share
    level = rest.sum()
    rest[_FILTER_REACH] -= level
    steps = np.cumsum(rest)[:-1]
    slope = steps.sum()
    steps[_FILTER_REACH] -= slope
    bends = np.cumsum(steps)[:-1]
    # A hair more than it is, for the rounding of both.
    return 1.0001 + abs(level), abs(slope), np.abs(bends).sum()


@cache
def _most_overshoot() -> float:
    """The most by which oversampling exceeds the samples around: the largest sum of its taps."""
    sums = [np.abs(_taps()[k::_OVERSAMPLING]).sum() for k in range(_OVERSAMPLING)]
    return float(_OVERSAMPLING * max(sums))


def _taps() -> NDArray[np.float64]:
    """The oversampling filter, (taps,)."""
    reach = _FILTER_REACH * _OVERSAMPLING
    return np.asarray(signal.firwin(2 * reach + 1, 1.0 / _OVERSAMPLING, window=("kaiser", 5.0)))
