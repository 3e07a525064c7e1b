"""Folders of sounds, dances and annotations, paired by file name.

Conventions: files belong together by stem: ``music/a.wav``, ``reference/a.flac``, ``dances/a.pkl``.
Several variations of one dance (other seeds) stand in subfolders: ``music/0/a.wav``,
``music/1/a.wav``. A file without a partner, or one that can't be used, becomes a :class:`Problem`.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kinetune import genres
from kinetune.errors import ConfigError
from kinetune.motion.io.formats import MOTION_SUFFIXES

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
BEAT_SUFFIXES = (".txt", ".csv", ".json", ".mid", ".midi")
_MAX_NAMES = 3
# A million dances take less.
_MAX_GENRE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Problem:
    """Something wrong with one clip of one row.

    Attributes:
        label: The row, or ``motions``, ``genres``, ``beats``.
        clip: The dance's name.
        kind: What is wrong, as counted in the report: ``missing``, ``can't be used``, ``silent``.
        detail: One line more.
        loses_value: Whether a figure is missing because of it.
    """

    label: str
    clip: str
    kind: str
    detail: str = ""
    loses_value: bool = True


@dataclass(frozen=True)
class Clip:
    """One dance and all sounds made for it.

    Attributes:
        name: The stem its files share.
        variations: Sound files by label, one a seed.
        reference: The music it was danced to, if known.
        motion: The dance, if known.
        beats: A file of its true beats, if given.
        genre: Genre code, if known.
    """

    name: str
    variations: dict[str, tuple[Path, ...]]
    reference: Path | None = None
    motion: Path | None = None
    beats: Path | None = None
    genre: str | None = None


@dataclass(frozen=True)
class Folders:
    """The folders and files to evaluate.

    Attributes:
        systems: Folders of generated sounds by label.
        reference: Folder of the music the dances were danced to.
        motions: Folder of the dances.
        genres: File of the dances' genres; names of AIST++ contain theirs.
        beats: Folder of the true beats, a file a dance.
    """

    systems: dict[str, Path]
    reference: Path | None = None
    motions: Path | None = None
    genres: Path | None = None
    beats: Path | None = None


@dataclass(frozen=True)
class PairedFolders:
    """The dances, in order of their names, and what is wrong with the folders."""

    clips: list[Clip]
    problems: list[Problem] = field(default_factory=list)


def pair_folders(folders: Folders) -> PairedFolders:
    """Return every dance with its files.

    Raises:
        ConfigError: A folder is missing or empty, two files claim one name, no names match, or the
            file of genres can't be read.
    """
    systems = {label: variations_by_stem(folder) for label, folder in folders.systems.items()}
    reference, motions, beats = (
        files_by_stem(folder, suffixes) if folder else None
        for folder, suffixes in (
            (folders.reference, SOUND_SUFFIXES),
            (folders.motions, MOTION_SUFFIXES),
            (folders.beats, BEAT_SUFFIXES),
        )
    )
    names = sorted(set().union(*systems.values()) | set(reference or {}))
    for folder, named in ((folders.reference, reference), (folders.motions, motions),
                          (folders.beats, beats)):  # fmt: skip
        _check_common_stems(systems, folder, named)
    genre_by_name = read_genres(folders.genres) if folders.genres else {}
    clips = [
        Clip(
            name,
            {label: files[name] for label, files in systems.items() if name in files},
            (reference or {}).get(name),
            (motions or {}).get(name),
            (beats or {}).get(name),
            genre_by_name.get(name) or genres.genre_from_filename(name),
        )
        for name in names
    ]
    partners = {"reference": reference, "motions": motions, "beats": beats}
    problems = list(_missing_files(clips, systems, partners))
    if folders.genres:
        problems += [Problem("genres", clip.name, "missing") for clip in clips if not clip.genre]
    return PairedFolders(clips, problems)


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the folder's files with one of the suffixes by stem, in order.

    Raises:
        ConfigError: The folder is missing, contains none, or holds two of one stem.
    """
    named: dict[str, Path] = {}
    for path in _entries(folder):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in named:
            raise ConfigError(
                f"{folder}: {named[path.stem].name} and {path.name} share a name; keep one of them"
            )
        named[path.stem] = path
    if not named:
        raise ConfigError(f"{folder}: no files found; expected {', '.join(suffixes)}")
    return named


def variations_by_stem(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return a folder's sounds by stem: its own, or one a subfolder where there are only those.

    Raises:
        ConfigError: As :func:`files_of`; or both sounds and subfolders of sounds.
    """
    inner = [path for path in _entries(folder) if path.is_dir() and _holds_sounds(path)]
    if not inner:
        return {stem: (path,) for stem, path in files_by_stem(folder, SOUND_SUFFIXES).items()}
    if _holds_sounds(folder):
        raise ConfigError(
            f"{folder}: holds sounds and subfolders of sounds ({inner[0].name}); put each "
            "variation into a subfolder, or name the subfolders as rows of their own"
        )
    variations: dict[str, tuple[Path, ...]] = {}
    for variation in inner:
        for stem, path in files_by_stem(variation, SOUND_SUFFIXES).items():
            variations[stem] = (*variations.get(stem, ()), path)
    return dict(sorted(variations.items()))


def _holds_sounds(folder: Path) -> bool:
    return any(path.suffix.lower() in SOUND_SUFFIXES for path in _entries(folder))


def _entries(folder: Path) -> list[Path]:
    """What a folder contains, in order.

    Raises:
        ConfigError: It is missing, no folder, or can't be read.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{folder}: no such folder") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{folder}: a folder that can't be read ({reason})") from error


def _check_common_stems(
    systems: dict[str, dict[str, tuple[Path, ...]]], folder: Path | None,
    named: dict[str, Path] | None,
) -> None:  # fmt: skip
    if folder is None or named is None:
        return
    for label, files in systems.items():
        if not set(files) & set(named):
            raise ConfigError(
                f"{folder}: no name matches those of {label}: "
                f"{_examples(named)} there, {_examples(files)} here; files belong together by stem"
            )


def _examples(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:_MAX_NAMES]) + (", ..." if len(first) > _MAX_NAMES else "")


def _missing_files(
    clips: list[Clip],
    systems: dict[str, dict[str, tuple[Path, ...]]],
    partners: dict[str, dict[str, Path] | None],
) -> Iterable[Problem]:
    """Files that a clip lacks and other clips have."""
    for label, files in systems.items():
        most = max(len(variations) for variations in files.values())
        for clip in clips:
            variations = len(clip.variations.get(label, ()))
            if variations == 0:
                yield Problem(label, clip.name, "missing")
            elif variations < most:
                detail = f"{variations} of {most} variations"
                yield Problem(label, clip.name, "fewer variations", detail, loses_value=False)
    for label, named in partners.items():
        for clip in clips:
            if named is not None and clip.name not in named:
                yield Problem(label, clip.name, "missing")


def read_genres(path: Path) -> dict[str, str]:
    """Return genre codes by name, from lines ``name,genre``, a JSON object, or a corpus manifest.

    Raises:
        ConfigError: The file can't be read, or names an unknown genre.
    """
    try:
        # A pipe or a device would block or never end.
        if not path.is_file():
            raise ConfigError(f"{path}: no such file of genres")
        if path.stat().st_size > _MAX_GENRE_BYTES:
            raise ConfigError(
                f"{path}: over {_MAX_GENRE_BYTES // 2**20} MB; is it a list of genres?"
            )
        text = path.read_text(encoding="utf-8-sig")
        rows = _genre_rows(path.suffix.lower(), text)
        pairs = [(Path(name).name, genre) for name, genre in rows]
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise ConfigError(
            f"{path}: expected lines of name,genre, a JSON object, or a corpus's manifest.jsonl "
            f"({error})"
        ) from error
    if not pairs:
        raise ConfigError(f"{path}: holds no genres")
    try:
        return {_stem(name): genres.genre_code(genre) for name, genre in pairs}
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _genre_rows(suffix: str, text: str) -> list[tuple[str, str]]:
    if suffix == ".json":
        return [(str(name), str(genre)) for name, genre in json.loads(text).items()]
    if suffix == ".jsonl":
        items = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [(item["id"], item["genre"]) for item in items]
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if rows and [cell.strip().lower() for cell in rows[0]] == ["name", "genre"]:
        rows = rows[1:]
    if any(len(row) != 2 for row in rows):
        raise ValueError("a line has not two columns")
    return [(row[0].strip(), row[1].strip()) for row in rows]


def _stem(name: str) -> str:
    """A name without the suffix of a sound or a motion; other dots belong to it."""
    known = (*SOUND_SUFFIXES, *MOTION_SUFFIXES)
    return Path(name).stem if Path(name).suffix.lower() in known else name


def count_problems(problems: Iterable[Problem]) -> dict[tuple[str, str], int]:
    """Return the number of problems of each kind by row."""
    return dict(Counter((problem.label, problem.kind) for problem in problems))
