"""Work on a Ray cluster: rows go through a pool of workers that each hold what they need.

Ray Data's ``map_batches`` with an actor pool. A worker that dies is started again and its rows are
done again, three times at most; rows that still fail are missing in the result.
"""

import contextlib
import os
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.tasks.requests.progress import Progress, stage

AUTO = "auto"
_RETRIES = 3
# More blocks of rows than this only cost memory.
_MOST_BLOCKS = 2_000
# Rows are paths and results: a local cluster needs no more shared memory than this.
_OBJECT_STORE_BYTES = 200 << 20
# Ray gives up after 30 s, which a busy machine may need.
_STARTS = 3
# A machine that is there answers within this time.
_REACH_S = 10.0
# What fails is listed by the command; Ray's own files of a session tell the rest.
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True)
class Cluster:
    """Where work runs.

    Attributes:
        address: ``auto``, which joins a cluster that runs here or starts one on this machine; or
            the address of a cluster, such as ``ray://head:10001``.
        workers: Number of workers; as many as the cluster has CPUs if None.

    Raises:
        ConfigError: The number is below 1.
    """

    address: str = AUTO
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers must be 1 or more, found {self.workers}")


def map_rows(
    rows: Sequence[Mapping[str, object]],
    worker: type,
    arguments: tuple[Any, ...],
    cluster: Cluster,
) -> Iterator[dict[str, Any]]:
    """Yield what the workers make of the rows, in any order.

    Args:
        rows: Each with the same keys; values are numbers, text, or objects that can be pickled.
        worker: Class of the workers; called with a dict of columns, it returns such a dict.
        arguments: Of its constructor.
        cluster: Where.

    Raises:
        ConfigError: There is no cluster at that address.
        MissingExtraError: Ray isn't installed.
    """
    with _session(cluster) as ray:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        # What fails is missing, the rest goes on.
        context.max_errored_blocks = -1
        count = cluster.workers or int(ray.cluster_resources().get("CPU", 1))
        data = ray.data.from_items(
            [dict(row) for row in rows], override_num_blocks=min(len(rows), _MOST_BLOCKS)
        )
        with warnings.catch_warnings():
            # max_task_retries has no other name yet; without it a row that kills its worker is
            # tried for ever.
            warnings.simplefilter("ignore", DeprecationWarning)
            made = data.map_batches(
                worker, fn_constructor_args=arguments, batch_size=1, batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))), num_cpus=1,
                max_restarts=-1, max_task_retries=_RETRIES,
            )  # fmt: skip
        yield from made.iter_rows()


def run_rows(
    rows: Sequence[Mapping[str, object]],
    worker: type,
    arguments: tuple[Any, ...],
    cluster: Cluster,
    progress: Progress | None,
) -> None:
    """Have the workers take the rows, and report how many they have; see :func:`map_rows`."""
    if not rows:
        return
    report = stage(progress, "on the cluster") or (lambda done, total: None)
    for done, _ in enumerate(map_rows(rows, worker, arguments, cluster), start=1):
        report(done, len(rows))


@contextlib.contextmanager
def _session(cluster: Cluster) -> Iterator[Any]:
    """Yield Ray, joined to the cluster; one that was started here ends with the block."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with extra("ray"):
        import ray
        import ray.data
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, cluster)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, cluster: Cluster) -> None:  # noqa: ANN401 - Ray has no types
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    _check_reachable(cluster.address)
    try:
        with _silent_stderr():
            ray.init(address=cluster.address, **quiet)
    except (ConnectionError, ImportError, ValueError, RuntimeError) as error:
        if cluster.address != AUTO or not isinstance(error, ConnectionError):
            raise ConfigError(f"--ray {cluster.address}: no cluster there ({error})") from error
        _start_here(ray, cluster.workers, quiet)


def _check_reachable(address: str) -> None:
    """Ask whether anything listens at an address that names host and port.

    Ray itself would try for minutes.

    Raises:
        ConfigError: Nothing does.
    """
    named = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = named.hostname, named.port
    except ValueError as error:
        raise ConfigError(f"--ray {address}: expected HOST:PORT ({error})") from error
    if host is None or port is None:
        return
    try:
        socket.create_connection((host, port), timeout=_REACH_S).close()
    except OSError as error:
        raise ConfigError(f"--ray {address}: no cluster there ({error})") from error


def _start_here(ray: Any, workers: int | None, quiet: dict[str, Any]) -> None:  # noqa: ANN401
    """Start a cluster on this machine.

    Raises:
        ConfigError: Ray gives up, on a machine that is too busy or out of memory or disk.
    """
    for attempt in range(1, _STARTS + 1):
        try:
            with _silent_stderr():
                ray.init(
                    address="local", num_cpus=workers, object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False, **quiet,
                )  # fmt: skip
            return
        except Exception as error:
            # Ray raises no type of its own here.
            ray.shutdown()
            if attempt == _STARTS:
                raise ConfigError(
                    f"--ray {AUTO}: Ray could not be started here ({error})"
                ) from error


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Hide what Ray's processes write to the terminal; what went wrong is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
