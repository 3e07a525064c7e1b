import numpy as np
import pytest

from kinetune.audio.sound import Sound
from kinetune.errors import MetricError
from kinetune.metrics import diversity
from kinetune.metrics.evaluation.audio_analysis import analyse_audio
from tests.metrics.conftest import bursts


def test_known_answers():
    variations = [np.array([0.0, 0.0]), np.array([3.0, 4.0]), np.array([0.0, 4.0])]
    assert diversity.distance(variations[0], variations[1]) == 5.0
    assert diversity.diversity(variations) == pytest.approx((5 + 4 + 3) / 3)
    assert diversity.evaluate(variations) == {"diversity": diversity.diversity(variations)}


def test_diversity_ignores_order_and_is_zero_if_equal():
    rng = np.random.default_rng(0)
    variations = list(rng.normal(size=(4, 38)))
    assert diversity.diversity(variations) == pytest.approx(diversity.diversity(variations[::-1]))
    assert diversity.diversity([variations[0]] * 3) == 0.0


def test_one_take_is_undefined():
    assert np.isnan(diversity.diversity([np.zeros(38)]))
    assert np.isnan(diversity.diversity([]))


def test_other_music_is_farther_than_the_same_later_or_quieter():
    one = bursts(np.arange(0.2, 8.0, 0.5), 8.0, seed=1)
    timbre = analyse_audio(one).timbre
    quieter = analyse_audio(Sound(0.5 * one.samples, one.rate_hz)).timbre
    later = analyse_audio(Sound(np.roll(one.samples, 4410), one.rate_hz)).timbre
    other = analyse_audio(bursts(np.arange(0.2, 8.0, 0.5), 8.0, seed=2)).timbre
    near = max(diversity.distance(timbre, k) for k in (quieter, later))
    assert diversity.distance(timbre, other) > 3 * near


def test_malformed_input_is_reported():
    with pytest.raises(MetricError, match="one shape"):
        diversity.diversity([np.zeros(3), np.zeros(4)])
    with pytest.raises(MetricError, match="finite"):
        diversity.diversity([np.zeros(3), np.full(3, np.nan)])
