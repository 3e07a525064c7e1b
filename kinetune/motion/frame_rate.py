"""Frame rates of motion files: valid range, and recovery of rounded values.

Conventions: frames per second (Hz) and seconds. A file writes its rate, or the time from one frame
to the next, with few digits; the digits written bound the true value.
"""

import math
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from kinetune import timebase
from kinetune.errors import MotionError

# Stop motion is shot at 12 frames per second and no suit records faster than 1000: beyond these a
# header is damaged, or means something else.
MIN_RATE_HZ = 5.0
MAX_RATE_HZ = 1000.0
MAX_DURATION_S = 2 * 3600.0
# Two hours at 120 frames per second: more than this fills memory, not a dance.
MAX_FRAMES = 864_000
# Rates people record at; a rate within 0.1 % of one of them was rounded in writing.
NOMINAL_RATES_HZ = (
    12, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 72, 75, 80, 90, 96, 100, 119.88,
    120, 144, 150, 180, 200, 240, 250, 300, 360, 400, 480, 500, 1000,
)  # fmt: skip
_ROUNDING = 1e-3
_EXACT = 1e-9


def checked_rate_hz(rate_hz: float, context: str) -> float:
    """Return ``rate_hz`` as a float.

    Args:
        rate_hz: Frames per second.
        context: What to call the number in errors.

    Raises:
        MotionError: It isn't a rate motion is recorded at, 5 to 1000 frames per second.
    """
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise MotionError(
            f"{context}: expected {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} frames a second, found "
            f"{rate_hz:g}; correct the file, or give its rate with --fps"
        )
    return float(rate_hz)


def check_length(frame_count: int, rate_hz: float, context: str) -> None:
    """Check how many frames a motion has, before they are loaded.

    Args:
        frame_count: How many.
        rate_hz: Frames per second.
        context: What to call the file in errors.

    Raises:
        MotionError: There are none, or more than two hours or 864,000 of them, or the rate is
            impossible.
    """
    checked_rate_hz(rate_hz, context)
    if frame_count <= 0:
        raise MotionError(f"{context}: the motion has no frames")
    duration_s = timebase.duration_of(frame_count, rate_hz)
    if duration_s > MAX_DURATION_S or frame_count > MAX_FRAMES:
        raise MotionError(
            f"{context}: expected at most {MAX_DURATION_S:g} s and {MAX_FRAMES} frames of motion, "
            f"found {duration_s:.0f} s, {frame_count} frames; cut it into parts"
        )


def nominal_rate_hz(rate_hz: float) -> float:
    """Return the rate people record at that ``rate_hz`` is a rounding of, or itself."""
    nearest = min(NOMINAL_RATES_HZ, key=lambda nominal: abs(nominal - rate_hz))
    return float(nearest) if abs(nearest - rate_hz) <= _ROUNDING * nearest else rate_hz


def rate_from_frame_time(text: str) -> float:
    """Return the frame rate that a written frame time stands for.

    The digits are the tolerance: 0.0333 was rounded from a time between 0.03325 and 0.03335 s, so
    it stands for 30 frames per second, and 0.0166, cut off from 0.01667, for 60. A time whose
    inverse is a whole number is taken as it is; zeros at the end don't count as digits.

    Args:
        text: The time from one frame to the next, seconds, as the file writes it.

    Raises:
        ValueError: It isn't a finite number above 0.
    """
    try:
        written = Decimal(text.strip())
        frame_time_s = float(written)
    except (InvalidOperation, ValueError) as error:
        raise ValueError(f"not a number: {text[:40]!r}") from error
    if not (math.isfinite(frame_time_s) and frame_time_s > 0.0):
        raise ValueError(f"not a time above 0: {text[:40]!r}")
    rate_hz = 1.0 / frame_time_s
    if math.isfinite(rate_hz) and abs(rate_hz - round(rate_hz)) <= _EXACT * rate_hz:
        return float(round(rate_hz))
    last_digit_s = 10.0 ** int(written.normalize().as_tuple().exponent)
    for below, above in ((0.5, 0.5), (0.0, 1.0)):  # Rounded, or cut off.
        low_s, high_s = frame_time_s - below * last_digit_s, frame_time_s + above * last_digit_s
        possible = [rate for rate in NOMINAL_RATES_HZ if low_s * rate <= 1.0 <= high_s * rate]
        if possible:
            return _most_likely_rate(possible, rate_hz)
    return nominal_rate_hz(rate_hz)


def _most_likely_rate(possible: Sequence[float], rate_hz: float) -> float:
    """Return the nearest of the whole rates, or of the others where none is whole."""
    whole = [rate for rate in possible if rate == int(rate)]
    return float(min(whole or possible, key=lambda rate: abs(rate - rate_hz)))
