"""Phase integration: path choice and sums."""

import heapq
from itertools import pairwise

import numpy as np
import torch

from kinetune.audio.phase import integrate_phases, sources


def by_heap(level):
    """The published procedure, frame by frame: where each bin's phase starts, (T, K)."""
    found = np.empty((len(level) - 1, level.shape[1]), np.int64)
    for row, (before, now) in zip(found, pairwise(level), strict=True):
        heap = [(-value, 1, k, k) for k, value in enumerate(before)]
        heapq.heapify(heap)
        done = set()
        while heap:
            _, in_time, k, start = heapq.heappop(heap)
            if in_time:
                if k not in done:
                    done.add(k)
                    row[k] = k
                    heapq.heappush(heap, (-now[k], 0, k, k))
                continue
            for near in (k - 1, k + 1):
                if 0 <= near < len(now) and near not in done:
                    done.add(near)
                    row[near] = start
                    heapq.heappush(heap, (-now[near], 0, near, start))
    return found


def test_sources_are_those_of_the_published_heap():
    level = np.random.default_rng(0).normal(size=(40, 25)).cumsum(axis=0)

    np.testing.assert_array_equal(sources(torch.from_numpy(level)).numpy(), by_heap(level))


def test_in_a_decay_every_bin_continues_from_itself():
    level = -torch.arange(6.0)[:, None] + torch.linspace(0.0, 1.0, 9)

    assert (sources(level) == torch.arange(9)).all()


def test_at_an_attack_the_phase_spreads_from_the_loudest_bin_before():
    before = torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0])
    attack = torch.full((5,), 10.0)

    assert (sources(torch.stack([before, attack])) == 2).all()


def test_true_steps_give_the_true_phases():
    rng = np.random.default_rng(1)
    true = rng.uniform(0.0, 2.0 * np.pi, size=(30, 12))
    level = torch.from_numpy(rng.normal(size=(30, 12)))
    along_time = torch.from_numpy(np.diff(true, axis=0))
    along_bins = torch.from_numpy(np.diff(true, axis=1, prepend=0.0)[1:])

    found = integrate_phases(level, along_time, along_bins, true[0])

    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * true[1:]), atol=1e-9)
