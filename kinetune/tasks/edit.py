"""Edits of existing music: regenerate a span, extend it, vary it or change its genre.

For music with a recipe (``tasks.recipe``), dance, beats, score and genre come from the recipe
unless the request sets them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from kinetune import genres
from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.group import dance_of
from kinetune.motion.io.formats import ReadOptions, read_motion_file
from kinetune.render.marks import marks_of
from kinetune.tasks.film import write_film
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.music import Music, write_piece
from kinetune.tasks.recipe import Origin, Recipe, find_music_recipe, input_path, sidecar_path
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.genre_choice import GenreChoice, genre_of_music
from kinetune.tasks.requests.music_options import Engine, MusicOptions
from kinetune.tasks.requests.output_paths import Existing, FilmOptions, check_absent
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.tasks.requests.serialisation import from_json

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.model.sampling.edit_spec import EditSpec
    from kinetune.model.sampling.editing import EditedMusic
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.group import Dancers
    from kinetune.tasks.generate import GenerateRequest

BeatSource = Literal["dance", "music"]


@dataclass(frozen=True)
class EditRequest:
    """A change of a sound file.

    Attributes:
        music: The sound file.
        motion: The dance; the music begins with it. None takes it from the music's recipe.
        partners: The other dancers, where the music is for a group.
        output: A sound file; None is NAME-edit.wav in the current folder.
        redo: Start and end of a span to regenerate, seconds; None as end is the end of the music.
        continue_s: Seconds to add after the end.
        strength: Amount of change, 0 to 1; None is 1 for a span or if the rhythm is kept, else
            0.3.
        keep_rhythm: Keep the loudness envelope; None keeps it where only the genre changes.
        exact: Take times as they are, not moved to bar lines.
        options: Genre, seed, steps, guidance, beats and score of what is new; what is left out is
            that of the music.
        beats_of: Where beats are looked for if neither the options nor a recipe give them.
        read: What the motion file doesn't state itself.
        plot: Whether to draw before and after, beside the sound.
        film: The film that goes with the music.
        existing: What to do where a file exists: ``refuse`` or ``replace``.
        engine: What makes what is new, ``diffusion`` or ``composer``; None is what made the music.
        model: A bundled name, a checkpoint folder, or a hub id; None takes the recipe's, or the
            default.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Nothing is to be changed, or an option is unknown.
    """

    music: Path
    motion: Path | None = None
    output: Path | None = None
    redo: tuple[float, float | None] | None = None
    continue_s: float | None = None
    strength: float | None = None
    keep_rhythm: bool | None = None
    exact: bool = False
    options: MusicOptions = field(default_factory=MusicOptions)
    beats_of: BeatSource = "dance"
    read: ReadOptions = field(default_factory=ReadOptions)
    plot: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    existing: Existing = "refuse"
    engine: Engine | None = None
    model: str | None = None
    device: str = "auto"
    partners: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.beats_of not in get_args(BeatSource):
            raise ConfigError(f"the beats must be of dance or music, found {self.beats_of!r}")
        if self.engine not in (None, *get_args(Engine)):
            known = ", ".join(get_args(Engine))
            raise ConfigError(f"the engine must be one of {known}; found {self.engine!r}")
        options = (self.strength, self.options.genre, self.keep_rhythm)
        if self.is_whole and options == (None, None, None):
            raise ConfigError(
                "nothing to change: expected a stretch to redo, a continuation, a strength or a "
                "genre"
            )

    @property
    def is_whole(self) -> bool:
        """Whether the whole piece is varied."""
        return self.redo is None and self.continue_s is None

    @property
    def target(self) -> Path:
        """The sound file to write."""
        return self.output or Path(f"{self.music.stem}-edit.wav")

    @property
    def files(self) -> list[Path]:
        """All files that will be written."""
        files = [self.target, sidecar_path(self.target)]
        files += [self.target.with_suffix(".png")] * self.plot
        return files + ([self.film.path] if self.film.path is not None else [])


@dataclass(frozen=True)
class EditResult:
    """One changed piece of music.

    Attributes:
        recipe: The recipe beside the output.
        from_recipe: Whether the music brought a recipe along.
        genre: Genre code of what is new.
        genre_source: What decided it, see ``GenreChoice``.
        start_s: Where what is new begins, seconds.
        end_s: Where it ends.
        strength: How much of it is new, 0 to 1.
        seconds: Wall-clock seconds of the change, without loading.
        picture: The picture written.
        film: The film written.
    """

    music: str
    motion: str
    output: str
    recipe: str
    from_recipe: bool
    genre: str
    genre_source: str
    seed: int
    sample_rate: int
    duration_s: float
    start_s: float
    end_s: float
    strength: float
    bpm: float
    seconds: float
    picture: str | None = None
    film: str | None = None


@dataclass(frozen=True, eq=False)
class Material:
    """What an edit starts from.

    Attributes:
        sound: The music.
        clip: The dance.
        grid: The beats of a recipe; None without one.
        genre: The genre of the music.
        inputs: The files both were read from; none for data in memory.
    """

    sound: "Sound"
    clip: "Dancers"
    grid: "BeatGrid | None"
    genre: GenreChoice
    inputs: tuple[Path, ...] = ()


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
    edited, music = edit_in_memory(
        material, request, pipeline=pipeline,
        progress=stage(progress, f"{request.music.name}: denoising"),
    )  # fmt: skip
    write_piece(music, request.target)
    picture = None
    if request.plot:
        picture = request.target.with_suffix(".png")
        music.draw(picture)
    if request.film.path is not None:
        write_film(
            request.film.path, material.clip, music.beats, music.sound, title=music.title,
            options=request.film, marks=music.marks,
            progress=stage(progress, f"{request.music.name}: filming"),
        )  # fmt: skip
    genre = _genre_of_new(request, material)
    return EditResult(
        music=str(request.music),
        motion=str(request.motion),
        output=str(request.target),
        recipe=str(sidecar_path(request.target)),
        from_recipe=recipe is not None,
        genre=genre.code,
        genre_source=genre.source,
        seed=request.options.seed,
        sample_rate=music.sound.rate_hz,
        duration_s=music.duration_s,
        start_s=edited.start_s,
        end_s=edited.end_s,
        strength=_edit_spec(request).amount,
        bpm=music.bpm,
        seconds=edited.seconds,
        picture=None if picture is None else str(picture),
        film=None if request.film.path is None else str(request.film.path),
    )


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
    from kinetune.model.sampling.editing import edit_music

    spec, options, before = _edit_spec(request), request.options, material.sound
    grid = _grid(request, material)
    loaded = pipeline.load()
    sampling = loaded.sampling_options(options.seed, options.steps, options.guidance, progress)
    genre = _genre_of_new(request, material)
    edited = edit_music(
        loaded, before, material.clip, spec, genre=genre.code, sampling=sampling, grid=grid,
        score=options.score,
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
        edited.sound, edited.grid, code, options.seed, material.clip, origin, draw, marks=marks
    )
    return edited, music


def _is_composers(request: EditRequest, recipe: Recipe) -> bool:
    """Whether the composer made the music and is to change it."""
    engine = recipe.request["options"].get("engine")
    return engine == "composer" and request.engine != "diffusion"


def complete_request(request: EditRequest, recipe: Recipe) -> EditRequest:
    """Return the request with what it leaves out taken from the recipe of the music.

    Raises:
        ConfigError: The dance of the recipe is needed, and is missing or has changed.
    """
    made = recorded_request(recipe, request.music)
    motion, read, partners = request.motion, request.read, request.partners
    if motion is None:
        names = _dance_files(made)
        if not names:
            raise ConfigError(f"{request.music}: made from a dance in memory; name the dance")
        motion, *others = (input_path(recipe, name.as_posix(), request.music) for name in names)
        partners = tuple(others)
        read = replace(made.read, blender=request.read.blender)
    overrides, options = request.options, made.options
    return replace(
        request,
        motion=motion,
        partners=partners,
        read=read,
        model=request.model or _model_of(made),
        options=replace(
            overrides,
            steps=options.steps if overrides.steps is None else overrides.steps,
            guidance=options.guidance if overrides.guidance is None else overrides.guidance,
            score=options.score if overrides.score is None else overrides.score,
        ),
    )


def recorded_request(recipe: Recipe, path: Path) -> "EditRequest | GenerateRequest":
    """Return the request in a recipe.

    Args:
        recipe: The recipe.
        path: The file it was read from, for errors.

    Raises:
        ConfigError: It is damaged.
    """
    from kinetune.tasks.generate import GenerateRequest

    context = f"{path}: request"
    if recipe.task == "generate":
        return from_json(GenerateRequest, recipe.request, context=context)
    return from_json(EditRequest, recipe.request, context=context)


def _model_of(made: "EditRequest | GenerateRequest") -> str | None:
    """The model a recipe names; the default for music by the composer."""
    return "default" if made.options.engine == "composer" else made.model


def _dance_files(made: "EditRequest | GenerateRequest") -> tuple[Path, ...]:
    """The motion files of a request, all dancers of a group; none for a dance in memory."""
    if not isinstance(made, EditRequest):
        return made.motions
    return () if made.motion is None else (made.motion, *made.partners)


def _check_outputs(request: EditRequest) -> None:
    from kinetune.audio.sound import check_suffix
    from kinetune.render.mux import check_suffix as check_film_suffix

    check_suffix(request.target)
    if request.film.path is not None:
        check_film_suffix(request.film.path)
    _edit_spec(request)
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
    if recipe is not None:
        genre, grid = GenreChoice(recipe.genre, "recipe"), recipe.grid.beat_grid()
    else:
        genre, grid = genre_of_music(request.music, sound, request.motion.name), None
    return Material(sound, clip, grid, genre, (request.music, *motions))


def _genre_of_new(request: EditRequest, material: Material) -> GenreChoice:
    if request.options.genre is None:
        return material.genre
    return GenreChoice(genres.genre_code(request.options.genre), "request")


def _edit_spec(request: EditRequest) -> "EditSpec":
    from kinetune.model.sampling.edit_spec import EditSpec

    keep_rhythm = request.keep_rhythm
    if keep_rhythm is None:
        keep_rhythm = request.is_whole and request.options.genre is not None
    redo = None
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
