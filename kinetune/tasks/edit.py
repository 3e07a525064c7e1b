"""Music that exists, changed to a dance: a stretch anew, a continuation, or a variation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from kinetune import genres
from kinetune.errors import ConfigError
from kinetune.files import check_writable
from kinetune.motion.io.formats import ReadOptions, read_motion_file
from kinetune.tasks.genre_choice import GenreChoice, genre_of_music
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.progress import Progress, stage

if TYPE_CHECKING:
    from kinetune.audio.sound import Sound
    from kinetune.model.sampling.edit_spec import EditSpec
    from kinetune.motion.beats.beat_grid import BeatGrid
    from kinetune.motion.clip import MotionClip

BeatSource = Literal["dance", "music"]


@dataclass(frozen=True)
class EditRequest:
    """A change of a sound file.

    Attributes:
        music: The sound file.
        motion: The dance; the music begins with it.
        output: A sound file; None is NAME-edit.wav in the current folder.
        redo: Start and end of a stretch to make anew, seconds.
        continue_s: How long to go on after the end, seconds.
        strength: How much is new, 0 to 1; None is all of a stretch, and of a whole whose rhythm
            is kept, and 0.3 of another whole.
        keep_rhythm: Keep the loudness envelope; None keeps it where only the genre changes.
        exact: Take times as they are, not moved to bar lines.
        options: Genre, seed, steps, guidance and beats of what is new; the genre defaults to that
            of the music.
        beats_of: Where beats are looked for if the options give none.
        read: What the motion file doesn't state itself.
        plot: Whether to draw before and after, beside the sound.
        model: A bundled name, a checkpoint folder, or a hub id.
        device: ``auto`` or a torch device.

    Raises:
        ConfigError: Nothing is to be changed, or an option is unknown.
    """

    music: Path
    motion: Path
    output: Path | None = None
    redo: tuple[float, float] | None = None
    continue_s: float | None = None
    strength: float | None = None
    keep_rhythm: bool | None = None
    exact: bool = False
    options: MusicOptions = field(default_factory=MusicOptions)
    beats_of: BeatSource = "dance"
    read: ReadOptions = field(default_factory=ReadOptions)
    plot: bool = False
    model: str = "default"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.beats_of not in get_args(BeatSource):
            raise ConfigError(f"the beats must be of dance or music, found {self.beats_of!r}")
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


@dataclass(frozen=True)
class EditResult:
    """One changed piece of music.

    Attributes:
        genre: Genre code of what is new.
        genre_source: What decided it, see ``GenreChoice``.
        start_s: Where what is new begins, seconds.
        end_s: Where it ends.
        strength: How much of it is new, 0 to 1.
        seconds: Wall-clock seconds of the change, without loading.
        picture: The picture written.
    """

    music: str
    motion: str
    output: str
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


def edit(
    request: EditRequest,
    *,
    progress: Progress | None = None,
    pipeline: LazyPipeline | None = None,
) -> EditResult:
    """Change a music file to a dance and write the result.

    Args:
        request: What to change.
        progress: Called as the work goes on.
        pipeline: A model that is loaded already; None loads that of the request.

    Raises:
        KinetuneError: Something is impossible; nothing was written.
    """
    from kinetune.audio.sound import check_suffix, read_sound, write_sound
    from kinetune.model.sampling.editing import edit_music

    change, options, target = _change(request), request.options, request.target
    check_suffix(target)
    sound = read_sound(request.music)
    clip = read_motion_file(request.motion, request.read).clip
    grid = _grid(request, sound, clip)
    own = genre_of_music(request.music, sound, request.motion.name)
    genre = own
    if options.genre is not None:
        genre = GenreChoice(genres.genre_code(options.genre), "request")
    check_writable(target.parent)
    loaded = (pipeline or LazyPipeline(request.model, request.device)).load()
    sampling = loaded.sampling_options(
        options.seed, options.steps, options.guidance,
        stage(progress, f"{request.music.name}: denoising"),
    )  # fmt: skip
    edited = edit_music(loaded, sound, clip, change, genre=genre.code, sampling=sampling, grid=grid)
    # A stretch does not change the genre of the piece.
    tag = genre if request.is_whole else own
    write_sound(target, edited.sound, genre=tag.name)
    picture = None
    if request.plot:
        from kinetune.render.pictures import draw_edit

        picture = target.with_suffix(".png")
        draw_edit(picture, sound, edited)
    return EditResult(
        music=str(request.music),
        motion=str(request.motion),
        output=str(target),
        genre=genre.code,
        genre_source=genre.source,
        seed=options.seed,
        sample_rate=edited.sound.rate_hz,
        duration_s=edited.sound.duration_s,
        start_s=edited.start_s,
        end_s=edited.end_s,
        strength=change.amount,
        bpm=edited.grid.bpm,
        seconds=edited.seconds,
        picture=None if picture is None else str(picture),
    )


def _change(request: EditRequest) -> "EditSpec":
    from kinetune.model.sampling.edit_spec import EditSpec

    keep_rhythm = request.keep_rhythm
    if keep_rhythm is None:
        keep_rhythm = request.is_whole and request.options.genre is not None
    return EditSpec(
        redo=request.redo,
        continue_s=request.continue_s,
        strength=request.strength,
        keep_rhythm=keep_rhythm,
        exact=request.exact,
    )


def _grid(request: EditRequest, sound: "Sound", clip: "MotionClip") -> "BeatGrid":
    beats = request.options.beats
    if request.beats_of == "dance" or beats != BeatOptions():
        return beats.grid_for(clip)
    from kinetune.audio.beats import music_beats
    from kinetune.motion.beats.beat_grid import grid_of_beats

    _, beats_s = music_beats(sound)
    if len(beats_s) < 2:
        raise ConfigError("no beat was found in the music; take the dance's, or give a tempo")
    return grid_of_beats(beats_s, max(sound.duration_s, clip.duration_s))
