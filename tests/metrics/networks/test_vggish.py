import urllib.error

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kinetune.audio.sound import Sound
from kinetune.errors import AudioError, ModelError
from kinetune.metrics.networks import vggish

# Values of torchvggish 0.2's mel_features for the sound below: two patches, first and last frame,
# every ninth band.
FIRST = [-0.93291, 3.13514, -4.00357, -4.52692, -4.59032, -4.60118, -4.60379, -4.60461]
LAST = [-4.02898, 3.13513, -3.99329, -4.52241, -4.58744, -4.59715, -4.15452, -4.53017]
MEAN, DEVIATION = -3.17184, 2.31433


def sweep(rate_hz=16_000):
    t = np.arange(2 * rate_hz) / rate_hz
    samples = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 1500 * t * t)
    return Sound(samples.astype(np.float32), rate_hz)


def test_the_front_end_is_the_originals():
    patches = vggish.vggish_patches(sweep()).numpy()
    assert patches.shape == (2, 1, 96, 64)
    np.testing.assert_allclose(patches[0, 0, 0, ::9], FIRST, atol=2e-4)
    np.testing.assert_allclose(patches[1, 0, 95, ::9], LAST, atol=2e-4)
    assert patches.mean() == pytest.approx(MEAN, abs=1e-4)
    assert patches.std() == pytest.approx(DEVIATION, abs=1e-4)


def test_another_rate_and_two_channels_give_the_same_analysis():
    mono = sweep(48_000)
    both = Sound(np.stack([mono.samples, mono.samples], axis=1), mono.rate_hz)
    requested = vggish.vggish_patches(sweep()).numpy()
    np.testing.assert_allclose(vggish.vggish_patches(both).numpy(), requested, atol=0.15)


def test_five_seconds_are_five_patches():
    assert len(vggish.vggish_patches(Sound(np.zeros(80_000, np.float32), 16_000))) == 5
    assert len(vggish.vggish_patches(Sound(np.zeros(15_600, np.float32), 16_000))) == 1
    with pytest.raises(AudioError, match=r"0.975 s or more, found 0.9"):
        vggish.vggish_patches(Sound(np.zeros(15_599, np.float32), 16_000))


def test_the_architecture_has_the_published_size():
    with torch.device("meta"):
        network = vggish.VggishNetwork()
    assert sum(p.numel() for p in network.parameters()) == 72_141_184
    assert network(torch.empty(3, 1, 96, 64, device="meta")).shape == (3, 128)
    assert "features.13.weight" in network.state_dict()  # as torchvggish numbers its layers


def test_weights_of_another_network_are_reported(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"features.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(ModelError, match="lacks weight"):
        vggish.load_vggish(path)


def test_without_a_network_a_one_line_error_explains_what_to_do(monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    with pytest.raises(ModelError, match="fetch that file elsewhere and give its path") as caught:
        vggish.load_vggish()
    assert "\n" not in str(caught.value)


def test_what_is_fetched_is_put_in(monkeypatch):
    """A network of its size would take 300 MB; one linear layer stands for it."""
    fetched = {"weight": torch.full((128, 4), 0.5), "bias": torch.zeros(128)}
    monkeypatch.setattr(vggish, "VggishNetwork", lambda: torch.nn.Linear(4, 128))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: fetched)
    assert torch.equal(vggish.load_vggish().weight.detach(), fetched["weight"])


def test_embeddings_go_batch_by_batch(monkeypatch):
    monkeypatch.setattr(vggish, "_BATCH", 2)
    found = vggish.vggish_embeddings(
        Sound(np.zeros(80_000, np.float32), 16_000), lambda patches: patches.flatten(1)[:, :128]
    )
    assert found.shape == (5, 128)
    assert found.dtype == np.float32
