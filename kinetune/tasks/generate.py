"""Generation of music for motion files, with all requested side outputs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from kinetune.audio.export import ExportFormat, export
from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.group import dance_of, first_bars
from kinetune.motion.io.formats import MotionFile, ReadOptions, read_motion_file
from kinetune.packs.writer import check_tools
from kinetune.render.marks import marks_of
from kinetune.tasks import variations
from kinetune.tasks.composing.engine import ComposedMusic, compose_music, pipeline_for
from kinetune.tasks.composing.outputs import ComposedFiles, Source, check_layers, write_outputs
from kinetune.tasks.composing.packs import pack_folder, write_packs
from kinetune.tasks.film import write_film
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music, write_piece
from kinetune.tasks.recipe import Origin, sidecar_path
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.composer_outputs import ComposerOutputs
from kinetune.tasks.requests.failures import Failure, collect_failures
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_for_dance
from kinetune.tasks.requests.motion_files import MotionPath, find_motions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.output_paths import (
    Existing,
    FilmOptions,
    OutputPaths,
    check_absent,
    plan_outputs,
)
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.tasks.run_costs import StageSeconds, peak_memory_mb

if TYPE_CHECKING:
    from kinetune.metrics.ranking import MotionFit
    from kinetune.model.results import DanceMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers

_log = logging.getLogger("kinetune")

# Suffix of each form of the beat map, beside the sound.
BEAT_MAPS = {"json": ".beats.json", "csv": ".beats.csv", "labels": ".beats.txt", "midi": ".mid"}
_STAGES = {"diffusion": "denoising", "composer": "playing"}
FORMATS = ("wav", "flac", "ogg", "mp3")


@dataclass(frozen=True)
class GenerateRequest:
    """Music for motion files.

    Attributes:
        motions: Motion files, or folders of them.
        output: A sound file (one motion only) or a folder; None is the current folder.
        recursive: Whether folders stand for the motion files in their subfolders too.
        format: Format of sound files in a folder, one of ``FORMATS``.
        existing: What to do where a file exists: ``refuse``, ``replace`` or ``skip``.
        read: What the motion files don't state themselves.
        options: What decides the music.
        variations: How many pieces a dance gets, with seeds from ``options.seed`` on, ranked best
            first by how well they follow the body; 1 to 64.
        export: Rate, channels and loudness of the sound files.
        beat_maps: Forms of the beat map to write beside the sound; keys of ``BEAT_MAPS``.
        plot: Whether to draw a picture beside the sound.
        film: The film that goes with the music.
        composed: Files beside a composed sound.
        packs: Game engines and audio middleware to write a pack for, of ``packs.writer.TOOLS``.
        together: Whether the dances are one group, which gets one piece: all begin at the same
            moment, and the first file gives the name.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Something is out of range, or unknown.
    """

    motions: tuple[Path, ...]
    output: Path | None = None
    recursive: bool = False
    format: str = "wav"
    existing: Existing = "refuse"
    read: ReadOptions = field(default_factory=ReadOptions)
    options: MusicOptions = field(default_factory=MusicOptions)
    variations: int = 1
    export: ExportFormat = field(default_factory=ExportFormat)
    beat_maps: tuple[str, ...] = ()
    plot: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    composed: ComposerOutputs = field(default_factory=ComposerOutputs)
    packs: tuple[str, ...] = ()
    model: str = "default"
    device: str = "auto"
    together: bool = False

    def __post_init__(self) -> None:
        for name in self.beat_maps:
            if name not in BEAT_MAPS:
                known = ", ".join(BEAT_MAPS)
                raise ConfigError(f"a beat map must be one of {known}; found {name!r}")
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise ConfigError(f"the format must be one of {known}; found {self.format!r}")
        if self.existing not in get_args(Existing):
            known = ", ".join(get_args(Existing))
            raise ConfigError(f"existing files: expected {known}; found {self.existing!r}")
        check_tools(self.packs)
        variations.check_range(self.variations)
        if self.options.engine != "composer" and self.composed != ComposerOutputs():
            raise ConfigError(
                "the diffusion engine has no notes, so no stems, MIDI, layers or practice tempi: "
                "add --engine composer"
            )

    def files_for(self, paths: OutputPaths) -> list[Path]:
        """Return the files that one dance becomes, sounds first."""
        sounds = [paths.sound]
        if self.variations > 1:
            sounds = [ranked_path(paths.sound, rank + 1) for rank in range(self.variations)]
        others = [sidecar_path(sound) for sound in sounds]
        if self.options.engine == "composer":
            others += [path for sound in sounds for path in self.composed.paths(sound, paths.film)]
        suffixes = [BEAT_MAPS[name] for name in self.beat_maps] + [".png"] * self.plot
        others += [sound.with_suffix(suffix) for sound in sounds for suffix in suffixes]
        others += [pack_folder(sound, tool) for sound in sounds for tool in self.packs]
        if self.variations > 1:
            others.append(sheet_path(paths.sound))
        if paths.film is not None:
            others.append(paths.film)
        return sounds + others


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
        motion: The motion file, of a group the first.
        output: The sound file.
        recipe: The recipe beside it, see ``tasks.recipe``.
        genre: Genre code.
        genre_source: What decided the genre, see ``GenreChoice``.
        other_bpm: Other tempi the dance may have, best first.
        real_time_factor: Total seconds over seconds of music.
        peak_memory_mb: Largest memory of the process so far.
        rank: Position among the variations of one dance, best first, from 1.
        motion_s: Length of the dance; a loop may be shorter.
        scores: What the rank is by; None for a single piece.
        beat_maps: The beat maps written.
        picture: The picture written.
        film: The film written.
        variation_sheet: Picture of all variations of the dance, with the first only.
        partners: The motion files of the other dancers of a group.
        note: What had to be assumed to read the motion, one line; empty if nothing.
        composed: Key, chords, form and further files of composed music; None of other.
        packs: The folders of the packs.
    """

    motion: str
    output: str
    recipe: str
    genre: str
    genre_source: str
    seed: int
    sample_rate: int
    duration_s: float
    motion_s: float
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
    composed: ComposedFiles | None = None
    packs: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenerateResult:
    """What became of a request.

    Attributes:
        pieces: What was made, dance by dance in the order of the request, best variation first.
        failures: Dances that failed.
        skipped: Dances left out because their files exist.
    """

    pieces: tuple[GeneratedPiece, ...]
    failures: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()


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
        progress: Called with the progress.
        on_piece: Called with every piece as soon as its files are written.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: The model can't be loaded, or the output can't be written to: nothing was
            made.
    """
    pipeline = pipeline or pipeline_for(request.options, request.model, request.device)
    jobs, skipped = _plan(request, pipeline, progress)
    pieces: list[GeneratedPiece] = []
    failures: list[Failure] = []
    for job in jobs:
        files = _read_dancers(job, failures)
        if files is None:
            continue
        clip = dance_of([file.clip for file in files])
        note = "; ".join(dict.fromkeys(file.note for file in files if file.note))
        # Outside of the context: a model that can't be loaded ends the batch.
        if request.options.engine == "diffusion":
            pipeline.load()
        with collect_failures(job.path, failures):
            for piece in _make_variations(job, clip, note):
                pieces.append(piece)
                if on_piece is not None:
                    on_piece(piece)
    return GenerateResult(tuple(pieces), tuple(failures), tuple(skipped))


def _read_dancers(job: "_Job", failures: list[Failure]) -> list[MotionFile] | None:
    """The motion files of a job; None if one can't be read."""
    files: list[MotionFile] = []
    for path in job.motions:
        with collect_failures(path, failures):
            file = read_motion_file(path, job.request.read)
            _log.info(
                "%s: %s, %d joints, %d frames at %g fps",
                path, file.format, file.joints, file.clip.frame_count, file.clip.fps,
            )  # fmt: skip
            files.append(file)
    return files if len(files) == len(job.motions) else None


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
    # Without options for its beats, a loop may move the tempo.
    if grid is None and not _is_free(options):
        grid = options.beats.grid_for(clip)
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
        progress=progress,
    )


def ranked_path(sound: Path, rank: int) -> Path:
    """Return the sound file of a variation, ranked from 1."""
    return sound.with_stem(f"{sound.stem}-{rank}")


def sheet_path(sound: Path) -> Path:
    """Return the picture of all variations of a dance."""
    return sound.with_name(f"{sound.stem}-variations.png")


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
        sound, made.grid, made.genre, made.seed, clip, origin, draw, loops=options.loop, marks=marks
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """One dance of a request, or one group."""

    request: GenerateRequest
    pipeline: LazyPipeline
    motions: tuple[Path, ...]
    paths: OutputPaths
    label: str
    progress: Progress | None

    @property
    def path(self) -> Path:
        """The motion file, of a group the first."""
        return self.motions[0]

    @property
    def genre(self) -> GenreChoice:
        """The genre of the music."""
        return genre_for_dance(self.path.name, self.request.options.genre)

    def stage(self, name: str) -> Callable[[int, int], None] | None:
        """The progress callback of one stage."""
        return stage(self.progress, f"{self.label}: {name}")


def _plan(
    request: GenerateRequest, pipeline: LazyPipeline, progress: Progress | None
) -> tuple[list[_Job], list[str]]:
    """Return a job a dance, and the dances to skip; checks all that can be checked before."""
    from kinetune.audio.sound import check_suffix

    groups, names = _grouped(request)
    outputs = plan_outputs(names, request.output, request.film, suffix=f".{request.format}")
    for paths in outputs:
        check_suffix(paths.sound, loops=request.options.loop, rate_hz=request.export.rate_hz)
    todo, skipped = [], []
    for group, paths in zip(groups, outputs, strict=True):
        if request.existing == "skip" and request.files_for(paths)[0].exists():
            skipped.append(str(group[0]))
        else:
            todo.append((group, paths))
    if request.existing == "refuse":
        check_absent([file for _, paths in todo for file in request.files_for(paths)])
    for folder in {path.parent for _, both in todo for path in (both.sound, both.film) if path}:
        check_writable(folder)
    count = len(todo)
    jobs = [
        _Job(
            request, pipeline, group, paths,
            group[0].name if count == 1 else f"[{number}/{count}] {group[0].name}", progress,
        )
        for number, (group, paths) in enumerate(todo, start=1)
    ]  # fmt: skip
    return jobs, skipped


def _grouped(request: GenerateRequest) -> tuple[list[tuple[Path, ...]], list[MotionPath]]:
    """Return the motion files of every piece, and what to name it after."""
    motions = find_motions(request.motions, recursive=request.recursive)
    if not request.together:
        return [(motion.path,) for motion in motions], motions
    group = tuple(motion.path for motion in motions)
    if len(group) < 2:
        raise ConfigError(f"a group has two dances or more, found {len(group)}")
    return [group], [MotionPath(Path(f"{group[0].stem}-together{group[0].suffix}"))]


def _make_variations(job: _Job, clip: "Dancers", note: str) -> list[GeneratedPiece]:
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
            progress=job.stage(_STAGES[options.engine]),
        )
        for seed in range(options.seed, options.seed + request.variations)
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
    return None if _is_free(options) else options.beats.grid_for(clip)


def _is_free(options: MusicOptions) -> bool:
    """Whether a loop may move the tempo."""
    is_model = options.engine == "diffusion"
    return (
        is_model and options.loop and options.loop_bars is None and options.beats == BeatOptions()
    )


def _write(job: _Job, made: "DanceMusic", clip: "Dancers", paths: OutputPaths) -> GeneratedPiece:
    """Write one piece and all that was requested with it."""
    request, target = job.request, paths.sound
    music = finish_music(made, clip, request, inputs=job.motions, pipeline=job.pipeline)
    write_piece(music, target)
    piece = replace(
        _describe(job, target, made, music, clip), beat_maps=_write_beats(music, job, target)
    )
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
    job: _Job, target: Path, made: "DanceMusic", music: Music, clip: "Dancers"
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
    )


def _scores(fit: "MotionFit") -> Scores:
    """The scores as JSON can hold them."""
    beats, energy, accents = (
        round(part, 4) if np.isfinite(part) else None
        for part in (fit.beats, fit.energy, fit.accents)
    )
    return Scores(beats, energy, accents, round(fit.total, 4))


def _write_beats(music: Music, job: _Job, target: Path) -> tuple[str, ...]:
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
