"""The states of a dance: tempo and position in the bar, and how they move (a bar pointer).

Whiteley, Cemgil and Godsill 2006; Krebs, Böck and Widmer 2015. A position is kept relative to a
pointer that turns steadily at the state's tempo, so that a steady dance is one state and its
likelihood the Fourier sum of the phasors. From block to block, a second each, the tempo may move
to a neighbour and the position by one bin: the same code reads three seconds and an hour, steady
or drifting. Moves are symmetric, so going back is going forward. Likelihoods are made block by
block, so that an hour needs no more memory than its sums.

Axes: B blocks, K tempi, P positions in the bar, 24 a beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.motion.beats.beat_network import OUTPUT_FPS
from kinetune.motion.beats.observations import Harmonic

Array = NDArray[np.float64]
Index = NDArray[np.int64]

BINS_PER_BEAT = 24
_BLOCK = int(OUTPUT_FPS)
# Chance a second that the tempo moves by one step of 1.5 %, and the position by one bin.
_TEMPO_CHANGE, _PHASE_CHANGE = 0.06, 0.04
# Blocks whose sums are made at once.
_BLOCKS_AT_ONCE = 32
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Path:
    """The most likely states of a dance.

    Attributes:
        times_s: Middle of each block, (B,).
        rates_hz: Beats a second there, (B,).
        counts: Beats counted there, from any beat, (B,).
    """

    times_s: Array
    rates_hz: Array
    counts: Array


class BarPointer:
    """States of one metre and their likelihood over one dance.

    Args:
        harmonics: The evidence.
        times_s: Times of its frames, (T,).
        tempi_bpm: Tempi of the states, ascending, (K,).
        beats: Beats to the bar.
        scale: What the evidence is multiplied with.
    """

    def __init__(
        self,
        harmonics: Sequence[Harmonic],
        times_s: Array,
        tempi_bpm: Array,
        *,
        beats: int,
        scale: float,
    ) -> None:
        self._rates_hz = tempi_bpm / 60.0
        self._starts = np.arange(0, max(len(times_s) - _BLOCK // 2, 1), _BLOCK)
        stops = np.append(self._starts[1:], len(times_s))
        spans = zip(self._starts, stops, strict=True)
        self.block_times_s = np.array([times_s[a:b].mean() for a, b in spans])
        self._sums = self._block_sums(harmonics, times_s, scale)
        turns = 2.0 * np.pi * np.arange(beats * BINS_PER_BEAT) / BINS_PER_BEAT
        shapes = [wave(each.order * turns) for each in harmonics for wave in (np.cos, np.sin)]
        self._shapes = np.stack(shapes).astype(np.float32)

    @property
    def middle(self) -> int:
        """Number of the block in the middle."""
        return len(self._starts) // 2

    def posterior(self, log_prior: Array) -> tuple[Array, float]:
        """Return the posterior of the middle block's states, and the log evidence.

        Args:
            log_prior: Of the states, (K, P).
        """
        peak = float(log_prior.max())
        ahead, evidence = np.exp(log_prior - peak), peak
        for block in range(self.middle + 1):
            if block:
                ahead = self._moved(ahead, block)
            ahead, gained = self._weighted(ahead, block)
            evidence += gained
        behind = np.ones_like(ahead)
        for block in range(len(self._starts) - 1, self.middle, -1):
            behind, gained = self._weighted(behind, block)
            behind = self._moved(behind, block)
            evidence += gained
        both = ahead * behind
        total = max(float(both.sum()), _LEAST)
        return both / total, evidence + float(np.log(total))

    def best_path(self, log_middle: Array) -> Path:
        """Return the most likely path (Viterbi) from log weights of the middle's states, (K, P)."""
        ahead = self._viterbi(log_middle, range(self.middle + 1, len(self._starts)), forward=True)
        behind = self._viterbi(log_middle, range(self.middle, 0, -1), forward=False)
        return self._counted(np.array([*behind[:0:-1], *ahead]))

    def _viterbi(self, start: Array, moves: range, *, forward: bool) -> list[tuple[int, int]]:
        """States from the middle block outward; move ``b`` lies between blocks b - 1 and b."""
        best, backpointers = start, []
        for move in moves:
            choices = self._choices(best, move, forward=forward)
            backpointers.append(np.argmax(choices, axis=0).astype(np.uint8))
            best = choices.max(axis=0) + self._logs(move if forward else move - 1)
        state = np.unravel_index(int(np.argmax(best)), best.shape)
        states = [(int(state[0]), int(state[1]))]
        for move, chosen in zip(reversed(moves), reversed(backpointers), strict=True):
            states.append(self._before(states[-1], int(chosen[states[-1]]), move, forward=forward))
        return states[::-1]

    def _choices(self, best: Array, move: int, *, forward: bool) -> Array:
        """Log weight of each state (K, P) by each of nine ways to come to it, (9, K, P)."""
        jump = self._jumps(move)
        out = np.full((9, *best.shape), -np.inf)
        for number, (step, shift) in enumerate(_MOVES):
            cost = _LOG_TEMPO[abs(step)] + _LOG_PHASE[abs(shift)]
            moved = np.roll(best, shift, axis=1) + cost
            if step == 0:
                out[number] = moved
            elif step > 0:
                out[number, 1:] = _rolled(moved[:-1], -jump)
            else:
                out[number, :-1] = _rolled(moved[1:], jump)
        return out

    def _before(
        self, state: tuple[int, int], chosen: int, move: int, *, forward: bool
    ) -> tuple[int, int]:
        step, shift = _MOVES[chosen]
        tempo, position = state
        jump = self._jumps(move)
        back = 0 if step == 0 else (jump[tempo - 1] if step > 0 else -jump[tempo])
        return tempo - step, int((position + back - shift) % self._shapes.shape[1])

    def _counted(self, states: Index) -> Path:
        """Unroll states (B, 2) to beats counted without a jump."""
        rates_hz = self._rates_hz[states[:, 0]]
        part = self.block_times_s * rates_hz + states[:, 1] / BINS_PER_BEAT
        counts = [part[0] % 1.0]
        steps = np.diff(self.block_times_s) * 0.5 * (rates_hz[1:] + rates_hz[:-1])
        for step, here in zip(steps, part[1:], strict=True):
            expected = counts[-1] + step
            counts.append(expected + (here - expected + 0.5) % 1.0 - 0.5)
        return Path(self.block_times_s, rates_hz, np.array(counts))

    def _block_sums(
        self, harmonics: Sequence[Harmonic], times_s: Array, scale: float
    ) -> NDArray[np.float32]:
        """Fourier sums of every block at every tempo, (B, K, 2 H)."""
        parts = []
        for first in range(0, len(self._starts), _BLOCKS_AT_ONCE):
            starts = self._starts[first : first + _BLOCKS_AT_ONCE]
            last = first + _BLOCKS_AT_ONCE >= len(self._starts)
            stop = len(times_s) if last else self._starts[first + _BLOCKS_AT_ONCE]
            angles = 2.0 * np.pi * np.outer(times_s[starts[0] : stop], self._rates_hz)
            columns = []
            for each in harmonics:
                wave = each.phasors[starts[0] : stop, None] * np.exp(-1j * each.order * angles)
                summed = np.add.reduceat(wave, starts - starts[0], axis=0)
                columns += [summed.real, summed.imag]
            parts.append(scale * np.stack(columns, axis=-1))
        return np.concatenate(parts).astype(np.float32)

    def _logs(self, block: int) -> NDArray[np.float32]:
        """Log likelihood of a block for every state, (K, P)."""
        return np.asarray(self._sums[block] @ self._shapes)

    def _weighted(self, belief: Array, block: int) -> tuple[Array, float]:
        """Weigh belief (K, P) by a block's likelihood; also the logarithm of what it sums to."""
        logs = self._logs(block)
        peak = float(logs.max())
        belief = belief * np.exp(logs - peak)
        total = max(float(belief.sum()), _LEAST)
        return belief / total, peak + float(np.log(total))

    def _moved(self, belief: Array, block: int) -> Array:
        """Let tempo and position move between two blocks, (K, P) -> (K, P)."""
        side = 0.5 * _PHASE_CHANGE
        out = (1.0 - _PHASE_CHANGE) * belief
        out += side * (np.roll(belief, 1, axis=1) + np.roll(belief, -1, axis=1))
        if len(belief) == 1:
            return out
        half = 0.5 * _TEMPO_CHANGE
        moved = (1.0 - _TEMPO_CHANGE) * out
        jump = self._jumps(block)
        moved[1:] += half * _rolled(out[:-1], -jump)
        moved[:-1] += half * _rolled(out[1:], jump)
        return np.asarray(moved)

    def _jumps(self, block: int) -> Index:
        """Bins by which the next tempo's pointer is ahead when a block begins, (K - 1,).

        At the moment of change the position in the bar stays; relative to the pointer it jumps.
        """
        between_s = self.block_times_s[block]
        return np.round(np.diff(self._rates_hz) * between_s * BINS_PER_BEAT).astype(np.int64)


# Steps of tempo and position, and what they cost.
_MOVES = tuple((step, shift) for step in (0, 1, -1) for shift in (0, 1, -1))
_LOG_TEMPO = np.log([1.0 - _TEMPO_CHANGE, 0.5 * _TEMPO_CHANGE])
_LOG_PHASE = np.log([1.0 - _PHASE_CHANGE, 0.5 * _PHASE_CHANGE])


def at_time(posterior: Array, tempi_bpm: Array, time_s: float) -> Array:
    """Turn positions relative to the pointer, (K, P), to positions in the bar at a time."""
    shift = np.round(tempi_bpm / 60.0 * time_s * BINS_PER_BEAT).astype(np.int64)
    return _rolled(posterior, shift)


def from_time(posterior: Array, tempi_bpm: Array, time_s: float) -> Array:
    """Undo :func:`at_time`."""
    shift = np.round(tempi_bpm / 60.0 * time_s * BINS_PER_BEAT).astype(np.int64)
    return _rolled(posterior, -shift)


def _rolled(values: Array, shift: Index) -> Array:
    """Roll each row (K, P) by its own number of bins, to the right."""
    index = (np.arange(values.shape[1]) - shift[:, None]) % values.shape[1]
    return np.take_along_axis(values, index, axis=1)
