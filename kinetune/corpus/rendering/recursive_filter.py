"""Recursive filters computed in blocks of samples by matrix products.

A recursion waits for every sample before the next. Within a block of samples the output is instead
a matrix product of the input and of the filter's state at the block's start, and only the states
are recursive, from block to block (Sung and Mitra, "Efficient multi-processor implementation of
recursive digital filters", 1986). Filters are of order 1 or 2; samples float32 or float64, (N,).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

# Samples a block, and blocks a matrix product: below 262,144 multiplications, so that OpenBLAS
# computes it in one thread, whose sums don't depend on how many there are.
_SIZE, _ROWS = 32, 128
# States below this are zero: products with denormal numbers are slow.
_SILENT = 1e-20
# By how much an output sample (columns) is later than an input sample (rows) of a block.
_AHEAD = np.arange(_SIZE) - np.arange(_SIZE)[:, None]

State = NDArray[np.float64]


class RecursiveFilter:
    """A filter of order 1 or 2, in the transposed direct form 2.

    Args:
        numerator: b0, b1, and b2 for order 2.
        denominator: 1, a1, and a2 for order 2.
        dtype: Of the samples.
    """

    def __init__(
        self,
        numerator: NDArray[np.float64],
        denominator: NDArray[np.float64],
        dtype: type[np.floating] = np.float64,
    ) -> None:
        b, a = (np.trim_zeros(taps, "b") for taps in (numerator, denominator))
        size = max(len(b), len(a))
        b, a = (np.pad(taps, (0, size - len(taps))) for taps in (b, a))
        self._b, self._a, self._order = b, a, len(b) - 1
        # The next state is `step @ state + enter * sample`, the output state[0] + b0 * sample.
        step = np.eye(self._order, k=1)
        step[:, 0] -= a[1:]
        enter = b[1:] - a[1:] * b[0]
        powers = np.eye(self._order)[None]
        while len(powers) <= _SIZE:
            powers = np.concatenate([powers, powers @ (powers[-1] @ step)])
        impulse = np.append(b[0], powers[: _SIZE - 1, 0] @ enter)
        # Output of a block of input samples and of the state before them, (_SIZE + order, _SIZE).
        response = np.where(_AHEAD >= 0, impulse[_AHEAD], 0.0)
        self._output = np.concatenate([response, powers[:_SIZE, 0].T]).astype(dtype)
        # State behind a block of input samples, (_SIZE, order).
        self._entered = (powers[_SIZE - 1 :: -1] @ enter).astype(dtype)
        self._block_step = powers[_SIZE]
        self._dtype = dtype

    def apply(self, wave: NDArray[np.floating], state: State | None = None) -> NDArray[np.floating]:
        """Return the filtered samples, (N,), of (N,).

        Args:
            wave: The samples.
            state: What the filter keeps of the samples before, (order,), updated in place; None
                for silence before.
        """
        state = np.zeros(self._order) if state is None else state
        whole = len(wave) // _SIZE * _SIZE
        out = self._blocks(wave[:whole], state)
        if whole == len(wave):
            return out
        rest, state[:] = signal.lfilter(self._b, self._a, wave[whole:], zi=state)
        return np.append(out, rest.astype(self._dtype))

    def _blocks(self, wave: NDArray[np.floating], state: State) -> NDArray[np.floating]:
        count = len(wave) // _SIZE
        products = -(-count // _ROWS)
        rows = np.empty((products * _ROWS, _SIZE + self._order), self._dtype)
        rows[:count, :_SIZE] = wave.reshape(count, _SIZE)
        rows[count:] = 0.0
        stacked = rows.reshape(products, _ROWS, _SIZE + self._order)
        entered = (stacked[:, :, :_SIZE] @ self._entered).reshape(-1, self._order)[:count]
        states = self._states(entered, state)
        rows[:count, _SIZE:] = states[:-1]
        state[:] = states[-1]
        return (stacked @ self._output).reshape(-1)[: len(wave)]

    def _states(self, entered: NDArray[np.floating], state: State) -> State:
        """States before each block and behind the last, (blocks + 1, order)."""
        step = self._block_step
        made = np.concatenate([state[None], entered])
        if self._order == 1:
            states = signal.lfilter([1.0], [1.0, -step[0, 0]], made, axis=0)
        else:
            # states = made / (I - step / z): the adjugate of that matrix by its determinant.
            adjugate = np.array([[-step[1, 1], step[0, 1]], [step[1, 0], -step[0, 0]]])
            made[1:] += made[:-1] @ adjugate.T
            determinant = [1.0, -np.trace(step), np.linalg.det(step)]
            states = signal.lfilter([1.0], determinant, made, axis=0)
        states[np.abs(states) < _SILENT] = 0.0
        return np.asarray(states)
