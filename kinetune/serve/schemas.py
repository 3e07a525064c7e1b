"""Request and response schemas of the API."""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from kinetune.audio.export import ExportFormat
from kinetune.errors import KinetuneError
from kinetune.packs.writer import TOOLS
from kinetune.tasks.generate import BEAT_MAPS
from kinetune.tasks.inspect import BeatReading, GroupDancer
from kinetune.tasks.requests.composer_outputs import ComposerOutputs
from kinetune.tasks.requests.music_options import Engine, MusicOptions
from kinetune.tasks.requests.score_changes import ScoreChanges
from kinetune.tasks.requests.serialisation import from_json, to_json

Data = TypeVar("Data")
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="32 hexadecimal digits.")]
MAX_VARIATIONS, MAX_PRACTICE, MAX_DANCERS = 8, 8, 8


def _strict(cls: type[Data]) -> WrapValidator:
    """Validate a dataclass by its own rules: unknown keys are errors too."""

    def check(value: Any, _: ValidatorFunctionWrapHandler) -> Data:  # noqa: ANN401
        if isinstance(value, cls):
            return value
        try:
            return from_json(cls, value, context=cls.__name__)
        except KinetuneError as error:
            raise ValueError(str(error)) from error

    return WrapValidator(check)


def _few_tempi(outputs: ComposerOutputs) -> ComposerOutputs:
    if len(outputs.practice) > MAX_PRACTICE:
        raise ValueError(f"expected up to {MAX_PRACTICE} practice tempi")
    return outputs


Options = Annotated[MusicOptions, _strict(MusicOptions)]
Export = Annotated[ExportFormat, _strict(ExportFormat)]
Composed = Annotated[ComposerOutputs, _strict(ComposerOutputs), AfterValidator(_few_tempi)]
Changes = Annotated[ScoreChanges, _strict(ScoreChanges)]
Format = Literal["wav", "flac", "ogg", "mp3"]
BeatMaps = list[Literal["json", "csv", "labels", "midi"]]
Packs = Annotated[
    list[Literal["godot", "unity", "unreal", "wwise", "fmod"]],
    Field(
        max_length=len(TOOLS),
        description="Tools to write a pack for, one .zip file each; see docs/guide/games.md.",
    ),
]
_COMPOSED: Any = Field(
    ComposerOutputs(),
    description="What else the composer writes; folders come as one .zip file each.",
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class GenerateJob(_Body):
    """Music for a motion."""

    task: Literal["generate"]
    motion: Id
    options: Options = MusicOptions()
    variations: int = Field(1, ge=1, le=MAX_VARIATIONS, description="Pieces, best first.")
    export: Export = ExportFormat()
    format: Format = "wav"
    beat_maps: BeatMaps = Field(default_factory=list, max_length=len(BEAT_MAPS))
    plot: bool = Field(False, description="Also draw a picture.")
    film: bool = Field(False, description="Also film the dancer.")
    composed: Composed = _COMPOSED
    packs: Packs = []
    model: str = Field("default", max_length=200)

    @model_validator(mode="after")
    def _check_composed(self) -> Self:
        if self.options.engine != "composer" and self.composed != ComposerOutputs():
            raise ValueError("stems, notes, layers and practice tempi need the engine composer")
        return self


class EditJob(_Body):
    """Change a sound of a job that is done: a stretch anew, a continuation, a variation."""

    task: Literal["edit"]
    job: Id
    file: str = Field(max_length=255, description="A sound file of that job.")
    redo: tuple[float, float | None] | None = Field(None, description="Start and end, seconds.")
    continue_s: float | None = Field(None, gt=0.0, le=600.0)
    strength: float | None = Field(None, gt=0.0, le=1.0)
    keep_rhythm: bool | None = None
    exact: bool = False
    options: Options = Field(
        MusicOptions(), description="A score in it takes the place of the music's own."
    )
    changes: Changes = Field(
        ScoreChanges(),
        description="Added to the music's score: accents (strength 0 removes one), silences, and "
        "the energy of what is new. Without redo the bars of accents and silences are new.",
    )
    plot: bool = False
    film: bool = False


class ExportJob(_Body):
    """A sound of a job that is done in another format, with its stems, notes, layers, beats, packs.

    Made again from its recipe, as ``kinetune again`` with the same options makes it.
    """

    task: Literal["export"]
    job: Id
    file: str = Field(max_length=255, description="A sound file of that job.")
    format: Format = "wav"
    beat_maps: BeatMaps = Field(default_factory=list, max_length=len(BEAT_MAPS))
    composed: Composed = _COMPOSED
    packs: Packs = []


class FilmJob(_Body):
    """A film of the dance with a sound of a job that is done."""

    task: Literal["film"]
    job: Id
    file: str = Field(max_length=255, description="A sound file of that job.")


Task = GenerateJob | EditJob | FilmJob | ExportJob
JobRequest = Annotated[Task, Field(discriminator="task")]


class Inspection(BaseModel):
    """What a motion file contains; see ``kinetune inspect --json``."""

    format: str
    fps: float
    frames: int
    duration_s: float
    joints: int
    note: str
    motion_beats_s: list[float]
    bpm: float
    first_beat_s: float
    bar_start_s: float
    metre: int
    confidence: float
    doubt: str
    readings: list[BeatReading]
    dancers: list[GroupDancer] = Field([], description="Of a group: each dancer alone.")


class Group(_Body):
    """Motions that are one group: all begin at the same moment, and get one piece of music."""

    motions: list[Id] = Field(min_length=2, max_length=MAX_DANCERS)


class Motion(BaseModel):
    """A motion that was uploaded, or a group of them."""

    id: str
    name: str
    files: list[str] = Field(description="One, or of a group one a dancer, the first first.")
    bytes: int
    status: Literal["reading", "ready", "failed"]
    error: str = ""
    inspection: Inspection | None = None


class JobFile(BaseModel):
    """A file that a job made."""

    name: str
    bytes: int
    media_type: str


class Progress(BaseModel):
    """How far a job is."""

    stage: str
    done: int
    total: int


class Job(BaseModel):
    """A job."""

    id: str
    request: dict[str, Any]
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    created: float = Field(description="Seconds since 1970.")
    started: float | None
    finished: float | None
    queue_position: int = Field(description="Jobs before this one; 0 if it runs or has ended.")
    progress: Progress
    error: str
    files: list[JobFile]
    result: Any = Field(None, description="As the command's --json prints it.")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class Genre(BaseModel):
    """A genre."""

    code: str
    name: str


class PromptText(_Body):
    """A prompt, and what would follow it."""

    text: str = Field(description="In English, up to 2000 characters.")
    engine: Engine = "diffusion"
    model: str = Field("default", max_length=200)


class PromptReading(BaseModel):
    """How a prompt is understood."""

    text: str = Field(description="On one line, without control characters.")
    requested: list[str] = Field(description="Attributes that the music should have.")
    excluded: list[str] = Field(description="Attributes that it should not have.")
    unknown: list[str] = Field(description="Words that were not understood.")
    summary: str = Field(description="All of this in one line, as the command prints it.")
    not_followed: list[str] = Field(description="What the engine can't do of it, by label.")
    matches_words: bool = Field(
        description="Whether words in no list count as the nearest known word: kinetune[text] is "
        "installed."
    )


class Health(BaseModel):
    """Whether the server works."""

    status: Literal["ok"]
    version: str
    queued: int


def plain(value: object) -> Any:  # noqa: ANN401
    """Return a request as it is stored."""
    table = {name: getattr(value, name) for name in type(value).model_fields}  # type: ignore[attr-defined]
    return {name: to_json(item) for name, item in table.items()}
