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
        # Stopping what never began would print an empty line.
        if bar.live.is_started:
            bar.stop()


@contextmanager
def step_bar(title: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield a function to call with the steps done and in all, or None where nothing is said.

    The bar vanishes when it is done; what is said afterwards stays.
    """
    if quiet:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)

    def update(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        # Stopping what never began would print an empty line.
        if bar.live.is_started:
            bar.stop()
