"""Where the sound and the film of every dance go."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from kinetune.errors import ConfigError, OutputError


@dataclass(frozen=True)
class FilmOptions:
    """The film that goes with the music.

    Attributes:
        path: An .mp4 file, or a folder for several dances; None makes no film.
        onto: A film to put the music on; None films the dancer.
        offset_s: Time in that film at which the music begins, seconds.
    """

    path: Path | None = None
    onto: Path | None = None
    offset_s: float = 0.0


@dataclass(frozen=True)
class OutputPaths:
    """Where one dance's sound and film go."""

    sound: Path
    film: Path | None = None


def plan_outputs(
    motions: Sequence[Path], output: Path | None, film: FilmOptions
) -> list[OutputPaths]:
    """Return where every dance's files go; see :func:`sound_paths` and :func:`film_paths`."""
    sounds = sound_paths(motions, output)
    return [OutputPaths(*both) for both in zip_longest(sounds, film_paths(sounds, film))]


def sound_paths(motions: Sequence[Path], output: Path | None) -> list[Path]:
    """Return the sound file of every motion; equal stems get numbers.

    Args:
        motions: Motion files.
        output: A sound file (one motion only) or a folder; None is the current folder.

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
    folder = output or Path()
    targets: list[Path] = []
    for motion in motions:
        target, number = folder / f"{motion.stem}.wav", 2
        while target in targets:
            target, number = folder / f"{motion.stem}-{number}.wav", number + 1
        targets.append(target)
    return targets


def film_paths(sounds: Sequence[Path], film: FilmOptions) -> list[Path]:
    """Return the film of every sound file, or none where none is requested.

    Raises:
        ConfigError: One film is given for several dances, the suffix is not .mp4, or a film to
            put the music on is given without a path for the result, or is missing.
    """
    from kinetune.render.mux import SUFFIX, check_suffix
    from kinetune.render.soundtrack import check_film

    if film.path is None:
        if film.onto is not None:
            raise ConfigError("--onto needs --video, the film to be written")
        return []
    if film.offset_s < 0:
        raise ConfigError(f"--offset must be 0 or later, found {film.offset_s:g}")
    if film.onto is not None:
        check_film(film.onto, film.offset_s)
    if not film.path.suffix or film.path.is_dir():
        return [film.path / f"{sound.stem}{SUFFIX}" for sound in sounds]
    check_suffix(film.path)
    if len(sounds) > 1:
        raise ConfigError(f"{film.path}: one film for {len(sounds)} dances; name a folder")
    return [film.path]
