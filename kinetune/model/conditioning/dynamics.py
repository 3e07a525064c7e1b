"""Bar dynamics: build-ups and breaks that are longer than one window.

A window of 12 s has no context beyond itself. So every bar of a long piece gets a level: its motion
energy relative to the most active bars, as a median over five bars, so that a break starts at its
bar line. Features are scaled by the level before they are encoded, and the generated bar is
attenuated by it. Within a window a denoiser answers less than its training music does:
:func:`effort_contrast` lets the body's efforts differ more before they are encoded.
Axes: M mel bands, L mel frames, T motion frames.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter
from torch import Tensor

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.audio.multiresolution import MultiresolutionConfig
from kinetune.memmap import CHUNK_FRAMES, releasing, slices
from kinetune.model.sampling.initial_noise import BARS_IN_PHRASE

Array = NDArray[np.float64]

# Pieces shorter than two phrases fit the context of a window.
MIN_BARS = 2 * BARS_IN_PHRASE
# Bars in the running median.
_MEDIAN_BARS = 5
# The effort that counts as full: that of the bar above all but a tenth.
_FULL_SHARE = 0.9
# The quietest level; the music plays it 8 dB more softly than a full one.
MIN_LEVEL = 0.15
# The level changes in the last part of a bar, so that the next downbeat has its full level.
_TRANSITION_S = 0.12
# The contrast is that of half a second against a window's length, and of stillness at 2 cm/s.
_FINE_SIGMA_S, _COARSE_SIGMA_S, _STILL_M_S = 0.5, 6.0, 0.02


def bar_dynamics(effort: Array, bars_s: Array) -> Array:
    """Return the level of a dance at every frame, ``MIN_LEVEL`` to 1.

    Args:
        effort: Mean joint speed at 30 fps, m/s, (T,).
        bars_s: Bar lines, seconds, ascending.

    Returns:
        (T,); 1 everywhere where the piece has fewer than ``MIN_BARS`` bars, or nothing moves.
    """
    lines = np.round(np.asarray(bars_s) * timebase.MOTION_FPS).astype(int)
    edges = np.unique(np.concatenate([[0], lines[(lines > 0) & (lines < len(effort))]]))
    if len(edges) < MIN_BARS:
        return np.ones(len(effort))
    widths = np.diff(np.append(edges, len(effort)))
    bars = np.add.reduceat(effort, edges) / widths
    smooth = median_filter(bars, _MEDIAN_BARS, mode="nearest")
    full = float(np.quantile(smooth, _FULL_SHARE))
    if full <= 0.0:
        return np.ones(len(effort))
    level = np.clip(smooth / full, MIN_LEVEL, 1.0)
    before = np.maximum(edges[1:] - timebase.frames_in(_TRANSITION_S, timebase.MOTION_FPS), 0)
    knots = np.concatenate([[0], np.stack([before, edges[1:]], axis=1).ravel()])
    return np.interp(np.arange(len(effort)), knots, np.repeat(level, 2)[:-1])


def effort_contrast(effort: Array, exponent: float, *, is_loop: bool = False) -> Array:
    """Return the factors that make a dance's efforts differ more, or less.

    A moment whose effort (smoothed over half a second) is r times that of its surroundings
    (smoothed over six) gets the factor ``r ** (exponent - 1)``: its effort becomes
    ``r ** exponent`` times that of the surroundings.

    Args:
        effort: Mean joint speed at 30 fps, m/s, (T,).
        exponent: 1 changes nothing, more than 1 raises the contrast.
        is_loop: Whether the dance begins again at its end.

    Returns:
        (T,), above 0.
    """
    mode = "wrap" if is_loop else "nearest"
    fine, coarse = (
        gaussian_filter1d(effort, sigma_s * timebase.MOTION_FPS, mode=mode)
        for sigma_s in (_FINE_SIGMA_S, _COARSE_SIGMA_S)
    )
    ratio = (fine + _STILL_M_S) / (coarse + _STILL_M_S)
    return np.asarray(ratio ** (exponent - 1.0))


def apply_dynamics(mel: Tensor, level: Array, config: MelConfig | MultiresolutionConfig) -> Tensor:
    """Turn the spectrogram (1, M, L) down, in place, by the level (T,) at 30 fps.

    Full level, 1, changes nothing; a level is a ratio of power. Returns the same spectrogram.
    """
    if not len(level) or level.min() >= 1.0:
        return mel
    times_s = timebase.frame_times(mel.shape[-1], config.frame_rate_hz)
    at = np.interp(times_s, timebase.frame_times(len(level), timebase.MOTION_FPS), level)
    softer_db = torch.from_numpy(10.0 * np.log10(at)).to(mel)
    for part in releasing(slices(mel.shape[-1], CHUNK_FRAMES), mel):
        mel[..., part] += softer_db[part] / (config.top_db / 2.0)
        mel[..., part].clamp_(min=-1.0)
    return mel
