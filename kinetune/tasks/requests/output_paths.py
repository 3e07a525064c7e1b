"""Output paths of sounds and videos, and handling of existing files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinetune.errors import ConfigError, OutputError
from kinetune.tasks.requests.motion_files import MotionPath

# What to do where a file exists: end with an error before any work, replace it, or leave the
# dance out.
Existing = Literal["refuse", "replace", "skip"]
_SHOWN_PATHS = 2


@dataclass(frozen=True)
class FilmOptions:
    """The film that goes with the music.

    Attributes:
        path: An .mp4 file, or a folder for several dances; None makes no film.
        onto: A film to put the music on; None films the dancer.
        offset_s: Time in that film at which the music begins, seconds.

    Raises:
        ConfigError: A film to put the music on is given without a path for the result, or the
            offset is negative.
    """

    path: Path | None = None
    onto: Path | None = None
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if self.path is None and self.onto is not None:
            raise ConfigError("--onto needs --video, the film to be written")
        if not self.offset_s >= 0.0:
            raise ConfigError(f"the offset must be 0 or later, found {self.offset_s:g}")


@dataclass(frozen=True)
class OutputPaths:
    """Where one dance's sound and film go."""

    sound: Path
    film: Path | None = None


def plan_outputs(
    motions: Sequence[MotionPath],
    output: Path | None,
    film: FilmOptions,
    *,
    suffix: str = ".wav",
) -> list[OutputPaths]:
    """Return where every dance's files go; see :func:`sound_paths` and :func:`film_paths`."""
    sounds = sound_paths(motions, output, suffix=suffix)
    films = film_paths(motions, sounds, film)
    return [OutputPaths(*both) for both in zip(sounds, films, strict=True)]


def sound_paths(
    motions: Sequence[MotionPath], output: Path | None, *, suffix: str = ".wav"
) -> list[Path]:
    """Return the sound file of every motion; equal names in a folder get numbers.

    Args:
        motions: Motion files.
        output: A sound file (one motion only) or a folder; None is the current folder.
        suffix: Of sound files in a folder.

    Raises:
        OutputError: One file is given for several motions.
        AudioError: An unknown suffix.
    """
    from kinetune.audio.sound import check_suffix

    if output is not None and output.suffix and not output.is_dir():
        check_suffix(output)
        if len(motions) > 1:
            raise OutputError(f"{output}: one file for {len(motions)} dances; name a folder")
        return [output]
    targets: list[Path] = []
    for motion in motions:
        folder = (output or Path()) / motion.subfolder
        check_suffix(target := folder / f"{motion.path.stem}{suffix}")
        number = 2
        while target in targets:
            target, number = folder / f"{motion.path.stem}-{number}{suffix}", number + 1
        targets.append(target)
    return targets


def film_paths(
    motions: Sequence[MotionPath], sounds: Sequence[Path], film: FilmOptions
) -> list[Path | None]:
    """Return the film of every sound file, or None where none is requested.

    Raises:
        ConfigError: One film is given for several dances, the suffix is not .mp4, or the film to
            put the music on can't be used.
    """
    from kinetune.render.mux import SUFFIX, check_suffix
    from kinetune.render.soundtrack import check_film

    if film.path is None:
        return [None] * len(sounds)
    if film.onto is not None:
        check_film(film.onto, film.offset_s)
    if not film.path.suffix or film.path.is_dir():
        return [
            film.path / motion.subfolder / f"{sound.stem}{SUFFIX}"
            for motion, sound in zip(motions, sounds, strict=True)
        ]
    check_suffix(film.path)
    if len(sounds) > 1:
        raise ConfigError(f"{film.path}: one film for {len(sounds)} dances; name a folder")
    return [film.path]


def check_absent(paths: Sequence[Path]) -> None:
    """Check that no file would be replaced.

    Raises:
        OutputError: One exists.
    """
    existing = [path for path in paths if path.exists()]
    if existing:
        shown = ", ".join(map(str, existing[:_SHOWN_PATHS]))
        more = len(existing) - _SHOWN_PATHS
        names = f"{shown} and {more} more" if more > 0 else shown
        verb = "exists" if len(existing) == 1 else "exist"
        raise OutputError(f"{names} {verb} already; choose another name with -o, or --force")
