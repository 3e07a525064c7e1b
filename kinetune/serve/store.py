"""Motions and jobs in an SQLite database, shared by the server and its workers.

Every call opens its own connection: calls come from several threads and processes, and SQLite
locks the file. Times are seconds since 1970.
"""

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["queued", "running", "done", "failed", "cancelled"]
Kind = Literal["job", "motion"]
FINISHED = ("done", "failed", "cancelled")
# A job that takes the worker down twice is not tried again.
MAX_ATTEMPTS = 2
_BUSY_S = 20.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS work (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancel REAL,
    worker TEXT,
    stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT 'null'
);
CREATE INDEX IF NOT EXISTS work_by_status ON work (kind, status, created);
"""


class QueueFullError(Exception):
    """As many jobs wait as may."""


@dataclass(frozen=True)
class Work:
    """A motion to be read or a job to be done.

    Attributes:
        id: 32 hexadecimal digits.
        kind: ``motion`` or ``job``.
        request: What to do, as JSON.
        status: Where it stands.
        created: When it came.
        started: When a worker took it.
        finished: When it ended.
        attempts: How often a worker took it.
        cancel: When it was requested to stop.
        stage: What is being done.
        done: Steps of the stage that are done.
        total: Steps of the stage.
        error: Why it failed, one line.
        result: What came of it, as JSON.
    """

    id: str
    kind: Kind
    request: dict[str, Any]
    status: Status
    created: float
    started: float | None
    finished: float | None
    attempts: int
    cancel: float | None
    stage: str
    done: int
    total: int
    error: str
    result: Any

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in FINISHED


class Store:
    """The database of a data folder.

    Args:
        folder: The data folder; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._connect() as connection:
            # Readers don't wait for a writer.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)

    def folder_of(self, kind: Kind, work_id: str) -> Path:
        """Return the folder of the files of a motion or a job."""
        return self.folder / f"{kind}s" / work_id

    def add(
        self, kind: Kind, request: Mapping[str, Any], *, limit: int, work_id: str | None = None
    ) -> Work:
        """Add work to the queue.

        Args:
            kind: ``motion`` or ``job``.
            request: What to do.
            limit: How much of that kind may wait.
            work_id: Its id; None draws one.

        Raises:
            QueueFullError: As much waits as may.
        """
        work_id = work_id or new_id()
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            if _count_queued(connection, kind) >= limit:
                raise QueueFullError
            row = connection.execute(
                "INSERT INTO work (id, kind, request, status, created) VALUES (?, ?, ?, ?, ?) "
                "RETURNING *",
                (work_id, kind, json.dumps(request), "queued", time.time()),
            ).fetchone()
        return _work(row)

    def queued(self, kind: Kind) -> int:
        """Return how much work of a kind waits."""
        with self._connect() as connection:
            return _count_queued(connection, kind)

    def find(self, kind: Kind, work_id: str) -> Work | None:
        """Return work by its id, or None."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT * FROM work WHERE kind = ? AND id = ?", (kind, work_id)
            ).fetchone()
        return None if row is None else _work(row)

    def latest(self, kind: Kind, count: int) -> list[Work]:
        """Return the newest work of a kind, newest first."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT * FROM work WHERE kind = ? ORDER BY created DESC, rowid DESC LIMIT ?",
                (kind, count),
            ).fetchall()
        return [_work(row) for row in rows]

    def position(self, work: Work) -> int:
        """Return how much of the same kind is before ``work`` in the queue."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM work WHERE kind = ? AND status = 'queued' AND rowid < "
                "(SELECT rowid FROM work WHERE id = ?)",
                (work.kind, work.id),
            ).fetchone()
        return int(row[0])

    def claim(self, kind: Kind, worker: str) -> Work | None:
        """Return the oldest work that waits, now running, or None."""
        with self._connect() as connection:
            row = connection.execute(
                "UPDATE work SET status = 'running', started = ?, worker = ?, "
                "attempts = attempts + 1 WHERE id = (SELECT id FROM work WHERE kind = ? AND "
                "status = 'queued' ORDER BY rowid LIMIT 1) RETURNING *",
                (time.time(), worker, kind),
            ).fetchone()
        return None if row is None else _work(row)

    def progress(self, work_id: str, stage: str, done: int, total: int) -> bool:
        """Note how far work is; return whether it shall continue."""
        with self._connect() as connection:
            row = connection.execute(
                "UPDATE work SET stage = ?, done = ?, total = ? WHERE id = ? AND "
                "status = 'running' RETURNING cancel",
                (stage, done, total, work_id),
            ).fetchone()
        return row is not None and row[0] is None

    def finish(
        self,
        work_id: str,
        status: Literal["done", "failed", "cancelled"],
        *,
        error: str = "",
        result: object = None,
    ) -> None:
        """End work that runs; work that has ended already stays as it is."""
        with self._connect() as connection:
            connection.execute(
                "UPDATE work SET status = ?, finished = ?, error = ?, result = ? WHERE id = ? "
                "AND status = 'running'",
                (status, time.time(), error, json.dumps(result), work_id),
            )

    def cancel(self, work_id: str) -> None:
        """End work that waits, and ask work that runs to stop."""
        now = time.time()
        with self._connect() as connection:
            connection.execute(
                "UPDATE work SET status = 'cancelled', finished = ? WHERE id = ? AND "
                "status = 'queued'",
                (now, work_id),
            )
            connection.execute(
                "UPDATE work SET cancel = ? WHERE id = ? AND status = 'running' AND cancel IS NULL",
                (now, work_id),
            )

    def running(self, worker: str) -> Work | None:
        """Return what a worker is doing, or None."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT * FROM work WHERE worker = ? AND status = 'running'", (worker,)
            ).fetchone()
        return None if row is None else _work(row)

    def requeue(self, work: Work, reason: str) -> None:
        """Put back work whose worker has gone; it fails if that happened before."""
        if work.cancel is not None:
            self.finish(work.id, "cancelled")
        elif work.attempts >= MAX_ATTEMPTS:
            self.finish(work.id, "failed", error=reason)
        else:
            with self._connect() as connection:
                connection.execute(
                    "UPDATE work SET status = 'queued', worker = NULL, stage = '', done = 0, "
                    "total = 0 WHERE id = ? AND status = 'running'",
                    (work.id,),
                )

    def all_running(self) -> list[Work]:
        """Return all work that runs."""
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM work WHERE status = 'running'").fetchall()
        return [_work(row) for row in rows]

    def delete(self, work_id: str) -> None:
        """Forget finished work."""
        with self._connect() as connection:
            connection.execute(
                "DELETE FROM work WHERE id = ? AND status IN ('done', 'failed', 'cancelled')",
                (work_id,),
            )

    def finished_before(self, moment: float) -> list[Work]:
        """Return work that ended before a time."""
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM work WHERE finished < ?", (moment,)).fetchall()
        return [_work(row) for row in rows]

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.folder / "kinetune.sqlite", timeout=_BUSY_S)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _count_queued(connection: sqlite3.Connection, kind: Kind) -> int:
    row = connection.execute(
        "SELECT count(*) FROM work WHERE kind = ? AND status = 'queued'", (kind,)
    ).fetchone()
    return int(row[0])


def new_id() -> str:
    """Return an id that can't be guessed: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def _work(row: sqlite3.Row) -> Work:
    table = {name: row[name] for name in row.keys() if name != "worker"}  # noqa: SIM118
    table["request"] = json.loads(table["request"])
    table["result"] = json.loads(table["result"])
    return Work(**table)
