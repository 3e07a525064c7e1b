"""Pools of worker processes that end with the process that started them.

Workers are fresh interpreters (safe with threads, the same on every system). A worker watches its
parent and exits when the parent is gone, however it ended; Ctrl-C reaches the parent only, also
while a worker starts. A second Ctrl-C ends the workers in the middle of their work.
"""

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, connection, get_context, parent_process
from pathlib import Path
from typing import Any

from kinetune.errors import KinetuneError


@contextlib.contextmanager
def process_pool(
    workers: int, *, initializer: Callable[[], None] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``workers`` processes.

    An exception in the block, Ctrl-C among them, cancels what has not begun and waits for what has.

    Args:
        workers: 1 or more.
        initializer: Called once in every worker.

    Raises:
        KinetuneError: A worker was killed, by lack of memory for example.
    """
    pool = _Pool(workers, get_context("spawn"), initializer=_start_worker, initargs=(initializer,))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise KinetuneError(
            "a worker process was killed, perhaps for lack of memory; try again with fewer workers"
        ) from error
    finally:
        _close(pool)


@contextlib.contextmanager
def one_process_at_a_time(name: str) -> Iterator[None]:
    """Wait until no other process of this user and computer is inside a block of this name.

    On systems without file locks (Windows), and where none can be made, it does not wait.

    Args:
        name: A plain file name.
    """
    try:
        import fcntl

        path = Path(tempfile.gettempdir()) / f"kinetune-{os.getuid()}-{name}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class _Pool(ProcessPoolExecutor):
    """Starts its workers, one at a call until there are enough, deaf to Ctrl-C."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call."""
        with _ctrl_c_blocked():
            return super().submit(*args, **kwargs)


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Hold SIGINT back; processes begun meanwhile never see one that is sent to the group.

    Without it Ctrl-C would end a worker that is still importing, with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _close(pool: ProcessPoolExecutor) -> None:
    closed = threading.Event()

    def shut_down() -> None:
        try:
            pool.shutdown(wait=True, cancel_futures=True)
        finally:
            closed.set()

    # Ctrl-C must not break into the pool's own waiting: a joined thread would pass for ended
    # (bpo-45274), and the interpreter's exit would use a pipe that this thread is closing.
    closing = threading.Thread(target=shut_down)
    with _ctrl_c_blocked():
        closing.start()
    try:
        closed.wait()
    except KeyboardInterrupt:
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        with _ctrl_c_blocked():
            closing.join()


def follow_parent() -> None:
    """Let this worker process ignore Ctrl-C and exit when the process that started it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        # Processes that the worker starts itself receive it again.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _start_worker(initializer: Callable[[], None] | None) -> None:
    follow_parent()
    if initializer is not None:
        initializer()


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        # Not sys.exit: that would only end this thread.
        os._exit(1)
