"""Mastering by its formulas: energy, tone, tilt, saturation, compressor, limiter, level."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from kinetune.corpus.rendering import mastering, synthesis
from tests.corpus.rendering.scores import NEUTRAL, RATE_HZ, decibels, power_between, rms, score


def noise_bus(seconds=4, level=1.0):
    return level * synthesis.noise(seconds * RATE_HZ, 1)[:, None]


def band_db(bus, hz, against):
    """Level of a bus at a frequency against another bus, in a third of an octave to both sides."""
    third = 2.0 ** (1.0 / 3.0)
    powers = [power_between(x[:, 0], hz / third, hz * third) for x in (bus, against)]
    return 10.0 * np.log10(powers[0] / powers[1])


def crest_db(samples):
    return decibels(np.abs(samples).max() / rms(samples))


@pytest.mark.parametrize(
    ("energy", "low_db", "high_db"),
    [(0.6, 0.0, 0.0), (1.0, 1.4, 6.2), (0.1, -1.75, -7.75)],
)
def test_energy_sets_loudness_and_more_so_treble(energy, low_db, high_db):
    bus = noise_bus()
    piece = replace(score((), ()), beats_s=np.arange(8) * 0.5, energy=np.full(8, energy))
    out = mastering.follow_energy(bus, piece, 0, RATE_HZ)
    assert band_db(out, 120.0, bus) == pytest.approx(low_db, abs=0.3)
    # 3.5 dB of everything and 12 dB of treble from energy 0 to 1.
    assert band_db(out, 8000.0, bus) == pytest.approx(high_db, abs=0.4)


def test_the_fader_moves_with_the_beat():
    bus = noise_bus()
    energy = np.repeat([0.1, 0.9], 4)
    piece = replace(score((), ()), beats_s=np.arange(8) * 0.5, energy=energy)
    out = mastering.follow_energy(bus, piece, 0, RATE_HZ)
    lead = mastering.follow_energy(bus, piece, RATE_HZ // 2, RATE_HZ)
    gain = [rms(out[t : t + 2000]) / rms(bus[t : t + 2000]) for t in (RATE_HZ, 3 * RATE_HZ)]
    assert gain[1] > 2 * gain[0]
    np.testing.assert_allclose(
        rms(lead[2 * RATE_HZ : 2 * RATE_HZ + 9000]), rms(out[33_075 : 33_075 + 9000]), rtol=0.05
    )


def test_tone_is_brought_most_of_the_way():
    bus = noise_bus(8)
    flat = replace(NEUTRAL, tone_db=(0.0,) * 6)
    raised = replace(NEUTRAL, tone_db=(0.0, 0.0, 4.0, 0.0, 0.0, 0.0))
    one, two = (mastering._match_tone(bus, mix, RATE_HZ) for mix in (flat, raised))
    # 85 % of 4 dB, less the mean of all six bands.
    assert band_db(two, 450.0, one) == pytest.approx(0.85 * (4.0 - 4.0 / 6), abs=0.6)
    assert band_db(two, 60.0, one) == pytest.approx(-0.85 * 4.0 / 6, abs=0.6)
    assert np.array_equal(mastering._match_tone(bus, NEUTRAL, RATE_HZ), bus)


def test_tone_is_never_changed_by_more_than_ten_decibels():
    bus = noise_bus(8)
    mix = replace(NEUTRAL, tone_db=(60.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    out = mastering._match_tone(bus, mix, RATE_HZ)
    assert band_db(out, 60.0, bus) < 10.3


def test_the_tone_filter_does_not_ring_ahead_of_a_drum():
    bus = np.zeros((2 * RATE_HZ, 1))
    bus[RATE_HZ] = 1.0
    out = mastering._match_tone(bus, replace(NEUTRAL, tone_db=(0.0,) * 6), RATE_HZ)[:, 0]
    assert np.sum(out[:RATE_HZ] ** 2) < 1e-6 * np.sum(out**2)


@pytest.mark.parametrize("tilt_db", [-4.0, 4.0])
def test_tilt_is_treble_over_bass(tilt_db):
    bus = noise_bus(level=0.2)
    plain, tilted = (
        mastering.master(bus, replace(NEUTRAL, tilt_db=db), RATE_HZ) for db in (0.0, tilt_db)
    )
    change = band_db(tilted, 8000.0, plain) - band_db(tilted, 80.0, plain)
    assert change == pytest.approx(tilt_db, abs=0.5)


def test_level_is_what_is_requested():
    bus = noise_bus(level=0.05)
    plain, soft = (
        mastering.master(bus, replace(NEUTRAL, loudness_db=db), RATE_HZ) for db in (0.0, -6.0)
    )
    assert decibels(rms(soft) / rms(plain)) == pytest.approx(-6.0, abs=0.05)
    assert mastering._loud_rms(plain, RATE_HZ) == pytest.approx(0.16, rel=0.02)


def test_part_level_is_the_80th_percentile():
    levels = np.arange(1, 11) / 10.0
    bus = np.repeat(levels, RATE_HZ // 2)[:, None] * [1.0, -1.0]
    assert mastering._loud_rms(bus, RATE_HZ) == pytest.approx(
        np.sqrt(np.quantile(levels**2, 0.8)), rel=1e-9
    )
    one_sided = bus * [1.0, 0.0]
    assert mastering._loud_rms(one_sided, RATE_HZ) == pytest.approx(
        np.sqrt(np.quantile(levels**2, 0.8) / 2.0), rel=1e-9
    )


def test_the_mix_meets_the_limiter_at_its_driven_level():
    times = np.arange(4 * RATE_HZ) / RATE_HZ
    bus = 0.1 * np.sin(2 * np.pi * 200.0 * times)[:, None]
    middle = slice(2 * RATE_HZ, 2 * RATE_HZ + 40)
    bus[middle] += 1.0
    out = mastering.master(bus, NEUTRAL, RATE_HZ)
    # A peak is turned down to 0.9 of the ceiling while the mix is at 0.24, then all is to 0.16.
    assert np.abs(out).max() == pytest.approx(0.9 * mastering.PEAK * 0.16 / 0.24, rel=0.02)


def test_saturation_lowers_the_crest_factor():
    drums = synthesis.decay(RATE_HZ // 2, RATE_HZ, 0.05) * synthesis.noise(RATE_HZ // 2, 1)
    bus = np.tile(drums, 8)[:, None]
    crests = [
        crest_db(mastering.master(bus, replace(NEUTRAL, saturation=value), RATE_HZ))
        for value in (0.0, 0.5, 1.0)
    ]
    assert crests[0] > crests[1] > crests[2]


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_the_compressor_follows_its_curve(level):
    bus = np.full((RATE_HZ, 1), level)
    gain = min(1.0, (0.15 / level) ** 0.45)
    np.testing.assert_allclose(mastering._compress(bus, RATE_HZ), level * gain)


def test_the_limiter_turns_down_around_a_peak_only():
    bus = np.full((RATE_HZ, 1), 0.2)
    bus[RATE_HZ // 2] = 3.0
    out = mastering._limit(bus, RATE_HZ)
    assert np.abs(out).max() <= mastering.PEAK + 1e-12
    np.testing.assert_allclose(out[: RATE_HZ // 4], 0.2)
    assert out[RATE_HZ // 2 - 50, 0] < 0.1


def test_vinyl_noise_has_its_level():
    quiet, loud = (
        mastering._vinyl_noise((RATE_HZ, 2), replace(NEUTRAL, vinyl_noise=value), RATE_HZ)
        for value in (0.2, 0.4)
    )
    np.testing.assert_allclose(loud, 2.0 * quiet)
    assert not mastering._vinyl_noise((100, 2), NEUTRAL, RATE_HZ).any()


def test_rumble_is_removed():
    hum = np.sin(2 * np.pi * 8.0 * np.arange(4 * RATE_HZ) / RATE_HZ)[:, None]
    tone = np.sin(2 * np.pi * 200.0 * np.arange(4 * RATE_HZ) / RATE_HZ)[:, None]
    out = mastering.master(hum + tone, NEUTRAL, RATE_HZ)[:, 0]
    power = signal.welch(out, RATE_HZ, nperseg=RATE_HZ)[1]
    assert power[8] < 0.02 * power[200]


@pytest.mark.parametrize("count", [735, 1471])
def test_the_minimum_phase_filter_is_scipys(count):
    gains = np.random.default_rng(0).uniform(0.2, 3.0, 65)
    taps = signal.firwin2(count, np.linspace(0.0, 1.0, 65), gains)
    wanted = signal.minimum_phase(taps, half=False)
    np.testing.assert_allclose(mastering.minimum_phase(taps), wanted, atol=1e-12)
