"""The notes of a piece as sound before mastering: one stem a group of parts, block by block.

Every part goes through a strip of its own (level, side-chain, filters, the body's energy, pan,
sends to echo and reverberation), and every step behind the instruments is linear or belongs to one
part. So the mix is the sum of its stems, sample by sample. A loop is rendered from some time before
its beginning, so that what rings over its end is there at its start. Samples are float32.
Axes: channels x N inside a block, (N, channels) in what comes back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, signal

from kinetune import timebase
from kinetune.composer.piece import Piece, Voice
from kinetune.corpus.composition.music_score import Mix, Note
from kinetune.corpus.rendering import effects
from kinetune.corpus.rendering.block_filters import (
    Block,
    Convolver,
    Delay,
    Echo,
    Filter,
    Kernel,
    is_silent,
    ramp,
)
from kinetune.corpus.rendering.mastering import (
    ENERGY_GAIN_DB,
    ENERGY_TREBLE_DB,
    MIDDLE_ENERGY,
    SHELF_HZ,
)
from kinetune.corpus.rendering.mixer import MUSIC_FROM_HZ
from kinetune.corpus.rendering.note_player import MAX_LEAD_S, NotePlayer
from kinetune.memmap import release_pages, zeros_or_memmap

# A loop is rendered from so long before its beginning: longer than reverberation and echoes.
_LOOP_LEAD_S = 6.0
# Time constant of the side-chain's recovery.
_DUCK_S = 0.08
_SIDE_FROM_HZ = 300.0
_ECHO_TO_REVERB = 0.4
_SIDE_DELAY_S = 0.011
# Level of the delayed side signal by bus; kick and bass stay in the middle.
_WIDTHS = {"music": 1.0, "drums": 0.6}
# Points a second at which the energy's gain is computed.
_CONTROL_HZ = 100


def render_mix(
    piece: Piece,
    groups: Mapping[str, Sequence[Voice]],
    rate_hz: int,
    channels: int = 2,
    *,
    keep_stems: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Block, dict[str, Block]]:
    """Return the sum of groups of voices before mastering, and each of them if requested.

    Args:
        piece: The piece.
        groups: Its voices by the name of their stem.
        rate_hz: Samples per second.
        channels: 1 or 2.
        keep_stems: Whether to return the stems too; the sum is the same, bit for bit.
        progress: Called with samples done and in all.

    Returns:
        The mix and the stems by name, (N, channels) each.

    Raises:
        OutputError: The disk has no room for what is long.
    """
    count = timebase.samples_in(piece.duration_s, rate_hz)
    mix = planar(count, channels)
    stems = {name: planar(count, channels) for name in groups if keep_stems}
    first = -timebase.samples_in(_lead_in_s(piece), rate_hz)
    shared = _Shared(piece, rate_hz, first)
    reverb = _reverb(piece.mix, rate_hz, channels)
    players = {
        name: _Stem(piece, voices, rate_hz, reverb, first) for name, voices in groups.items()
    }
    step = reverb.block_size()
    for start in range(first, count, step):
        size = min(step, count - start)
        control = shared.next_block(size)
        skipped = min(size, max(0, -start))
        there = slice(start + skipped, start + size)
        total = np.zeros((channels, size), np.float32)
        for name, player in players.items():
            block = player.next_block(size, control)
            total += block
            if keep_stems:
                stems[name].T[:, there] = block[:, skipped:]
                release_pages(stems[name])
        mix.T[:, there] = total[:, skipped:]
        release_pages(mix)
        if progress is not None:
            progress(max(0, start + size), count)
    return mix, stems


def planar(count: int, channels: int) -> Block:
    """Return zeros, (count, channels), each channel on its own in memory: quicker to work through.

    Raises:
        OutputError: The disk has no room for what is long.
    """
    return zeros_or_memmap((channels, count)).T


def _lead_in_s(piece: Piece) -> float:
    """How long before 0 rendering begins."""
    if piece.loop:
        return _LOOP_LEAD_S
    return max(0.0, -float(piece.bars_s[0])) + MAX_LEAD_S


@dataclass(frozen=True, eq=False)
class _Control:
    """What all parts share in a block, (N,) each: side-chain, gain and treble of the energy."""

    duck: Block
    gain: Block
    treble: Block


class _Shared:
    """Side-chain and energy of the piece, block by block."""

    def __init__(self, piece: Piece, rate_hz: int, first: int) -> None:
        self._rate_hz, self._position = rate_hz, first
        kicks = [v.notes for v in piece.voices if v.part.name == "kick"]
        notes = _played([note for played in kicks for note in played], piece)[0]
        self._at = np.array([timebase.samples_in(n.start_s, rate_hz) for n in notes], dtype=int)
        self._at = np.maximum(self._at, first)
        self._hit = np.array([note.velocity for note in notes])
        self._depth = piece.mix.ducking
        self._decay = float(np.exp(-1.0 / (_DUCK_S * rate_hz)))
        self._state = np.zeros(1)
        smooth = ndimage.gaussian_filter1d(
            piece.energy, 0.5, mode="wrap" if piece.loop else "nearest"
        )
        self._beats_s, self._energy = piece.beats_s, smooth
        self._loop_s = piece.duration_s if piece.loop else None

    def next_block(self, count: int) -> _Control:
        start, end = self._position, self._position + count
        self._position = end
        dip = np.zeros(count)
        inside = slice(*np.searchsorted(self._at, [start, end]))
        np.maximum.at(dip, self._at[inside] - start, self._hit[inside])
        level, self._state = signal.lfilter([1.0], [1.0, -self._decay], dip, zi=self._state)
        duck = 1.0 - self._depth * np.clip(level, 0.0, 1.0)
        gain, treble = self._energy_gains(start, end)
        return _Control(duck.astype(np.float32), gain, treble)

    def _energy_gains(self, start: int, end: int) -> tuple[Block, Block]:
        step = max(1, self._rate_hz // _CONTROL_HZ)
        # Control points stand at the same samples whatever the blocks.
        first = start // step
        points = np.arange(first, end // step + 2) * step
        if len(self._energy):
            energy = np.interp(
                points / self._rate_hz, self._beats_s, self._energy, period=self._loop_s
            )
        else:
            energy = np.full(len(points), MIDDLE_ENERGY)
        gain, treble = (
            ramp(
                10.0 ** (db * (energy - MIDDLE_ENERGY) / 20.0),
                step, range(start, end), first * step,
            )
            for db in (ENERGY_GAIN_DB, ENERGY_TREBLE_DB)
        )  # fmt: skip
        return gain, treble


def _played(notes: Sequence[Note], piece: Piece) -> tuple[list[Note], list[int]]:
    """Notes in order of start with their turns; of a loop, those of the rounds around too."""
    ordered = sorted(notes, key=lambda note: note.start_s)
    if not piece.loop:
        return ordered, list(range(len(ordered)))
    length_s = piece.duration_s
    inside = [(turn, note) for turn, note in enumerate(ordered) if 0.0 <= note.start_s < length_s]
    rounds = range(-int(np.ceil(_LOOP_LEAD_S / length_s)), 2)
    both = [
        (turn, replace(note, start_s=note.start_s + k * length_s))
        for k in rounds
        for turn, note in inside
    ]
    first_s, last_s = -_LOOP_LEAD_S, length_s + MAX_LEAD_S
    both = [(turn, note) for turn, note in both if first_s <= note.start_s < last_s]
    return [note for _, note in both], [turn for turn, _ in both]


class _Stem:
    """The sound of a few voices, block by block."""

    def __init__(
        self, piece: Piece, voices: Sequence[Voice], rate_hz: int, reverb: Kernel, first: int
    ) -> None:
        mix, channels = piece.mix, reverb.channels
        self._strips = [_Strip(piece, voice, rate_hz, channels, first) for voice in voices]
        self._channels = channels
        self._echo = Echo(mix, rate_hz)
        self._reverb = Convolver(reverb, 1)
        self._is_wide = channels == 2 and any(s.part.bus in _WIDTHS for s in self._strips)
        self._width = mix.stereo_width
        self._side = Filter("highpass", 2, _SIDE_FROM_HZ, rate_hz)
        self._side_delay = Delay(timebase.samples_in(_SIDE_DELAY_S, rate_hz))

    def next_block(self, count: int, control: _Control) -> Block:
        """Return the next samples, (channels, count)."""
        dry = np.zeros((self._channels, count), np.float32)
        spread, echo, reverb = (np.zeros(count, np.float32) for _ in range(3))
        for strip in self._strips:
            wave = strip.next_block(count, control)
            if wave is None:
                continue
            dry += strip.gains[:, None] * wave
            if strip.part.bus in _WIDTHS:
                spread += _WIDTHS[strip.part.bus] * float(strip.gains.mean()) * wave
            if strip.part.echo_send:
                echo += strip.part.echo_send * wave
            if strip.part.reverb_send:
                reverb += strip.part.reverb_send * wave
        echoes = self._echo.next_block(echo)
        dry += echoes
        if self._is_wide:
            spread += _WIDTHS["music"] * echoes
            side = self._width * self._side_delay.next_block(self._side.next_block(spread))
            dry[0] += side
            dry[1] -= side
        dry += self._reverb.next_block((reverb + _ECHO_TO_REVERB * echoes)[None])
        return dry


class _Strip:
    """A part's channel strip in mono, and its gains on the channels."""

    def __init__(self, piece: Piece, voice: Voice, rate_hz: int, channels: int, first: int) -> None:
        self.part = voice.part
        notes, turns = _played(voice.notes, piece)
        self._player = NotePlayer(
            voice.part, notes, rate_hz, first=first, dtype=np.float32, turns=turns, vary_bass=True
        )
        self.gains = effects.pan_gains(voice.part.pan, channels).astype(np.float32)
        self._drive = piece.mix.drum_saturation if voice.part.bus == "drums" else 0.0
        self._highpass = (
            Filter("highpass", 2, MUSIC_FROM_HZ, rate_hz) if voice.part.bus == "music" else None
        )
        self._shelf = Filter("lowpass", 1, SHELF_HZ, rate_hz)
        self._rings = False

    def next_block(self, count: int, control: _Control) -> Block | None:
        """Return the next samples, (count,); None for silence."""
        wave = np.float32(self.part.level) * self._player.next_block(count)
        sounds = not is_silent(wave)
        if not sounds and not self._rings:
            return None
        self._rings = sounds
        if self.part.ducked:
            wave *= control.duck
        if self._drive:
            # Full scale is saturated by tanh of 3.5 times itself, as in the corpus' mixer.
            soft = np.tanh(np.float32(3.5) * wave) / np.float32(np.tanh(3.5))
            wave = np.float32(1.0 - 0.5 * self._drive) * wave + np.float32(0.5 * self._drive) * soft
        if self._highpass is not None:
            wave = self._highpass.next_block(wave)
        low = self._shelf.next_block(wave)
        shaped: Block = control.gain * (low + control.treble * (wave - low))
        return shaped


def _reverb(mix: Mix, rate_hz: int, channels: int) -> Kernel:
    """The mix's reverberation of a mono send: what it makes of one sample."""
    impulse = np.zeros((timebase.samples_in(mix.reverb_s, rate_hz), channels))
    impulse[0] = 1.0
    return Kernel(effects.reverb(impulse, mix, rate_hz).T)
