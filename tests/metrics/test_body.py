import numpy as np
import pytest
from scipy.stats import spearmanr

from kinetune.errors import MetricError
from kinetune.metrics import body

RATE_HZ = 22_050 / 512


@pytest.fixture
def curve():
    """A slow random curve over 12 s, called with a rate."""
    knots = np.random.default_rng(2).uniform(0.1, 2.0, 14)
    return lambda rate_hz: np.interp(np.arange(round(12 * rate_hz)) / rate_hz, range(14), knots)


def test_body_energy_is_invariant_to_loudness_scale(curve):
    speed, power = curve(60.0), curve(RATE_HZ)
    for music in (power, 1e-6 * power, power**3):
        assert body.energy_correlation(speed, music) > 0.98
    assert body.energy_correlation(speed, power) == body.energy_correlation(speed, 0.01 * power)
    assert body.energy_correlation(speed, 5.0 - power) < -0.98


def test_the_correlation_is_scipys_over_windows_of_a_second():
    rng = np.random.default_rng(0)
    speed, power = rng.uniform(size=600), rng.uniform(size=round(10 * RATE_HZ))
    windows = [
        [x[round(k * r / 4) : round(k * r / 4) + round(r)].mean() for k in range(37)]
        for x, r in ((speed, 60.0), (power, RATE_HZ))
    ]
    assert body.energy_correlation(speed, power) == pytest.approx(spearmanr(*windows).statistic)


def test_onsets_that_grow_denser_with_the_body_score_high():
    speed = np.repeat([0.2, 1.0, 0.4, 2.0], 180)
    times = np.concatenate([3 * k + np.arange(n) * 3.0 / n for k, n in enumerate((3, 12, 6, 24))])
    assert body.density_correlation(speed, times) > 0.85
    assert body.density_correlation(speed[::-1], times) < 0.5
    assert body.density_correlation(speed, np.empty(0)) == 0.0


def test_body_constant_music_is_zero_and_still_dance_nan(curve):
    speed, power = curve(60.0), curve(RATE_HZ)
    assert body.energy_correlation(speed, np.full_like(power, 0.3)) == 0.0
    assert body.energy_correlation(speed, np.full_like(power, 1e-12)) == 0.0
    assert np.isnan(body.energy_correlation(np.full_like(speed, 0.0), power))
    assert np.isnan(body.energy_correlation(speed[:60], power[:43]))


def strength_with_peaks(times_s, duration_s=20.0):
    frames = np.arange(round(duration_s * RATE_HZ))
    out = 0.1 + 0.01 * np.sin(frames)
    out[np.round(np.asarray(times_s) * RATE_HZ).astype(int)] = 5.0
    return out


def test_accents_on_strong_onsets_are_hit_and_others_are_not():
    accents = np.arange(1.0, 19.0, 1.5)
    assert body.accents_hit(accents, strength_with_peaks(accents)) == 1.0
    assert body.accents_hit(accents, strength_with_peaks(accents + 0.04)) == 1.0
    assert body.accents_hit(accents, strength_with_peaks(accents + 0.5)) < 0.5
    assert body.accents_hit(accents, 100.0 * strength_with_peaks(accents)) == 1.0


def test_chance_is_a_quarter_however_busy_the_music():
    rng = np.random.default_rng(5)
    accents = np.sort(rng.uniform(0, 200.0, 400))
    for busy in (0.02, 0.1, 0.5):
        frames = round(200 * RATE_HZ)
        strength = rng.uniform(0, 0.1, frames) + rng.uniform(1, 5, frames) * (
            rng.uniform(size=frames) < busy
        )
        assert body.accents_hit(accents, strength) == pytest.approx(
            body.CHANCE_ACCENT_HIT, abs=0.08
        )


def test_no_onset_hits_nothing_and_no_accent_is_undefined():
    assert body.accents_hit(np.array([1.0]), np.zeros(200)) == 0.0
    assert np.isnan(body.accents_hit(np.empty(0), strength_with_peaks([1.0])))


def test_evaluate_gives_all_by_name(curve):
    accents = np.arange(1.0, 11.0, 1.0)
    found = body.evaluate(curve(60.0), accents, curve(RATE_HZ), curve(RATE_HZ), accents)
    assert list(found) == ["energy_correlation", "density_correlation", "accents_hit"]


@pytest.mark.parametrize("bad", [np.array([1.0, np.nan]), np.zeros((3, 2))])
def test_malformed_input_is_reported(bad, curve):
    with pytest.raises(MetricError, match="speed: expected finite"):
        body.energy_correlation(bad, curve(RATE_HZ))
    with pytest.raises(MetricError, match="music: expected finite"):
        body.energy_correlation(curve(60.0), bad)


@pytest.mark.parametrize(
    ("late_frames", "hit"), [(-2, 0.0), (-1, 1.0), (1, 1.0), (3, 1.0), (4, 0.0)]
)
def test_the_onset_strength_is_read_its_latency_after_the_accent(late_frames, hit):
    # Accents on mel frames; the strength's peak is due 19.5 ms, one frame, later, give or take two.
    frames = np.arange(100, 900, 100)
    strength = np.zeros(1000)
    strength[frames + late_frames] = 1.0
    assert body.accents_hit(frames * 512 / 22_050, strength) == hit
