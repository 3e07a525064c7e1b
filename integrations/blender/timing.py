"""Frames, seconds, markers and channels; plain Python, without Blender.

Music begins with the first frame of a motion. Seconds and frames per second; frames are whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Markers of ours begin so; others are left alone.
MARK = "♪"


@dataclass(frozen=True)
class Marker:
    """A marker to be set.

    Attributes:
        frame: Where.
        name: The number of the bar on its first beat; the sign alone on other beats.
    """

    frame: int
    name: str


def frame_at(time_s: float, *, first: int, fps: float) -> int:
    """Return the frame nearest to a time of the music."""
    return first + round(time_s * fps)


def span_s(start: int, end: int, *, first: int, fps: float) -> tuple[float, float]:
    """Return the times at which a range of frames begins and ends, its last frame included.

    Raises:
        ValueError: It is empty, or ends before the motion begins.
    """
    begin_s, end_s = max(start - first, 0) / fps, (end + 1 - first) / fps
    if end < start or end_s <= 0.0:
        raise ValueError("the preview range lies outside the dance")
    return begin_s, end_s


def beat_markers(
    beats_s: Sequence[float], downbeats_s: Sequence[float], *, first: int, fps: float, bars: bool
) -> list[Marker]:
    """Return a marker for every beat, or only for the first of every bar.

    Args:
        beats_s: Times of the beats.
        downbeats_s: Those of them that open a bar.
        first: First frame of the motion.
        fps: Frames per second.
        bars: Only mark bars.
    """
    markers, bar = [], 0
    opening = set(downbeats_s)
    for time_s in beats_s:
        bar += time_s in opening
        frame = frame_at(time_s, first=first, fps=fps)
        if time_s in opening:
            markers.append(Marker(frame, f"{MARK}{bar}"))
        elif not bars:
            markers.append(Marker(frame, MARK))
    return markers


def free_channel(taken: Iterable[tuple[int, float, float]], start: float, end: float) -> int:
    """Return the lowest channel, from 1, on which nothing overlaps a strip.

    Args:
        taken: Channel, start and end of the strips there are.
        start: First frame of the new strip.
        end: Frame after its last.
    """
    busy = {channel for channel, begins, ends in taken if begins < end and start < ends}
    return next(channel for channel in range(1, len(busy) + 2) if channel not in busy)
