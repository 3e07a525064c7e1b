"""Many users at once against a server, which is killed in between: is anything lost?

    python tools/serve_load.py [--users 50] [--kills 2] [--queue 16] [--seconds 3]
                               [--engine composer]

Starts ``kinetune serve`` on the loopback interface. Every user uploads the beginning of a dance,
requests music (again, if the queue is full), waits, and fetches the sound. Meanwhile the server is
killed (SIGKILL), whenever another share of the jobs is done, and started again. Prints Markdown:
jobs done, failed and lost, refusals, damaged files, time to answer, and memory and open files of
the server after its last start and at the end.
"""

import argparse
import http.client
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
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import read_motion, write_motion

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
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--engine", choices=["composer", "diffusion"], default="composer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dance = Path(folder) / "dance.bvh"
        write_motion(dance, cut(read_motion(example_dance()), 0.0, options.seconds))
        run(options, Path(folder) / "data", dance.read_bytes())


def run(options: argparse.Namespace, data: Path, dance: bytes) -> None:
    """Let the users loose on a server in a folder."""
    server = start(data, options.queue)
    before = resources(server)
    counts: Counter[str] = Counter()
    answers_s: list[float] = []
    users = [
        threading.Thread(target=user, args=(number, options, dance, counts, answers_s))
        for number in range(options.users)
    ]
    began = time.monotonic()
    for thread in users:
        thread.start()
    for number in range(options.kills):
        while counts["done"] < (number + 1) * options.users // (options.kills + 1):
            time.sleep(0.1)
        server.kill()
        server.wait()
        counts["kills"] += 1
        server = start(data, options.queue)
        before = resources(server)
    for thread in users:
        thread.join()
    after = resources(server)
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
        ("memory of the server, after its last start and at the end",
         f"{before[0]:.0f} MB, {after[0]:.0f} MB"),
        ("open files of the server, the same", f"{before[1]}, {after[1]}"),
        ("latest jobs by status", dict(states)),
    ]  # fmt: skip
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def user(
    number: int, arguments: argparse.Namespace, dance: bytes, counts: Counter[str],
    answers_s: list[float],
) -> None:  # fmt: skip
    """Upload, request, wait and fetch."""
    uploaded = ask("POST", f"/v1/motions?name={number}.bvh", dance, counts, answers_s)
    options = {"genre": "house", "seed": number, "engine": arguments.engine}
    if arguments.engine == "diffusion":
        options["steps"] = 2
    body = {"task": "generate", "motion": uploaded["id"], "options": options}
    job = ask("POST", "/v1/jobs", body, counts, answers_s)["id"]
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        state = ask("GET", f"/v1/jobs/{job}", None, counts, answers_s)
        if state["status"] in ("done", "failed", "cancelled"):
            counts[state["status"]] += 1
            if state["status"] == "done":
                check_sound(job, number, arguments.seconds, counts)
            else:
                print(state["error"], file=sys.stderr)
            return
        time.sleep(0.5)


def check_sound(job: str, number: int, seconds: float, counts: Counter[str]) -> None:
    """Fetch the sound and see that it is whole."""
    while True:
        try:
            url = f"{URL}/v1/jobs/{job}/files/{number}.wav"
            with urllib.request.urlopen(url, timeout=60) as reply:
                data = reply.read()
            break
        except urllib.error.HTTPError:
            counts["damaged"] += 1
            return
        except (OSError, http.client.HTTPException):
            # Killed; it comes back.
            time.sleep(0.5)
    if abs(soundfile.info(io.BytesIO(data)).duration - seconds) > 0.1:
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
        except (OSError, http.client.HTTPException):
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


def resources(server: subprocess.Popen[str]) -> tuple[float, int]:
    """Return memory, MB, and open files of the server itself, without its workers."""
    process = psutil.Process(server.pid)
    return process.memory_info().rss / 1e6, process.num_fds()


if __name__ == "__main__":
    main()
