"""Recursive filters computed in blocks against SciPy's recursion."""

import numpy as np
import pytest
from scipy import signal

from kinetune.corpus.rendering.recursive_filter import RecursiveFilter
from tests.corpus.rendering.scores import decibels, rms

RATE_HZ = 44_100
DESIGNS = [
    ("lowpass", 1, 1800.0),
    ("lowpass", 2, 9000.0),
    ("highpass", 2, 28.0),
    ("highpass", 2, 130.0),
    ("bandpass", 1, (60.0, 8000.0)),
    ("bandpass", 1, (2000.0, 2100.0)),
]


@pytest.mark.parametrize(("kind", "order", "hz"), DESIGNS)
@pytest.mark.parametrize("count", [0, 5, 32, 4100, 20_000])
def test_it_is_scipys_filter(kind, order, hz, count):
    taps = signal.butter(order, hz, kind, fs=RATE_HZ)
    wave = np.random.default_rng(0).normal(size=count)
    wanted = signal.lfilter(*taps, wave)
    np.testing.assert_allclose(RecursiveFilter(*taps).apply(wave), wanted, atol=1e-10)


@pytest.mark.parametrize(("kind", "order", "hz"), DESIGNS)
def test_single_precision_is_120_db_from_double(kind, order, hz):
    taps = signal.butter(order, hz, kind, fs=RATE_HZ)
    wave = np.random.default_rng(0).normal(size=65_536).astype(np.float32)
    made = RecursiveFilter(*taps, np.float32).apply(wave)
    wanted = signal.lfilter(*taps, wave.astype(np.float64))
    assert made.dtype == np.float32
    least = -105.0 if hz == 28.0 else -120.0
    assert decibels(rms(made - wanted) / rms(wanted)) < least


@pytest.mark.parametrize(("kind", "order", "hz"), DESIGNS)
def test_the_state_is_carried_from_part_to_part(kind, order, hz):
    taps = signal.butter(order, hz, kind, fs=RATE_HZ)
    wave = np.random.default_rng(0).normal(size=10_000)
    made, state = RecursiveFilter(*taps), np.zeros(len(taps[0]) - 1)
    parts = [made.apply(part, state) for part in np.split(wave, [40, 4096, 4099])]
    wanted, last = signal.lfilter(*taps, wave, zi=np.zeros_like(state))
    np.testing.assert_allclose(np.concatenate(parts), wanted, atol=1e-10)
    np.testing.assert_allclose(state, last, atol=1e-9)


def test_a_second_order_section_of_a_first_order_filter_keeps_one_state():
    section = signal.butter(1, 1000.0, fs=RATE_HZ, output="sos")[0]
    made, state = RecursiveFilter(section[:3], section[3:]), np.zeros(1)
    wave = np.random.default_rng(0).normal(size=1000)
    wanted = signal.sosfilt(section[None], wave)
    np.testing.assert_allclose(made.apply(wave, state), wanted, atol=1e-12)
