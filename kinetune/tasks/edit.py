"""Edits of existing music: regenerate a span, extend it, vary it or change its genre.

For music with a recipe (``tasks.recipe``), dance, beats, score and genre come from the recipe
unless the request sets them.
"""

from typing import TYPE_CHECKING

from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.group import dance_of
from kinetune.motion.io.formats import read_motion_file
from kinetune.tasks.editing.completion import complete_request, recorded_request
from kinetune.tasks.editing.in_memory import (
    Material,
    edit_in_memory,
    edit_spec,
    genre_of_new,
    material_of_file,
)
from kinetune.tasks.editing.request import BeatSource, EditRequest, EditResult
from kinetune.tasks.editing.writing import write_edit_film
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music, PlayedHarmony, write_harmony, write_piece
from kinetune.tasks.recipe import Recipe, find_music_recipe, sidecar_path
from kinetune.tasks.requests.composer_outputs import chords_path
from kinetune.tasks.requests.output_paths import check_absent
from kinetune.tasks.requests.progress import Progress, stage

if TYPE_CHECKING:
    from kinetune.model.sampling.editing import EditedMusic

__all__ = [
    "BeatSource",
    "EditRequest",
    "EditResult",
    "Material",
    "complete_request",
    "edit",
    "edit_in_memory",
    "recorded_request",
]


def edit(
    request: EditRequest,
    *,
    progress: Progress | None = None,
    pipeline: LazyPipeline | None = None,
) -> EditResult:
    """Change a music file to a dance and write the result.

    Args:
        request: What to change.
        progress: Called with the progress.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: Something is impossible; nothing was written.
    """
    _check_outputs(request)
    recipe = find_music_recipe(request.music)
    request = request if recipe is None else complete_request(request, recipe)
    if recipe is not None and _is_composers(request, recipe):
        from kinetune.tasks.composing.redo import edit_composed

        return edit_composed(request, recipe, progress=progress)
    if request.engine == "composer":
        raise ConfigError(f"{request.music}: not composed, so it has no notes to redo")
    material = _read_material(request, recipe)
    pipeline = pipeline or LazyPipeline(request.model or "default", request.device)
    if material.harmony and pipeline.reads_harmony and request.existing != "replace":
        check_absent([chords_path(request.target)])
    edited, music = edit_in_memory(
        material, request, pipeline=pipeline,
        progress=stage(progress, f"{request.music.name}: denoising"),
    )  # fmt: skip
    harmony = _write(request, music, progress)
    return _result(
        request, material, edited, music, from_recipe=recipe is not None, harmony=harmony
    )


def _write(request: EditRequest, music: Music, progress: Progress | None) -> PlayedHarmony | None:
    """Write the music and all that was requested with it."""
    write_piece(music, request.target)
    harmony = write_harmony(music, request.target)
    if request.plot:
        music.draw(request.target.with_suffix(".png"))
    write_edit_film(request, music, progress)
    return harmony


def _result(
    request: EditRequest,
    material: Material,
    edited: "EditedMusic",
    music: Music,
    *,
    from_recipe: bool,
    harmony: PlayedHarmony | None,
) -> EditResult:
    genre = genre_of_new(request, material)
    return EditResult(
        music=str(request.music),
        motion=str(request.motion),
        output=str(request.target),
        recipe=str(sidecar_path(request.target)),
        from_recipe=from_recipe,
        genre=genre.code,
        genre_source=genre.source,
        seed=request.options.seed,
        sample_rate=music.sound.rate_hz,
        duration_s=music.duration_s,
        start_s=edited.start_s,
        end_s=edited.end_s,
        strength=edit_spec(request).amount,
        bpm=music.bpm,
        seconds=edited.seconds,
        picture=str(request.target.with_suffix(".png")) if request.plot else None,
        film=None if request.film.path is None else str(request.film.path),
        harmony=harmony,
    )


def _is_composers(request: EditRequest, recipe: Recipe) -> bool:
    """Whether the composer made the music and is to change it."""
    engine = recipe.request["options"].get("engine")
    return engine == "composer" and request.engine != "diffusion"


def _check_outputs(request: EditRequest) -> None:
    from kinetune.audio.sound import check_suffix
    from kinetune.render.mux import check_suffix as check_film_suffix

    check_suffix(request.target)
    if request.film.path is not None:
        check_film_suffix(request.film.path)
    edit_spec(request)
    if request.existing != "replace":
        check_absent(request.files)


def _read_material(request: EditRequest, recipe: Recipe | None) -> Material:
    from kinetune.audio.sound import check_suffix, read_sound

    sound = read_sound(request.music)
    check_suffix(request.target, rate_hz=sound.rate_hz)
    if request.motion is None:
        raise ConfigError(f"{request.music}: holds no recipe; name the dance with --motion")
    motions = (request.motion, *request.partners)
    clip = dance_of([read_motion_file(path, request.read).clip for path in motions])
    for folder in {path.parent for path in request.files}:
        check_writable(folder)
    return material_of_file(
        sound, clip, recipe, music=request.music, dance=request.motion.name,
        inputs=(request.music, *motions),
    )  # fmt: skip
