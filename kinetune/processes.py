"""Pools of worker processes that end with the process that started them.

Workers are fresh interpreters (safe with threads, the same on every system). A worker watches its
parent and exits when the parent is gone, however it ended; Ctrl-C reaches the parent only.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process

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
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start_worker, initargs=(initializer,)
    )
    try:
        yield pool
    except BrokenProcessPool as error:
        raise KinetuneError(
            "a worker process was killed, perhaps for lack of memory; try again with fewer workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(initializer: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    if initializer is not None:
        initializer()


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        # Not sys.exit: that would only end this thread.
        os._exit(1)
