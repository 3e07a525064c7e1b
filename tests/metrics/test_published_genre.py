import numpy as np
import numpy.ma
import pytest
import torch
from scipy.special import kl_div

from kinetune.audio.sound import Sound
from kinetune.errors import MetricError
from kinetune.metrics.published_genre import (
    genre_kld_as_published,
    published_excerpt,
    published_logits,
)


def logits(count=40, *, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 10))


def as_the_script_prints_it(reference, generated):
    def scaled(values):
        return (values - np.min(values)) / (np.max(values) - np.min(values))

    each = [sum(kl_div(scaled(a), scaled(b))) for a, b in zip(reference, generated, strict=True)]
    return np.mean(numpy.ma.masked_invalid(each))


def test_it_is_what_the_script_prints():
    found = genre_kld_as_published(logits(), logits(seed=1))
    assert found.value == pytest.approx(as_the_script_prints_it(logits(), logits(seed=1)))
    assert found.n == 40


def test_only_clips_that_share_their_least_likely_genre_count():
    reference, generated = logits(), logits(seed=1)
    indistinguishable = reference.argmin(axis=1) == generated.argmin(axis=1)
    found = genre_kld_as_published(reference, generated)
    assert 0 < found.count_problems == indistinguishable.sum() < 15


def test_scale_and_shift_of_the_logits_change_nothing():
    """So it can't distinguish a confident classifier from a random one."""
    one = genre_kld_as_published(logits(), logits(seed=1))
    other = genre_kld_as_published(0.001 * logits() + 5.0, 100.0 * logits(seed=1))
    assert other.value == pytest.approx(one.value)


def test_a_clip_against_itself_is_zero_and_nothing_finite_is_nan():
    assert genre_kld_as_published(logits(), logits()).value == 0.0
    ten = np.eye(10)
    found = genre_kld_as_published(-ten[:1], -ten[1:2])
    assert np.isnan(found.value)
    assert (found.count_problems, found.n) == (0, 1)


@pytest.mark.parametrize(
    ("reference", "generated"),
    [
        (logits(3), logits(4)),
        (np.empty((0, 10)), np.empty((0, 10))),
        (np.full((2, 10), np.nan), logits(2)),
        (logits(2)[0], logits(2)[0]),
    ],
)
def test_bad_logits_are_reported(reference, generated):
    with pytest.raises(MetricError, match="logits"):
        genre_kld_as_published(reference, generated)


def test_half_a_second_of_a_five_second_clip_is_used():
    """Only what sounds from 0.25 to 0.75 s reaches the excerpt."""
    rate_hz = 22_050
    for start_s, heard in ((0.0, False), (0.4, True), (1.5, False), (4.0, False)):
        samples = np.zeros(5 * rate_hz, np.float32)
        first = round(start_s * rate_hz)
        samples[first : first + 500] = np.hanning(500)
        loud = np.abs(published_excerpt(Sound(samples, rate_hz))).max() > 1_000.0
        assert loud == heard


def test_a_network_gets_the_excerpt():
    sound = Sound(np.random.default_rng(0).uniform(-0.5, 0.5, 110_250).astype(np.float32), 22_050)
    found = published_logits([sound], lambda samples: samples[:, :10])
    expected = published_excerpt(sound)[:10].astype(np.float32)
    np.testing.assert_allclose(found, expected[None])
    assert torch.is_inference_mode_enabled() is False
