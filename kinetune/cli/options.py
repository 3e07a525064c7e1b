"""What a user can turn in ``kinetune generate`` and its kin, checked before anything is loaded."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune import genres, timebase
from kinetune.cli.grids import AskedGrid
from kinetune.cli.motions import AskedReading
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.audio.export import ExportFormat

# What several verbs ask for, word for word.
StepsOption = Annotated[
    int | None, typer.Option("--steps", help="Denoising steps. (default: the model's own)")
]
GuidanceOption = Annotated[
    float | None,
    typer.Option(
        "--guidance", help="How hard to hold to the dance; 1 is off. (default: the model's own)"
    ),
]
BpmOption = Annotated[
    str, typer.Option("--bpm", help="Beats a minute, or auto, half, double of what the dance says.")
]
ModelOption = Annotated[
    str, typer.Option("--model", help="A bundled name, a checkpoint folder, or a hub id.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]

MOST_VARIATIONS = 64
# What --beat-map writes beside the sound.
BEAT_MAPS = {"json": ".beats.json", "csv": ".beats.csv", "labels": ".beats.txt", "midi": ".mid"}


@dataclass(frozen=True)
class FilmOptions:
    """The picture that goes with the music.

    Attributes:
        path: An .mp4 file, or a folder for several dances; None films nothing.
        onto: A film to put the music on; None films the dancer.
        offset_s: When in that film the music begins.
    """

    path: Path | None = None
    onto: Path | None = None
    offset_s: float = 0.0


@dataclass(frozen=True)
class GenerateOptions:
    """What a user can turn; None leaves it to the dance or to the checkpoint."""

    genre: str | None = None
    reading: AskedReading = field(default_factory=AskedReading)
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    grid: AskedGrid = field(default_factory=AskedGrid)
    loop: bool = False
    score: Path | None = None
    variations: int = 1
    plot: bool = False
    film: FilmOptions = field(default_factory=FilmOptions)
    beat_maps: tuple[str, ...] = ()
    rate_hz: int = timebase.SAMPLE_RATE_HZ
    channels: int = 1
    loudness_lufs: float = -14.0


def check_options(options: GenerateOptions) -> None:
    """See that every number and name is possible.

    Raises:
        ConfigError: One is not.
    """
    if options.genre is not None:
        genres.genre_code(options.genre)
    if options.steps is not None and not 1 <= options.steps <= 1000:
        raise ConfigError(f"--steps must be 1 to 1000, found {options.steps}")
    if options.guidance is not None and not 0.0 <= options.guidance <= 50.0:
        raise ConfigError(f"--guidance must be 0 to 50, found {options.guidance:g}")
    for name in options.beat_maps:
        if name not in BEAT_MAPS:
            known = ", ".join(BEAT_MAPS)
            raise ConfigError(f"--beat-map must be one of {known}; found {name!r}")
    delivery(options)
    _check_score(options)
    if options.seed < 0:
        raise ConfigError(f"--seed must not be negative, found {options.seed}")


def _check_score(options: GenerateOptions) -> None:
    if not 1 <= options.variations <= MOST_VARIATIONS:
        raise ConfigError(
            f"--variations must be 1 to {MOST_VARIATIONS}, found {options.variations}"
        )
    if options.score is not None:
        from kinetune.model.conditioning.control_score import read_control_score

        read_control_score(options.score)


def delivery(options: GenerateOptions) -> "ExportFormat":
    """Return how the sound is handed over."""
    from kinetune.audio.export import ExportFormat

    return ExportFormat(options.rate_hz, options.channels, options.loudness_lufs)
