"""Accents that stand out, made of the piece's own strongest hit.

The hit with the sharpest rise in the whole spectrogram is laid over the accent, and what comes just
before it makes room, so the accent sounds like the piece. Works on log mel spectrograms in [-1, 1];
axes: M mel bands, L mel frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.model.score import Accent

# How long a hit rings, and how long before it the music makes room.
_HIT_S, _ROOM_S = 0.35, 0.12
# At strength 1: how much louder than the piece's strongest hit, and how deep the room before it.
_LOUDER_DB, _ROOM_DB = 2.0, 14.0
# Hits are not looked for so near to either end.
_END_S = 0.3


def accented(mel: Tensor, accents: Sequence[Accent], config: MelConfig) -> Tensor:
    """Return the spectrogram (1, M, L) with accents; those of strength 0 change nothing."""
    hit = strongest_hit(mel[0], config) if accents else mel[0, :, :0]
    if not hit.shape[-1]:
        return mel
    out = mel.clone()
    for accent in accents:
        if accent.strength > 0.0:
            frame = timebase.frames_in(accent.at_s, config.frame_rate_hz)
            _lay(out[0], hit, min(frame, out.shape[-1] - 1), accent.strength, config)
    return out


def strongest_hit(mel: Tensor, config: MelConfig) -> Tensor:
    """Return the stretch (M, n) from the sharpest rise of a spectrogram (M, L) on; n may be 0."""
    length = timebase.frames_in(_HIT_S, config.frame_rate_hz)
    margin = timebase.frames_in(_END_S, config.frame_rate_hz)
    # Over two frames: a rise seldom falls between two neighbours alone.
    rise = (mel[:, 2:] - mel[:, :-2]).clamp(min=0.0).mean(dim=0)
    inside = rise[margin : max(margin, mel.shape[-1] - margin - length)]
    if not len(inside):
        return mel[:, :0]
    first = margin + int(inside.argmax()) + 1
    return mel[:, first : first + length]


def _lay(mel: Tensor, hit: Tensor, frame: int, strength: float, config: MelConfig) -> None:
    """Lay a hit over ``mel`` (M, L) from ``frame`` on, with room before it."""
    unit_db = config.top_db / 2.0
    room = timebase.frames_in(_ROOM_S, config.frame_rate_hz)
    before = mel[:, max(0, frame - room) : frame]
    slope = torch.linspace(0.0, 1.0, room, device=mel.device)[room - before.shape[-1] :]
    before -= strength * _ROOM_DB / unit_db * slope
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
