"""Accents that stand out, made of the piece's own strongest hit; and silences in the spectrogram.

The hit with the sharpest rise in the whole spectrogram is laid over the accent, and what comes just
before it makes room, so the accent sounds like the piece. Works on log mel spectrograms in [-1, 1];
axes: M mel bands, L mel frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kinetune import timebase
from kinetune.audio.mel import MelConfig
from kinetune.model.score import Accent, Silence
from kinetune.room import blocks, let_go

# How long a hit rings, and how long before it the music makes room.
_HIT_S, _ROOM_S = 0.35, 0.12
# At strength 1: how much louder than the piece's strongest hit, and how deep the room before it.
_LOUDER_DB, _ROOM_DB = 2.0, 14.0
# How much sharper than its neighbours within a second an accent of strength 1 shall rise, and how
# many times harder it is pushed, where the piece is full of hits, until it does.
_SHARPER, _NEAR_S, _PUSHES = 1.4, 1.0, (1.0, 1.5, 2.0, 3.0)
# Hits are not looked for so near to either end.
_END_S = 0.3
_LOOKED_AT_ONCE = 1 << 14


def accented(
    mel: Tensor, accents: Sequence[Accent], config: MelConfig, *, ring: bool = False
) -> Tensor:
    """Put accents into the spectrogram (1, M, L), in place; those of strength 0 change nothing.

    Args:
        mel: Log mel spectrogram in [-1, 1], (1, M, L).
        accents: Where, seconds.
        config: Figures of the spectrogram.
        ring: It is a loop: what an accent takes before its beginning or behind its end, it takes
            from the other end.
    """
    hit = strongest_hit(mel[0], config).clone() if accents else mel[0, :, :0]
    if not hit.shape[-1]:
        return mel
    for accent in accents:
        if accent.strength > 0.0:
            # A centred frame already feels what begins half a window behind its centre.
            felt_s = accent.at_s - timebase.duration_of(config.n_fft, 2 * config.rate_hz)
            frame = timebase.frames_in(felt_s, config.frame_rate_hz)
            if ring:
                middle = mel.shape[-1] // 2
                turned = mel[0].roll(middle - frame, dims=-1)
                _accent(turned, hit, middle, accent.strength, config)
                mel[0] = turned.roll(frame - middle, dims=-1)
            else:
                _accent(mel[0], hit, max(0, frame), accent.strength, config)
    return mel


def _accent(mel: Tensor, hit: Tensor, frame: int, strength: float, config: MelConfig) -> None:
    """Put a hit into ``mel`` (M, L) at ``frame`` that rises more sharply than what is near."""
    near = timebase.frames_in(_NEAR_S, config.frame_rate_hz)
    frame = min(frame, mel.shape[-1] - 1)
    first = max(0, frame - near)
    around, frame = mel[:, first : frame + near], frame - first
    before = around.clone()
    rises = _rise(before)
    wanted = (1.0 + strength * (_SHARPER - 1.0)) * float(rises.max()) if len(rises) else 0.0
    for push in _PUSHES:
        around.copy_(before)
        _lay(around, hit, frame, push * strength, config)
        risen = _rise(around[:, max(0, frame - 2) : frame + 3])
        if len(risen) and float(risen.max()) >= wanted:
            break


def _rise(mel: Tensor) -> Tensor:
    """How sharply a spectrogram (M, L) rises, (L - 2,): over two frames, lest one split it."""
    rises = []
    for part in blocks(max(0, mel.shape[-1] - 2), _LOOKED_AT_ONCE):
        seen = mel[:, part.start : part.stop + 2]
        rises.append((seen[:, 2:] - seen[:, :-2]).clamp(min=0.0).mean(dim=0))
        let_go(mel)
    return torch.cat(rises) if rises else mel[0, :0]


def hushed(mel: Tensor, silences: Sequence[Silence], config: MelConfig) -> Tensor:
    """Empty the spectrogram (1, M, L), in place, where its silences are.

    A frame that already feels what begins at the end of a silence keeps it.
    """
    for silence in silences:
        felt_s = silence.end_s - timebase.duration_of(config.n_fft, 2 * config.rate_hz)
        first, last = (
            timebase.frames_in(time_s, config.frame_rate_hz) for time_s in (silence.start_s, felt_s)
        )
        mel[..., first : max(first, last)] = -1.0
    return mel


def strongest_hit(mel: Tensor, config: MelConfig) -> Tensor:
    """Return the stretch (M, n) from the sharpest rise of a spectrogram (M, L) on; n may be 0."""
    length = timebase.frames_in(_HIT_S, config.frame_rate_hz)
    margin = timebase.frames_in(_END_S, config.frame_rate_hz)
    rise = _rise(mel)
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
