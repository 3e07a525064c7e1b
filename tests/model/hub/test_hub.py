"""A model goes to a stub of the hub by HTTP and comes back the same."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from kinetune.model.hub.publishing import card_text
from kinetune.model.pipeline import DanceToMusicPipeline
from tests.conftest import REPOSITORY

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCRIPT = """
import sys, torch
from kinetune.model.pipeline import DanceToMusicPipeline

model = DanceToMusicPipeline.from_pretrained(sys.argv[1])
print(model.push_to_hub("user/dance", token="hf_token"))
again = DanceToMusicPipeline.from_pretrained("user/dance")
for part in ("unet", "vae", "condition_encoder", "normaliser"):
    for name, value in getattr(model, part).state_dict().items():
        assert torch.equal(getattr(again, part).state_dict()[name], value), name
print("same")
"""


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as one upload and one download need."""

    stored: ClassVar[dict[str, bytes]] = {}
    tokens: ClassVar[set[str]] = set()

    def log_message(self, *_: object) -> None:
        pass

    def _json(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self._body()
        self.tokens.add(self.headers.get("Authorization", ""))
        host = f"http://{self.headers['Host']}"
        if self.path == "/api/repos/create":
            self._json({"url": f"{host}/user/dance", "name": "user/dance"})
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [each["path"] for each in json.loads(body)["files"]]
            self._json(
                {"files": [
                    {"path": n, "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for n in names
                ]}
            )  # fmt: skip
        elif "/commit/" in self.path:
            for line in body.decode().splitlines():
                part = json.loads(line)
                if part["key"] == "file":
                    value = part["value"]
                    self.stored[value["path"]] = base64.b64decode(value["content"])
            self._json({"commitUrl": f"{host}/user/dance/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._json({"error": self.path}, 404)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self):
        self._answer(with_body=True)

    def do_HEAD(self):
        self._answer(with_body=False)

    def _answer(self, *, with_body):
        if "/resolve/" in self.path:
            self._file(self.path.split("/resolve/", 1)[1].partition("/")[2], with_body=with_body)
        elif "/tree/" in self.path:
            self._json([
                {"type": "file", "path": n, "size": len(c), "oid": digest(c)}
                for n, c in self.stored.items()
            ])  # fmt: skip
        elif self.path.startswith("/api/models/user/dance"):
            self._json(
                {"id": "user/dance", "modelId": "user/dance", "sha": COMMIT, "private": False,
                 "siblings": [{"rfilename": name} for name in self.stored], "tags": [],
                 "downloads": 0, "likes": 0}
            )  # fmt: skip
        else:
            self._json({"error": self.path}, 404)

    def _file(self, name, *, with_body):
        content = self.stored.get(name)
        if content is None:
            self._json({"error": name}, 404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{digest(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(content)


def digest(content):
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub():
    Hub.stored, Hub.tokens = {}, set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_model_comes_back_from_the_hub_as_it_went(hub, tiny_model, tmp_path):
    environment = {
        **os.environ, "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(REPOSITORY),
        "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_model)],
        env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{hub}/user/dance/commit/{COMMIT}", "same"]
    assert "Bearer hf_token" in Hub.tokens
    assert {"model_index.json", "README.md", "pipeline.py"} <= Hub.stored.keys()
    assert b"kinetune generate dance.bvh --model user/dance" in Hub.stored["README.md"]


def test_the_card_has_the_models_figures(tiny_model):
    pipeline = DanceToMusicPipeline.from_pretrained(tiny_model)
    text = card_text(pipeline, "user/dance")
    count = sum(
        p.numel() for n in ("unet", "vae", "condition_encoder")
        for p in getattr(pipeline, n).parameters()
    )  # fmt: skip
    assert text.startswith("---\nlibrary_name: kinetune\n")
    assert f"| parameters | {count:,} |" in text
    assert "| sound | 22050 Hz, mono |" in text
    # 128 frames of 512 samples at 22,050 Hz.
    assert "| window | 3.0 s |" in text
