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

from kinetune.cli.terminal.output import is_quiet


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
    bar = Progress(*columns, console=Console(stderr=True), disable=is_quiet())
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
def passing_bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a function to call with a stage's title, its steps done and its steps in all.

    One bar at a time; it vanishes when its stage is done, so that what is printed then stays.

    Args:
        quiet: Yield None instead, and show nothing.
    """
    if quiet or is_quiet():
        yield None
        return
    bar = _PassingBar()
    try:
        yield bar
    finally:
        bar.stop()


class _PassingBar:
    """The bar of the stage that is running."""

    def __init__(self) -> None:
        self._title, self._task = "", TaskID(0)
        self._bar: Progress | None = None

    def __call__(self, title: str, done: int, total: int) -> None:
        if self._bar is None or title != self._title:
            self.stop()
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._title, self._task = title, self._bar.add_task(title, total=total)
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self.stop()

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
