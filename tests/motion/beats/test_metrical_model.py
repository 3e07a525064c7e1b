from dataclasses import replace

import numpy as np
import pytest

from kinetune import timebase
from kinetune.motion.beats.beat_network import HARMONICS
from kinetune.motion.beats.metrical_model import MetricalModel
from kinetune.motion.beats.observations import BUNDLED_WEIGHTS, Observations
from kinetune.motion.beats.readings import Constraints, calibrated, reading_at, uncalibrated

FLAT_TEMPI = np.geomspace(60.0, 180.0, 50)


def observed(beats, *, certainty=0.9, noise=0.0, seed=0, duration_s=None):
    """Phasors of a dance whose count of beats at each frame is known, (T,)."""
    rng = np.random.default_rng(seed)
    angles = 2.0 * np.pi * beats[:, None] * np.array(HARMONICS)
    phasors = certainty * np.exp(1j * angles)
    phasors = phasors + noise * (rng.normal(size=angles.shape) + 1j * rng.normal(size=angles.shape))
    both = np.stack([phasors.real, phasors.imag], axis=-1).reshape(len(beats), -1)
    duration_s = duration_s or len(beats) / 15.0
    return Observations(both, np.zeros(len(beats)), FLAT_TEMPI, np.zeros(50), duration_s)


def steady(bpm, downbeat_s, duration_s=10.0, **settings):
    times_s = (2 * np.arange(int(duration_s * 15)) + 0.5) / 30.0
    return observed((times_s - downbeat_s) * bpm / 60.0, **settings)


@pytest.mark.parametrize(
    ("bpm", "downbeat_s"), [(80.0, 0.0), (101.3, 1.1), (123.0, 0.3), (168.0, 0.9)]
)
def test_a_steady_dance_is_read_exactly(bpm, downbeat_s):
    model = MetricalModel(steady(bpm, downbeat_s))
    best = model.readings()[0]
    period_s = 60.0 / bpm
    assert best.bpm == pytest.approx(bpm, rel=0.003)
    assert abs((best.first_beat_s - downbeat_s + period_s / 2) % period_s - period_s / 2) < 0.02
    bars = (best.bar_start_s - downbeat_s) / (4 * period_s)
    assert abs(bars - round(bars)) < 0.03
    assert best.metre == 4
    assert best.probability > 0.8
    beats_s, held = model.beats(best)
    assert held
    truth = timebase.beat_times(bpm, downbeat_s, 10.0)
    assert np.abs(beats_s[:, None] - truth).min(axis=1).max() < 0.03


def test_probabilities_are_at_most_one_in_all_and_in_order():
    readings = MetricalModel(steady(100.0, 0.2, noise=1.0)).readings()
    probabilities = [reading.probability for reading in readings]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.0 < sum(probabilities) <= 1.0 + 1e-6


def test_the_odds_of_the_best_reading_follow_its_posterior_and_the_others_share_the_rest():
    plain = [reading_at(bpm, 0.0, 4, p) for bpm, p in ((100.0, 0.5), (80.0, 0.3), (60.0, 0.1))]
    slope, offset = 1.5, np.log(4.0)
    found = [reading.probability for reading in calibrated(plain, (slope, offset))]
    odds = 4.0 * np.array([0.5, 0.3, 0.1]) ** 1.5
    alone = odds / (1.0 + odds)
    assert found[0] == pytest.approx(alone[0])
    share = (1.0 - alone[0]) / (alone[1] + alone[2])
    assert share < 1.0
    np.testing.assert_allclose(found[1:], share * alone[1:])
    assert uncalibrated(found[0], (slope, offset)) == pytest.approx(0.5)


def test_a_posterior_of_nearly_nothing_stays_nearly_nothing():
    plain = [reading_at(bpm, 0.0, 4, 0.01) for bpm in (100.0, 80.0)]
    found = calibrated(plain, BUNDLED_WEIGHTS.calibration)
    assert max(reading.probability for reading in found) < 0.05


def test_readings_include_offbeat_half_and_double_time():
    readings = MetricalModel(steady(100.0, 0.2)).readings()
    best = readings[0]
    tempi = np.array([reading.bpm for reading in readings])
    for factor in (0.5, 2.0):
        assert np.abs(tempi / (100.0 * factor) - 1.0).min() < 0.03
    half = [
        r
        for r in readings[1:]
        if abs(r.bpm / best.bpm - 1) < 0.03
        and abs(abs((r.first_beat_s - best.first_beat_s) * best.bpm / 60.0) % 1.0 - 0.5) < 0.1
    ]
    assert half


def test_the_rival_half_a_beat_off_opens_its_bar_half_a_beat_later():
    model = MetricalModel(steady(100.0, 0.2))
    best = model.readings()[0]
    later, slower, faster = model._rivals(best)
    assert (later.bpm, slower.bpm, faster.bpm) == (best.bpm, best.bpm / 2.0, best.bpm * 2.0)
    period_s = 60.0 / best.bpm
    assert later.bar_start_s == pytest.approx((best.bar_start_s + period_s / 2) % (4 * period_s))
    assert slower.bar_start_s == pytest.approx(best.bar_start_s % (8 * period_s))


def test_activation_is_the_positive_weighted_cosine_sum():
    seen = steady(90.0, 0.0)
    model = MetricalModel(seen)
    weights = np.array(model._weights.phasors)[np.array(HARMONICS) >= 1.0]
    times_s = (2 * np.arange(150) + 0.5) / 30.0
    harmonics = np.array([h for h in HARMONICS if h >= 1.0])
    cosines = 0.9 * np.cos(2.0 * np.pi * np.outer(times_s * 1.5, harmonics)) @ weights
    expected = np.maximum(cosines / weights.max(), 0.0)
    assert expected.min() == 0.0
    frames_s = np.arange(600) / 60.0
    np.testing.assert_allclose(model.activation, np.interp(frames_s, times_s, expected), atol=1e-9)


def test_less_evidence_is_less_probability():
    clear = MetricalModel(steady(100.0, 0.2)).readings()[0].probability
    vague = MetricalModel(steady(100.0, 0.2, certainty=0.1)).readings()[0].probability
    short = MetricalModel(steady(100.0, 0.2, duration_s=2.0)).readings()[0].probability
    nothing = MetricalModel(steady(100.0, 0.2, certainty=0.0)).readings()[0].probability
    assert clear > vague > nothing
    assert clear > short > nothing
    assert nothing < 0.3


def test_no_reliability_is_the_prior():
    seen = replace(steady(150.0, 0.2), reliability=0.0)
    assert MetricalModel(seen).readings()[0].probability < 0.3


def test_constraints_restrict_the_readings():
    seen = steady(100.0, 0.25, noise=0.5)
    for reading in MetricalModel(seen, Constraints(bpm=80.0)).readings():
        assert reading.bpm == 80.0
    for reading in MetricalModel(seen, Constraints(metre=3)).readings():
        assert reading.metre == 3
    for reading in MetricalModel(seen, Constraints(first_beat_s=0.4)).readings():
        count = (0.4 - reading.bar_start_s) * reading.bpm / 60.0 / reading.metre
        assert abs(count - round(count)) < 1e-6


@pytest.mark.parametrize("first_beat_s", [0.0, 0.25])
def test_a_named_beat_that_fits_keeps_the_tempo(first_beat_s):
    seen = steady(100.0, first_beat_s)
    best = MetricalModel(seen, Constraints(first_beat_s=first_beat_s)).readings()[0]
    assert best.bpm == pytest.approx(100.0, rel=0.003)
    assert best.first_beat_s == pytest.approx(first_beat_s, abs=1e-9)


@pytest.mark.parametrize("change", [0.12, -0.12])
def test_a_drifting_tempo_is_followed(change):
    times_s = (2 * np.arange(60 * 15) + 0.5) / 30.0
    beats = 110.0 / 60.0 * (times_s + 0.5 * change * times_s**2 / 60.0) + 0.3
    model = MetricalModel(observed(beats, noise=0.1))
    found_s, held = model.beats(model.readings()[0])
    truth_s = np.interp(np.arange(1.0, beats[-1]), beats, times_s)
    assert not held
    away = np.abs(truth_s[:, None] - found_s).min(axis=1)
    assert np.mean(away < 0.07) > 0.9


def test_an_hour_is_steady_and_read_in_seconds():
    model = MetricalModel(steady(97.0, 0.1, duration_s=600.0, noise=0.5))
    best = model.readings()[0]
    beats_s, held = model.beats(best)
    assert held
    assert best.bpm == pytest.approx(97.0, rel=0.001)
    truth = timebase.beat_times(97.0, 0.1, 600.0)
    assert np.abs(beats_s[:, None] - truth).min(axis=1).max() < 0.1
