"""The variations of one dance, with all files that go with them."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune.tasks import variations
from kinetune.tasks.composing.engine import ComposedMusic
from kinetune.tasks.composing.outputs import Source, check_layers, write_outputs
from kinetune.tasks.composing.packs import write_packs
from kinetune.tasks.film import write_film
from kinetune.tasks.generating.in_memory import finish_music, is_free, make_music
from kinetune.tasks.generating.jobs import Job
from kinetune.tasks.generating.request import BEAT_MAPS, ranked_path, sheet_path
from kinetune.tasks.generating.results import GeneratedPiece, Scores
from kinetune.tasks.music import Music, write_harmony, write_piece
from kinetune.tasks.recipe import sidecar_path
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import OutputPaths
from kinetune.tasks.run_costs import StageSeconds, peak_memory_mb

if TYPE_CHECKING:
    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.results import DanceMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

_STAGES = {"diffusion": "denoising", "composer": "playing"}


def make_variations(job: Job, clip: "Dancers", note: str) -> list[GeneratedPiece]:
    """Make all variations for one dance; nothing is written before the last is made."""
    from kinetune.audio.sound import check_suffix

    request = job.request
    variations.check_length(clip, request.variations)
    rate_hz = request.export.rate_hz or job.pipeline.output_rate_hz
    check_suffix(job.paths.sound, rate_hz=rate_hz)
    options = request.options
    grid = _grid(options, clip)
    if request.composed.layers:
        source = Source(clip, options, request.export)
        check_layers(source, job.genre.code, grid, request.composed.layers)
    made = [
        make_music(
            clip, replace(options, seed=seed), genre=job.genre.code, pipeline=job.pipeline,
            grid=grid, export=request.export,
            keep_stems=request.composed.stems != "none" and request.variations == 1,
            progress=job.stage(_STAGES[options.engine], part=part, parts=request.variations),
        )
        for part, seed in enumerate(range(options.seed, options.seed + request.variations))
    ]  # fmt: skip
    if len(made) == 1:
        return [replace(_write(job, made[0], clip, job.paths), note=note)]
    best_first = variations.rank_variations(clip, made)
    pieces = []
    for rank, variation in enumerate(best_first, start=1):
        # Only the best is filmed.
        film = job.paths.film if rank == 1 else None
        paths = OutputPaths(ranked_path(job.paths.sound, rank), film)
        piece = _write(job, variation.music, clip, paths)
        pieces.append(replace(piece, rank=rank, scores=_scores(variation.scores), note=note))
    sheet = sheet_path(job.paths.sound)
    variations.draw_variations(sheet, clip, best_first)
    pieces[0] = replace(pieces[0], variation_sheet=str(sheet))
    return pieces


def _grid(options: MusicOptions, clip: "Dancers") -> "BeatGrid | None":
    """The beats that all variations of a dance share; None where a loop may move the tempo."""
    return None if is_free(options) else options.beats.grid_for(clip)


def _write(job: Job, made: "DanceMusic", clip: "Dancers", paths: OutputPaths) -> GeneratedPiece:
    """Write one piece and all that was requested with it."""
    request, target = job.request, paths.sound
    music = finish_music(made, clip, request, inputs=job.motions, pipeline=job.pipeline)
    write_piece(music, target)
    piece = replace(
        _describe(job, target, made, music, clip), beat_maps=_write_beats(music, job, target)
    )
    piece = replace(piece, harmony=write_harmony(music, target))
    if isinstance(made, ComposedMusic):
        options = replace(request.options, seed=made.seed)
        piece = replace(
            piece,
            composed=write_outputs(
                made, target, request.composed, Source(clip, options, request.export, paths.film)
            ),
        )
    piece = replace(piece, packs=write_packs(music, target, request.packs, piece.composed))
    if request.plot:
        picture = target.with_suffix(".png")
        music.draw(picture)
        piece = replace(piece, picture=str(picture))
    if paths.film is not None:
        write_film(
            paths.film, clip, music.beats, music.sound, title=music.title, options=request.film,
            marks=music.marks, progress=job.stage("filming"),
        )  # fmt: skip
        piece = replace(piece, film=str(paths.film))
    return piece


def _describe(
    job: Job, target: Path, made: "DanceMusic", music: Music, clip: "Dancers"
) -> GeneratedPiece:
    spent = made.seconds
    return GeneratedPiece(
        motion=str(job.path),
        output=str(target),
        recipe=str(sidecar_path(target)),
        genre=music.genre,
        genre_source=job.genre.source,
        seed=music.seed,
        sample_rate=music.sound.rate_hz,
        duration_s=music.duration_s,
        motion_s=clip.duration_s,
        bpm=music.bpm,
        other_bpm=tuple(tempo.bpm for tempo in music.beats.alternatives),
        beats_s=tuple(round(float(beat), 4) for beat in music.beats.beats_s),
        seconds=StageSeconds(job.pipeline.load_s, **asdict(spent), total=spent.total),
        real_time_factor=spent.total / music.duration_s,
        peak_memory_mb=peak_memory_mb(),
        partners=tuple(map(str, job.motions[1:])),
        doubt=music.beats.note,
    )


def _scores(fit: "MotionFit") -> Scores:
    """The scores as JSON can hold them."""
    beats, energy, accents, similarity = (
        round(part, 4) if np.isfinite(part) else None
        for part in (fit.beats, fit.energy, fit.accents, fit.similarity)
    )
    return Scores(beats, energy, accents, round(fit.total, 4), similarity)


def _write_beats(music: Music, job: Job, target: Path) -> tuple[str, ...]:
    from kinetune.audio.beat_map import beat_map, write_beat_map

    grid = music.beats
    beats = beat_map(
        grid.bpm,
        grid.beats_s,
        grid.bar_start_s,
        music.duration_s,
        loops=music.loops,
        metre=grid.metre,
    )
    paths = [target.with_suffix(BEAT_MAPS[name]) for name in job.request.beat_maps]
    for path in paths:
        write_beat_map(path, beats)
    return tuple(map(str, paths))
