"""Oscillators, envelopes, filters and strings against formulas and SciPy."""

import numpy as np
import pytest
from scipy import signal

from kinetune.corpus.rendering import synthesis
from tests.corpus.rendering.scores import RATE_HZ, decibels, pitch_of, power_between, rms


def gain_db(filtered, hz, rate_hz=RATE_HZ):
    """Gain of a filter for a steady sine, decibels."""
    wave = synthesis.sine(synthesis.phase(hz, rate_hz, rate_hz))
    half = rate_hz // 2
    return decibels(rms(filtered(wave)[half:]) / rms(wave[half:]))


def butterworth_db(kind, order, edges, hz):
    sos = signal.butter(order, edges, kind, fs=RATE_HZ, output="sos")
    return float(decibels(np.abs(signal.sosfreqz(sos, [hz], fs=RATE_HZ)[1][0])))


@pytest.mark.parametrize("hz", [150.0, 1000.0, 3000.0])
@pytest.mark.parametrize("order", [1, 2])
def test_filters_have_butterworth_responses(hz, order):
    low = gain_db(lambda x: synthesis.lowpass(x, 1000, RATE_HZ, order), hz)
    high = gain_db(lambda x: synthesis.highpass(x, 1000, RATE_HZ, order), hz)
    assert low == pytest.approx(butterworth_db("lowpass", order, 1000, hz), abs=0.05)
    assert high == pytest.approx(butterworth_db("highpass", order, 1000, hz), abs=0.05)
    band = gain_db(lambda x: synthesis.bandpass(x, 500, 2000, RATE_HZ), hz)
    assert band == pytest.approx(butterworth_db("bandpass", 1, (500, 2000), hz), abs=0.05)


def test_a_cutoff_beyond_the_band_passes_all():
    wave = synthesis.noise(1000, 1)
    np.testing.assert_array_equal(synthesis.lowpass(wave, 0.47 * RATE_HZ, RATE_HZ), wave)


def test_swept_lowpass_covers_its_cutoffs():
    wave = synthesis.noise(RATE_HZ, 2)
    for opening, hz in ((0.0, 300.0), (0.5, np.sqrt(300.0 * 3000.0)), (1.0, 3000.0)):
        swept = synthesis.swept_lowpass(wave, RATE_HZ, 300.0, 3000.0, np.full(len(wave), opening))
        np.testing.assert_allclose(swept, synthesis.lowpass(wave, hz, RATE_HZ), atol=1e-12)


def test_a_decay_falls_to_one_part_in_e_over_its_time_constant():
    wave = synthesis.decay(RATE_HZ, RATE_HZ, 0.2)
    assert wave[0] == 1.0
    assert wave[round(0.2 * RATE_HZ)] == pytest.approx(np.exp(-1.0))


@pytest.mark.parametrize("count", [16, 255, 256, 257, RATE_HZ])
def test_curves_are_their_formulas(count):
    t = np.arange(count) / RATE_HZ
    np.testing.assert_allclose(synthesis.decay(count, RATE_HZ, 0.13), np.exp(-t / 0.13), rtol=1e-12)
    for gate_s in (0.0, 0.00301, 100.0):
        wanted = np.exp(-np.maximum(t - gate_s, 0.0) / 0.07)
        np.testing.assert_allclose(synthesis.release(count, RATE_HZ, gate_s, 0.07), wanted)
    for rise_s in (0.0001, 0.0123, 100.0):
        np.testing.assert_allclose(
            synthesis.rise(count, RATE_HZ, rise_s), np.minimum(t / rise_s, 1.0), atol=1e-12
        )


@pytest.mark.parametrize("count", [16, 256, RATE_HZ])
def test_a_tone_is_a_sine_that_decays(count):
    t = np.arange(count) / RATE_HZ
    wanted = np.sin(2.0 * np.pi * 3210.5 * t)
    np.testing.assert_allclose(synthesis.tone(3210.5, count, RATE_HZ), wanted, atol=1e-10)
    np.testing.assert_allclose(
        synthesis.tone(3210.5, count, RATE_HZ, 0.2), np.exp(-t / 0.2) * wanted, atol=1e-10
    )


def test_the_sign_of_a_sine_needs_no_sine():
    cycles = synthesis.phase(612.3, RATE_HZ, RATE_HZ)
    np.testing.assert_array_equal(synthesis.sign(cycles), np.sign(synthesis.sine(cycles)))


def test_an_envelope_has_the_times_and_the_level_it_is_given():
    attack, decay, sustain, release = 0.1, 0.2, 0.4, 0.3
    wave = synthesis.envelope(2 * RATE_HZ, RATE_HZ, 1.5, (attack, decay, sustain, release))

    def at(time_s):
        return wave[round(time_s * RATE_HZ)]

    assert at(0.0) == 0.0
    assert at(attack / 2) == pytest.approx(0.5, abs=1e-3)
    assert at(attack) == pytest.approx(1.0, abs=1e-3)
    assert at(attack + decay) == pytest.approx(sustain + (1 - sustain) / np.e, abs=1e-3)
    assert at(1.49) == pytest.approx(sustain, abs=2e-3)
    assert at(1.5 + release) / at(1.5) == pytest.approx(np.exp(-4.0), rel=1e-2)


def test_a_note_fades_to_zero_over_its_last_six_milliseconds():
    wave = synthesis.fade_out(np.ones(1000), RATE_HZ)
    n = round(0.006 * RATE_HZ)
    assert wave[-1] == 0.0
    np.testing.assert_array_equal(wave[:-n], 1.0)
    assert wave[-n // 2] == pytest.approx(0.5, abs=0.01)


def test_oscillators_have_the_pitch_and_shape_they_are_requested():
    cycles = synthesis.phase(220.0, RATE_HZ, RATE_HZ)
    assert pitch_of(synthesis.sine(cycles), RATE_HZ, 220.0) == pytest.approx(220.0, abs=0.1)
    saw = synthesis.sawtooth(cycles, 220.0, RATE_HZ)
    # The harmonics of a sawtooth fall as 1 / n.
    harmonics = [power_between(saw, 220.0 * k - 5, 220.0 * k + 5) for k in (1, 2, 4)]
    assert np.sqrt(harmonics[0] / harmonics[1]) == pytest.approx(2.0, rel=0.02)
    assert np.sqrt(harmonics[0] / harmonics[2]) == pytest.approx(4.0, rel=0.02)
    pulse = synthesis.square(cycles, 220.0, RATE_HZ, 0.25)
    assert pulse.mean() == pytest.approx(0.0, abs=1e-3)
    # High for a quarter of each cycle: 1 and -1, less their mean of -0.5.
    assert np.mean(pulse > 0.5) == pytest.approx(0.25, abs=0.01)
    assert np.quantile(pulse, 0.99) == pytest.approx(1.5, abs=0.02)


def test_steps_of_a_pulse_are_rounded_by_the_polynomial():
    """Valimaki and Huovilainen (2007): t^2 + 2t + 1 before a step up, 2t - t^2 - 1 after it."""
    # A tenth of a cycle a sample: each place is half a sample from a step, or well away from one.
    up, high, down, low = np.array([-0.05, 0.05]), [0.25], np.array([0.45, 0.55]), [0.75]
    cycles = np.concatenate([up, high, down, low])
    pulse = synthesis.square(cycles, 0.1 * RATE_HZ, RATE_HZ)
    np.testing.assert_allclose(pulse, [-0.75, 0.75, 1.0, 0.75, -0.75, -1.0], atol=1e-12)
    saw = synthesis.sawtooth(cycles, 0.1 * RATE_HZ, RATE_HZ)
    np.testing.assert_allclose(saw, [0.65, -0.65, -0.5, -0.1, 0.1, 0.5], atol=1e-12)


def test_a_sawtooth_hardly_aliases():
    hz = 2500.0
    saw = synthesis.sawtooth(synthesis.phase(hz, RATE_HZ, RATE_HZ), hz, RATE_HZ)
    plain = 2.0 * (np.arange(RATE_HZ) * hz / RATE_HZ % 1.0) - 1.0

    def between_harmonics(wave):
        return sum(power_between(wave, hz * k + 200, hz * (k + 1) - 200) for k in (1, 2))

    assert between_harmonics(saw) < 0.1 * between_harmonics(plain)


def test_a_glide_sums_its_frequencies():
    hz = np.linspace(100.0, 300.0, RATE_HZ)
    assert synthesis.phase(hz, RATE_HZ, RATE_HZ)[-1] == pytest.approx(200.0, rel=1e-3)


def test_noise_has_its_deviation_and_a_seed():
    assert synthesis.noise(100_000, 3).std() == pytest.approx(0.33, rel=0.01)
    np.testing.assert_array_equal(synthesis.noise(50, 3), synthesis.noise(50, 3))


@pytest.mark.parametrize("amount", [0.0, 0.3, 1.0])
def test_soft_clipping_keeps_full_scale_and_lifts_what_is_below(amount):
    wave = np.array([-1.0, -0.2, 0.0, 0.2, 1.0])
    clipped = synthesis.soft_clip(wave, amount)
    gain = 1.0 + 5.0 * amount
    np.testing.assert_allclose(clipped, np.tanh(gain * wave) / np.tanh(gain))
    np.testing.assert_allclose(clipped[[0, 2, 4]], [-1.0, 0.0, 1.0], atol=1e-12)
    assert clipped[3] > 0.2


def test_modes_sound_at_their_pitch_with_their_gain_and_decay():
    wave = synthesis.modal(RATE_HZ, RATE_HZ, ((300.0, 0.5, 0.1), (0.47 * RATE_HZ, 1.0, 1.0)))
    expected = 0.5 * np.sin(2 * np.pi * 300.0 * np.arange(RATE_HZ) / RATE_HZ)
    np.testing.assert_allclose(wave, expected * synthesis.decay(RATE_HZ, RATE_HZ, 0.1), atol=1e-9)


@pytest.mark.parametrize("delay", [2, 7, 180, 5000])
def test_a_feedback_loop_is_scipys_recursion(delay):
    taps = np.array([0.3, 0.5, 0.19])
    wave = np.random.default_rng(0).normal(size=3000)
    feedback = np.zeros(delay + 3)
    feedback[0] = 1.0
    feedback[delay:] -= taps
    wanted = signal.lfilter([1.0], feedback, wave)
    np.testing.assert_allclose(synthesis._looped(wave, taps, delay), wanted, atol=1e-9)


@pytest.mark.parametrize("hz", [41.2, 98.0, 220.0, 523.25])
def test_a_plucked_string_is_in_tune(hz):
    n = 2 * RATE_HZ
    wave = synthesis.plucked_string(n, RATE_HZ, hz, damp=0.8, bright=0.4, seed=1)
    assert abs(1200 * np.log2(pitch_of(wave, RATE_HZ, hz) / hz)) < 5
    assert np.abs(wave).max() == pytest.approx(1.0)


def test_a_damped_string_keeps_its_share_each_second():
    for damp in (0.1, 0.5):
        wave = synthesis.plucked_string(3 * RATE_HZ, RATE_HZ, 55.0, damp=damp, bright=0.0, seed=1)
        ends = [rms(wave[k * RATE_HZ - 4000 : k * RATE_HZ]) for k in (2, 3)]
        assert ends[1] / ends[0] == pytest.approx(damp, rel=0.1)


def test_a_bright_pluck_has_more_treble():
    dull, bright = (
        synthesis.plucked_string(RATE_HZ, RATE_HZ, 220.0, damp=0.5, bright=value, seed=1)
        for value in (0.0, 1.0)
    )
    share = [power_between(w, 1500, 11_000) / power_between(w, 0, 11_000) for w in (dull, bright)]
    assert share[1] > 3 * share[0]
