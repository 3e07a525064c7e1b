"""What to edit: the typed request, and its result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from kinetune.errors import ConfigError
from kinetune.motion.io.formats import ReadOptions
from kinetune.tasks.music import PlayedHarmony
from kinetune.tasks.recipe import sidecar_path
from kinetune.tasks.requests.music_options import Engine, MusicOptions
from kinetune.tasks.requests.output_paths import Existing, FilmOptions
from kinetune.tasks.requests.score_changes import ScoreChanges

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
        changes: Accents, silences and energy that are added to that score. Accents and silences
            alone regenerate the bars they lie in.
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
    changes: ScoreChanges = field(default_factory=ScoreChanges)

    def __post_init__(self) -> None:
        if self.beats_of not in get_args(BeatSource):
            raise ConfigError(f"the beats must be of dance or music, found {self.beats_of!r}")
        if self.engine not in (None, *get_args(Engine)):
            known = ", ".join(get_args(Engine))
            raise ConfigError(f"the engine must be one of {known}; found {self.engine!r}")
        changes_score = (self.changes, self.options.score) != (ScoreChanges(), None)
        if self.only_changes_score and not changes_score:
            raise ConfigError(
                "nothing to change: expected a stretch to redo, a continuation, a strength, a "
                "genre, an accent or a silence"
            )

    @property
    def is_whole(self) -> bool:
        """Whether the whole piece is varied."""
        return self.redo is None and self.continue_s is None and not self.redoes_changes

    @property
    def redoes_changes(self) -> bool:
        """Whether accents and silences alone say what is regenerated: the bars they lie in."""
        return self.only_changes_score and self.changes.extent_s is not None

    @property
    def only_changes_score(self) -> bool:
        """Whether neither a stretch nor a variation of the whole is named."""
        named = (
            self.redo, self.continue_s, self.strength, self.options.genre, self.keep_rhythm
        )  # fmt: skip
        return all(option is None for option in named)

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
        harmony: Key and chords of composed music, or of a model that reads them; None of other.
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
    harmony: PlayedHarmony | None = None
