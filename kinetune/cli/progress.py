"""Progress bars on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def item_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with the items done and the items in all."""
    with stage_bars() as progress:
        yield lambda done, total: progress(title, done, total)


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to call with a stage's title, its items done and its items in all."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, TaskID] = {}

    def update(title: str, done: int, total: int) -> None:
        # Not before there is something to show: an early error stays one clean line.
        bar.start()
        if title not in tasks:
            tasks[title] = bar.add_task(title, total=None)
        bar.update(tasks[title], completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()
