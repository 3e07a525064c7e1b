"""The sound of notes that come in while it is made: strips, side-chain, energy and a causal master.

One stream without joins: every instrument, filter, echo and reverberation goes on from block to
block. Samples are float32, seconds of the body's time. Axes: channels x N inside, (N, channels) in
what comes back.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kinetune import timebase
from kinetune.composer.channel_strips import Control, SideChain, Stem, Strip, reverb_kernel
from kinetune.corpus.composition.music_score import Mix, Note, Part
from kinetune.corpus.rendering.block_filters import Block
from kinetune.corpus.rendering.mastering import MIDDLE_ENERGY, energy_gains

# What Python's range gives: which of its sounds a drum plays, round and round.
_TURNS = range(1 << 40)
# Energy moves to that of the next beat with this time constant.
_ENERGY_S = 0.15


class LiveMix:
    """The mix of parts before mastering, block by block.

    Args:
        parts: Parts by name.
        mix: How they are mixed.
        rate_hz: Samples per second.
        channels: 1 or 2.
        reference: Notes of each part whose middle pitch sets its level.
        first: Sample at which the first block begins.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        mix: Mix,
        rate_hz: int,
        *,
        channels: int = 2,
        reference: Mapping[str, Sequence[Note]] | None = None,
        first: int = 0,
    ) -> None:
        self._parts, self._mix, self._rate_hz = parts, mix, rate_hz
        self._channels, self._reference = channels, reference or {}
        self.position = first
        self._notes: dict[str, list[Note]] = {}
        self._strips: list[Strip] = []
        reverb = reverb_kernel(mix, rate_hz, channels)
        self._stem = Stem(self._strips, mix, rate_hz, reverb)
        self._kicks: list[tuple[int, float]] = []
        self._side_chain = SideChain(mix, rate_hz)
        self._energy, self._energy_to = MIDDLE_ENERGY, MIDDLE_ENERGY

    def add(self, notes: Iterable[Note]) -> None:
        """Add notes, in order of start, that begin after what was rendered."""
        for note in notes:
            if note.part not in self._notes:
                self._begin(note)
            else:
                self._notes[note.part].append(note)
            if note.part == "kick":
                at = timebase.samples_in(note.start_s, self._rate_hz)
                self._kicks.append((max(at, self.position), note.velocity))

    def _begin(self, note: Note) -> None:
        played = self._notes[note.part] = [note]
        strip = Strip(
            self._parts[note.part], played, self._mix, self._rate_hz, channels=self._channels,
            first=self.position, turns=_TURNS, reference=self._reference.get(note.part),
        )  # fmt: skip
        self._strips.append(strip)

    def set_energy(self, energy: float) -> None:
        """Let gain and treble move towards those of an energy, 0 to 1."""
        self._energy_to = energy

    def next_block(self, count: int) -> Block:
        """Return the next samples, (channels, count)."""
        block = self._stem.next_block(count, self._control(count))
        self.position += count
        return block

    def _control(self, count: int) -> Control:
        dip = np.zeros(count)
        end = self.position + count
        for at, velocity in self._kicks:
            if at < end:
                dip[at - self.position] = max(dip[at - self.position], velocity)
        self._kicks = [kick for kick in self._kicks if kick[0] >= end]
        fading = np.exp(-np.arange(1, count + 1) / (_ENERGY_S * self._rate_hz))
        energy = self._energy_to + (self._energy - self._energy_to) * fading
        self._energy = float(energy[-1])
        gain, treble = (gains.astype(np.float32) for gains in energy_gains(energy))
        return Control(self._side_chain.next_block(dip), gain, treble)
