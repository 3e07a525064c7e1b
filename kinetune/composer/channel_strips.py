"""Channel strips of parts, and stems that sum them, block by block.

Every step behind the instruments is linear or belongs to one part. Samples are float32.
Axes: channels x N.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from kinetune import timebase
from kinetune.corpus.composition.music_score import Mix, Note, Part
from kinetune.corpus.rendering import effects
from kinetune.corpus.rendering.block_filters import (
    Block,
    Convolver,
    Delay,
    Echo,
    Filter,
    Kernel,
    is_silent,
)
from kinetune.corpus.rendering.mastering import SHELF_HZ
from kinetune.corpus.rendering.mixer import MUSIC_FROM_HZ
from kinetune.corpus.rendering.note_player import NotePlayer

# Time constant of the side-chain's recovery.
_DUCK_S = 0.08
_SIDE_FROM_HZ = 300.0
_ECHO_TO_REVERB = 0.4
_SIDE_DELAY_S = 0.011
# Level of the delayed side signal by bus; kick and bass stay in the middle.
_WIDTHS = {"music": 1.0, "drums": 0.6}


@dataclass(frozen=True, eq=False)
class Control:
    """What all parts share in a block, (N,) each: side-chain, gain and treble of the energy."""

    duck: Block
    gain: Block
    treble: Block


class SideChain:
    """Gain of the parts that give way to the kick, block by block.

    Args:
        mix: Its depth.
        rate_hz: Samples per second.
    """

    def __init__(self, mix: Mix, rate_hz: int) -> None:
        self._depth = mix.ducking
        self._decay = float(np.exp(-1.0 / (_DUCK_S * rate_hz)))
        self._state = np.zeros(1)

    def next_block(self, hits: NDArray[np.float64]) -> Block:
        """Return the next gains, (N,), of the velocities of the kicks that begin at each sample."""
        level, self._state = signal.lfilter([1.0], [1.0, -self._decay], hits, zi=self._state)
        duck: Block = (1.0 - self._depth * np.clip(level, 0.0, 1.0)).astype(np.float32)
        return duck


class Stem:
    """The sound of a few strips, block by block.

    Args:
        strips: The strips; more may be added to the list between blocks.
        mix: Echo, reverberation and width.
        rate_hz: Samples per second.
        reverb: See :func:`reverb_kernel`.
    """

    def __init__(self, strips: list["Strip"], mix: Mix, rate_hz: int, reverb: Kernel) -> None:
        self._strips = strips
        self._channels = reverb.channels
        self._echo = Echo(mix, rate_hz)
        self._reverb = Convolver(reverb, 1)
        self._width = mix.stereo_width
        self._side = Filter("highpass", 2, _SIDE_FROM_HZ, rate_hz)
        self._side_delay = Delay(timebase.samples_in(_SIDE_DELAY_S, rate_hz))

    @property
    def _is_wide(self) -> bool:
        return self._channels == 2 and any(strip.part.bus in _WIDTHS for strip in self._strips)

    def next_block(self, count: int, control: Control) -> Block:
        """Return the next samples, (channels, count)."""
        dry = np.zeros((self._channels, count), np.float32)
        spread, echo, reverb = (np.zeros(count, np.float32) for _ in range(3))
        scaled = np.empty(count, np.float32)
        for strip in self._strips:
            wave = strip.next_block(count, control)
            if wave is None:
                continue
            width = _WIDTHS.get(strip.part.bus, 0.0) * float(strip.gains.mean())
            sends = (
                (spread, width),
                (echo, strip.part.echo_send),
                (reverb, strip.part.reverb_send),
            )
            for bus, gain in (*zip(dry, strip.gains, strict=True), *sends):
                if gain:
                    bus += np.multiply(wave, np.float32(gain), out=scaled)
        echoes = self._echo.next_block(echo)
        dry += echoes
        if self._is_wide:
            spread += np.multiply(echoes, np.float32(_WIDTHS["music"]), out=scaled)
            side = self._side_delay.next_block(self._side.next_block(spread))
            side *= np.float32(self._width)
            dry[0] += side
            dry[1] -= side
        reverb += np.multiply(echoes, np.float32(_ECHO_TO_REVERB), out=scaled)
        dry += self._reverb.next_block(reverb[None])
        return dry


class Strip:
    """A part's channel strip in mono, and its gains on the channels.

    Args:
        part: The part.
        notes: Its notes, in order of start; more may be appended between blocks.
        mix: Its drum saturation counts.
        rate_hz: Samples per second.
        channels: 1 or 2.
        first: Sample at which the first block begins.
        turns: See :class:`NotePlayer`.
        reference: See :class:`NotePlayer`.
    """

    def __init__(
        self,
        part: Part,
        notes: Sequence[Note],
        mix: Mix,
        rate_hz: int,
        *,
        channels: int,
        first: int,
        turns: Sequence[int] | None = None,
        reference: Sequence[Note] | None = None,
    ) -> None:
        self.part = part
        self._player = NotePlayer(
            part, notes, rate_hz, first=first, dtype=np.float32, turns=turns, vary_bass=True,
            reference=reference,
        )  # fmt: skip
        self.gains = effects.pan_gains(part.pan, channels).astype(np.float32)
        self._drive = mix.drum_saturation if part.bus == "drums" else 0.0
        self._highpass = (
            Filter("highpass", 2, MUSIC_FROM_HZ, rate_hz) if part.bus == "music" else None
        )
        self._shelf = Filter("lowpass", 1, SHELF_HZ, rate_hz)
        self._rings = False

    def next_block(self, count: int, control: Control) -> Block | None:
        """Return the next samples, (count,); None for silence."""
        wave: Block = self._player.next_block(count)
        wave *= np.float32(self.part.level)
        sounds = not is_silent(wave)
        if not sounds and not self._rings:
            return None
        self._rings = sounds
        if self.part.ducked:
            wave *= control.duck
        if self._drive:
            # Full scale is saturated by tanh of 3.5 times itself, as in the corpus' mixer.
            soft = np.tanh(np.float32(3.5) * wave)
            soft *= np.float32(0.5 * self._drive / np.tanh(3.5))
            wave *= np.float32(1.0 - 0.5 * self._drive)
            wave += soft
        if self._highpass is not None:
            wave = self._highpass.next_block(wave)
        low = self._shelf.next_block(wave)
        wave -= low
        wave *= control.treble
        wave += low
        wave *= control.gain
        return wave


def reverb_kernel(mix: Mix, rate_hz: int, channels: int) -> Kernel:
    """Return the mix's reverberation of a mono send: what it makes of one sample."""
    impulse = np.zeros((timebase.samples_in(mix.reverb_s, rate_hz), channels))
    impulse[0] = 1.0
    return Kernel(effects.reverb(impulse, mix, rate_hz).T)
