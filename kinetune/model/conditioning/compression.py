"""Dynamic range compression of generated spectrograms.

A small denoiser plays the gaps between notes too empty and its hits too lonely: the level within a
bar varies more than in the music it learned from. Every frame's level relative to that of its
surroundings is raised to a power. Levels from bar to bar, which follow the body, stay.
Axes: M mel bands, L mel frames.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.audio.multiresolution import MultiresolutionConfig
from kinetune.memmap import CHUNK_FRAMES, releasing, slices

# Lengths over which the level and that of the surroundings are means of power.
_LEVEL_S, _SURROUNDINGS_S = 0.06, 2.0
# The largest change of a frame, and how far above the floor a band is raised in full, dB.
_MOST_DB, _NEAR_FLOOR_DB = 12.0, 6.0


def compress(
    mel: Tensor,
    compression: float,
    config: MelConfig | MultiresolutionConfig,
    *,
    loop: bool = False,
) -> Tensor:
    """Compress the levels of a log mel spectrogram in [-1, 1], (1, M, L), in place.

    Args:
        mel: The spectrogram.
        compression: Share c of the difference, in dB, between a frame's level (60 ms) and that of
            its surroundings (2 s) that is taken away, by 12 dB at most; 0 changes nothing.
        config: Figures of the spectrogram.
        loop: It is a loop: its end leads to its beginning.

    Returns:
        The same spectrogram.
    """
    if compression == 0.0 or not mel.shape[-1]:
        return mel
    unit_db = config.top_db / 2.0
    gain_db = _gain_db(_power(mel, unit_db), compression, config.frame_rate_hz, loop=loop)
    gain = torch.from_numpy(gain_db / unit_db).to(mel)
    for part in releasing(slices(mel.shape[-1], CHUNK_FRAMES), mel):
        # What is at the floor is silence, and stays there.
        share = ((mel[..., part] + 1.0) * (unit_db / _NEAR_FLOOR_DB)).clamp(0.0, 1.0)
        mel[..., part] += gain[part] * share
        mel[..., part].clamp_(-1.0, 1.0)
    return mel


def _power(mel: Tensor, unit_db: float) -> NDArray[np.float64]:
    """Mean power of the bands of every frame, (L,)."""
    parts = [
        (10.0 ** (mel[0, :, part].double() * (unit_db / 10.0))).mean(dim=0).cpu()
        for part in releasing(slices(mel.shape[-1], CHUNK_FRAMES), mel)
    ]
    return torch.cat(parts).numpy()


def _gain_db(
    power: NDArray[np.float64], compression: float, rate_hz: float, *, loop: bool
) -> NDArray[np.float64]:
    """Gain of every frame, (L,)."""
    level, surroundings = (
        uniform_filter1d(
            power, max(1, timebase.frames_in(length_s, rate_hz)), mode="wrap" if loop else "nearest"
        )
        for length_s in (_LEVEL_S, _SURROUNDINGS_S)
    )
    floor = 1e-12
    change = 10.0 * np.log10(np.maximum(level, floor) / np.maximum(surroundings, floor))
    return np.clip(-compression * change, -_MOST_DB, _MOST_DB)
