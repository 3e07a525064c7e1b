"""What retargeting asks of any motion file that has a skeleton: a tree, a rest pose, a motion.

Conventions: file units and the file's own world; quaternions (w, x, y, z), local to the parent.
Joints are asked for one by one and frame by frame, so that a long take of many joints costs only
what is looked at. Axes: T frames, J joints of the file.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Frames asked for: a slice, or their numbers.
Frames = slice | NDArray[np.intp]

# No camera or suit records faster, and no dance lasts longer: beyond this a header is wrong.
MAX_RATE_HZ = 1000.0
MAX_DURATION_S = 2 * 3600.0
# Rates people record at; a rate within 0.1 % of one of them was rounded in writing.
NOMINAL_RATES_HZ = (
    12, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 72, 75, 80, 90, 96, 100, 119.88,
    120, 144, 150, 180, 200, 240, 250, 300, 360, 400, 480, 500, 1000,
)  # fmt: skip
_SNAP = 1e-3


class SkeletalAnimation(Protocol):
    """One take of any skeleton, parents before children."""

    @property
    def names(self) -> tuple[str, ...]:
        """Joint names as written, length J."""

    @property
    def parents(self) -> tuple[int, ...]:
        """Place of each joint's parent, -1 for a root, length J."""

    @property
    def offsets(self) -> Array:
        """From the parent at rest, (J, 3)."""

    @property
    def end_offsets(self) -> Array:
        """Where a leaf's bone ends in its own axes, zeros where unknown, (J, 3)."""

    @property
    def rest_rotations(self) -> Array:
        """Local rotations in the rest pose, (J, 4)."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def frame_count(self) -> int:
        """How many frames there are."""

    def local_rotations(self, joint: int, frames: Frames = slice(None)) -> Array:
        """Return a joint's local rotations, (T, 4), for the frames asked for."""

    def local_translations(self, joint: int, frames: Frames = slice(None)) -> Array | None:
        """Return a joint's own path from its parent, (T, 3), or None where it has none."""


def nominal_rate_hz(rate_hz: float) -> float:
    """Return the rate people record at that ``rate_hz`` is a rounding of, or itself."""
    nearest = min(NOMINAL_RATES_HZ, key=lambda nominal: abs(nominal - rate_hz))
    return float(nearest) if abs(nearest - rate_hz) <= _SNAP * nearest else rate_hz
