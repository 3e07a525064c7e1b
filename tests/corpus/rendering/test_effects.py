"""Widening, echo and reverberation by their formulas."""

from dataclasses import replace

import numpy as np
import pytest

from kinetune.corpus.rendering import effects, synthesis
from tests.corpus.rendering.scores import NEUTRAL, RATE_HZ, power_between, rms


def impulse(n=RATE_HZ, channels=2):
    bus = np.zeros((channels, n)).T
    bus[0] = 1.0
    return bus


def noise_bus(n=RATE_HZ):
    return np.stack([synthesis.noise(n, 1)] * 2, axis=-1)


def test_widening_leaves_the_mono_sum_as_it_was():
    bus = noise_bus()
    wide = effects.widen(bus, replace(NEUTRAL, stereo_width=0.8), RATE_HZ)
    np.testing.assert_allclose(wide.mean(axis=1), bus.mean(axis=1), atol=1e-12)
    assert np.array_equal(effects.widen(bus, NEUTRAL, RATE_HZ), bus)


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_width_is_the_level_of_the_side(width):
    bus = noise_bus()
    wide = effects.widen(bus, replace(NEUTRAL, stereo_width=width), RATE_HZ)
    side = 0.5 * (wide[:, 0] - wide[:, 1])
    ratio = power_between(side, 1000, 8000) / power_between(bus[:, 0], 1000, 8000)
    assert np.sqrt(ratio) == pytest.approx(0.6 * width, rel=0.02)
    # Bass stays in the middle.
    assert power_between(side, 0, 150) < 0.05 * width**2 * power_between(bus[:, 0], 0, 150)
    late = np.argmax(np.correlate(side, bus[:, 0], "full")) - (len(side) - 1)
    assert late / RATE_HZ == pytest.approx(0.011, abs=1e-3)


def test_mono_is_not_widened():
    bus = noise_bus()[:, :1]
    assert effects.widen(bus, replace(NEUTRAL, stereo_width=1.0), RATE_HZ) is bus


def test_echoes_come_in_time_softer_and_duller():
    mix = replace(NEUTRAL, echo=0.6, echo_s=0.2)
    out = effects.echo(impulse(), mix, RATE_HZ)[:, 0]
    step = round(0.2 * RATE_HZ)
    assert not out[:step].any()
    parts = [out[k * step : (k + 1) * step] for k in (1, 2, 3)]
    # A low-pass passes a constant: each echo's sum is its gain.
    np.testing.assert_allclose([p.sum() for p in parts], 0.6 * 0.55 ** np.arange(3), rtol=1e-3)
    dull = [power_between(p, 5000, 10_000) / power_between(p, 0, 1000) for p in parts]
    assert dull[0] > 2 * dull[1] > 4 * dull[2]
    assert not effects.echo(impulse(), replace(mix, echo=0.0), RATE_HZ).any()


def test_reverberation_has_its_level_and_length():
    mix = replace(NEUTRAL, reverb=0.25, reverb_s=0.8)
    out = effects.reverb(impulse(), mix, RATE_HZ)
    # The tail has unit energy before its level.
    np.testing.assert_allclose(np.sqrt(np.sum(out**2, axis=0)), 4.0 * 0.25, rtol=1e-3)
    n = round(0.8 * RATE_HZ)
    assert np.abs(out[n:]).max() < 1e-9
    assert rms(out[: n // 4]) > 3 * rms(out[n // 2 : 3 * n // 4])
    assert abs(np.corrcoef(out.T)[0, 1]) < 0.3


def test_treble_decays_faster_than_bass():
    out = effects.reverb(impulse(), replace(NEUTRAL, reverb=0.5, reverb_s=1.0), RATE_HZ)[:, 0]
    early, late = out[2000:6000], out[8000:12_000]
    high, low = (power_between(late, a, b) / power_between(early, a, b)
                 for a, b in ((2500, 5000), (300, 900)))  # fmt: skip
    assert high < 0.5 * low
