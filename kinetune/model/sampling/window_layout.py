"""Windows and their times: how long a latent column lasts, and which columns a window holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.model.sampling.windows import WindowPlan, plan_loop, plan_windows


@dataclass(frozen=True)
class WindowLayout:
    """The shape of a model's windows, in latent columns.

    Attributes:
        width: Columns of a window.
        useful: Columns of a window that carry music.
        overlap: Columns shared by neighbouring windows.
        column_frames: Mel frames of a column.
        frame_rate_hz: Mel frames per second.
    """

    width: int
    useful: int
    overlap: int
    column_frames: int
    frame_rate_hz: float

    def plan(self, columns: int) -> WindowPlan:
        """Return the windows that cover a row of columns."""
        return plan_windows(columns, width=self.width, useful=self.useful, overlap=self.overlap)

    def plan_loop(self, columns: int) -> WindowPlan:
        """Return the windows that cover a loop of columns."""
        return plan_loop(columns, width=self.width, useful=self.useful, overlap=self.overlap)

    def seconds_of(self, columns: int) -> float:
        """Return how long so many columns last."""
        return timebase.duration_of(columns * self.column_frames, self.frame_rate_hz)

    @property
    def window_s(self) -> float:
        """Duration of the useful part of a window, seconds."""
        return self.seconds_of(self.useful)

    def starts_s(self, plan: WindowPlan, from_s: float = 0.0) -> list[float]:
        """Return the start of every window, seconds; the first column begins at ``from_s``."""
        return [from_s + self.seconds_of(start) for start in plan.starts]

    def column_times_s(self, plan: WindowPlan) -> NDArray[np.float64]:
        """Return the middle of every column, seconds from the first column's beginning."""
        column_s = self.seconds_of(1)
        return timebase.frame_times(plan.total, 1.0 / column_s) + 0.5 * column_s
