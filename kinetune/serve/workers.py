"""Worker processes, and the thread that watches over them.

One process reads motions, one does jobs: a job of minutes doesn't keep a new motion waiting. A
worker that dies is started again; what it was doing is tried once more, then fails.
"""

import contextlib
import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.errors import KinetuneError, printable
from kinetune.files import remove_abandoned
from kinetune.serve.store import Kind, Store, Work

if TYPE_CHECKING:
    from kinetune.serve.execute import Workshop

_log = logging.getLogger("kinetune.serve")
_KINDS: tuple[Kind, ...] = ("motion", "job")
_POLL_S = 0.1
_WATCH_S = 0.25
# A job notices that it shall stop at its next step; one that doesn't is killed.
_CANCEL_GRACE_S = 10.0
_PROGRESS_S = 0.2
_MOTION_TIMEOUT_S = 120.0
_LONGEST_PAUSE_S = 30.0
LOST = "the worker process ended unexpectedly, perhaps for lack of memory"
TIMED_OUT = "took longer than this server allows"


class CancelledError(BaseException):
    """Work that shall stop; not an Exception, so that nothing on the way takes it for a failure."""


class Workers:
    """The worker processes of a data folder.

    Args:
        folder: The data folder.
        max_motion_s: Length of a motion, seconds.
        job_timeout_s: Seconds a job may run.
        keep_s: Seconds after which finished work is deleted.
        kinds: What has a process here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_motion_s: float,
        job_timeout_s: float,
        keep_s: float,
        kinds: Sequence[Kind] = _KINDS,
    ) -> None:
        self.store, self._kinds = Store(folder), tuple(kinds)
        self._max_motion_s, self._keep_s = max_motion_s, keep_s
        self._limits_s = {"motion": _MOTION_TIMEOUT_S, "job": job_timeout_s}
        self._processes: dict[Kind, BaseProcess] = {}
        self._failures: dict[Kind, tuple[int, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pruned = 0.0

    def start(self) -> None:
        """Take up what a killed server left, and start the processes."""
        for kind in _KINDS:
            remove_abandoned(self.store.folder / f"{kind}s")
        for work in self.store.all_running():
            self.store.requeue(work, LOST)
        self._thread = threading.Thread(target=self._watch, name="workers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the processes; what they were doing waits for the next start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for kind, process in self._processes.items():
            process.kill()
            process.join()
            if work := self.store.running(kind):
                # Not the work's fault: the attempt doesn't count against it.
                self.store.requeue(replace(work, attempts=0), LOST)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                for kind in self._kinds:
                    self._watch_one(kind)
                if time.time() - self._pruned > 600.0:
                    self._pruned = time.time()
                    prune(self.store, self._keep_s)
            except Exception:  # noqa: BLE001 - a full disk or a locked database may pass
                _log.exception("workers")
            self._stop.wait(_WATCH_S)

    def _watch_one(self, kind: Kind) -> None:
        process = self._processes.get(kind)
        if process is None or not process.is_alive():
            if process is not None:
                self._lost(kind, LOST)
            if self._may_start(kind):
                self._processes[kind] = self._spawn(kind)
            return
        work = self.store.running(kind)
        if work is None:
            return
        now = time.time()
        if work.started is not None and now - work.started > self._limits_s[kind]:
            process.kill()
            process.join()
            self.store.finish(work.id, "failed", error=TIMED_OUT)
        elif work.cancel is not None and now - work.cancel > _CANCEL_GRACE_S:
            process.kill()
            process.join()
            self.store.finish(work.id, "cancelled")

    def _lost(self, kind: Kind, reason: str) -> None:
        self._processes.pop(kind)
        if work := self.store.running(kind):
            _log.warning("%s %s: %s", kind, work.id, reason)
            self.store.requeue(work, reason)
        remove_abandoned(self.store.folder / f"{kind}s")

    def _may_start(self, kind: Kind) -> bool:
        """Whether a process may be started now: one that dies at once is not started in a loop."""
        count, last = self._failures.get(kind, (0, 0.0))
        pause = min(0.25 * 2**count, _LONGEST_PAUSE_S) if count else 0.0
        now = time.monotonic()
        if now - last < pause:
            return False
        self._failures[kind] = (0 if now - last > 60.0 else count + 1, now)
        return True

    def _spawn(self, kind: Kind) -> BaseProcess:
        # Fresh interpreters: safe beside the server's threads, the same on every system.
        process = get_context("spawn").Process(
            target=run_worker, args=(kind, self.store.folder, self._max_motion_s), daemon=True
        )
        process.start()
        return process


def run_worker(kind: Kind, folder: Path, max_motion_s: float) -> None:
    """Do work of one kind, one after the other, until the parent process ends."""
    from kinetune.processes import follow_parent
    from kinetune.serve.execute import Workshop
    from kinetune.tasks.lazy_pipeline import LazyPipeline

    follow_parent()
    workshop = Workshop(Store(folder), max_motion_s, cache(LazyPipeline))
    while True:
        work = workshop.store.claim(kind, kind)
        if work is None:
            time.sleep(_POLL_S)
            continue
        do_work(work, workshop)


def do_work(work: Work, workshop: "Workshop", *, check: Callable[[], None] = lambda: None) -> None:
    """Do work that was claimed, and note how it ended.

    Args:
        work: The work.
        workshop: What it is done with.
        check: Called as it goes on; what it raises ends the work.
    """
    from kinetune.serve.execute import execute

    with _outcome(workshop.store, work) as outcome:
        outcome.append(execute(work, workshop, _Reporter(workshop.store, work, check)))


class _Reporter:
    """Writes progress to the database, a few times per second."""

    def __init__(self, store: Store, work: Work, check: Callable[[], None]) -> None:
        self._store, self._id, self._last, self._check = store, work.id, 0.0, check

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._check()
        now = time.monotonic()
        if now - self._last < _PROGRESS_S and done < total:
            return
        self._last = now
        if not self._store.progress(self._id, printable(stage, 200), done, total):
            raise CancelledError


@contextlib.contextmanager
def _outcome(store: Store, work: Work) -> Iterator[list[object]]:
    """Note how the block ended: what it appended is the result."""
    results: list[object] = []
    try:
        yield results
    except CancelledError:
        store.finish(work.id, "cancelled")
    except KinetuneError as error:
        store.finish(work.id, "failed", error=_without_paths(str(error), store))
    except Exception as error:  # noqa: BLE001 - the next job shall be done all the same
        _log.exception("%s %s", work.kind, work.id)
        store.finish(work.id, "failed", error=f"{type(error).__name__}, see the server's log")
    else:
        store.finish(work.id, "done", result=results[0])


def _without_paths(message: str, store: Store) -> str:
    """Return a message with the files of motions and jobs by their names alone."""
    slash = r"[/\\]"
    inside = rf"{slash}(?:motions|jobs){slash}[^/\\]+{slash}"
    return re.sub(re.escape(str(store.folder)) + inside, "", message)


def prune(store: Store, keep_s: float) -> None:
    """Delete work that ended more than ``keep_s`` seconds ago, with its files."""
    for work in store.finished_before(time.time() - keep_s):
        shutil.rmtree(store.folder_of(work.kind, work.id), ignore_errors=True)
        store.delete(work.id)
