"""The studio's API on Ray Serve: windows of several jobs are joined in one call of the network."""

import json
import os
import socket
import time
import urllib.request

import numpy as np
import pytest
import soundfile
import torch

from kinetune.audio.sound import read_sound
from kinetune.cluster.serving import (
    APPLICATION,
    ClusterServing,
    predict_together,
    send_windows,
    studio_application,
)
from kinetune.errors import ConfigError, MissingExtraError
from kinetune.motion.io.amass import write_amass
from kinetune.serve.settings import ServerSettings
from kinetune.tasks.generate import GenerateRequest, generate
from kinetune.tasks.requests.music_options import MusicOptions
from tests.conftest import REPOSITORY, swaying_clip
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


@pytest.fixture
def local_serve(monkeypatch, tmp_path):
    try:
        from ray import serve
    except ImportError as error:
        pytest.skip(f"Ray Serve is not installed ({error})")
    import ray

    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray.init(
        address="local", num_cpus=4, include_dashboard=False, object_store_memory=100 << 20,
        log_to_driver=False, logging_level="ERROR",
    )  # fmt: skip
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield serve, f"http://127.0.0.1:{port}"
    serve.shutdown()
    ray.shutdown()


def call(url, *, data=None, content="application/json"):
    request = urllib.request.Request(url, data=data, headers={"Content-Type": content})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def finished(url, *, seconds=300.0):
    """Return a motion or a job once it has ended."""
    for _ in range(int(seconds / 0.5)):
        state = json.loads(call(url))
        if state["status"] in ("ready", "done", "failed", "cancelled"):
            return state
        time.sleep(0.5)
    raise AssertionError(f"{url}: not finished in {seconds:g} s")


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
def test_jobs_at_one_time_share_calls_of_the_network(local_serve, tiny_model, tmp_path):
    serve, url = local_serve
    model = str(tiny_model)
    settings = ServerSettings(data=tmp_path / "data", models=(model,))
    serving = ClusterServing(most_replicas=1, cpus=0.5, batch_wait_s=1.0, jobs_at_once=3)
    serve.run(studio_application(settings, serving), name=APPLICATION, route_prefix="/")
    assert json.loads(call(f"{url}/healthz"))["status"] == "ok"
    jobs, dances = [], []
    for number in range(3):
        path = tmp_path / f"d{number}.npz"
        write_amass(path, swaying_clip(duration_s=2.0, bpm=100.0 + 10 * number))
        sent = call(f"{url}/v1/motions?name={path.name}", data=path.read_bytes(),
                    content="application/octet-stream")  # fmt: skip
        motion = json.loads(sent)["id"]
        assert finished(f"{url}/v1/motions/{motion}")["status"] == "ready"
        dances.append((path, motion))
    for _, motion in dances:
        job = {"task": "generate", "motion": motion, "model": model,
               "options": {"genre": "house", "steps": 4}}  # fmt: skip
        jobs.append(json.loads(call(f"{url}/v1/jobs", data=json.dumps(job).encode()))["id"])
    for job, (path, _) in zip(jobs, dances, strict=True):
        state = finished(f"{url}/v1/jobs/{job}")
        assert state["status"] == "done", state
        (tmp_path / "got.wav").write_bytes(call(f"{url}/v1/jobs/{job}/files/{path.stem}.wav"))
        here = generate(
            GenerateRequest(
                (path,), output=tmp_path / f"{path.stem}.wav", model=model, device="cpu",
                options=MusicOptions(genre="house", steps=4),
            )
        )  # fmt: skip
        assert soundfile.info(tmp_path / "got.wav").duration == pytest.approx(2.0, abs=0.01)
        one, other = (read_sound(p) for p in (tmp_path / "got.wav", here.pieces[0].output))
        np.testing.assert_allclose(one.samples, other.samples, atol=5e-3)
    handle = serve.get_deployment_handle("WindowDenoiser", app_name=APPLICATION)
    calls, requests = handle.counts.remote().result()
    # Conditional and unconditional windows of three dances, four steps each.
    assert requests == 3 * 4 * 2
    assert calls < requests, "no windows of two jobs were joined"
