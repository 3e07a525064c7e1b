"""Inputs of the functions: dances and sounds, in memory or as paths, and models."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.audio.sound import Sound, read_sound
from kinetune.motion.clip import MotionClip
from kinetune.motion.curves.puppet import clip_from_curves
from kinetune.motion.curves.reading import curves_of
from kinetune.motion.group import Dancers, dance_of
from kinetune.motion.io.formats import ReadOptions, read_motion
from kinetune.motion.retargeting.joint_mapping import read_mapping
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline

Dance = str | Path | MotionClip
# One dancer, or several who dance together.
Dances = Dance | Sequence[Dance]
Span = tuple[float, float]
Steps = Callable[[int, int], None]


def load_motion(
    path: str | Path,
    *,
    fps: float | None = None,
    animation: str | None = None,
    mapping: str | Path | None = None,
    blender: str | Path | None = None,
) -> MotionClip:
    """Return the dance of a motion file: AIST++, AMASS, BVH, glTF, FBX or joint positions.

    Args:
        path: The file.
        fps: Frames per second, where the file's own are missing or wrong.
        animation: Which animation of a glTF or FBX file, by name.
        mapping: A TOML file that says which joint is which.
        blender: Blender's program, for FBX.

    Raises:
        MotionError: The file can't be used.
        ConfigError: The mapping can't be used.
    """
    joints = None if mapping is None else read_mapping(Path(mapping))
    program = None if blender is None else Path(blender)
    return read_motion(path, ReadOptions(joints, animation, fps, program))


def dance_from_curves(
    columns: Mapping[str, Sequence[float]], *, fps: float | None = None
) -> MotionClip:
    """Return a body that dances curves, with their events, energy and beats.

    Args:
        columns: Values by name, of one length, in any unit; one may be called ``time`` (seconds).
            Values of one called ``heart_rate``, ``bpm`` or ``tempo`` are the tempo.
        fps: Rows per second, where there is no column of times.

    Raises:
        MotionError: They can't be used.
    """
    return clip_from_curves(curves_of(columns, fps=fps))


def load_sound(path: str | Path) -> Sound:
    """Return the sound of a WAV, FLAC, OGG or MP3 file.

    Raises:
        AudioError: The file can't be used.
    """
    return read_sound(Path(path))


def dancers(dance: Dances) -> Dancers:
    """Return a dance, or a group of dancers; files are read."""
    each = [dance] if isinstance(dance, str | Path | MotionClip) else dance
    return dance_of([one if isinstance(one, MotionClip) else read_motion(one) for one in each])


def motion_paths(dance: Dances) -> tuple[Path, ...]:
    """Return the files of a dance; none where a dancer is in memory."""
    each = [dance] if isinstance(dance, str | Path | MotionClip) else dance
    files = [Path(one) for one in each if not isinstance(one, MotionClip)]
    return tuple(files) if len(files) == len(each) else ()


def sound_of(music: Music | Sound | str | Path) -> Sound:
    """Return the sound of music; a file is read."""
    if isinstance(music, Music):
        return music.sound
    return music if isinstance(music, Sound) else read_sound(Path(music))


def loaded_pipeline(model: "str | Path | DanceToMusicPipeline", device: str) -> LazyPipeline:
    """Return a pipeline, one that is loaded already as it is."""
    if isinstance(model, str | Path):
        return cached_pipeline(str(model), device)
    return LazyPipeline.around(model)


@lru_cache(maxsize=1)
def cached_pipeline(model: str, device: str) -> LazyPipeline:
    """Return the model of the last call, kept for the next."""
    return LazyPipeline(model, device)
