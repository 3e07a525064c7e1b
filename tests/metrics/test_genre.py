import numpy as np
import pytest
import torch
from scipy.stats import entropy

from kinetune import genres
from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ConfigError, MetricError, ModelError
from kinetune.metrics import genre
from kinetune.metrics.networks.genre_network import GenreConfig, GenreNetwork

NAN = float("nan")


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return GenreNetwork(GenreConfig(channels=(4, 6), embedding=5)).eval()


def noise(seconds=5.0, rate_hz=22_050, *, channels=0, seed=0):
    shape = (round(seconds * rate_hz), channels) if channels else round(seconds * rate_hz)
    samples = 0.1 * np.random.default_rng(seed).normal(size=shape)
    return Sound(samples.astype(np.float32), rate_hz)


def one_hot(*codes):
    return np.eye(10)[[genres.genre_index(code) for code in codes]]


def test_probabilities_sum_to_one(classifier):
    found = genre.genre_probabilities(noise(), classifier=classifier)
    assert found.shape == (10,)
    assert found.dtype == np.float64
    assert found.sum() == pytest.approx(1.0)


def test_they_are_the_mean_over_windows(classifier):
    """5 s hold windows of 3 s at 0, 0.5, 1, 1.5 and 2 s."""
    sound = noise()
    windows = [
        Sound(sound.samples[k * 11_025 : k * 11_025 + 66_150], sound.rate_hz) for k in range(5)
    ]
    each = [genre.genre_probabilities(window, classifier=classifier) for window in windows]
    whole = genre.genre_probabilities(sound, classifier=classifier)
    np.testing.assert_allclose(whole, np.mean(each, axis=0), atol=1e-6)
    assert genre.genre_embeddings(sound, classifier=classifier).shape == (5, 5)


def test_gain_and_channels_change_nothing(classifier):
    sound = noise()
    whole = genre.genre_probabilities(sound, classifier=classifier)
    quiet = Sound(0.05 * sound.samples, sound.rate_hz)
    both = Sound(np.stack([sound.samples, sound.samples], axis=1), sound.rate_hz)
    for other in (quiet, both):
        found = genre.genre_probabilities(other, classifier=classifier)
        np.testing.assert_allclose(found, whole, atol=1e-5)


def test_a_short_sound_is_repeated(classifier):
    second = noise(1.0)
    three = Sound(np.tile(second.samples, 3), second.rate_hz)
    np.testing.assert_allclose(
        genre.genre_probabilities(second, classifier=classifier),
        genre.genre_probabilities(three, classifier=classifier),
    )


def test_too_short_a_sound_is_reported(classifier):
    with pytest.raises(AudioError, match=r"0.5 s or more to classify, found 0.20 s"):
        genre.genre_probabilities(noise(0.2), classifier=classifier)


def test_divergence_is_scipys_entropy_of_two():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(10), 4), rng.dirichlet(np.ones(10), 4)
    assert genre.kl_divergence(p, q) == pytest.approx(np.mean(entropy(p, q, axis=1)))
    assert genre.kl_divergence(p[0], q[0]) == pytest.approx(entropy(p[0], q[0]))
    assert genre.kl_divergence(p, p) == 0.0
    assert genre.kl_divergence(p, q) != pytest.approx(genre.kl_divergence(q, p))


def test_what_is_ruled_out_is_infinitely_far():
    uniform = np.full((1, 10), 0.1)
    assert genre.kl_divergence(one_hot("BR"), uniform) == pytest.approx(np.log(10.0))
    assert genre.kl_divergence(uniform, one_hot("BR")) == np.inf


def test_accuracy_counts_clips():
    told = one_hot("BR", "HO", "HO", "WA")
    assert genre.genre_accuracy(told, ["BR", "house", "krump", "waack"]) == 0.75


def test_all_scores_at_once():
    told = one_hot("BR", "HO")
    scores = genre.evaluate(told, reference=told, requested=["BR", "KR"])
    assert (scores.kld, scores.accuracy, scores.n) == (0.0, 0.5, 2)
    bare = genre.evaluate(told)
    assert np.isnan(bare.kld)
    assert np.isnan(bare.accuracy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.empty((0, 10)), "no clip"),
        (np.full((2, 9), 1 / 9), r"expected \(n, 10\), found \(2, 9\)"),
        (np.full((2, 10), 0.2), "sum of one, found 2"),
        (np.full((2, 10), NAN), "not finite"),
        (one_hot("BR") - 0.1, "below zero"),
    ],
)
def test_what_is_no_distribution_is_reported(values, message):
    with pytest.raises(MetricError, match=message):
        genre.evaluate(values)


def test_missing_partners_are_reported():
    with pytest.raises(MetricError, match="found 1 for 2 clips"):
        genre.kl_divergence(one_hot("BR"), one_hot("BR", "HO"))
    with pytest.raises(MetricError, match="found 1 for 2 clips"):
        genre.genre_accuracy(one_hot("BR", "HO"), ["BR"])
    with pytest.raises(ConfigError, match="unknown genre"):
        genre.genre_accuracy(one_hot("BR"), ["polka"])


def test_a_folder_that_is_no_classifier_is_reported(tmp_path):
    with pytest.raises(ModelError, match="expected a folder"):
        genre.load_classifier(tmp_path)


def test_the_bundled_classifier_is_small_and_loaded_once():
    assert genre.load_classifier() is genre.load_classifier()
    size = sum(path.stat().st_size for path in genre.BUNDLED.iterdir())
    assert size < 2_000_000
