"""Recipes: everything needed to regenerate or edit a sound file.

A recipe is written beside the sound as ``NAME.json``, with paths relative to that folder. It is
also in the sound file's comment, with file names only, so that the bytes don't depend on the
folder. Checksums are SHA-256.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import kinetune
from kinetune.errors import ConfigError, ModelError
from kinetune.files import update_digest, write_text
from kinetune.model.conditioning.harmony import Harmony
from kinetune.tasks.requests.music_options import MusicOptions
from kinetune.tasks.requests.serialisation import from_json, to_json
from kinetune.timebase import BEATS_IN_BAR

if TYPE_CHECKING:
    from kinetune.motion.beats.beat_grid import BeatGrid

_log = logging.getLogger("kinetune")
# Packages whose version may change the samples.
_PACKAGES = ("torch", "diffusers", "numpy", "scipy", "librosa", "soundfile")
# Fields of requests that name input files.
_PATHS = {"motions", "motion", "partners", "music"}
# Fields of requests that a recipe does not decide: an untrusted one would write other files.
_NOT_RECORDED = {
    "film", "plot", "beat_maps", "packs", "variations", "existing", "recursive", "format",
}  # fmt: skip
# An hour of beats and a long score are a hundredth.
_MAX_RECIPE_BYTES = 1 << 24
# Beats that a recipe may hold, far beyond what is requested or detected.
_MIN_BPM, _MAX_BPM, _MAX_BEAT_S, _MAX_METRE = 5.0, 1000.0, 3 * 3600.0, 16


@dataclass(frozen=True)
class Grid:
    """The beats a piece was made to; see ``motion.beats.beat_grid.BeatGrid``."""

    bpm: float
    first_beat_s: float
    bar_start_s: float
    steady: bool
    beats_s: tuple[float, ...]
    metre: int = BEATS_IN_BAR

    def __post_init__(self) -> None:
        times = self.beats_s
        if not times or any(after <= before for before, after in pairwise(times)):
            raise ConfigError("the beats of the recipe must be one or more, and ascending")
        if not times[0] >= 0.0 or times[-1] > _MAX_BEAT_S:
            raise ConfigError("the beats of the recipe must lie within the music")
        if not _MIN_BPM <= self.bpm <= _MAX_BPM or not 1 <= self.metre <= _MAX_METRE:
            raise ConfigError(f"no music has {self.bpm:g} bpm and bars of {self.metre} beats")

    @classmethod
    def of(cls, grid: "BeatGrid") -> "Grid":
        """Return the record of a beat grid."""
        beats_s = tuple(float(beat) for beat in grid.beats_s)
        return cls(
            float(grid.bpm), float(grid.first_beat_s), float(grid.bar_start_s), grid.steady,
            beats_s, grid.metre,
        )  # fmt: skip

    def beat_grid(self) -> "BeatGrid":
        """Return the beat grid."""
        import numpy as np

        from kinetune.motion.beats.beat_grid import BeatGrid

        return BeatGrid(
            self.bpm, self.first_beat_s, np.array(self.beats_s), 1.0, steady=self.steady,
            bar_start_s=self.bar_start_s, metre=self.metre,
        )  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """What a piece was made from, before it is known where it will stand.

    Attributes:
        task: ``generate`` or ``edit``.
        request: The request of that task, for this one piece.
        inputs: The files it was made from; none for data in memory.
        model_sha256: Of the checkpoint's files; empty for one that is not on this disk.
        versions: Of kinetune and the packages it computes with.
    """

    task: Literal["generate", "edit"]
    request: object
    inputs: tuple[Path, ...]
    model_sha256: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Recipe:
    """How a sound file was made.

    Attributes:
        task: ``generate`` or ``edit``.
        request: The request of that task, for this one file.
        inputs: Checksum of every input file, by its path in the request.
        model_sha256: Of the checkpoint's files; empty for one that is not on this disk.
        genre: Genre code.
        grid: The beats it was made to.
        duration_s: Length of the sound, seconds.
        versions: Of kinetune and the packages it computes with.
        sha256: Of the sound file; None within the sound file.
        harmony: Key and chords that a model was told to play; None of other music.
        model_lufs: Loudness as a model made it, before it was matched; None of other music.
        attributes: Musical attributes that a model was told to play, 1 with and -1 without.
    """

    task: Literal["generate", "edit"]
    request: dict[str, Any]
    inputs: dict[str, str]
    model_sha256: str
    genre: str
    grid: Grid
    duration_s: float
    versions: dict[str, str]
    sha256: str | None = None
    harmony: Harmony | None = None
    model_lufs: float | None = None
    attributes: dict[str, float] = field(default_factory=dict)

    @property
    def options(self) -> MusicOptions:
        """What decided the music.

        Raises:
            ConfigError: The recipe is damaged.
        """
        return from_json(MusicOptions, self.request.get("options"), context="recipe: options")

    def comment(self) -> str:
        """Return the recipe as it stands in the sound file."""
        request = {**self.request, "output": None}
        for key in _PATHS & set(request):
            request[key] = _map_paths(request[key], lambda path: Path(path).name)
        inputs = {Path(path).name: checksum for path, checksum in self.inputs.items()}
        bare = replace(self, request=request, inputs=inputs, sha256=None)
        return json.dumps({"kinetune": to_json(bare)}, separators=(",", ":"))


def make_recipe(
    origin: Origin,
    output: Path,
    *,
    genre: str,
    grid: "BeatGrid",
    duration_s: float,
    harmony: Harmony | None = None,
    model_lufs: float | None = None,
    attributes: Mapping[str, float] | None = None,
) -> Recipe:
    """Return the recipe of a piece.

    Args:
        origin: What it was made from.
        output: The sound file it will stand in.
        genre: Genre code.
        grid: The beats it was made to.
        duration_s: Length of the sound, seconds.
        harmony: Key and chords that a model was told to play.
        model_lufs: Loudness as a model made it.
        attributes: Musical attributes that a model was told to play.
    """
    names = {path: relative_to_output(path, output) for path in origin.inputs}
    table = to_json(origin.request)
    table["output"] = output.name
    # A program of this computer, which the music does not depend on.
    table["read"]["blender"] = None
    for key in _PATHS & set(table):
        table[key] = _map_paths(table[key], lambda path: relative_to_output(Path(path), output))
    return Recipe(
        task=origin.task,
        request=table,
        inputs={names[path]: file_sha256(path) for path in origin.inputs},
        model_sha256=origin.model_sha256,
        genre=genre,
        grid=Grid.of(grid),
        duration_s=duration_s,
        versions=origin.versions,
        harmony=harmony,
        model_lufs=model_lufs,
        attributes=dict(attributes or {}),
    )


def _map_paths(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [change(path) for path in value]
    return None if value is None else change(value)


def sidecar_path(sound: Path) -> Path:
    """Return where the recipe of a sound file stands."""
    return sound.with_suffix(".json")


def write_sidecar(sound: Path, recipe: Recipe) -> Path:
    """Write the recipe of a sound file that stands, and return its path.

    Raises:
        OutputError: It can't be written.
    """
    path = sidecar_path(sound)
    table = {"kinetune": to_json(replace(recipe, sha256=file_sha256(sound)))}
    write_text(path, json.dumps(table, indent=1) + "\n")
    return path


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a sidecar or in a sound file.

    Raises:
        ConfigError: There is none, or it is damaged.
    """
    recipe = find_recipe(path)
    if recipe is None:
        raise ConfigError(
            f"{path}: holds no recipe; expected a sound made by kinetune, or its NAME.json"
        )
    return recipe


def find_recipe(path: Path) -> Recipe | None:
    """Return the recipe in a sidecar or in a sound file; None where there is none.

    Raises:
        ConfigError: The file is missing, or its recipe is damaged.
    """
    from kinetune.audio.sound import read_comment

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.suffix.lower() == ".json" and path.stat().st_size > _MAX_RECIPE_BYTES:
        return None
    try:
        is_json = path.suffix.lower() == ".json"
        text = path.read_text(encoding="utf-8") if is_json else read_comment(path)
        table = json.loads(text) if text else None
    except (ValueError, RecursionError, OSError):
        return None
    if not isinstance(table, Mapping) or "kinetune" not in table:
        return None
    recipe = from_json(Recipe, table["kinetune"], context=f"{path}: recipe")
    _declare_genre(recipe)
    return replace(recipe, request=_safe_request(recipe.request))


def _safe_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without what would run a program or write further files: recipes are handed on."""
    kept = {key: value for key, value in request.items() if key not in _NOT_RECORDED}
    if isinstance(read := kept.get("read"), Mapping):
        kept["read"] = {**read, "blender": None}
    return kept


def find_music_recipe(music: Path) -> Recipe | None:
    """Return the recipe in a sound file or beside it; None where there is none.

    Raises:
        ConfigError: The music is missing, or its recipe is damaged.
    """
    beside = sidecar_path(music)
    recipe = find_recipe(beside) if beside.is_file() else None
    # A file of that name may be about anything else.
    if recipe is None or not music.is_file() or recipe.sha256 != file_sha256(music):
        recipe = find_recipe(music)
    if recipe is not None:
        _log.info("%s: recipe found (%s)", music, recipe.task)
    return recipe


def relative_to_output(path: Path, output: Path) -> str:
    """Return a path as the recipe of ``output`` has it: seen from the folder of the sound."""
    try:
        return Path(os.path.relpath(path, output.parent)).as_posix()
    except ValueError:
        # Another drive.
        return path.absolute().as_posix()


def input_path(recipe: Recipe, name: str, recipe_path: Path) -> Path:
    """Return an input file of a recipe, checked to be as it was.

    Args:
        recipe: The recipe.
        name: The path in the recipe.
        recipe_path: The file the recipe was read from.

    Raises:
        ConfigError: It is missing or has changed.
    """
    path = recipe_path.parent / name
    if not _is_file(path) and _is_file(Path(name)):
        path = Path(name)
    if not _is_file(path):
        raise ConfigError(f"{path}: no such file; {recipe_path} was made from it")
    if file_sha256(path) != recipe.inputs.get(name):
        raise ConfigError(f"{path}: has changed since {recipe_path} was made from it")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A name that is too long.
        return False


def file_sha256(path: Path) -> str:
    """Return the checksum of a file."""
    digest = hashlib.sha256()
    update_digest(digest, path)
    return digest.hexdigest()


def _declare_genre(recipe: Recipe) -> None:
    """Make the genre of a recipe known where its model has brought it."""
    from kinetune.model.adapters.names import declare_genres, split_name
    from kinetune.model.checkpoint import bundled_names

    model = recipe.request.get("model")
    # Reading a recipe downloads nothing; a model that is missing is reported when it is needed.
    if not isinstance(model, str):
        return
    base = split_name(model)[0]
    if base in bundled_names() or Path(base).is_dir():
        with contextlib.suppress(ModelError):
            declare_genres(model, recipe.genre)


def model_sha256(name_or_path: str) -> str:
    """Return the checksum of a checkpoint's files; empty for one that is not on this disk."""
    from kinetune.model import checkpoint
    from kinetune.model.adapters.names import split_name

    base, adapter = split_name(name_or_path)
    folder = Path(checkpoint.resolve(base))
    if not folder.is_dir():
        return ""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    if adapter is not None:
        digest.update(file_sha256(adapter).encode())
    return digest.hexdigest()


def versions(device: str) -> dict[str, str]:
    """Return what this computer makes music with: packages by version, and the device."""
    from importlib import metadata

    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"kinetune": kinetune.__version__, **packages, "device": device}
