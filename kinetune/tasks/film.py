"""A film of a dance with its music, or somebody's film with other music on it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.tasks.requests.output_paths import FilmOptions

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip


def write_film(
    path: Path,
    clip: "MotionClip",
    grid: "BeatGrid",
    sound: "Sound",
    *,
    title: str,
    options: FilmOptions,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Film the dancer with the music, or put the music on the film of the options.

    Args:
        path: An .mp4 file.
        clip: The dance.
        grid: Its beats, which flash in the film.
        sound: The music; it begins with the dance.
        title: A line in the corner of the film.
        options: ``onto`` and ``offset_s`` are used.
        progress: Called with (pictures done, pictures in all).

    Raises:
        ConfigError: The film to put the music on can't be used.
        OutputError: The file can't be written.
    """
    import numpy as np

    from kinetune.audio.beat_map import beat_map
    from kinetune.render import mux, skeleton_video, soundtrack

    if options.onto is not None:
        soundtrack.replace_soundtrack(path, options.onto, sound, offset_s=options.offset_s)
        return
    beats = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, sound.duration_s)
    scene = skeleton_video.Scene(clip, np.array(beats.beats_s), np.array(beats.downbeats_s), title)
    mux.write_film(path, scene, sound, progress=progress)
