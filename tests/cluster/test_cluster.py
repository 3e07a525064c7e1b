"""Batches on a Ray of two workers on this machine, one of which is killed in the middle."""

import hashlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from kinetune.cluster import evaluating, generating, preparing
from kinetune.cluster.actors import Cluster
from kinetune.cluster.evaluating import ItemWorker, evaluate_on_cluster
from kinetune.cluster.generating import GenerateWorker, generate_on_cluster
from kinetune.cluster.preparing import DanceWorker, prepare_pairs_on_cluster
from kinetune.errors import ConfigError, MissingExtraError, OutputError
from kinetune.motion.io.amass import write_amass
from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions, evaluate
from kinetune.tasks.generate import GenerateRequest
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.training.songs.dance_pairs import PairSetRequest, prepare_pairs
from tests.conftest import MONO, REPOSITORY, swaying_clip
from tests.metrics.conftest import write_world
from tests.training.songs.conftest import RATE_HZ, song_samples

TWO = Cluster("auto", 2)


class DyingWorker(GenerateWorker):
    """Dies once, after the sound of the dance ``b`` is written and before that is recorded."""

    def _make(self, key: str, motion: str, sound: str, film: str) -> str:
        folder = Path(sound).parent
        result = super()._make(key, motion, sound, film)
        with (folder / "calls.txt").open("a") as file:
            file.write(f"{Path(motion).stem}\n")
        died = folder / "died"
        if Path(motion).stem == "b" and not died.exists():
            died.touch()
            (folder / ".kinetune" / f"{key}.json").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return result


@pytest.fixture
def request_of_five(tmp_path, tiny_model):
    """Four dances and a file that is none."""
    motions = tmp_path / "motions"
    motions.mkdir()
    for number, name in enumerate("abcd"):
        write_amass(motions / f"{name}.npz", swaying_clip(duration_s=2.0, bpm=100.0 + 5 * number))
    (motions / "e.npz").write_bytes(b"no dance")
    return GenerateRequest(
        (motions,), output=tmp_path / "out", model=str(tiny_model), device="cpu",
        options=MusicOptions(genre="house", steps=2),
    )  # fmt: skip


class DyingItemWorker(ItemWorker):
    """Dies once, before the first item of two is done that two workers have."""

    def __call__(self, batch):
        died = Path(os.environ["KINETUNE_TEST_DIED"])
        if int(batch["index"][0]) == 1 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)


class DyingDanceWorker(DanceWorker):
    """Dies once, after the samples and features of ``b`` are written and recorded."""

    def _prepare(self, name, *rest):
        reason = super()._prepare(name, *rest)
        died = self._request.out / "died"
        if name == "b" and not died.exists():
            died.touch()
            (self._request.out / "pairs" / "b.json").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return reason


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory):
    pytest.importorskip("ray.data")
    import ray

    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    died = tmp_path_factory.mktemp("ray") / "died"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", path)
        patched.setenv("KINETUNE_TEST_DIED", str(died))
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, object_store_memory=100 << 20,
            log_to_driver=False, logging_level="ERROR",
        )  # fmt: skip
        yield died
        ray.shutdown()


def checksums(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.wav"))
    }


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
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
    # The same call again makes nothing but tries the broken file again.
    before = checksums(out)
    again = generate_on_cluster(request_of_five, cluster=TWO)
    assert len(again.skipped) == 4
    assert [Path(failure.file).name for failure in again.failures] == ["e.npz"]
    assert checksums(out) == before
    # Another request's files are refused, not replaced.
    other = replace(request_of_five, options=MusicOptions(genre="krump", steps=2))
    with pytest.raises(OutputError, match="exist"):
        generate_on_cluster(other, cluster=TWO)
    assert checksums(out) == before


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
def test_a_corpus_made_on_a_cluster_is_the_one_made_here(tmp_path, local_ray):
    from kinetune.cluster.preparing import make_pairs_on_cluster
    from kinetune.corpus.folder import PairSettings
    from kinetune.tasks.corpus import CorpusRequest, make_corpus

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


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
def test_an_evaluation_on_a_cluster_is_the_one_made_here(tmp_path, local_ray, monkeypatch):
    """Although one of the workers is killed."""
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
    there = evaluate_on_cluster(replace(request, out=tmp_path / "there"), cluster=TWO)
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


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")
def test_pairs_prepared_on_a_cluster_are_those_prepared_here(
    tmp_path, tiny_model, local_ray, monkeypatch
):
    """Although one of the workers is killed before its work is recorded."""
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
    assert prepare_pairs_on_cluster(there, TWO) == 3
    assert (there.out / "died").exists()
    assert sorted(path.stem for path in (there.out / "pairs").iterdir()) == ["a", "b"]
    before = {path: path.stat().st_mtime_ns for path in (there.out / "samples").iterdir()}
    one, other = prepare_pairs(here), prepare_pairs(there)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "prepared twice"
    assert one.prepared.items == other.prepared.items
    assert [Path(each.file).name for each in other.left_out] == ["c.npz"]


def test_a_worker_says_why_a_dance_cannot_be_prepared(tmp_path, tiny_model):
    worker = DanceWorker(PairSetRequest(tmp_path, tmp_path, tmp_path, model=str(tiny_model)))
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


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        Cluster("auto", 0)


def test_without_ray_the_extra_is_named(request_of_five, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"kinetune\[ray\]"):
        generate_on_cluster(request_of_five, cluster=TWO)
