"""Skeletal animation as read from a file: hierarchy, rest pose and motion.

Conventions: file units and the file's own world; quaternions (w, x, y, z), local to the parent.
Rotations and translations are read joint by joint and frame by frame, so that a long animation of
many joints costs only what is used. Axes: T frames, J joints of the file.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A selection of frames: a slice, or their numbers.
Frames = slice | NDArray[np.intp]


class SkeletalAnimation(Protocol):
    """One animation of one skeleton, parents before children."""

    @property
    def names(self) -> tuple[str, ...]:
        """Joint names as written, length J."""

    @property
    def parents(self) -> tuple[int, ...]:
        """Index of each joint's parent, -1 for a root, length J."""

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
        """Frames per second."""

    @property
    def frame_count(self) -> int:
        """Number of frames."""

    def local_rotations(self, joint: int, frames: Frames = slice(None)) -> Array:
        """Return a joint's local rotations in the given frames, (T, 4)."""

    def local_translations(self, joint: int, frames: Frames = slice(None)) -> Array | None:
        """Return a joint's translations from its parent, (T, 3), or None where it has none."""
