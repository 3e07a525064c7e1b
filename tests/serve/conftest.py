"""A server in a process of its own, and a client for it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """``kinetune serve`` in a process of its own, with the standard library as its client."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data, self.options = data, options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "kinetune", "serve", "--data", str(self.data)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *self.options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        line = self.process.stdout.readline()
        self.url = line.split()[0] if line else ""

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> str:
        """Stop it as Ctrl-C does; return what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[1]

    def call(self, method, path, body=None, *, headers=None) -> Reply:
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        request = urllib.request.Request(f"{self.url}{path}", data, headers or {}, method=method)
        if isinstance(body, dict | list):
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, dict(error.headers), error.read())

    def upload(self, path: Path) -> str:
        reply = self.call("POST", f"/v1/motions?name={path.name}", path.read_bytes())
        assert reply.status == 201, reply.body
        return reply.json["id"]

    def wait(self, path: str, seconds: float = 120.0) -> dict:
        """Ask for a motion or a job until it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.call("GET", path).json
            if state["status"] not in ("queued", "running", "reading"):
                return state
            time.sleep(0.1)
        raise AssertionError(f"{path} did not end: {state}")


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_model):
    server = Server(tmp_path_factory.mktemp("server") / "data", "--model", str(tiny_model))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def dance(tmp_path_factory) -> Path:
    from kinetune.motion.io.formats import write_bvh
    from tests.conftest import swaying_clip

    path = tmp_path_factory.mktemp("dance") / "dance.bvh"
    write_bvh(path, swaying_clip(fps=30.0, duration_s=6.0))
    return path
