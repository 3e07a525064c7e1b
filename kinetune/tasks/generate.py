"""Music for dances: motion files in, sound files and all that goes with them out."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinetune import genres
from kinetune.audio.export import ExportFormat
from kinetune.errors import ConfigError, KinetuneError
from kinetune.files import check_writable
from kinetune.motion.io.formats import ReadOptions, read_motion_file
from kinetune.tasks import variations
from kinetune.tasks.film import write_film
from kinetune.tasks.genre_choice import GenreChoice, genre_for_dance
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.motion_files import find_motions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import FilmOptions, OutputPaths, plan_outputs
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.tasks.run_costs import StageSeconds, peak_memory_mb

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.results import DanceMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip

# Suffix of each form of the beat map, beside the sound.
BEAT_MAPS = {"json": ".beats.json", "csv": ".beats.csv", "labels": ".beats.txt", "midi": ".mid"}


@dataclass(frozen=True)
class GenerateRequest:
    """Music for motion files.

    Attributes:
        motions: Motion files, or folders of them.
        output: A sound file (one motion only) or a folder; None is the current folder.
        read: What the motion files don't state themselves.
        music: What decides the music.
        variations: How many pieces a dance gets, with seeds from ``music.seed`` on, ranked best
            first by how well they follow the body; 1 to 64.
        export: Rate, channels and loudness of the sound files.
        beat_maps: Forms of the beat map to write beside the sound; keys of ``BEAT_MAPS``.
        plot: Whether to draw a picture beside the sound.
        film: The film that goes with the music.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Something is out of range, or unknown.
    """

    motions: tuple[Path, ...]
    output: Path | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    music: MusicOptions = field(default_factory=MusicOptions)
    variations: int = 1
    export: ExportFormat = field(default_factory=ExportFormat)
    beat_maps: tuple[str, ...] = ()
    plot: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    model: str = "default"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in self.beat_maps:
            if name not in BEAT_MAPS:
                known = ", ".join(BEAT_MAPS)
                raise ConfigError(f"a beat map must be one of {known}; found {name!r}")
        variations.check_range(self.variations)


@dataclass(frozen=True)
class Scores:
    """How well a piece follows the body, see ``metrics.ranking``; None where not measurable."""

    beats: float | None
    energy: float | None
    accents: float | None
    total: float


@dataclass(frozen=True)
class GeneratedPiece:
    """One finished piece of music.

    Attributes:
        motion: The motion file.
        output: The sound file.
        genre: Genre code.
        genre_source: What decided the genre, see ``GenreChoice``.
        other_bpm: Other tempi the dance may have, best first.
        real_time_factor: Total seconds over seconds of music.
        peak_memory_mb: Largest memory of the process so far.
        rank: Position among the variations of one dance, best first, from 1.
        scores: What the rank is by; None for a single piece.
        beat_maps: The beat maps written.
        picture: The picture written.
        film: The film written.
        variation_sheet: Picture of all variations of the dance, with the first only.
        note: What had to be assumed to read the motion, one line; empty if nothing.
    """

    motion: str
    output: str
    genre: str
    genre_source: str
    seed: int
    sample_rate: int
    duration_s: float
    bpm: float
    other_bpm: tuple[float, ...]
    beats_s: tuple[float, ...]
    seconds: StageSeconds
    real_time_factor: float
    peak_memory_mb: float
    rank: int = 1
    scores: Scores | None = None
    beat_maps: tuple[str, ...] = ()
    picture: str | None = None
    film: str | None = None
    variation_sheet: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """A file that could not be used.

    Attributes:
        file: Its path.
        error: Why, one line.
    """

    file: str
    error: str


@dataclass(frozen=True)
class GenerateResult:
    """What became of a request.

    Attributes:
        pieces: What was made, dance by dance in the order of the request, best variation first.
        failures: Dances that failed.
    """

    pieces: tuple[GeneratedPiece, ...]
    failures: tuple[Failure, ...] = ()


def generate(
    request: GenerateRequest,
    *,
    progress: Progress | None = None,
    on_piece: Callable[[GeneratedPiece], None] | None = None,
    pipeline: LazyPipeline | None = None,
) -> GenerateResult:
    """Make music for every motion file; one that fails does not stop the others.

    Args:
        request: What to make.
        progress: Called as the work goes on.
        on_piece: Called with every piece as soon as its files stand.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: The model can't be loaded, or the output can't be written to: nothing was
            made.
    """
    motions = find_motions(request.motions)
    outputs = plan_outputs(motions, request.output, request.film)
    for folder in {path.parent for both in outputs for path in (both.sound, both.film) if path}:
        check_writable(folder)
    pipeline = pipeline or LazyPipeline(request.model, request.device)
    pieces: list[GeneratedPiece] = []
    failures = []
    for path, paths in zip(motions, outputs, strict=True):
        try:
            file = read_motion_file(path, request.read)
        except KinetuneError as error:
            failures.append(Failure(str(path), str(error)))
            continue
        # An error of the model itself ends the batch.
        pipeline.load()
        job = _Job(request, pipeline, path, file.clip, file.note, paths, progress)
        try:
            for piece in _make_variations(job):
                pieces.append(piece)
                if on_piece is not None:
                    on_piece(piece)
        except KinetuneError as error:
            failures.append(Failure(str(path), str(error)))
    return GenerateResult(tuple(pieces), tuple(failures))


@dataclass(frozen=True, eq=False)
class _Job:
    """One dance of a request."""

    request: GenerateRequest
    pipeline: LazyPipeline
    path: Path
    clip: "MotionClip"
    note: str
    paths: OutputPaths
    progress: Progress | None

    @property
    def genre(self) -> GenreChoice:
        """The genre of the music."""
        return genre_for_dance(self.path.name, self.request.music.genre)


def _make_variations(job: _Job) -> list[GeneratedPiece]:
    """Make all variations for one dance; nothing is written before the last is made."""
    request, clip = job.request, job.clip
    variations.check_length(clip, request.variations)
    # The tempo of a loop may move if nobody gave one.
    free = request.music.loop and request.music.beats == BeatOptions()
    grid = None if free else request.music.beats.grid_for(clip)
    first = request.music.seed
    made = [_make(job, grid, seed) for seed in range(first, first + request.variations)]
    if len(made) == 1:
        return [_write(job, made[0], job.paths)]
    best_first = variations.rank_variations(clip, made)
    sound = job.paths.sound
    pieces = []
    for rank, variation in enumerate(best_first, start=1):
        # Only the best is filmed.
        film = job.paths.film if rank == 1 else None
        paths = OutputPaths(sound.with_stem(f"{sound.stem}-{rank}"), film)
        piece = _write(job, variation.music, paths)
        pieces.append(replace(piece, rank=rank, scores=_scores(variation.scores)))
    sheet = sound.with_name(f"{sound.stem}-variations.png")
    variations.draw_variations(sheet, clip, best_first)
    pieces[0] = replace(pieces[0], variation_sheet=str(sheet))
    return pieces


def _make(job: _Job, grid: "BeatGrid | None", seed: int) -> "DanceMusic":
    options = job.request.music
    return job.pipeline.load()(
        job.clip,
        genre=job.genre.code,
        seed=seed,
        num_inference_steps=options.steps,
        guidance_scale=options.guidance,
        grid=grid,
        loop=options.loop,
        score=options.score,
        progress=stage(job.progress, f"{job.clip.name}: denoising"),
    )


def _write(job: _Job, music: "DanceMusic", paths: OutputPaths) -> GeneratedPiece:
    """Write one piece and all that was requested with it."""
    from kinetune.audio.export import export
    from kinetune.audio.sound import write_sound

    request, target = job.request, paths.sound
    sound = export(music.sound, request.export)
    write_sound(target, sound, loops=request.music.loop, genre=genres.genre_name(music.genre))
    beat_maps = _write_beat_maps(target, music, request)
    piece = replace(_describe(job, target, music, sound), beat_maps=beat_maps)
    if request.plot:
        from kinetune.render.pictures import draw_music

        picture = target.with_suffix(".png")
        draw_music(picture, job.clip, music)
        piece = replace(piece, picture=str(picture))
    if paths.film is not None:
        name, bpm = genres.genre_name(music.genre), music.grid.bpm
        write_film(
            paths.film, job.clip, music.grid, sound,
            title=f"{job.clip.name}: {name} at {bpm:.1f} bpm", options=request.film,
            progress=stage(job.progress, f"{job.clip.name}: filming"),
        )  # fmt: skip
        piece = replace(piece, film=str(paths.film))
    return piece


def _describe(job: _Job, target: Path, music: "DanceMusic", sound: "Sound") -> GeneratedPiece:
    spent = music.seconds
    return GeneratedPiece(
        motion=str(job.path),
        output=str(target),
        genre=music.genre,
        genre_source=job.genre.source,
        seed=music.seed,
        sample_rate=sound.rate_hz,
        duration_s=sound.duration_s,
        bpm=music.grid.bpm,
        other_bpm=tuple(tempo.bpm for tempo in music.grid.alternatives),
        beats_s=tuple(round(float(beat), 4) for beat in music.grid.beats_s),
        seconds=StageSeconds(job.pipeline.load_s, **asdict(spent), total=spent.total),
        real_time_factor=spent.total / sound.duration_s,
        peak_memory_mb=peak_memory_mb(),
        note=job.note,
    )


def _scores(following: "MotionFit") -> Scores:
    """The scores as JSON can hold them."""
    beats, energy, accents = (
        round(part, 4) if np.isfinite(part) else None
        for part in (following.beats, following.energy, following.accents)
    )
    return Scores(beats, energy, accents, round(following.total, 4))


def _write_beat_maps(
    target: Path, music: "DanceMusic", request: GenerateRequest
) -> tuple[str, ...]:
    from kinetune.audio.beat_map import beat_map, write_beat_map

    grid, loops = music.grid, request.music.loop
    beats = beat_map(grid.bpm, grid.beats_s, grid.bar_start_s, music.sound.duration_s, loops=loops)
    paths = [target.with_suffix(BEAT_MAPS[name]) for name in request.beat_maps]
    for path in paths:
        write_beat_map(path, beats)
    return tuple(map(str, paths))
