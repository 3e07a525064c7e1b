"""The kinetune server's HTTP API, and how to start it; plain Python, without Blender."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDED = ("done", "failed", "cancelled")
_POLL_S = 0.25
_TIMEOUT_S = 60.0
# Starting loads Python packages, the first time from a cold disk.
_START_S = 120.0
Report = Callable[[str, float], None]


class ServerError(Exception):
    """What went wrong, in one line for the user."""


class StoppedError(Exception):
    """The user pressed Stop."""


@dataclass(frozen=True)
class Client:
    """A server and how to reach it.

    Attributes:
        url: Such as ``http://127.0.0.1:8423``.
        token: Sent as a bearer token; empty for none.
    """

    url: str
    token: str = ""

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Send a request and return its JSON; bytes are sent as they are.

        Raises:
            ServerError: The server refuses, or doesn't answer.
        """
        return json.loads(self._send(method, path, body) or b"null")

    def fetch(self, job: str, name: str) -> bytes:
        """Return a file of a job."""
        return self._send("GET", f"/v1/jobs/{job}/files/{urllib.parse.quote(name)}")

    def is_up(self) -> bool:
        """Return whether a kinetune server answers."""
        try:
            return bool(self.ask("GET", "/healthz")["status"] == "ok")
        except (ServerError, KeyError, TypeError, ValueError):
            return False

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        """Upload a motion, wait until it is read, and return it.

        Raises:
            ServerError: It can't be read.
        """
        motion = self.ask("POST", f"/v1/motions?name={urllib.parse.quote(name)}", data)
        while motion["status"] == "reading":
            time.sleep(_POLL_S)
            motion = self.ask("GET", f"/v1/motions/{motion['id']}")
        if motion["status"] == "failed":
            raise ServerError(motion["error"])
        return dict(motion)

    def run(self, body: dict[str, Any], report: Report, stop: threading.Event) -> dict[str, Any]:
        """Do a job and return it when it is done.

        Args:
            body: The job.
            report: Called with what is done and how far it is, 0 to 1.
            stop: Set to stop the job.

        Raises:
            ServerError: It failed.
            StoppedError: It was stopped.
        """
        job = self.ask("POST", "/v1/jobs", body)
        while job["status"] not in ENDED:
            if stop.is_set():
                self.ask("DELETE", f"/v1/jobs/{job['id']}")
                raise StoppedError
            progress = job["progress"]
            report(progress["stage"] or "waiting", progress["done"] / max(progress["total"], 1))
            time.sleep(_POLL_S)
            job = self.ask("GET", f"/v1/jobs/{job['id']}")
        if job["status"] == "cancelled":
            raise StoppedError
        if job["status"] == "failed":
            raise ServerError(job["error"])
        return dict(job)

    def _send(self, method: str, path: str, body: object = None) -> bytes:
        request = urllib.request.Request(f"{self.url.rstrip('/')}{path}", method=method)
        if body is not None:
            is_raw = isinstance(body, bytes)
            request.data = body if is_raw else json.dumps(body).encode()
            kind = "application/octet-stream" if is_raw else "application/json"
            request.add_header("Content-Type", kind)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            # A proxy of the system would not know this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=_TIMEOUT_S) as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError as error:
            raise ServerError(_detail(error)) from error
        except (OSError, ValueError) as error:
            raise ServerError(f"{self.url}: no kinetune server answers ({error})") from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answers {error.code} {error.reason}"


class LocalServer:
    """A server that was started here, and ends with Blender."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def find(self, client: Client, command: str, data: Path) -> Client:
        """Return a client of a server that runs: the given one, or one that is started.

        Args:
            client: The server to look for first.
            command: The program to start otherwise.
            data: Folder of a server that is started.

        Raises:
            ServerError: It can't be started.
        """
        for known in (client, Client(self.url)):
            if known.url and known.is_up():
                return known
        if not is_local(client.url):
            raise ServerError(f"{client.url}: no kinetune server answers")
        return Client(self._start(command, data))

    def stop(self) -> None:
        """End a server that was started here."""
        if self._process is not None:
            self._process.terminate()
            # Also closes its output.
            self._process.communicate()
            self._process = None

    def _start(self, command: str, data: Path) -> str:
        self.stop()
        data.mkdir(parents=True, exist_ok=True)
        log = data / "server.log"
        try:
            with log.open("w") as file:
                self._process = subprocess.Popen(
                    [command, "serve", "--port", "0", "--data", str(data)],
                    stdout=subprocess.PIPE, stderr=file, text=True,
                )  # fmt: skip
        except OSError as error:
            raise ServerError(
                f"{command}: can't be started ({error.strerror}); install kinetune[serve], and "
                "name its program in the add-on's preferences"
            ) from error
        # The first line holds the URL.
        timer = threading.Timer(_START_S, self._process.kill)
        timer.start()
        line = self._process.stdout.readline() if self._process.stdout else ""
        timer.cancel()
        if not line:
            self.stop()
            said = log.read_text(errors="replace").strip().splitlines()
            raise ServerError(said[-1] if said else f"{command}: does not start; see {log}")
        self.url = line.split()[0]
        return self.url


def is_local(url: str) -> bool:
    """Return whether a URL names this machine."""
    return urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


class Background(threading.Thread):
    """A function in a thread of its own, whose state a timer reads.

    Args:
        work: Called with a report and an event that is set when it shall stop.

    Attributes:
        stage: What is done now.
        share: How far it is, 0 to 1.
        result: What it returned.
        error: What went wrong, one line; empty if nothing.
    """

    def __init__(self, work: Callable[[Report, threading.Event], Any]) -> None:
        super().__init__(name="kinetune", daemon=True)
        self._work, self.stop = work, threading.Event()
        self.stage, self.share, self.error = "", 0.0, ""
        self.result: Any = None

    def run(self) -> None:
        """Do the work."""
        try:
            self.result = self._work(self._report, self.stop)
        except StoppedError:
            self.error = "stopped"
        except ServerError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001 - shown to the user; the thread has no other way
            self.error = f"{type(error).__name__}: {error}"

    def _report(self, stage: str, share: float) -> None:
        self.stage, self.share = stage, share
