"""Batches on a Ray of two workers on this machine, one of which is killed in the middle."""

import errno
import json
import os
import socket
from dataclasses import replace
from types import ModuleType

import pytest

from kinetune.cluster import actors, generating
from kinetune.cluster.actors import Cluster
from kinetune.cluster.generating import GenerateWorker, generate_on_cluster
from kinetune.cluster.preparing import DanceWorker
from kinetune.errors import ConfigError, MissingExtraError
from kinetune.motion.io.amass import write_amass
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.training.songs.model_form import model_form
from tests.conftest import swaying_clip

TWO = Cluster("auto", 2)


def test_a_full_disk_is_the_failure_of_each_dance_and_the_worker_goes_on(
    request_of_five, monkeypatch
):
    def full(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (row, *_) = [
        {"key": [dance.key], "motion": [dance.motion], "sound": [dance.paths.sound], "film": [""]}
        for dance in generating._plan(request_of_five)
    ]
    worker = GenerateWorker(request_of_five)
    monkeypatch.setattr("kinetune.files.os.replace", full)
    (result,) = (json.loads(text) for text in worker(row)["result"])
    (failure,) = result["failures"]
    assert failure["file"] == str(row["motion"][0])
    assert "No space left on device" in failure["error"]
    monkeypatch.undo()
    (result,) = (json.loads(text) for text in worker(row)["result"])
    assert [piece["output"] for piece in result["pieces"]] == [str(row["sound"][0])]


def test_a_worker_says_why_a_dance_cannot_be_prepared(tmp_path, tiny_model):
    worker = DanceWorker(tmp_path, model_form(str(tiny_model)))
    columns = {"name": ["a"], "motion": [str(tmp_path / "a.npz")], "music": ["a.wav"]}
    (reason,) = worker({**columns, "offset_s": [0.0], "genre": ["HO"]})["reason"]
    assert reason == f"{tmp_path / 'a.npz'}: can't be read (No such file or directory)"


def test_a_group_is_refused(request_of_five):
    with pytest.raises(ConfigError, match="leave out --together"):
        generate_on_cluster(replace(request_of_five, together=True), cluster=TWO)


def test_the_key_follows_motion_request_and_model(request_of_five, tmp_path):
    def keys(request):
        return [dance.key for dance in generating._plan(request)]

    first = keys(request_of_five)
    assert len(set(first)) == 5
    assert keys(replace(request_of_five, output=tmp_path / "elsewhere")) == first
    assert not set(keys(replace(request_of_five, options=MusicOptions(seed=1)))) & set(first)
    write_amass(tmp_path / "motions" / "b.npz", swaying_clip(duration_s=2.5))
    changed = keys(request_of_five)
    assert [a == b for a, b in zip(first, changed, strict=True)] == [True, False, True, True, True]


class BusyRay(ModuleType):
    """A Ray that finds no cluster and can't start one so many times."""

    def __init__(self, failures):
        super().__init__("ray")
        self.failures, self.started = failures, []

    def init(self, *, address, **options):
        if address != "local":
            raise ConnectionError("none")
        self.started.append(options["num_cpus"])
        os.write(2, b"noise")
        if len(self.started) <= self.failures:
            raise Exception("The current node timed out during startup.")

    def shutdown(self):
        pass


def test_a_ray_that_does_not_start_is_tried_again_and_named(capfd):
    ray = BusyRay(failures=2)
    actors._connect(ray, TWO)
    assert ray.started == [2, 2, 2]
    with pytest.raises(ConfigError, match=r"--ray auto: Ray could not be started .* timed out"):
        actors._connect(BusyRay(failures=3), TWO)
    with pytest.raises(ConfigError, match=r"--ray head: no cluster there \(none\)"):
        actors._connect(BusyRay(failures=0), Cluster("head"))
    assert capfd.readouterr().err == ""
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_an_address_where_nothing_listens_is_refused_before_ray_tries(form):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        actors._check_reachable(form.format(port=port))
    address = form.format(port=port)
    with pytest.raises(ConfigError, match=rf"--ray {address}: no cluster there .*refused"):
        actors._connect(None, Cluster(address))


def test_an_impossible_port_is_named():
    with pytest.raises(ConfigError, match=r"--ray head:99999: expected HOST:PORT"):
        actors._connect(None, Cluster("head:99999"))


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        Cluster("auto", 0)


def test_without_ray_the_extra_is_named(request_of_five, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"kinetune\[ray\]"):
        generate_on_cluster(request_of_five, cluster=TWO)
