import mir_eval
import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.metrics.following import (
    Following,
    accents_hit,
    beat_f,
    body_accents,
    energy_correlation,
    following,
)
from tests.conftest import swaying_clip

RATE_HZ = 22_050


@pytest.mark.parametrize("seed", range(8))
def test_the_beat_f_measure_is_mir_evals(seed):
    rng = np.random.default_rng(seed)
    true, heard = (np.sort(rng.uniform(0.0, 10.0, size=rng.integers(1, 60))) for _ in range(2))
    assert beat_f(true, heard) == pytest.approx(mir_eval.beat.f_measure(true, heard))


def test_perfect_and_missing_beats():
    beats = np.arange(1.0, 8.0, 0.5)
    assert beat_f(beats, beats) == 1.0
    assert beat_f(beats, np.empty(0)) == 0.0
    assert np.isnan(beat_f(np.empty(0), beats))


def loud(levels):
    """A second of noise at each level."""
    noise = np.random.default_rng(0).normal(size=RATE_HZ * len(levels))
    return Sound((noise * np.repeat(levels, RATE_HZ)).astype(np.float32), RATE_HZ)


def test_energy_is_a_rank_correlation():
    levels = np.array([0.1, 0.4, 0.2, 0.8, 0.3, 0.6])
    speed, beats = np.repeat(levels**3, 60), np.arange(7.0)
    assert energy_correlation(speed, loud(levels), beats) == pytest.approx(1.0)
    assert energy_correlation(speed, loud(1.0 - levels), beats) == pytest.approx(-1.0)
    assert np.isnan(energy_correlation(speed, loud(levels), beats[:3]))
    assert np.isnan(energy_correlation(np.ones(360), loud(levels), beats))
    assert energy_correlation(speed, Sound(np.zeros(6 * RATE_HZ, np.float32), RATE_HZ), beats) == 0


def test_accents_are_hit_by_strong_onsets_nearby():
    strength = np.zeros(431, np.float32)
    strength[[100, 200, 300]] = 1.0
    rate_hz = RATE_HZ / 512
    assert accents_hit(np.array([100, 201, 302]) / rate_hz, strength) == 1.0
    assert accents_hit(np.array([100, 150]) / rate_hz, strength) == 0.5
    assert np.isnan(accents_hit(np.empty(0), strength))


def test_a_body_that_stops_suddenly_has_its_accents_there():
    times = np.arange(600) / 60
    # Slowly up, quickly down: stops at 2, 4, 6 and 8 s.
    phase = (times % 2.0) / 2.0
    speed = 0.1 + 2.0 * np.where(phase < 0.9, phase / 0.9, (1.0 - phase) / 0.1)
    found = body_accents(speed)
    np.testing.assert_allclose(found, [2.0, 4.0, 6.0, 8.0], atol=0.11)
    assert len(body_accents(np.ones(600))) == 0


def test_music_on_the_beat_ranks_above_music_off_it():
    clip = swaying_clip(duration_s=10.0, bpm=120.0)
    beats = np.arange(0.0, 10.0, 0.5)

    def clicks(times):
        out = np.zeros(10 * RATE_HZ, np.float32)
        for at in times:
            first = int(at * RATE_HZ)
            burst = np.random.default_rng(0).normal(size=800) * np.exp(-np.arange(800) / 150)
            out[first : first + 800] += burst[: len(out[first : first + 800])].astype(np.float32)
        return Sound(0.3 * out, RATE_HZ)

    on, off = (following(clip, clicks(beats + shift), beats) for shift in (0.0, 0.2))
    assert on.beats > 0.9
    assert off.beats < 0.3
    assert on.total > off.total


def test_what_is_unknown_is_left_out_of_the_mean():
    nan = float("nan")
    assert Following(1.0, nan, nan).total == 1.0
    assert Following(1.0, 1.0, 0.0).total == pytest.approx(2 / 3)
    assert Following(nan, nan, nan).total == 0.0
