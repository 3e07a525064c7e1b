import numpy as np
import pytest

from kinetune.motion.beats import bar_pointer
from kinetune.motion.beats.bar_pointer import BINS_PER_BEAT, BarPointer
from kinetune.motion.beats.observations import Harmonic

TEMPI = np.array([90.0, 96.0, 102.0])


def turning(times_s, count):
    """The phasor of a beat counted at each frame."""
    return [Harmonic(1.0, np.exp(2j * np.pi * count))]


def times_of(duration_s):
    return (2 * np.arange(round(duration_s * 15)) + 0.5) / 30.0


def pointer_of(count, duration_s, scale=0.3):
    times_s = times_of(duration_s)
    return BarPointer(turning(times_s, count(times_s)), times_s, TEMPI, beats=1, scale=scale)


def transition(pointer, block):
    """The chance of each state after each state, column by column."""
    size = len(TEMPI) * BINS_PER_BEAT
    units = np.eye(size).reshape(size, len(TEMPI), BINS_PER_BEAT)
    return np.stack([pointer._moved(unit, block).ravel() for unit in units], axis=1)


def test_moves_are_symmetric_and_lose_nothing_inside():
    pointer = pointer_of(lambda t: 1.6 * t, 4.0)
    moves = transition(pointer, 2)
    np.testing.assert_allclose(moves, moves.T, atol=1e-12)
    inner = moves.reshape(len(moves), len(TEMPI), -1).sum(axis=0)[1]
    np.testing.assert_allclose(inner, 1.0, atol=1e-12)


def test_the_posterior_is_that_of_the_sum_over_all_paths():
    pointer = pointer_of(lambda t: 1.55 * t + 0.3, 3.0)
    prior = np.log(np.random.default_rng(0).dirichlet(np.ones(72)).reshape(3, 24))
    posterior, evidence = pointer.posterior(prior)
    weights = [np.exp(pointer._logs(block)).ravel() for block in range(3)]
    # Forward through the three blocks; block 1 is the middle.
    ahead = weights[1] * (transition(pointer, 1) @ (weights[0] * np.exp(prior).ravel()))
    whole = ahead * (transition(pointer, 2).T @ weights[2])
    np.testing.assert_allclose(posterior.ravel(), whole / whole.sum(), rtol=1e-4, atol=1e-12)
    assert evidence == pytest.approx(np.log(whole.sum()), rel=1e-5)


def test_the_best_path_is_the_best_of_all_paths():
    pointer = pointer_of(lambda t: 1.55 * t + 0.2 * np.sin(t), 3.0)
    start = np.full((3, 24), -np.inf)
    start[1, 4:7] = 0.0
    path = pointer.best_path(start)
    best, states = -np.inf, None
    chances = {block: np.log(np.maximum(transition(pointer, block), 1e-300)) for block in (1, 2)}
    logs = [pointer._logs(block).ravel() for block in range(3)]
    for middle in np.flatnonzero(np.isfinite(start.ravel())):
        before = chances[1][middle] + logs[0]
        after = chances[2][:, middle] + logs[2]
        total = start.ravel()[middle] + before.max() + after.max()
        if total > best:
            best, states = total, (int(np.argmax(before)), int(middle), int(np.argmax(after)))
    rates = [pointer._rates_hz[state // BINS_PER_BEAT] for state in states]
    np.testing.assert_allclose(path.rates_hz, rates)
    said = [state % BINS_PER_BEAT / BINS_PER_BEAT for state in states] + path.times_s * rates
    np.testing.assert_allclose((path.counts - said + 0.5) % 1.0 - 0.5, 0.0, atol=1e-9)


@pytest.mark.parametrize("slope", [0.0, 0.0015, -0.0015])
def test_a_path_counts_the_beats_of_a_drifting_dance(slope):
    times_s = times_of(30.0)
    count = 1.6 * times_s + 0.5 * slope * (times_s - 15.0) ** 2
    tempi = np.geomspace(60.0, 160.0, 60)
    pointer = BarPointer(turning(times_s, count), times_s, tempi, beats=1, scale=1.0)
    path = pointer.best_path(np.zeros((60, BINS_PER_BEAT)))
    # A phasor exp(2 pi i count) belongs to a beat where the count is whole.
    apart = path.counts - np.interp(path.times_s, times_s, count)
    apart = apart - round(float(np.median(apart)))
    # Two bins and a bit: the grain of positions and of tempi.
    assert np.abs(apart).max() < 0.1


def test_positions_at_a_time_round_trip():
    rng = np.random.default_rng(1)
    posterior = rng.random((3, 96))
    moved = bar_pointer.at_time(posterior, TEMPI, 7.3)
    np.testing.assert_array_equal(bar_pointer.from_time(moved, TEMPI, 7.3), posterior)
    tempo, position = 1, 5
    one = np.zeros((3, 96))
    one[tempo, position] = 1.0
    expected = (position + round(96.0 / 60.0 * 7.3 * BINS_PER_BEAT)) % 96
    assert bar_pointer.at_time(one, TEMPI, 7.3)[tempo, expected] == 1.0


def test_a_long_dance_is_summed_in_parts_as_in_one(monkeypatch):
    times_s = times_of(50.0)
    harmonics = turning(times_s, 1.6 * times_s)
    sums = []
    for size in (7, 1000):
        monkeypatch.setattr(bar_pointer, "_BLOCKS_AT_ONCE", size)
        sums.append(BarPointer(harmonics, times_s, TEMPI, beats=4, scale=1.0)._sums)
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-6)
    assert len(sums[0]) == 50
