"""The studio's API on Ray Serve: windows of several jobs are joined in one call of the network."""

import numpy as np
import pytest
import torch

from kinetune.cluster.serving import (
    ClusterServing,
    predict_together,
    send_windows,
    studio_application,
)
from kinetune.errors import ConfigError, MissingExtraError
from kinetune.serve.settings import ServerSettings
from tests.model.conftest import tiny_mono


@pytest.fixture(scope="module")
def unet():
    return Counting(tiny_mono().unet.eval())


def windows(unet, rows, width, step):
    """The arguments of one request, B = rows."""
    generator = torch.Generator().manual_seed(100 * rows + width)
    depth = unet.config.condition_channels
    shapes = {
        "sample": (rows, unet.config.in_channels, 1, width),
        "encoder_hidden_states": (rows, 5, depth),
        "columns": (rows, depth, width),
        "vector": (rows, depth),
    }
    made = {k: torch.randn(v, generator=generator).numpy() for k, v in shapes.items()}
    return {**made, "timestep": np.full(rows, step)}


class Counting(torch.nn.Module):
    """A denoiser that counts its calls."""

    def __init__(self, unet):
        super().__init__()
        self.unet, self.config, self.rows = unet, unet.config, []

    def forward(self, **arguments):
        self.rows.append(len(arguments["sample"]))
        return self.unet(**arguments)


def test_requests_of_one_shape_are_joined_and_predicted_as_each_alone(unet):
    unet.rows.clear()
    requests = [
        windows(unet, 1, 16, 900), windows(unet, 2, 16, 300), windows(unet, 1, 32, 20),
        windows(unet, 3, 16, 7),
    ]  # fmt: skip
    together = predict_together(unet, requests)
    assert unet.rows == [6, 1]
    for request, found in zip(requests, together, strict=True):
        (alone,) = predict_together(unet, [request])
        assert found.shape == request["sample"].shape
        assert found.std() > 0.01
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_windows_sent_elsewhere_are_predicted_as_here(unet):
    tensors = {name: torch.from_numpy(value) for name, value in windows(unet, 2, 16, 500).items()}
    with torch.no_grad():
        expected = unet(**tensors).sample
    sample, step = tensors.pop("sample"), torch.tensor(500)
    del tensors["timestep"]
    found = send_windows(lambda sent: predict_together(unet, [sent])[0], sample, step, **tensors)
    torch.testing.assert_close(found.sample, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"least_replicas": 0}, "least_replicas must be 1 or more, found 0"),
        ({"least_replicas": 4, "most_replicas": 2}, "most_replicas must be 4 or more, found 2"),
        ({"jobs_at_once": 0}, "jobs_at_once must be 1 or more"),
    ],
)
def test_impossible_numbers_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        ClusterServing(**wrong)


def test_the_autoscaling_is_serves(tmp_path):
    assert ClusterServing(2, 5, 3.0).autoscaling == {
        "min_replicas": 2, "max_replicas": 5, "target_ongoing_requests": 3.0,
    }  # fmt: skip


def test_without_ray_serve_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"kinetune\[ray-serve\]"):
        studio_application(ServerSettings(data=tmp_path))
