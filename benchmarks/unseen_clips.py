"""The real clips that the beat network was not trained on."""

from kinetune.corpus.choreography import motion_library
from kinetune.motion.clip import MotionClip

# It is trained on AIST++; of the other clips only single poses are used, in keyframed dances.
_TRAINING_SOURCE = "AIST++"


def is_unseen(clip: MotionClip) -> bool:
    """Whether a clip of the library is of no source that the network was trained on."""
    return _TRAINING_SOURCE not in clip.source


def unseen_clips() -> list[MotionClip]:
    """Return those clips."""
    return [clip for clip in motion_library.library() if is_unseen(clip)]
