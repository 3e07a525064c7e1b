"""Work on a Ray of two workers on this machine, one of which is killed in the middle.

All in one file: its tests share one Ray, which takes seconds to start.
"""

import hashlib
import json
import os
import socket
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kinetune.audio.sound import read_sound
from kinetune.cluster import actors, evaluating, generating, preparing
from kinetune.cluster.actors import Cluster
from kinetune.cluster.composing import make_pairs_on_cluster
from kinetune.cluster.evaluating import evaluate_on_cluster
from kinetune.cluster.generating import generate_on_cluster
from kinetune.cluster.preparing import prepare_pairs_on_cluster
from kinetune.cluster.serving import APPLICATION, ClusterServing, studio_application
from kinetune.corpus.folder import PairSettings
from kinetune.errors import OutputError
from kinetune.motion.io.amass import write_amass
from kinetune.serve.settings import ServerSettings
from kinetune.tasks.corpus import CorpusRequest, make_corpus
from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions, evaluate
from kinetune.tasks.generate import GenerateRequest, generate
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.training.songs.dance_pairs import PairSetRequest, prepare_pairs
from tests.cluster.dying_workers import DyingDanceWorker, DyingItemWorker, DyingWorker
from tests.conftest import MONO, REPOSITORY, swaying_clip
from tests.metrics.conftest import write_world
from tests.training.songs.conftest import RATE_HZ, song_samples

pytestmark = [pytest.mark.processes, pytest.mark.filterwarnings("ignore")]
TWO = Cluster("auto", 2)
# Where two would only take longer to start.
ONE = Cluster("auto", 1)


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory):
    pytest.importorskip("ray.data")
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    died = tmp_path_factory.mktemp("ray") / "died"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", path)
        patched.setenv("KINETUNE_TEST_DIED", str(died))
        with actors._session(TWO):
            yield died


def checksums(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.wav"))
    }


def unfinished(request):
    return [dance for dance in generating._plan(request) if dance.result() is None]


def test_a_killed_worker_loses_nothing(request_of_five, local_ray, monkeypatch):
    """All outputs are there, whole, none made twice; the broken file is listed."""
    monkeypatch.setattr(generating, "GenerateWorker", DyingWorker)
    result = generate_on_cluster(request_of_five, cluster=TWO)
    out = request_of_five.output
    assert (out / "died").exists()
    assert sorted(Path(piece.output).name for piece in result.pieces) == [
        "a.wav", "b.wav", "c.wav", "d.wav",
    ]  # fmt: skip
    assert [Path(failure.file).name for failure in result.failures] == ["e.npz"]
    for piece in result.pieces:
        assert soundfile.info(piece.output).duration == pytest.approx(2.0, abs=0.01)
        recipe = json.loads(Path(piece.recipe).read_text())["kinetune"]
        assert recipe["sha256"] == hashlib.sha256(Path(piece.output).read_bytes()).hexdigest()
    calls = (out / "calls.txt").read_text().split()
    assert sorted(calls) == ["a", "b", "b", "c", "d", "e"]
    assert not [path for path in out.rglob(".*-*") if path.is_file()], "temporary files are left"
    # The same call again makes nothing. It would try the broken file again.
    before = checksums(out)
    assert [dance.motion.name for dance in unfinished(request_of_five)] == ["e.npz"]
    (request_of_five.motions[0] / "e.npz").unlink()
    again = generate_on_cluster(request_of_five, cluster=TWO)
    assert len(again.skipped) == 4
    assert (again.pieces, again.failures) == ((), ())
    assert checksums(out) == before
    # Another request's files are refused, not replaced.
    other = replace(request_of_five, options=MusicOptions(genre="krump", steps=2))
    with pytest.raises(OutputError, match="exist"):
        generate_on_cluster(other, cluster=TWO)
    assert checksums(out) == before


def test_a_corpus_made_on_a_cluster_is_the_one_made_here(tmp_path, local_ray):
    requests = [
        CorpusRequest(tmp_path / name, 0.1, 3, PairSettings(duration_s=2.0, **MONO), 1)
        for name in ("here", "there")
    ]
    assert make_pairs_on_cluster(requests[1], TWO) == 3
    assert len(list((tmp_path / "there" / "audio").glob("*.flac"))) == 3
    manifests = [Path(make_corpus(request).manifest).read_bytes() for request in requests]
    assert manifests[0] == manifests[1]
    assert make_pairs_on_cluster(requests[1], TWO) == 0


def without_distances(results):
    """Results, and the distances between embeddings of all systems taken out of them."""
    distances = {
        (system, name): scores.pop(name)["value"]
        for system, scores in results.items()
        for name in ("fad_mfcc", "kad_mfcc")
        if name in scores
    }
    return results, distances


def test_an_evaluation_on_a_cluster_is_the_one_made_here(tmp_path, local_ray, monkeypatch):
    """Although the worker is killed."""
    world = write_world(tmp_path / "world")
    for folder in (world.reference, world.system, world.motions):
        for path in folder.iterdir():
            if path.stem not in ("dance0", "dance1"):
                path.unlink()
    (world.system / "dance2.wav").write_bytes(b"no sound")
    request = EvaluateRequest(
        {"ours": world.system}, tmp_path / "here", world.reference, world.motions,
        scoring=ScoringOptions(embeddings=("mfcc",), workers=1),
    )  # fmt: skip
    here = evaluate(request)
    monkeypatch.setattr(evaluating, "ItemWorker", DyingItemWorker)
    there = evaluate_on_cluster(replace(request, out=tmp_path / "there"), cluster=ONE)
    assert local_ray.exists()
    one, other = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("here", "there")
    )
    assert {"fad_mfcc", "genre_kld", "beat_f"} <= set(other["ours"])
    # Their sums are rounded in another order where there are other threads.
    (one, near), (other, distances) = without_distances(one), without_distances(other)
    assert one == other
    assert near == pytest.approx(distances, rel=1e-6)
    assert here.unusable == there.unusable
    assert len(there.unusable) == 1


def test_pairs_prepared_on_a_cluster_are_those_prepared_here(
    tmp_path, tiny_model, local_ray, monkeypatch
):
    """Although the worker is killed before its work is recorded."""
    motions, music = tmp_path / "motions", tmp_path / "music"
    for folder in (motions, music):
        folder.mkdir()
    for number, name in enumerate("abc"):
        write_amass(motions / f"{name}.npz", swaying_clip(duration_s=7.0, seed=number))
        soundfile.write(music / f"{name}.wav", song_samples(bars=4, seed=number), RATE_HZ)
    (music / "c.wav").write_bytes(b"no sound")
    here = PairSetRequest(motions, music, tmp_path / "here", model=str(tiny_model))
    there = replace(here, out=tmp_path / "there")
    monkeypatch.setattr(preparing, "DanceWorker", DyingDanceWorker)
    assert prepare_pairs_on_cluster(there, ONE) == 3
    assert (there.out / "died").exists()
    assert sorted(path.stem for path in (there.out / "pairs").iterdir()) == ["a", "b"]
    before = {path: path.stat().st_mtime_ns for path in (there.out / "samples").iterdir()}
    one, other = prepare_pairs(here), prepare_pairs(there)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "prepared twice"
    assert one.prepared.items == other.prepared.items
    assert [Path(each.file).name for each in other.left_out] == ["c.npz"]


@pytest.fixture
def local_serve(local_ray):
    try:
        from ray import serve
    except ImportError as error:
        pytest.skip(f"Ray Serve is not installed ({error})")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield serve, f"http://127.0.0.1:{port}"
    serve.shutdown()


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
