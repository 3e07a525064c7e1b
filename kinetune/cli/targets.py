"""Where the sound and the film of every dance go."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from kinetune.cli.options import FilmOptions
from kinetune.errors import ConfigError, OutputError


@dataclass(frozen=True)
class Targets:
    """Where one dance's sound and film go."""

    sound: Path
    film: Path | None


def targets_of(motions: Sequence[Path], output: Path | None, film: FilmOptions) -> list[Targets]:
    """Return where every dance's files go; see :func:`output_paths` and :func:`film_paths`."""
    sounds = output_paths(motions, output)
    return [Targets(*both) for both in zip_longest(sounds, film_paths(sounds, film))]


def output_paths(motions: Sequence[Path], output: Path | None) -> list[Path]:
    """Return the sound file of every motion; equal stems get numbers.

    Raises:
        OutputError: One file is named for several motions, or an unknown suffix.
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


def film_paths(targets: Sequence[Path], asked: FilmOptions) -> list[Path]:
    """Return the film of every sound file, or none where none is asked for.

    Raises:
        ConfigError: One film is named for several dances, the suffix is not .mp4, or a film to
            put the music on is named without a place for the result, or is missing.
    """
    from kinetune.render.mux import SUFFIX, check_suffix

    if asked.path is None:
        if asked.onto is not None:
            raise ConfigError("--onto needs --video, the film to be written")
        return []
    if asked.onto is not None and not asked.onto.is_file():
        raise ConfigError(f"{asked.onto}: no such film")
    if asked.offset_s < 0:
        raise ConfigError(f"--offset must be 0 or later, found {asked.offset_s:g}")
    if not asked.path.suffix or asked.path.is_dir():
        return [asked.path / f"{target.stem}{SUFFIX}" for target in targets]
    check_suffix(asked.path)
    if len(targets) > 1:
        raise ConfigError(f"{asked.path}: one film for {len(targets)} dances; name a folder")
    return [asked.path]
