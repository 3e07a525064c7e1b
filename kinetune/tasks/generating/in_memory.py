"""Music for one dance, in memory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune.audio.export import ExportFormat, export
from kinetune.model.conditioning.attributes import complete_attributes
from kinetune.motion.group import first_bars
from kinetune.render.marks import marks_of
from kinetune.tasks.composing.engine import compose_music
from kinetune.tasks.generating.request import GenerateRequest
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music
from kinetune.tasks.recipe import Origin
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.harmony import check_harmony, draw_attributes, draw_harmony
from kinetune.tasks.requests.music_options import MusicOptions

if TYPE_CHECKING:
    from kinetune.model.results import DanceMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

_log = logging.getLogger("kinetune")


def make_music(
    clip: "Dancers",
    options: MusicOptions,
    *,
    genre: str,
    pipeline: LazyPipeline,
    grid: "BeatGrid | None" = None,
    export: ExportFormat | None = None,
    keep_stems: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> "DanceMusic":
    """Return the music of one dance, in memory.

    Args:
        clip: The dance, or a group of dancers.
        options: What decides the music; its genre is not used.
        genre: Name or code.
        pipeline: The model.
        grid: The beats to make it to; None takes them from the options.
        export: Rate, channels and loudness, which the composer plays in right away.
        keep_stems: Whether the composer's music keeps its stems.
        progress: Called with denoising steps, or samples, done and in all.

    Raises:
        KinetuneError: The dance is too short or too long, or the options don't fit it.
    """
    if options.engine == "composer":
        return compose_music(
            clip,
            options,
            genre=genre,
            grid=grid,
            export=export,
            keep_stems=keep_stems,
            progress=progress,
        )
    check_harmony(options, pipeline)
    # Without options for its beats, a loop may move the tempo.
    if grid is None and not is_free(options):
        grid = options.beats.grid_for(clip)
    harmony = None
    if pipeline.reads_harmony:
        harmony = draw_harmony(clip, options, genre=genre, grid=grid)
    attributes: dict[str, float] = {}
    if pipeline.attribute_names:
        drawn = draw_attributes(clip, options, genre=genre, grid=grid)
        attributes = complete_attributes(drawn, pipeline.attribute_names)
    if grid is not None and options.loop_bars is not None:
        clip = first_bars(clip, options.loop_bars, grid)
    if grid is not None:
        others = ", ".join(f"{tempo.bpm:.1f}" for tempo in grid.alternatives) or "none"
        _log.info("%s: tempo %.1f bpm, others %s", clip.name, grid.bpm, others)
    return pipeline.load()(
        clip,
        genre=genre,
        seed=options.seed,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        grid=grid,
        loop=options.loop,
        hold_tempo=options.holds_tempo,
        score=options.score,
        harmony=harmony,
        attributes=attributes,
        progress=progress,
    )


def finish_music(
    made: "DanceMusic",
    clip: "Dancers",
    request: GenerateRequest,
    *,
    inputs: Sequence[Path],
    pipeline: LazyPipeline,
) -> Music:
    """Return music as it is exported, with its origin.

    Args:
        made: What the model made.
        clip: The dance.
        request: What was requested, for any number of dances.
        inputs: The motion file, several of a group, or nothing for a clip in memory.
        pipeline: The model.
    """
    options = request.options
    marks = marks_of(options.score, made.grid, made.sound.duration_s, loop=options.loop)

    def draw(path: Path) -> None:
        from kinetune.render.pictures import draw_music

        draw_music(path, clip, made, marks=marks)

    single = GenerateRequest(
        motions=tuple(inputs),
        together=len(inputs) > 1,
        read=request.read,
        options=replace(request.options, genre=made.genre, seed=made.seed),
        export=request.export,
        model=request.model if options.engine == "diffusion" else "composer",
        device=request.device,
    )
    origin = Origin("generate", single, tuple(inputs), pipeline.sha256, pipeline.versions)
    sound = made.sound if options.engine == "composer" else export(made.sound, request.export)
    return Music(
        sound, made.grid, made.genre, made.seed, clip, origin, draw, loops=options.loop,
        marks=marks, harmony=made.harmony, model_lufs=made.model_lufs,
        attributes=dict(made.attributes),
    )  # fmt: skip


def is_free(options: MusicOptions) -> bool:
    """Whether a loop may move the tempo."""
    is_model = options.engine == "diffusion"
    return (
        is_model and options.loop and options.loop_bars is None and options.beats == BeatOptions()
    )
