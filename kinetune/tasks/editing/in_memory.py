"""An edit of music in memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune import genres
from kinetune.errors import ConfigError
from kinetune.model.conditioning.harmony import Harmony, repeat_harmony
from kinetune.render.marks import marks_of
from kinetune.tasks.editing.request import EditRequest
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music
from kinetune.tasks.recipe import Origin, Recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_of_music
from kinetune.tasks.requests.output_paths import FilmOptions
from kinetune.tasks.requests.score_changes import ScoreChanges, apply_changes, check_within

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.model.sampling.edit_spec import EditSpec
    from kinetune.model.sampling.editing import EditedMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers


@dataclass(frozen=True, eq=False)
class Material:
    """What an edit starts from.

    Attributes:
        sound: The music.
        clip: The dance.
        grid: The beats of a recipe; None without one.
        genre: The genre of the music.
        inputs: The files both were read from; none for data in memory.
        harmony: Key and chords of the music as its recipe has them; None without.
        model_lufs: Loudness as a model made it, from the recipe; None without.
        attributes: Musical attributes that a model was told to play, from the recipe.
    """

    sound: "Sound"
    clip: "Dancers"
    grid: "BeatGrid | None"
    genre: GenreChoice
    inputs: tuple[Path, ...] = ()
    harmony: Harmony | None = None
    model_lufs: float | None = None
    attributes: dict[str, float] = field(default_factory=dict)


def material_of_file(
    sound: "Sound",
    clip: "Dancers",
    recipe: Recipe | None,
    *,
    music: Path,
    dance: str,
    inputs: tuple[Path, ...],
) -> Material:
    """Return music of a file with what its recipe states of it.

    Args:
        sound: The music.
        clip: The dance.
        recipe: Its recipe; without one the genre is that of file, sound or dance.
        music: The file.
        dance: Name of the dance.
        inputs: The files both were read from.
    """
    if recipe is None:
        return Material(sound, clip, None, genre_of_music(music, sound, dance), inputs)
    return Material(
        sound, clip, recipe.grid.beat_grid(), GenreChoice(recipe.genre, "recipe"), inputs,
        recipe.harmony, recipe.model_lufs, recipe.attributes,
    )  # fmt: skip


def edit_in_memory(
    material: Material,
    request: EditRequest,
    *,
    pipeline: LazyPipeline,
    progress: Callable[[int, int], None] | None = None,
) -> tuple["EditedMusic", Music]:
    """Change music in memory.

    Args:
        material: What to start from.
        request: What to change; its files are not looked at.
        pipeline: The model.
        progress: Called with denoising steps done and in all.

    Returns:
        What the model made of it, and the finished piece.

    Raises:
        KinetuneError: Something is impossible.
    """
    from kinetune.model.conditioning.attributes import MusicConditions
    from kinetune.model.sampling.editing import edit_music

    grid = _grid(request, material)
    request = _with_changes(request, material, grid)
    spec, options, before = edit_spec(request), request.options, material.sound
    loaded = pipeline.load()
    sampling = loaded.sampling_options(options.seed, options.steps, options.guidance, progress)
    genre = genre_of_new(request, material)
    harmony = _harmony_beyond(material) if loaded.reads_harmony else None
    attributes = {
        name: value for name, value in material.attributes.items() if name in loaded.attribute_names
    }
    edited = edit_music(
        loaded, before, material.clip, spec, genre=genre.code, sampling=sampling, grid=grid,
        score=options.score, music=MusicConditions(harmony, attributes),
        model_lufs=material.model_lufs,
    )  # fmt: skip

    marks = marks_of(options.score, edited.grid, edited.sound.duration_s)

    def draw(path: Path) -> None:
        from kinetune.render.pictures import draw_edit

        draw_edit(path, before, edited, marks=marks)

    # A stretch does not change the genre of the piece.
    code = genre.code if request.is_whole else material.genre.code
    single = replace(request, plot=False, film=FilmOptions(), existing="refuse")
    origin = Origin("edit", single, material.inputs, pipeline.sha256, pipeline.versions)
    music = Music(
        edited.sound, edited.grid, code, options.seed, material.clip, origin, draw, marks=marks,
        harmony=harmony, model_lufs=None if request.is_whole else material.model_lufs,
        attributes=attributes,
    )  # fmt: skip
    return edited, music


def _harmony_beyond(material: Material) -> Harmony | None:
    """The harmony of the music, whose chords come again where the dance lasts longer."""
    music_s, dance_s = material.sound.duration_s, material.clip.duration_s
    if material.harmony is None or dance_s <= music_s:
        return material.harmony
    return repeat_harmony(material.harmony, period_s=music_s, until_s=dance_s)


def genre_of_new(request: EditRequest, material: Material) -> GenreChoice:
    """Return the genre of what is new: the requested one, or that of the music."""
    if request.options.genre is None:
        return material.genre
    return GenreChoice(genres.genre_code(request.options.genre), "request")


def edit_spec(request: EditRequest) -> "EditSpec":
    """Return what the model is to change, in its own terms."""
    from kinetune.model.sampling.edit_spec import EditSpec

    keep_rhythm = request.keep_rhythm
    if keep_rhythm is None:
        keep_rhythm = request.is_whole and request.options.genre is not None
    redo = request.changes.extent_s if request.redoes_changes else None
    if request.redo is not None:
        start_s, end_s = request.redo
        redo = (start_s, math.inf if end_s is None else end_s)
    return EditSpec(
        redo=redo,
        continue_s=request.continue_s,
        strength=request.strength,
        keep_rhythm=keep_rhythm,
        exact=request.exact,
    )


def _with_changes(request: EditRequest, material: Material, grid: "BeatGrid") -> EditRequest:
    """Return the request with the changes of the score in the score."""
    from kinetune.model.sampling.edit_spec import edit_span

    if request.only_changes_score and not request.redoes_changes:
        raise ConfigError(
            "a score or an energy needs a stretch to be new: add --redo START:END, such as 0:end, "
            "or a strength"
        )
    changes, clip = request.changes, material.clip
    if changes == ScoreChanges():
        return request
    spec = edit_spec(request)
    # The bars around what is named alone; exact are its own times only.
    spec = replace(spec, exact=spec.exact and not request.redoes_changes)
    span_s = edit_span(spec, material.sound.duration_s, clip, grid)
    check_within(changes, span_s)
    score = apply_changes(
        request.options.score, changes, span_s=span_s, grid=grid, duration_s=clip.duration_s,
        exact=request.exact,
    )  # fmt: skip
    options = replace(request.options, score=score)
    redo = span_s if request.redoes_changes else request.redo
    return replace(request, redo=redo, options=options, changes=ScoreChanges())


def _grid(request: EditRequest, material: Material) -> "BeatGrid":
    beats, sound, clip = request.options.beats, material.sound, material.clip
    if beats != BeatOptions():
        return beats.grid_for(clip)
    if request.beats_of == "dance":
        return material.grid or beats.grid_for(clip)
    from kinetune.audio.beats import music_beats
    from kinetune.motion.beats.beat_grid import grid_of_beats

    music = music_beats(sound)
    if len(music.beats_s) < 2:
        raise ConfigError("no beat was found in the music; take the dance's, or give a tempo")
    grid = grid_of_beats(music.beats_s, max(sound.duration_s, clip.duration_s))
    if len(music.downbeats_s):
        return replace(grid, bar_start_s=float(music.downbeats_s[0]))
    return grid
