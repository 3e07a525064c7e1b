import json
from dataclasses import replace

import pytest
import torch

from kinetune.errors import ConfigError, ModelError
from kinetune.metrics.networks.genre_network import (
    GenreConfig,
    GenreNetwork,
    load_network,
    normalise_rms,
    save_network,
)

SMALL = GenreConfig(window_s=0.5, channels=(4, 6), embedding=5, n_mels=32)


def small(settings=SMALL, *, seed=0):
    torch.manual_seed(seed)
    return GenreNetwork(settings).eval()


def noise(batch=2, settings=SMALL):
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(batch, settings.window_samples, generator=generator)


@torch.no_grad()
def test_ten_logits_and_an_embedding_a_window():
    network = small()
    assert network(noise(3)).shape == (3, 10)
    assert network.embed(noise(3)).shape == (3, 5)


@torch.no_grad()
@pytest.mark.parametrize("gain", [0.01, 0.3, 4.0])
def test_gain_changes_nothing(gain):
    network = small()
    torch.testing.assert_close(network(gain * noise()), network(noise()), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_windows_do_not_see_each_other():
    network = small()
    torch.testing.assert_close(network(noise(3))[1], network(noise(3)[1:2])[0])


def test_silence_stays_silent():
    assert torch.equal(normalise_rms(torch.zeros(1, 9)), torch.zeros(1, 9))


@torch.no_grad()
def test_saved_and_loaded_it_gives_the_same_probabilities(tmp_path):
    network = small()
    network.train()(noise(4))  # so that the running statistics are not the initial ones
    network.eval()
    save_network(network, tmp_path)
    again = load_network(tmp_path)
    assert again.settings == SMALL
    assert not again.training
    torch.testing.assert_close(again(noise()), network(noise()), atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"n_mels": 40},
        {"channels": (4, 8)},
        {"embedding": 7},
        {"rate_hz": 16_000},
        {"window_s": 1.0},
    ],
)
def test_every_figure_of_the_network_counts(change):
    settings = replace(SMALL, **change)
    shapes = {name: t.shape for name, t in small(settings).state_dict().items()}
    same = shapes == {name: t.shape for name, t in small().state_dict().items()}
    assert not same or settings.window_samples != SMALL.window_samples


def test_dropout_counts_while_training():
    network = small(replace(SMALL, dropout=0.9)).train()
    embedded = torch.ones(50, 5)
    assert network.logits(embedded).std(dim=0).max() > 0.0
    indistinguishable = small(replace(SMALL, dropout=0.0)).train().logits(embedded)
    assert indistinguishable.std(dim=0).max() < 1e-6


@pytest.mark.parametrize(
    "change",
    [
        {"n_mels": 0}, {"channels": ()}, {"codes": ("BR",)}, {"dropout": 1e300},
        {"channels": (2**31,)}, {"n_mels": 10**9},
    ],
)  # fmt: skip
def test_impossible_values_are_reported(change):
    with pytest.raises(ConfigError):
        replace(SMALL, **change)


def test_damaged_folders_are_reported(tmp_path):
    with pytest.raises(ModelError, match="kinetune train genre"):
        load_network(tmp_path)
    save_network(small(), tmp_path)
    table = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**table, "embedding": 6}))
    with pytest.raises(ModelError, match="is it another network's"):
        load_network(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**table, "colour": 6}))
    with pytest.raises(ModelError, match="unknown key 'colour'"):
        load_network(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not a genre classifier's settings"):
        load_network(tmp_path)
