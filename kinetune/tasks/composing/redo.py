"""Changes of a composed piece: bars regenerated, another genre; every other note stays."""

import time
from dataclasses import replace

from kinetune import genres
from kinetune.audio.sound import read_sound
from kinetune.composer.options import Take
from kinetune.errors import ConfigError
from kinetune.model.conditioning.bars import enclosing_bars
from kinetune.motion.beats.beat_grid import BeatGrid
from kinetune.motion.group import dance_of
from kinetune.motion.io.formats import read_motion_file
from kinetune.tasks.composing.engine import ComposedMusic, ComposerPipeline, compose_music
from kinetune.tasks.composing.outputs import write_piece_chords
from kinetune.tasks.editing.in_memory import Material
from kinetune.tasks.editing.request import EditRequest, EditResult
from kinetune.tasks.editing.writing import write_edit_film
from kinetune.tasks.generate import GenerateRequest, finish_music
from kinetune.tasks.music import Music, write_piece
from kinetune.tasks.recipe import Recipe, sidecar_path
from kinetune.tasks.requests.composer_outputs import chords_path
from kinetune.tasks.requests.genre_choice import GenreChoice
from kinetune.tasks.requests.output_paths import check_absent
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.tasks.requests.score_changes import ScoreChanges, apply_changes
from kinetune.tasks.requests.serialisation import from_json


def edit_composed(
    request: EditRequest, recipe: Recipe, *, progress: Progress | None = None
) -> EditResult:
    """Change a composed piece and write the result, with a recipe that makes all of it.

    Args:
        request: The change; its dance has been found.
        recipe: How the piece was made.
        progress: Called with the progress.

    Raises:
        KinetuneError: The change is one that only the diffusion model makes, or a file can't be
            used; nothing was written.
    """
    began = time.perf_counter()
    if request.existing != "replace":
        check_absent([chords_path(request.target)])
    before = from_json(GenerateRequest, recipe.request)
    changed = changed_request(
        request, before, grid=recipe.grid.beat_grid(), duration_s=recipe.duration_s
    )
    inputs = changed.motions
    clip = dance_of([read_motion_file(path, changed.read).clip for path in inputs])
    made = compose_music(
        clip, changed.options, genre=changed.options.genre or recipe.genre, export=changed.export,
        progress=stage(progress, f"{request.music.name}: playing"),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    start_s, end_s = _changed_span(request, made)
    music = finish_music(made, clip, changed, inputs=inputs, pipeline=ComposerPipeline())
    write_piece(music, request.target)
    harmony = write_piece_chords(made.piece, request.target)
    _draw(request, made, (start_s, end_s, seconds))
    write_edit_film(request, music, progress)
    genre = _genre(request, recipe)
    return EditResult(
        music=str(request.music),
        motion=str(inputs[0]),
        output=str(request.target),
        recipe=str(sidecar_path(request.target)),
        from_recipe=True,
        genre=genre.code,
        genre_source=genre.source,
        seed=changed.options.composer.takes[-1].seed if request.redo else changed.options.seed,
        sample_rate=music.sound.rate_hz,
        duration_s=music.duration_s,
        start_s=start_s,
        end_s=end_s,
        strength=1.0,
        bpm=music.bpm,
        seconds=seconds,
        picture=str(request.target.with_suffix(".png")) if request.plot else None,
        film=None if request.film.path is None else str(request.film.path),
        harmony=harmony,
    )


def edit_composed_in_memory(
    made: GenerateRequest, request: EditRequest, material: Material
) -> Music:
    """Return a composed piece with a change in it.

    Args:
        made: How the piece was made.
        request: The change; its files are not looked at.
        material: The piece and its dance.

    Raises:
        ConfigError: The change is one that only the diffusion model makes.
    """
    inputs = (request.motion,) if request.motion is not None else made.motions
    clip, duration_s = material.clip, material.sound.duration_s
    changed = changed_request(request, made, grid=material.grid, duration_s=duration_s)
    genre = changed.options.genre or material.genre.code
    music = compose_music(clip, changed.options, genre=genre, export=changed.export)
    return finish_music(
        music, clip, replace(changed, motions=inputs), inputs=inputs, pipeline=ComposerPipeline()
    )


def changed_request(
    request: EditRequest, made: GenerateRequest, *, grid: BeatGrid | None, duration_s: float
) -> GenerateRequest:
    """Return the request of a composed piece with a change in it.

    Args:
        request: The change.
        made: How the piece was made.
        grid: Its beats.
        duration_s: Its length.

    Raises:
        ConfigError: The change is one that only the diffusion model makes.
    """
    if (request.continue_s, request.strength, request.keep_rhythm) != (None, None, None):
        raise ConfigError(
            f"{request.music}: composed music can be redone (--redo) or change its genre; "
            "--continue, --strength and --keep-rhythm need --engine diffusion"
        )
    if request.exact:
        raise ConfigError("the composer redoes whole bars; leave --exact out")
    score = request.options.score
    if request.changes != ScoreChanges() and grid is not None:
        start_s, end_s = request.redo or (0.0, None)
        span_s = enclosing_bars(grid, start_s, end_s or duration_s, duration_s)
        score = apply_changes(
            score, request.changes, span_s=span_s, grid=grid, duration_s=duration_s
        )
    options = replace(made.options, score=score)
    if request.redo is not None:
        takes = options.composer.takes
        used = {options.seed, *(take.seed for take in takes)}
        seed = next(s for s in range(request.options.seed, 1 << 62) if s not in used)
        take = Take(*request.redo, seed, request.options.genre or "")
        options = replace(options, composer=replace(options.composer, takes=(*takes, take)))
    elif request.options.genre is not None:
        options = replace(options, genre=request.options.genre)
    motions = () if request.motion is None else (request.motion, *request.partners)
    return replace(made, motions=motions, output=None, read=request.read, options=options)


def _changed_span(request: EditRequest, made: ComposedMusic) -> tuple[float, float]:
    """Start and end of the bars that were regenerated, seconds; all of them without a stretch."""
    duration_s = made.sound.duration_s
    start_s, end_s = request.redo or (0.0, None)
    end_s = duration_s if end_s is None else min(end_s, duration_s)
    return enclosing_bars(made.grid, start_s, end_s, duration_s)


def _genre(request: EditRequest, recipe: Recipe) -> GenreChoice:
    if request.options.genre is None:
        return GenreChoice(recipe.genre, "recipe")
    return GenreChoice(genres.genre_code(request.options.genre), "request")


def _draw(request: EditRequest, made: ComposedMusic, span: tuple[float, float, float]) -> None:
    """Draw the piece before and after, beside the sound, if requested."""
    if not request.plot:
        return
    from kinetune.model.sampling.editing import EditedMusic
    from kinetune.render.pictures import draw_edit

    start_s, end_s, seconds = span
    edited = EditedMusic(made.sound, start_s, end_s, made.grid, made.genre, seconds)
    draw_edit(request.target.with_suffix(".png"), read_sound(request.music), edited)
