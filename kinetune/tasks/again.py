"""Regeneration of a sound file from its recipe."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from kinetune.audio.beat_map import beat_map, write_beat_map
from kinetune.errors import ConfigError
from kinetune.packs.writer import check_tools
from kinetune.tasks.composing.engine import pipeline_for
from kinetune.tasks.composing.outputs import ComposedFiles
from kinetune.tasks.composing.packs import pack_folder, write_packs_of
from kinetune.tasks.edit import EditRequest, edit, recorded_request
from kinetune.tasks.generate import BEAT_MAPS, GenerateRequest, generate
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.recipe import Recipe, file_sha256, input_path, model_sha256, read_recipe
from kinetune.tasks.requests.composer_outputs import ComposerOutputs
from kinetune.tasks.requests.output_paths import Existing, check_absent
from kinetune.tasks.requests.progress import Progress


@dataclass(frozen=True)
class AgainRequest:
    """A recipe to follow.

    Attributes:
        recipe: The sidecar NAME.json, or the sound file itself.
        output: A sound file; None is NAME-again and the first one's suffix, in the current folder.
        existing: What to do where a file exists: ``refuse`` or ``replace``.
        model: Another path of the same model; None takes that of the recipe.
        device: ``auto`` or a torch device.
        blender: Blender's program, for FBX; recipes name none.
        beat_maps: Forms of the beat map to write beside the sound; keys of ``BEAT_MAPS``.
        composed: Files beside a composed sound.
        packs: Game engines and audio middleware to write a pack for.

    Raises:
        ConfigError: A form or a tool is unknown.
    """

    recipe: Path
    output: Path | None = None
    existing: Existing = "refuse"
    model: str | None = None
    device: str = "auto"
    blender: Path | None = None
    beat_maps: tuple[str, ...] = ()
    composed: ComposerOutputs = field(default_factory=ComposerOutputs)
    packs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ConfigError(f"existing files: expected refuse or replace, {self.existing!r}")
        for name in self.beat_maps:
            if name not in BEAT_MAPS:
                known = ", ".join(BEAT_MAPS)
                raise ConfigError(f"a beat map must be one of {known}; found {name!r:.40}")
        check_tools(self.packs)


@dataclass(frozen=True)
class AgainResult:
    """A sound made again.

    Attributes:
        output: The sound file.
        same: Whether it has the same bytes as the first; None where those aren't known, or it is in
            another format.
        differences: Versions that are not those of the recipe, as ``torch 2.9.0, then 2.8.0``.
        beat_maps: The beat maps written.
        composed: Key, chords, form and further files of composed music; None of other.
        packs: The folders of the packs.
    """

    output: str
    same: bool | None
    differences: tuple[str, ...]
    beat_maps: tuple[str, ...] = ()
    composed: ComposedFiles | None = None
    packs: tuple[str, ...] = ()


def make_again(
    request: AgainRequest,
    *,
    progress: Progress | None = None,
    pipeline: LazyPipeline | None = None,
) -> AgainResult:
    """Make a sound again from its recipe.

    Args:
        request: Which recipe, and where to.
        progress: Called with the progress.
        pipeline: A model that is loaded already; None loads that of the recipe.

    Raises:
        KinetuneError: There is no recipe, an input or the model is missing or has changed, or the
            output can't be written.
    """
    recipe = read_recipe(request.recipe)
    is_sound = request.recipe.suffix.lower() != ".json"
    expected = file_sha256(request.recipe) if is_sound else recipe.sha256
    made = recorded_request(recipe, request.recipe)
    name = made.output or request.recipe
    output = request.output or Path(f"{name.stem}-again{name.suffix}")
    model = request.model or made.model or "default"
    pipeline = pipeline or pipeline_for(made.options, model, request.device)
    if recipe.model_sha256 and (actual := model_sha256(pipeline.model)) != recipe.model_sha256:
        raise ConfigError(
            f"model {pipeline.model}: is not the one that {request.recipe} was made with "
            f"(checksum {actual[:12]}, expected {recipe.model_sha256[:12]}); name that with --model"
        )
    made = replace(
        made, output=output, existing=request.existing,
        read=replace(made.read, blender=request.blender),
    )  # fmt: skip
    if isinstance(made, GenerateRequest):
        made = _with_motions(made, recipe, request)
        result = _generate(made, request, progress, pipeline)
    else:
        made = _with_music(made, recipe, request)
        result = _edit(made, recipe, request, progress, pipeline)
    now = pipeline.versions
    known = expected is not None and output.suffix == name.suffix
    return replace(
        result,
        same=file_sha256(output) == expected if known else None,
        differences=tuple(
            f"{package} {now.get(package)}, then {version}"
            for package, version in recipe.versions.items()
            if now.get(package) != version
        ),
    )


def _generate(
    made: GenerateRequest,
    request: AgainRequest,
    progress: Progress | None,
    pipeline: LazyPipeline,
) -> AgainResult:
    made = replace(
        made, beat_maps=request.beat_maps, composed=request.composed, packs=request.packs
    )
    result = generate(made, progress=progress, pipeline=pipeline)
    for failure in result.failures:
        raise ConfigError(failure.error)
    (piece,) = result.pieces
    return AgainResult(piece.output, None, (), piece.beat_maps, piece.composed, piece.packs)


def _edit(
    made: EditRequest,
    recipe: Recipe,
    request: AgainRequest,
    progress: Progress | None,
    pipeline: LazyPipeline,
) -> AgainResult:
    if request.composed != ComposerOutputs():
        raise ConfigError(
            f"{request.recipe}: was not composed, so it has no stems, notes or layers"
        )
    output = made.target
    maps = [output.with_suffix(BEAT_MAPS[name]) for name in request.beat_maps]
    if request.existing != "replace":
        check_absent([*maps, *(pack_folder(output, tool) for tool in request.packs)])
    edit(made, progress=progress, pipeline=pipeline)
    grid = recipe.grid
    beats = beat_map(
        grid.bpm, np.array(grid.beats_s), grid.bar_start_s, recipe.duration_s, metre=grid.metre
    )
    for path in maps:
        write_beat_map(path, beats)
    packs = write_packs_of(output, recipe, request.packs)
    return AgainResult(str(output), None, (), tuple(map(str, maps)), None, packs)


def _with_motions(made: GenerateRequest, recipe: Recipe, request: AgainRequest) -> GenerateRequest:
    if not made.motions:
        raise ConfigError(f"{request.recipe}: was made from a dance in memory; save that first")
    motions = (input_path(recipe, path.as_posix(), request.recipe) for path in made.motions)
    return replace(made, motions=tuple(motions))


def _with_music(made: EditRequest, recipe: Recipe, request: AgainRequest) -> EditRequest:
    if made.motion is None:
        raise ConfigError(f"{request.recipe}: was made from a dance in memory; save that first")
    music, motion = (
        input_path(recipe, path.as_posix(), request.recipe) for path in (made.music, made.motion)
    )
    partners = tuple(input_path(recipe, p.as_posix(), request.recipe) for p in made.partners)
    return replace(made, music=music, motion=motion, partners=partners)
