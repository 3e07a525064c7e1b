"""A recorded motion as if it were danced now."""

from kinetune import timebase
from kinetune.motion.clip import MotionClip, cut


class Replay:
    """A recorded motion of which only what was danced until now is seen.

    Args:
        clip: The motion.
    """

    def __init__(self, clip: MotionClip) -> None:
        self._clip = clip

    def window(self, now_s: float, length_s: float) -> tuple[MotionClip, float] | None:
        """Return the motion of the last seconds and where it begins; None if there is none yet."""
        frames = min(int(now_s * self._clip.fps + 1e-6), self._clip.frame_count)
        first = max(0, frames - timebase.frames_in(length_s, self._clip.fps))
        if frames - first < 2:
            return None
        start_s = timebase.duration_of(first, self._clip.fps)
        part = cut(self._clip, start_s, timebase.duration_of(frames - first, self._clip.fps))
        return part, start_s

    def is_finished(self, now_s: float) -> bool:
        """Return whether the motion has ended."""
        return now_s >= self._clip.duration_s
