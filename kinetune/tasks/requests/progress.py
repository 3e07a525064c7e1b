"""Progress callbacks of tasks."""

from collections.abc import Callable

# Called with the stage's title, the steps done and the steps in all.
Progress = Callable[[str, int, int], None]


def stage(
    progress: Progress | None, title: str, *, part: int = 0, parts: int = 1
) -> Callable[[int, int], None] | None:
    """Return the callback of one stage, called with steps done and steps in all; None for None.

    Args:
        progress: Called with the steps of the whole stage.
        title: The stage's title.
        part: Which part of the stage the callback counts, from 0.
        parts: Parts of the stage, as long as each other.
    """
    if progress is None:
        return None
    return lambda done, total: progress(title, part * total + done, parts * total)
