"""Request and response schemas of the API."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

from kinetune.audio.export import ExportFormat
from kinetune.errors import KinetuneError
from kinetune.tasks.generate import BEAT_MAPS
from kinetune.tasks.inspect import BeatReading
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.serialisation import from_json, to_json

Data = TypeVar("Data")
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="32 hexadecimal digits.")]
MAX_VARIATIONS = 8


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


Options = Annotated[MusicOptions, _strict(MusicOptions)]
Export = Annotated[ExportFormat, _strict(ExportFormat)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class GenerateJob(_Body):
    """Music for a motion."""

    task: Literal["generate"]
    motion: Id
    options: Options = MusicOptions()
    variations: int = Field(1, ge=1, le=MAX_VARIATIONS, description="Pieces, best first.")
    export: Export = ExportFormat()
    format: Literal["wav", "flac", "ogg", "mp3"] = "wav"
    beat_maps: list[Literal["json", "csv", "labels", "midi"]] = Field(
        default_factory=list, max_length=len(BEAT_MAPS)
    )
    plot: bool = Field(False, description="Also draw a picture.")
    film: bool = Field(False, description="Also film the dancer.")
    model: str = Field("default", max_length=200)


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
    options: Options = MusicOptions()
    plot: bool = False
    film: bool = False


class FilmJob(_Body):
    """A film of the dance with a sound of a job that is done."""

    task: Literal["film"]
    job: Id
    file: str = Field(max_length=255, description="A sound file of that job.")


JobRequest = Annotated[GenerateJob | EditJob | FilmJob, Field(discriminator="task")]


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


class Motion(BaseModel):
    """A motion that was uploaded."""

    id: str
    name: str
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


class Health(BaseModel):
    """Whether the server works."""

    status: Literal["ok"]
    version: str
    queued: int


def plain(value: object) -> Any:  # noqa: ANN401
    """Return a request as it is stored."""
    table = {name: getattr(value, name) for name in type(value).model_fields}  # type: ignore[attr-defined]
    return {name: to_json(item) for name, item in table.items()}
