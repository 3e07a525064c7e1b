"""The notes of a piece as sound before mastering: one stem a group of parts, block by block.

Every part goes through a strip of its own (level, side-chain, filters, the body's energy, pan,
sends to echo and reverberation), and every step behind the instruments is linear or belongs to one
part. So the mix is the sum of its stems, sample by sample. A loop is rendered from some time before
its beginning, so that what rings over its end is there at its start. Samples are float32.
Axes: channels x N inside a block, (N, channels) in what comes back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from kinetune import timebase
from kinetune.composer.channel_strips import Control, SideChain, Stem, Strip, reverb_kernel
from kinetune.composer.piece import Piece, Voice
from kinetune.corpus.composition.music_score import Note
from kinetune.corpus.rendering.block_filters import Block, Kernel, ramp
from kinetune.corpus.rendering.mastering import MIDDLE_ENERGY, energy_gains
from kinetune.corpus.rendering.note_player import MAX_LEAD_S
from kinetune.memmap import release_pages, reuse_freed_memory, zeros_or_memmap

# A loop is rendered from so long before its beginning: longer than reverberation and echoes.
_LOOP_LEAD_S = 6.0
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
    reuse_freed_memory()
    count = timebase.samples_in(piece.duration_s, rate_hz)
    mix = planar(count, channels)
    stems = {name: planar(count, channels) for name in groups if keep_stems}
    first = -timebase.samples_in(_lead_in_s(piece), rate_hz)
    shared = _Shared(piece, rate_hz, first)
    reverb = reverb_kernel(piece.mix, rate_hz, channels)
    players = {
        name: _stem(piece, voices, rate_hz, reverb, first) for name, voices in groups.items()
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


class _Shared:
    """Side-chain and energy of the piece, block by block."""

    def __init__(self, piece: Piece, rate_hz: int, first: int) -> None:
        self._rate_hz, self._position = rate_hz, first
        kicks = [v.notes for v in piece.voices if v.part.name == "kick"]
        notes = _played([note for played in kicks for note in played], piece)[0]
        self._at = np.array([timebase.samples_in(n.start_s, rate_hz) for n in notes], dtype=int)
        self._at = np.maximum(self._at, first)
        self._hit = np.array([note.velocity for note in notes])
        self._side_chain = SideChain(piece.mix, rate_hz)
        smooth = ndimage.gaussian_filter1d(
            piece.energy, 0.5, mode="wrap" if piece.loop else "nearest"
        )
        self._beats_s, self._energy = piece.beats_s, smooth
        self._loop_s = piece.duration_s if piece.loop else None

    def next_block(self, count: int) -> Control:
        start, end = self._position, self._position + count
        self._position = end
        dip = np.zeros(count)
        inside = slice(*np.searchsorted(self._at, [start, end]))
        np.maximum.at(dip, self._at[inside] - start, self._hit[inside])
        gain, treble = self._energy_gains(start, end)
        return Control(self._side_chain.next_block(dip), gain, treble)

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
            ramp(gains, step, range(start, end), first * step) for gains in energy_gains(energy)
        )
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


def _stem(piece: Piece, voices: Sequence[Voice], rate_hz: int, reverb: Kernel, first: int) -> Stem:
    """The sound of a few voices, block by block."""
    strips = []
    for voice in voices:
        notes, turns = _played(voice.notes, piece)
        strip = Strip(
            voice.part, notes, piece.mix, rate_hz, channels=reverb.channels, first=first,
            turns=turns,
        )  # fmt: skip
        strips.append(strip)
    return Stem(strips, piece.mix, rate_hz, reverb)
