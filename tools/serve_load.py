"""Many users at once against a server, which is killed in between: is anything lost?

    python tools/serve_load.py [--users 50] [--kills 2] [--queue 16] [--steps 2]

Starts ``kinetune serve`` on the loopback interface. Every user uploads a dance, requests music
(again, if the queue is full), waits, and fetches the sound. Meanwhile the server is killed and
started again. Prints Markdown: jobs done, failed and lost, refusals, damaged files, time to answer,
and memory of the server before and after.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import soundfile

from kinetune.example import example_dance

PORT = 8477
URL = f"http://127.0.0.1:{PORT}"
PATIENCE_S = 1800.0


def main() -> None:
    """Run the test and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--queue", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(options, Path(folder))


def run(options: argparse.Namespace, data: Path) -> None:
    """Let the users loose on a server in a folder."""
    server = start(data, options.queue)
    memory_before = memory_mb(server)
    counts: Counter[str] = Counter()
    answers_s: list[float] = []
    users = [
        threading.Thread(target=user, args=(number, options.steps, counts, answers_s))
        for number in range(options.users)
    ]
    began = time.monotonic()
    for thread in users:
        thread.start()
    for _ in range(options.kills):
        time.sleep(20.0)
        if any(thread.is_alive() for thread in users):
            server.kill()
            server.wait()
            counts["kills"] += 1
            server = start(data, options.queue)
    for thread in users:
        thread.join()
    memory_after = memory_mb(server)
    states = Counter(job["status"] for job in ask("GET", "/v1/jobs"))
    partial = [path for path in (data / "jobs").iterdir() if path.name.startswith(".")]
    server.kill()
    server.wait()
    lost = options.users - counts["done"] - counts["failed"]
    rows = [
        ("users", options.users), ("jobs done", counts["done"]), ("failed", counts["failed"]),
        ("lost", lost), ("damaged or missing files", counts["damaged"]),
        ("half-written folders left", len(partial)),
        ("refused with 429, tried again", counts["429"]),
        ("kills of the server", counts["kills"]),
        ("seconds in all", f"{time.monotonic() - began:.0f}"),
        ("time to answer, median and 95 %",
         f"{np.median(answers_s) * 1e3:.0f} ms, {np.percentile(answers_s, 95) * 1e3:.0f} ms"),
        ("memory of the server, before and after",
         f"{memory_before:.0f} MB, {memory_after:.0f} MB"),
        ("latest jobs by status", dict(states)),
    ]  # fmt: skip
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def user(number: int, steps: int, counts: Counter[str], answers_s: list[float]) -> None:
    """Upload, ask, wait and fetch."""
    dance = example_dance()
    motion = ask("POST", f"/v1/motions?name={number}.pkl", dance.read_bytes(), counts, answers_s)[
        "id"
    ]
    body = {
        "task": "generate", "motion": motion,
        "options": {"genre": "house", "seed": number, "steps": steps},
    }  # fmt: skip
    job = ask("POST", "/v1/jobs", body, counts, answers_s)["id"]
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        state = ask("GET", f"/v1/jobs/{job}", None, counts, answers_s)
        if state["status"] in ("done", "failed", "cancelled"):
            counts[state["status"]] += 1
            if state["status"] == "done":
                check_sound(job, number, counts)
            else:
                print(state["error"], file=sys.stderr)
            return
        time.sleep(0.5)


def check_sound(job: str, number: int, counts: Counter[str]) -> None:
    """Fetch the sound and see that it is whole."""
    with urllib.request.urlopen(f"{URL}/v1/jobs/{job}/files/{number}.wav", timeout=60) as reply:
        data = reply.read()
    if abs(soundfile.info(io.BytesIO(data)).duration - 9.6) > 0.1:
        counts["damaged"] += 1


def ask(
    method: str,
    path: str,
    body: bytes | dict | None = None,
    counts: Counter[str] | None = None,
    answers_s: list[float] | None = None,
) -> dict:
    """Send a request until it is answered; a server that is gone or busy gets it again."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(f"{URL}{path}", data, method=method)
    if isinstance(body, dict):
        request.add_header("Content-Type", "application/json")
    while True:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text = reply.read()
            if answers_s is not None:
                answers_s.append(time.monotonic() - began)
            return json.loads(text)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
            if counts is not None:
                counts[str(error.code)] += 1
            time.sleep(float(error.headers.get("Retry-After") or 1.0))
        except OSError:
            # Killed; it comes back.
            time.sleep(0.5)


def start(data: Path, queue: int) -> subprocess.Popen[str]:
    """Start a server and wait until it listens."""
    command = [sys.executable, "-m", "kinetune", "serve", "--data", str(data)]
    server = subprocess.Popen(
        [*command, "--port", str(PORT), "--queue", str(queue)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert server.stdout is not None
    server.stdout.readline()
    return server


def memory_mb(server: subprocess.Popen[str]) -> float:
    """Return the memory of the server itself, without its workers."""
    return psutil.Process(server.pid).memory_info().rss / 1e6


if __name__ == "__main__":
    main()
