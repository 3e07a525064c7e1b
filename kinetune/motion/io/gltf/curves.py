"""Animation curves of glTF: keys and how to go from one to the next.

Conventions: seconds; rotations are quaternions (w, x, y, z) here, though glTF writes x, y, z, w.
Before its first key a curve holds it, after its last likewise. Axes:
K keys, T sample times, D numbers.
Source: the glTF 2.0 specification (Khronos), section 3.11 and appendix C.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import MotionError
from kinetune.motion import rotations

Array = NDArray[np.float64]

INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")


@dataclass(frozen=True, eq=False)
class Curve:
    """One animated property of one node.

    Attributes:
        times_s: When the keys stand, ascending, (K,).
        values: The keys, (K, D).
        interpolation: ``LINEAR``, ``STEP`` or ``CUBICSPLINE``.
        tangents: Into and out of each key, a second, (K, 2, D); only for ``CUBICSPLINE``.
    """

    times_s: Array
    values: Array
    interpolation: str = "LINEAR"
    tangents: Array | None = None

    def values_at(self, times_s: Array) -> Array:
        """Return its values at times (T,), seconds, (T, D)."""
        low, high, fraction = self._between(times_s)
        if self.interpolation == "STEP":
            # Sampled at a key that rounding moved a hair ahead, the key itself is meant.
            return self.values[np.where(fraction > 1.0 - 1e-4, high, low)]
        if self.interpolation == "CUBICSPLINE":
            return self._spline(low, high, fraction)
        f = fraction[:, None]
        return (1.0 - f) * self.values[low] + f * self.values[high]

    def rotations_at(self, times_s: Array) -> Array:
        """Return unit quaternions at times (T,), seconds, (T, 4), for a curve of rotations."""
        if self.interpolation == "LINEAR":
            low, high, fraction = self._between(times_s)
            return rotations.slerp(self.values[low], self.values[high], fraction)
        quat = self.values_at(times_s)
        length = np.linalg.norm(quat, axis=-1, keepdims=True)
        return np.where(length > 0.0, quat / np.where(length > 0.0, length, 1.0), [1.0, 0, 0, 0])

    def _between(self, times_s: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Return the keys before and after each moment, and how far between it lies."""
        last = len(self.times_s) - 1
        low = np.clip(np.searchsorted(self.times_s, times_s, side="right") - 1, 0, last)
        high = np.minimum(low + 1, last)
        gap_s = self.times_s[high] - self.times_s[low]
        passed = np.where(gap_s > 0.0, times_s - self.times_s[low], 0.0)
        return low, high, np.clip(passed / np.where(gap_s > 0.0, gap_s, 1.0), 0.0, 1.0)

    def _spline(self, low: NDArray[np.intp], high: NDArray[np.intp], fraction: Array) -> Array:
        if self.tangents is None:
            return self.values[low]
        t, gap_s = fraction[:, None], (self.times_s[high] - self.times_s[low])[:, None]
        leaving, arriving = self.tangents[low, 1], self.tangents[high, 0]
        return (
            (2 * t**3 - 3 * t**2 + 1) * self.values[low]
            + gap_s * (t**3 - 2 * t**2 + t) * leaving
            + (3 * t**2 - 2 * t**3) * self.values[high]
            + gap_s * (t**3 - t**2) * arriving
        )


def build_curve(times_s: Array, numbers: Array, interpolation: str, context: str) -> Curve:
    """Make a curve of a sampler's two arrays.

    Args:
        times_s: (K, 1).
        numbers: (K, D), for ``CUBICSPLINE`` (3 K, D).
        interpolation: How it goes from key to key.
        context: What to call it in errors.

    Raises:
        MotionError: Times run backwards, counts differ, or the interpolation isn't known.
    """
    if interpolation not in INTERPOLATIONS:
        raise MotionError(
            f"{context}: expected one of {', '.join(INTERPOLATIONS)}, found {interpolation[:40]!r}"
        )
    times_s = times_s[:, 0]
    each = 3 if interpolation == "CUBICSPLINE" else 1
    if not len(times_s) or len(numbers) != each * len(times_s):
        raise MotionError(
            f"{context}: expected {each} value{'s' if each > 1 else ''} a key, found "
            f"{len(numbers)} for {len(times_s)} keys"
        )
    if (np.diff(times_s) < 0.0).any():
        raise MotionError(f"{context}: its times run backwards")
    if interpolation != "CUBICSPLINE":
        return Curve(times_s, numbers, interpolation)
    thirds = numbers.reshape(len(times_s), 3, -1)
    return Curve(times_s, thirds[:, 1], interpolation, thirds[:, ::2])


def rotation_curve(curve: Curve, context: str) -> Curve:
    """Return a curve of rotations in our order of numbers, its keys of length 1.

    Raises:
        MotionError: A key has no direction.
    """
    order = [3, 0, 1, 2]
    values = curve.values[:, order]
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    if (length < 1e-6).any():
        raise MotionError(f"{context}: it holds a rotation of length 0; the file is damaged")
    tangents = None if curve.tangents is None else curve.tangents[..., order]
    return Curve(curve.times_s, values / length, curve.interpolation, tangents)
