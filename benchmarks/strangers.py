"""The real clips whose movement the beat network has never seen, for benchmarks that judge it."""

from kinetune.corpus.choreography import motion_library
from kinetune.motion.clip import MotionClip

# It is trained on AIST++ dancers; of the other clips only single poses are used, in keyed dances.
_SEEN_SOURCE = "AIST++"


def is_stranger(clip: MotionClip) -> bool:
    """Whether a clip of the library is of no source that the network was trained on."""
    return _SEEN_SOURCE not in clip.source


def strange_clips() -> list[MotionClip]:
    """Return those clips."""
    return [clip for clip in motion_library.library() if is_stranger(clip)]
