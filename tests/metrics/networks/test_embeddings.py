import numpy as np
import pytest
import torch

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ConfigError
from kinetune.metrics.networks import vggish
from kinetune.metrics.networks.embeddings import embedding_named
from kinetune.metrics.networks.genre_network import (
    GenreConfig,
    GenreNetwork,
    save_network,
)


def noise(seconds=5.0, *, gain=0.1, seed=0):
    samples = gain * np.random.default_rng(seed).normal(size=round(seconds * 22_050))
    return Sound(samples.astype(np.float32), 22_050)


@pytest.mark.parametrize(("name", "shape"), [("genre", (5, 64)), ("mfcc", (5, 40))])
def test_embeddings_have_one_row_per_segment(name, shape):
    rows = embedding_named(name)(noise())
    assert rows.shape == shape
    assert np.isfinite(rows).all()


def test_another_classifier_embeds_otherwise(tmp_path):
    torch.manual_seed(3)
    save_network(GenreNetwork(GenreConfig(channels=(4, 6), embedding=5)), tmp_path)
    assert embedding_named("genre", weights=tmp_path)(noise()).shape == (5, 5)


def test_vggish_takes_its_weights_from_the_path(monkeypatch, tmp_path):
    asked = []

    def loaded(path):
        asked.append(path)
        return lambda patches: patches.flatten(1)[:, :128]

    monkeypatch.setattr(vggish, "load_vggish", loaded)
    assert embedding_named("vggish", weights=tmp_path)(noise()).shape == (5, 128)
    assert asked == [tmp_path]


def test_mfcc_depends_on_timbre_and_not_on_gain():
    """Gain moves the first coefficient alone."""
    loud, quiet = (embedding_named("mfcc")(noise(gain=gain)) for gain in (0.1, 0.01))
    np.testing.assert_allclose(loud[:, 1:], quiet[:, 1:], atol=1e-2)
    assert abs(loud[:, 0] - quiet[:, 0]).min() > 50.0


def test_unknown_names_list_the_known():
    with pytest.raises(ConfigError, match="choose one of genre, vggish, mfcc$"):
        embedding_named("clap")


def test_weights_for_what_has_none_are_reported(tmp_path):
    with pytest.raises(ConfigError, match="has no weights"):
        embedding_named("mfcc", weights=tmp_path)


def test_too_short_for_mfcc_is_reported():
    with pytest.raises(AudioError, match="1 s or more"):
        embedding_named("mfcc")(noise(0.5))
