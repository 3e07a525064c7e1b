import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.signal import freqz

from kinetune.errors import MetricError, ModelError
from kinetune.metrics.networks.ms_sincresnet import (
    MsSincResNet,
    SincFilters,
    load_ms_sincresnet,
)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MsSincResNet().eval()


def published_name(name):
    """The names in the authors' file, written the other way round than the code reads them."""
    name = name.replace("norm.", "layerNorm.", 1) if name.startswith("norm.") else name
    for k in range(3):
        name = name.replace(f"banks.{k}.", f"sincNet{k + 1}.")
    name = name.replace(".low_hz", ".low_hz_").replace(".band_hz", ".band_hz_")
    return name.replace("resnet.", "resnet.model.", 1) if name.startswith("resnet.") else name


def test_the_size_is_the_published_one(network):
    assert sum(p.numel() for p in network.parameters()) == 11_279_562
    # torchvision's ResNet-18 with ten classes instead of a thousand.
    assert sum(p.numel() for p in network.resnet.parameters()) == 11_689_512 - 513_000 + 5_130


@torch.no_grad()
def test_three_seconds_give_ten_logits_whatever_the_gain(network):
    samples = torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0))
    logits = network(samples)
    assert logits.shape == (1, 10)
    torch.testing.assert_close(network(1000.0 * samples), logits, atol=1e-3, rtol=1e-3)
    with pytest.raises(MetricError, match=r"expected samples \(B, 48000\)"):
        network(samples[:, :-1])


@torch.no_grad()
@pytest.mark.parametrize("taps", [251, 501, 1001])
def test_filters_pass_their_own_band(taps):
    bank = SincFilters(taps)
    filters = bank.filters().numpy()
    assert filters.shape == (160, taps)
    np.testing.assert_allclose(filters, filters[:, ::-1])
    for number in (40, 90, 150):
        low = 50.0 + abs(bank.low_hz[number].item())
        high = low + 50.0 + abs(bank.band_hz[number].item())
        hz, response = freqz(filters[number], worN=8192, fs=16_000)
        assert low - 16_000 / taps < hz[np.abs(response).argmax()] < high + 16_000 / taps


def test_the_filters_are_spread_evenly_over_mel():
    low = SincFilters(251).low_hz.detach().numpy()[:, 0]
    mel = 2595.0 * np.log10(1.0 + low / 700.0)
    assert low[0] == pytest.approx(30.0)
    np.testing.assert_allclose(np.diff(mel), np.diff(mel).mean(), rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("suffix", [".tar", ".safetensors"])
def test_published_weights_load_by_their_own_names(network, tmp_path, suffix):
    weights = {published_name(n): t for n, t in network.state_dict().items()}
    assert {"layerNorm.weight", "sincNet3.0.band_hz_", "resnet.model.layer4.1.bn2.weight"} <= set(
        weights
    )
    path = tmp_path / f"MS-SincResNet{suffix}"
    if suffix == ".tar":
        torch.save({"state_dict": weights, "epoch": 9}, path)
    else:
        save_file(weights, path)
    again = load_ms_sincresnet(path)
    samples = torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again(samples), network(samples))


def test_other_weights_are_reported(tmp_path):
    torch.save({"conv1.weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="is it another network's"):
        load_ms_sincresnet(tmp_path / "other.pth")
