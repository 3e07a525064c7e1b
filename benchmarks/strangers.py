"""The real clips that the beat network has never seen, for those that judge it."""

from pathlib import Path

from kinetune.corpus.choreography import motion_library
from kinetune.motion.clip import MotionClip
from kinetune.training.beats import read_beat_config

_CONFIG = Path(__file__).parent.parent / "configs" / "beats.toml"
_HELD_OUT = read_beat_config(_CONFIG).dances.held_out


def is_stranger(clip: MotionClip) -> bool:
    """Whether a clip of the library was held out when the network was trained."""
    return clip.name in _HELD_OUT


def strange_clips() -> list[MotionClip]:
    """Return those clips."""
    return [clip for clip in motion_library.library() if is_stranger(clip)]
