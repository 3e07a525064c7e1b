"""A server with its workers: uploads, jobs, crashes, restarts."""

import json
import os
import signal
import socket
import time

import numpy as np
import psutil
import pytest
import soundfile

from kinetune.motion import skeleton
from kinetune.motion.io.formats import read_motion
from kinetune.motion.kinematics import joint_positions
from tests.serve.conftest import Server

pytestmark = pytest.mark.slow


def generate(server, motion, tiny_model, **more):
    body = {
        "task": "generate", "motion": motion, "model": str(tiny_model),
        "options": {"genre": "house", "seed": 3, "steps": 2}, **more,
    }  # fmt: skip
    reply = server.call("POST", "/v1/jobs", body)
    assert reply.status == 202, reply.body
    return reply.json["id"]


def job_worker(server):
    """The process that does jobs: the one of the two that has torch in memory or works on it."""
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_a_motion_is_read_with_its_readings_and_its_skeleton(server, dance):
    motion = server.upload(dance)
    state = server.wait(f"/v1/motions/{motion}")
    assert (state["status"], state["name"]) == ("ready", "dance.bvh")
    assert state["inspection"]["duration_s"] == pytest.approx(6.0, abs=0.05)
    assert sum(r["probability"] for r in state["inspection"]["readings"]) <= 1.0 + 1e-6
    table = server.call("GET", f"/v1/motions/{motion}/skeleton").json
    raw = server.call("GET", f"/v1/motions/{motion}/positions").body
    positions = np.frombuffer(raw, "<f4").reshape(table["frames"], skeleton.JOINT_COUNT, 3)
    expected = joint_positions(read_motion(dance))
    shift = positions[..., 1] - expected[..., 1]
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-4)
    np.testing.assert_allclose(positions[..., ::2], expected[..., ::2], atol=1e-4)
    assert np.median(positions[..., 1].min(axis=1)) == pytest.approx(0.0, abs=0.05)
    assert len(table["mean_joint_speed_m_s"]) == table["frames"]


def test_a_damaged_motion_fails_in_one_line_and_jobs_for_it_are_refused(server, tmp_path):
    path = tmp_path / "bad.bvh"
    path.write_text("HIERARCHY\nnothing")
    motion = server.upload(path)
    state = server.wait(f"/v1/motions/{motion}")
    assert state["status"] == "failed"
    assert state["error"].startswith("bad.bvh")
    assert str(server.data) not in json.dumps(state)
    reply = server.call("POST", "/v1/jobs", {"task": "generate", "motion": motion})
    assert reply.status == 409


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("picture.bvh", b"\x89PNG\r\n" + bytes(1000)),
        ("archive.npz", b"PK\x03\x04" + bytes(1000)),
        ("code.pkl", b"cposix\nsystem\n(S'touch {marker}'\ntR."),
        ("model.glb", b"glTF" + (2).to_bytes(4, "little") + (2**31).to_bytes(4, "little")),
        (
            "array.npy",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, "
            b"'shape': (999999999, 24, 3), }" + b" " * 40 + b"\n",
        ),
    ],
)
def test_an_upload_that_lies_about_what_it_is_fails_in_one_line(server, tmp_path, name, data):
    """A picture, an archive, code in a pickle, and headers that promise gigabytes."""
    marker = tmp_path / "ran"
    path = tmp_path / name
    path.write_bytes(data.replace(b"{marker}", str(marker).encode()))
    state = server.wait(f"/v1/motions/{server.upload(path)}")
    assert (state["status"], "\n" in state["error"]) == ("failed", False)
    assert state["error"].startswith(name)
    assert not marker.exists(), "code of the upload ran"


@pytest.mark.parametrize(
    "path",
    [
        "/../kinetune.sqlite",
        "/..%2fkinetune.sqlite",
        "/%2e%2e/kinetune.sqlite",
        "//etc/passwd",
        "/v1/jobs/../../etc/passwd",
        "/index.html/../../app.py",
    ],
)
def test_no_path_leads_out_of_what_is_served(server, path):
    """Sent as it is: no client library in between that would tidy it up."""
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connection(server) as client:
        client.sendall(head.encode())
        reply = b"".join(iter(lambda: client.recv(65536), b""))
    assert reply.split()[1] in (b"400", b"404", b"405")
    assert b"SQLite" not in reply
    assert b"root:" not in reply


def connection(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_clients_that_never_finish_their_request_are_cut_off(server):
    """As many as the server takes connections; another client is answered afterwards."""
    clients = [connection(server) for _ in range(200)]
    for client in clients:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    began = time.monotonic()
    assert all(client.recv(10) == b"" for client in clients)
    assert time.monotonic() - began < 30.0
    for client in clients:
        client.close()
    assert server.call("GET", "/healthz").status == 200


def test_music_is_made_changed_and_filmed(server, dance, tiny_model):
    motion = server.upload(dance)
    made = server.wait(
        f"/v1/jobs/{generate(server, motion, tiny_model, plot=True, beat_maps=['midi'])}"
    )
    assert made["status"] == "done", made
    names = {file["name"] for file in made["files"]}
    assert names == {"dance.wav", "dance.json", "dance.png", "dance.mid", "dance.bvh"}
    assert str(server.data) not in json.dumps(made)
    sound = server.call("GET", f"/v1/jobs/{made['id']}/files/dance.wav").body
    path = server.data.parent / "fetched.wav"
    path.write_bytes(sound)
    assert soundfile.info(path).duration == pytest.approx(6.0, abs=0.05)
    edit = {
        "task": "edit", "job": made["id"], "file": "dance.wav", "redo": [2.0, 4.0],
        "options": {"seed": 5, "steps": 2}, "film": True,
    }  # fmt: skip
    job = server.call("POST", "/v1/jobs", edit).json["id"]
    edited = server.wait(f"/v1/jobs/{job}")
    assert edited["status"] == "done", edited
    assert {"dance-edit.wav", "dance-edit.json", "dance-edit.mp4"} <= {
        file["name"] for file in edited["files"]
    }
    again = {"task": "edit", "job": job, "file": "dance-edit.wav", "strength": 0.3}
    second = server.wait(f"/v1/jobs/{server.call('POST', '/v1/jobs', again).json['id']}")
    assert second["status"] == "done", second
    film = {"task": "film", "job": made["id"], "file": "dance.wav"}
    filmed = server.wait(f"/v1/jobs/{server.call('POST', '/v1/jobs', film).json['id']}")
    assert "dance.mp4" in {file["name"] for file in filmed["files"]}


def test_the_recipe_makes_the_same_bytes_on_the_command_line(server, dance, tiny_model, tmp_path):
    from tests.cli.conftest import kinetune

    motion = server.upload(dance)
    made = server.wait(f"/v1/jobs/{generate(server, motion, tiny_model)}")
    for file in made["files"]:
        data = server.call("GET", f"/v1/jobs/{made['id']}/files/{file['name']}").body
        (tmp_path / file["name"]).write_bytes(data)
    done = kinetune("again", "dance.json", "-o", "again.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "dance.wav").read_bytes()


def test_a_job_that_runs_can_be_stopped(server, dance, tiny_model):
    motion = server.upload(dance)
    body = {"options": {"genre": "house", "steps": 1000}}
    job = generate(server, motion, tiny_model, **body)
    while server.call("GET", f"/v1/jobs/{job}").json["status"] != "running":
        time.sleep(0.05)
    server.call("DELETE", f"/v1/jobs/{job}")
    assert server.wait(f"/v1/jobs/{job}", 30.0)["status"] == "cancelled"
    assert not (server.data / "jobs" / job).exists()
    assert server.call("GET", "/healthz").status == 200


def test_a_worker_that_dies_is_replaced_and_its_job_done(server, dance, tiny_model):
    motion = server.upload(dance)
    job = generate(server, motion, tiny_model, options={"genre": "house", "steps": 300})
    while server.call("GET", f"/v1/jobs/{job}").json["status"] != "running":
        time.sleep(0.05)
    for worker in job_worker(server):
        os.kill(worker.pid, signal.SIGKILL)
    state = server.wait(f"/v1/jobs/{job}")
    assert state["status"] == "done", state


def test_jobs_survive_a_killed_server(tmp_path, dance, tiny_model):
    server = Server(tmp_path / "data", "--model", str(tiny_model))
    try:
        motion = server.upload(dance)
        server.wait(f"/v1/motions/{motion}")
        options = {"genre": "house", "steps": 100}
        jobs = [generate(server, motion, tiny_model, options=options) for _ in range(3)]
        while server.call("GET", f"/v1/jobs/{jobs[0]}").json["status"] == "queued":
            time.sleep(0.05)
        server.kill()
        server.start()
        states = [server.wait(f"/v1/jobs/{job}") for job in jobs]
        assert [state["status"] for state in states] == ["done"] * 3
        for job in jobs:
            sound = server.call("GET", f"/v1/jobs/{job}/files/dance.wav").body
            (tmp_path / "x.wav").write_bytes(sound)
            assert soundfile.info(tmp_path / "x.wav").duration == pytest.approx(6.0, abs=0.05)
        left = {path.name for path in (server.data / "jobs").iterdir()}
        assert left == set(jobs)
        assert server.stop() == "kinetune: stopped\n"
        assert server.process.returncode == 130
    finally:
        server.kill()


def test_a_stopped_server_says_so_where_sigint_was_ignored(tmp_path):
    """As in what a shell script starts with ``&``; stopped before and after it answers."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for wait in (False, True):
            server = Server(tmp_path / "data")
            if wait:
                assert server.call("GET", "/healthz").status == 200
            assert server.stop() == "kinetune: stopped\n"
            assert server.process.returncode == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_two_servers_do_not_share_a_folder(server):
    second = Server(server.data)
    _, error = second.process.communicate(timeout=60)
    assert second.process.returncode == 2
    assert error.strip().endswith("another server uses this folder")
