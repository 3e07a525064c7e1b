"""Sound strips and markers of a scene.

Blender 4.4 renamed ``sequences`` to ``strips``; 5.0 dropped the old name.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy

from . import timing

# Strips of ours begin so; others are left alone.
STRIP = "kinetune"


def strips_of(scene: bpy.types.Scene) -> Any:  # noqa: ANN401 - the type's name depends on Blender
    """Return the strips of a scene's sequence editor, which is made if there is none."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def new_sound(strips: Any, path: Path, frame: int) -> Any:  # noqa: ANN401
    """Return a new sound strip that begins at a frame."""
    made = strips.new_sound(STRIP, str(path), 1, frame)
    made.show_waveform = True
    return made


def edges_of(strip: Any) -> tuple[float, float]:  # noqa: ANN401
    """Return the first frame of a strip, and the frame after its last."""
    if hasattr(strip, "left_handle"):
        # Since 5.0; the names below are to go.
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


def place_sound(scene: bpy.types.Scene, path: Path, frame: int) -> Any:  # noqa: ANN401
    """Put a sound at a frame in the place of the one that stood there before.

    Playback follows the sound from now on.
    """
    strips = strips_of(scene)
    for strip in [strip for strip in strips if strip.name.startswith(STRIP)]:
        strips.remove(strip)
    made = new_sound(strips, path, frame)
    taken = [(strip.channel, *edges_of(strip)) for strip in strips if strip != made]
    made.channel = timing.free_channel(taken, *edges_of(made))
    scene.sync_mode = "AUDIO_SYNC"
    return made


def place_markers(scene: bpy.types.Scene, markers: Iterable[timing.Marker]) -> None:
    """Put markers on the time line in the place of ours that stood there before."""
    known = scene.timeline_markers
    for marker in [marker for marker in known if marker.name.startswith(timing.MARK)]:
        known.remove(marker)
    for marker in markers:
        known.new(marker.name, frame=marker.frame)
