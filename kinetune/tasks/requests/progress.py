"""Progress callbacks of tasks."""

from collections.abc import Callable

# Called with the stage's title, the steps done and the steps in all.
Progress = Callable[[str, int, int], None]


def stage(progress: Progress | None, title: str) -> Callable[[int, int], None] | None:
    """Return the callback of one stage, called with steps done and steps in all; None for None."""
    return None if progress is None else lambda done, total: progress(title, done, total)
