"""Accents from copies of the piece's own sharpest onset, and silences, in the spectrogram.

The frames after the sharpest rise of the whole spectrogram are added at the accent, and the frames
just before it are attenuated. Its prominence is measured on synthesised sound, because a
spectrogram need not be consistent. On multiresolution spectrograms, which only a vocoder can turn
into sound, it is measured by their rise. Works on log mel spectrograms in [-1, 1]; axes: M mel
bands, L mel frames.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kinetune import timebase
from kinetune.audio.beats import compile_librosa
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig
from kinetune.audio.multiresolution import MultiresolutionConfig
from kinetune.memmap import CHUNK_FRAMES, releasing, slices
from kinetune.model.conditioning.control_score import Accent, Silence

SpectrogramConfig = MelConfig | MultiresolutionConfig

# Length of the added hit, and of the quieter stretch before it.
_HIT_S, _DUCK_S = 0.35, 0.12
# At strength 1: how much louder than the piece's strongest hit, and how much quieter before it.
_LOUDER_DB, _DUCK_DB = 2.0, 14.0
# Onset strength of an accent of strength 1 over that of its neighbours within a second; the gains
# that are tried until it is reached; and how near to the accent nothing counts as a neighbour.
_PROMINENCE, _NEAR_S, _PUSHES, _APART_S = 1.6, 1.0, (1.0, 1.5), 0.1
# Where that is not enough, the strongest neighbour loses this much at its beginning, for so long,
# and then the strongest that is left, so many times at most.
_SOFT_DB, _SOFT_S, _SOFTENED = 4.0, 0.15, 24
# The stretch around an accent that is synthesised, and rounds of Griffin-Lim.
_AROUND_S, _ROUNDS = 1.3, 32
# Hits are not looked for so near to either end.
_END_S = 0.3


def add_accents(
    mel: Tensor, accents: Sequence[Accent], config: SpectrogramConfig, *, loop: bool = False
) -> Tensor:
    """Add accents to the spectrogram (1, M, L), in place; those of strength 0 change nothing.

    Args:
        mel: Log mel spectrogram in [-1, 1], (1, M, L).
        accents: Where, seconds.
        config: Figures of the spectrogram.
        loop: It is a loop: what an accent takes before its beginning or behind its end, it takes
            from the other end.
    """
    hit = strongest_hit(mel[0], config).clone() if accents else mel[0, :, :0]
    if not hit.shape[-1]:
        return mel
    for accent in accents:
        if accent.strength > 0.0:
            # A centred frame already contains what begins half a window behind its centre.
            onset_s = accent.at_s - timebase.duration_of(config.n_fft, 2 * config.rate_hz)
            frame = timebase.frames_in(onset_s, config.frame_rate_hz)
            if loop:
                middle = mel.shape[-1] // 2
                turned = mel[0].roll(middle - frame, dims=-1)
                _accent(turned, hit, middle, accent.strength, config)
                mel[0] = turned.roll(frame - middle, dims=-1)
            else:
                _accent(mel[0], hit, max(0, frame), accent.strength, config)
    return mel


def _accent(
    mel: Tensor, hit: Tensor, frame: int, strength: float, config: SpectrogramConfig
) -> None:
    """Add a hit to ``mel`` (M, L) at ``frame``, so that it stands out."""
    near = timebase.frames_in(_AROUND_S, config.frame_rate_hz)
    frame = min(frame, mel.shape[-1] - 1)
    first = max(0, frame - near)
    around, frame = mel[:, first : frame + near], frame - first
    before, wanted = around.clone(), 1.0 + strength**0.5 * (_PROMINENCE - 1.0)
    for push in _PUSHES:
        around.copy_(before)
        _add_hit(around, hit, frame, push * strength, config)
        prominence, rival = _prominence(around, frame, config)
        if prominence >= wanted:
            return
    for _ in range(_SOFTENED):
        _soften(around[:, rival:], config)
        prominence, rival = _prominence(around, frame, config)
        if prominence >= wanted:
            return


def _prominence(mel: Tensor, frame: int, config: SpectrogramConfig) -> tuple[float, int]:
    """Return onset strength over that of the strongest neighbour, and the neighbour's frame."""
    strength = _onset_strength(mel, config)
    # A centred frame already contains what begins half a window behind its centre.
    lead = config.n_fft // (2 * config.hop_length)
    away_s = np.abs(np.arange(len(strength)) - frame - lead) / config.frame_rate_hz
    there = strength[away_s <= _APART_S / 2.0].max(initial=0.0)
    others = np.where((away_s > _APART_S) & (away_s <= _NEAR_S), strength, 0.0)
    rival = int(others.argmax())
    return float(there / max(others[rival], 1e-6)), max(0, rival - lead)


def _onset_strength(mel: Tensor, config: SpectrogramConfig) -> NDArray[np.float32]:
    """Return how sharply the level rises at each frame of ``mel`` (M, L), dB a band, (L,)."""
    if isinstance(config, MultiresolutionConfig):
        rise = mel.diff(dim=1).clamp(min=0.0).mean(dim=0) * (0.5 * config.top_db)
        return functional.pad(rise, (1, 0)).cpu().numpy()
    compile_librosa()
    from librosa.onset import onset_strength

    sound = mel_to_samples(mel[None].cpu(), config, iterations=_ROUNDS)[0].numpy()
    strength: NDArray[np.float32] = onset_strength(
        y=sound, sr=config.rate_hz, hop_length=config.hop_length
    )
    return strength


def _soften(mel: Tensor, config: SpectrogramConfig) -> None:
    """Take the edge off the hit with which ``mel`` (M, L) begins."""
    hit = mel[:, : timebase.frames_in(_SOFT_S, config.frame_rate_hz)]
    fall = torch.linspace(1.0, 0.0, hit.shape[-1], device=mel.device)
    hit -= _SOFT_DB / (config.top_db / 2.0) * fall
    hit.clamp_(min=-1.0)


def _rise(mel: Tensor) -> Tensor:
    """How sharply a spectrogram (M, L) rises, (L - 2,): over two frames, lest one split it."""
    rises = []
    for part in releasing(slices(max(0, mel.shape[-1] - 2), CHUNK_FRAMES), mel):
        rows = mel[:, part.start : part.stop + 2]
        rises.append((rows[:, 2:] - rows[:, :-2]).clamp(min=0.0).mean(dim=0))
    return torch.cat(rises) if rises else mel[0, :0]


def mute(mel: Tensor, silences: Sequence[Silence], config: SpectrogramConfig) -> Tensor:
    """Empty the spectrogram (1, M, L), in place, where its silences are.

    A frame that already contains what begins at the end of a silence keeps it.
    """
    for silence in silences:
        onset_s = silence.end_s - timebase.duration_of(config.n_fft, 2 * config.rate_hz)
        first, last = (
            timebase.frames_in(time_s, config.frame_rate_hz)
            for time_s in (silence.start_s, onset_s)
        )
        mel[..., first : max(first, last)] = -1.0
    return mel


def strongest_hit(mel: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the stretch (M, n) from the sharpest rise of a spectrogram (M, L) on; n may be 0."""
    length = timebase.frames_in(_HIT_S, config.frame_rate_hz)
    margin = timebase.frames_in(_END_S, config.frame_rate_hz)
    rise = _rise(mel)
    inside = rise[margin : max(margin, mel.shape[-1] - margin - length)]
    if not len(inside):
        return mel[:, :0]
    first = margin + int(inside.argmax()) + 1
    return mel[:, first : first + length]


def _add_hit(
    mel: Tensor, hit: Tensor, frame: int, strength: float, config: SpectrogramConfig
) -> None:
    """Add a hit to ``mel`` (M, L) from ``frame`` on, and duck what comes before it."""
    unit_db = config.top_db / 2.0
    duck = timebase.frames_in(_DUCK_S, config.frame_rate_hz)
    before = mel[:, max(0, frame - duck) : frame]
    slope = torch.linspace(0.0, 1.0, duck, device=mel.device)[duck - before.shape[-1] :]
    before -= strength * _DUCK_DB / unit_db * slope
    before.clamp_(min=-1.0)
    over = mel[:, frame : frame + hit.shape[-1]]
    # It rings on less and less: what the piece plays takes over again.
    fall = torch.linspace(0.0, 1.0, hit.shape[-1], device=mel.device) ** 2
    loud = hit + (strength * _LOUDER_DB - 30.0 * fall) / unit_db
    over.copy_(_summed(over, loud[:, : over.shape[-1]], unit_db).clamp(max=1.0))


def _summed(one: Tensor, two: Tensor, unit_db: float) -> Tensor:
    """Sum of two powers given as log mels."""
    scale = unit_db / 10.0
    return torch.logaddexp2(one * scale * _LOG2_10, two * scale * _LOG2_10) / (scale * _LOG2_10)


_LOG2_10 = 3.321928094887362
