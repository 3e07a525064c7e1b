"""Music for a body that dances now: a replayed file, or a stream from the network."""

from kinetune.tasks.live.request import LiveRequest, LiveResult
from kinetune.tasks.live.run import play_live

__all__ = ["LiveRequest", "LiveResult", "play_live"]
