import shutil

import numpy as np
import pytest
import torch

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ConfigError, MetricError, ModelError
from kinetune.metrics.networks.similarity_network import (
    SimilarityConfig,
    SimilarityNetwork,
    load_similarity,
    save_similarity,
)
from kinetune.metrics.similarity import (
    BUNDLED,
    motion_music_similarity,
    motion_vectors,
    music_vectors,
    retrieval,
    similarity,
)
from kinetune.motion.group import DanceGroup
from tests.conftest import swaying_clip
from tests.metrics.conftest import bursts


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)


def test_fifteen_vectors_a_second_of_both():
    assert motion_vectors(swaying_clip(duration_s=4.0)).shape == (60, 32)
    assert music_vectors(bursts([0.5, 1.0], 4.0)).shape == (61, 32)


def test_level_rate_and_channels_of_the_music_do_not_matter():
    sound = bursts(np.arange(0.2, 6.0, 0.5), 6.0)
    plain = music_vectors(sound)
    twice = np.repeat(sound.samples, 2)
    for other in (
        Sound(0.1 * sound.samples, sound.rate_hz),
        Sound(np.stack([sound.samples, sound.samples], axis=1), sound.rate_hz),
        Sound(twice, 2 * sound.rate_hz),
    ):
        assert similarity(plain, music_vectors(other)) > 0.98


def test_similarity_is_the_cosine_of_equal_spans(vectors):
    assert similarity(vectors, 3.0 * vectors) == pytest.approx(1.0)
    assert similarity(vectors, -vectors) == pytest.approx(-1.0)
    other = np.random.default_rng(1).standard_normal(vectors.shape).astype(np.float32)
    # 20 s are two spans of 10 s.
    halves = [
        float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
        for a, b in ((vectors[:150], other[:150]), (vectors[150:], other[150:]))
    ]
    assert similarity(vectors, other) == pytest.approx(np.mean(halves), abs=1e-6)
    assert similarity(vectors[:150], vectors) == pytest.approx(1.0)


def test_nothing_to_compare(vectors):
    assert np.isnan(similarity(vectors[:0], vectors))
    assert similarity(np.zeros_like(vectors), vectors) == 0.0
    with pytest.raises(MetricError, match=r"of one network, found \(300, 8\) and \(300, 4\)"):
        similarity(vectors, vectors[:, :4])
    with pytest.raises(AudioError, match=r"expected 0\.5 s of sound or more, found 0\.200 s"):
        music_vectors(Sound(np.zeros(4410, np.float32), 22_050))


def test_a_group_is_the_mean_of_its_dancers():
    one, other = (
        swaying_clip(duration_s=4.0, bpm=bpm, seed=seed) for bpm, seed in ((100, 1), (120, 2))
    )
    both = motion_vectors(DanceGroup((one, other)))
    np.testing.assert_allclose(
        both, (motion_vectors(one) + motion_vectors(other)) / 2, rtol=1e-4, atol=1e-4
    )


def test_retrieval_counts_the_places_of_the_own_music():
    scores = np.array([[9.0, 1.0, 2.0], [5.0, 4.0, 3.0], [7.0, 8.0, 1.0]])
    np.testing.assert_array_equal(retrieval(scores, 1), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(retrieval(scores, 2), [1.0, 1.0, 0.0])
    np.testing.assert_array_equal(retrieval(scores, 3), [1.0, 1.0, 1.0])
    # Of equals half stand before.
    np.testing.assert_array_equal(retrieval(np.zeros((2, 2)), 1), [0.5, 0.5])


def test_retrieval_among_fifty_is_that_of_random_draws():
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((80, 80)) + 1.5 * np.eye(80)
    found = retrieval(scores, 5)
    own, others = scores[7, 7], np.delete(scores[7], 7)
    drawn = [(rng.choice(others, 49, replace=False) > own).sum() < 5 for _ in range(4000)]
    assert found[7] == pytest.approx(np.mean(drawn), abs=0.03)


def test_chance_is_five_of_fifty():
    # In row i the own music stands behind i others: every place once.
    ranks = (np.arange(80)[None] - np.arange(80)[:, None]) % 80
    scores = np.where(np.eye(80, dtype=bool), 0.5 - np.arange(80)[:, None], -(ranks - 1.0))
    assert retrieval(scores, 5).mean() == pytest.approx(5 / 50)


def test_retrieval_rejects_what_is_no_table():
    with pytest.raises(MetricError, match=r"expected finite scores \(n, n\), found \(2, 3\)"):
        retrieval(np.zeros((2, 3)), 1)
    with pytest.raises(MetricError, match="k and among must be 1 or more, found 0 and 50"):
        retrieval(np.zeros((2, 2)), 0)


def test_the_bundled_network_hears_the_beat_of_a_body():
    clip = swaying_clip(duration_s=8.0, bpm=105.0, seed=5)
    period = 60.0 / 105.0
    loudness = [
        motion_music_similarity(clip, bursts(np.arange(0.0, 8.0, period * ratio), 8.0))
        for ratio in (1.0, 1.13)
    ]
    assert loudness[0] > loudness[1]


def test_a_folder_round_trips_in_half_precision(tmp_path):
    torch.manual_seed(0)
    network = SimilarityNetwork(SimilarityConfig(channels=8, embedding=4, dilations=(1, 2)))
    network.fit_normaliser(torch.randn(100, 58) * 3.0 + 1.0)
    save_similarity(network.eval(), tmp_path)
    again = load_similarity(tmp_path)
    assert again.settings == network.settings
    motion = torch.randn(2, 60, 58)
    with torch.inference_mode():
        torch.testing.assert_close(
            again.embed_motion(motion), network.embed_motion(motion), rtol=2e-2, atol=2e-2
        )


def test_motion_features_are_normalised(tmp_path):
    network = SimilarityNetwork(SimilarityConfig(channels=8, embedding=4, dilations=(1,))).eval()
    rows = torch.randn(500, 58)
    scaled = SimilarityNetwork(network.settings).eval()
    network.fit_normaliser(rows)
    scaled.load_state_dict(network.state_dict())
    scaled.fit_normaliser(5.0 * rows + 2.0)
    motion = torch.randn(1, 60, 58)
    with torch.inference_mode():
        torch.testing.assert_close(
            scaled.embed_motion(5.0 * motion + 2.0), network.embed_motion(motion),
            rtol=1e-3, atol=1e-3,
        )  # fmt: skip


def test_a_damaged_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match="as 'kinetune train similarity' leaves it"):
        load_similarity(tmp_path / "none")
    shutil.copytree(BUNDLED, tmp_path / "network")
    (tmp_path / "network" / "config.json").write_text('{"channels": -1}')
    with pytest.raises(ModelError, match="not a similarity network's settings"):
        load_similarity(tmp_path / "network")
    with pytest.raises(ConfigError, match="figures are out of range"):
        SimilarityConfig(channels=100_000)
