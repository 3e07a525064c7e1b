"""Videos of a dance with music, or new music on an existing video."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.group import dance_of
from kinetune.motion.io.formats import ReadOptions, read_motion_file
from kinetune.tasks.recipe import Recipe, find_music_recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.motion_files import MotionPath
from kinetune.tasks.requests.output_paths import FilmOptions, check_absent, film_paths
from kinetune.tasks.requests.progress import Progress, stage

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers
    from kinetune.render.marks import Marks


@dataclass(frozen=True)
class FilmRequest:
    """A film of any dance with any music.

    Attributes:
        motion: The dance.
        music: A sound file; it begins with the dance.
        film: The film to write, and the film to put the music on if there is one; its path may be
            a folder.
        beats: The beats that flash; without any, those of the music's recipe, or of the dance.
        read: What the motion file doesn't state itself.
        force: Whether to replace a film that exists.
        partners: The other dancers of a group.
    """

    motion: Path
    music: Path
    film: FilmOptions
    beats: BeatOptions = field(default_factory=BeatOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    partners: tuple[Path, ...] = ()


@dataclass(frozen=True)
class FilmResult:
    """A film that was made.

    Attributes:
        output: The film.
        duration_s: Length of the dance, seconds.
        music_s: Length of the music.
        bpm: Tempo of the beats that flash.
    """

    output: str
    duration_s: float
    music_s: float
    bpm: float


def film(request: FilmRequest, *, progress: Progress | None = None) -> FilmResult:
    """Film a dance with music, or put music on a film.

    Args:
        request: What to film.
        progress: Called with the progress.

    Raises:
        KinetuneError: A file can't be read, or the film exists or can't be written.
    """
    from kinetune.audio.sound import read_sound

    (path,) = film_paths([MotionPath(request.motion)], [request.music], request.film)
    if path is None:
        raise ConfigError("no film to write; name one")
    if not request.force:
        check_absent([path])
    motions = (request.motion, *request.partners)
    clip = dance_of([read_motion_file(motion, request.read).clip for motion in motions])
    sound = read_sound(request.music)
    recipe = find_music_recipe(request.music)
    if recipe is not None and request.beats == BeatOptions():
        grid = recipe.grid.beat_grid()
    else:
        grid = request.beats.grid_for(clip)
    check_writable(path.parent)
    write_film(
        path, clip, grid, sound, title=f"{clip.name}, {request.music.name}", options=request.film,
        marks=None if recipe is None else _marks_of(recipe, sound.duration_s),
        progress=stage(progress, f"{request.motion.name}: filming"),
    )  # fmt: skip
    return FilmResult(str(path), clip.duration_s, sound.duration_s, grid.bpm)


def _marks_of(recipe: Recipe, duration_s: float) -> "Marks":
    """The marks of music from its recipe: its score stands on its own beats, whatever flashes."""
    from kinetune.render.marks import marks_of

    options = recipe.options
    return marks_of(options.score, recipe.grid.beat_grid(), duration_s, loop=options.loop)


def write_film(
    path: Path,
    clip: "Dancers",
    grid: "BeatGrid",
    sound: "Sound",
    *,
    title: str,
    options: FilmOptions,
    marks: "Marks | None" = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Film the dancer or the group with the music, or put the music on the film of the options.

    Args:
        path: An .mp4 file.
        clip: The dance.
        grid: Its beats, which flash in the film.
        sound: The music; it begins with the dance.
        title: A line in the corner of the film.
        options: ``onto`` and ``offset_s`` are used.
        marks: Sections, silences, accents and the loop's wrap on the waveform.
        progress: Called with (pictures done, pictures in all).

    Raises:
        ConfigError: The film to put the music on can't be used.
        OutputError: The file can't be written.
    """
    import numpy as np

    from kinetune.audio.beat_map import beat_map
    from kinetune.render import mux, skeleton_video, soundtrack
    from kinetune.render.marks import Marks

    if options.onto is not None:
        soundtrack.replace_soundtrack(path, options.onto, sound, offset_s=options.offset_s)
        return
    beats = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, sound.duration_s, metre=grid.metre)
    scene = skeleton_video.Scene(
        clip, np.array(beats.beats_s), np.array(beats.downbeats_s), title, marks or Marks(),
        grid.metre,
    )  # fmt: skip
    mux.write_film(path, scene, sound, progress=progress)
