"""Regeneration of a sound file from its recipe."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from kinetune.errors import ConfigError
from kinetune.tasks.composing.engine import pipeline_for
from kinetune.tasks.edit import EditRequest, edit, recorded_request
from kinetune.tasks.generate import GenerateRequest, generate
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.recipe import Recipe, file_sha256, input_path, model_sha256, read_recipe
from kinetune.tasks.requests.output_paths import Existing
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
    """

    recipe: Path
    output: Path | None = None
    existing: Existing = "refuse"
    model: str | None = None
    device: str = "auto"
    blender: Path | None = None

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ConfigError(f"existing files: expected refuse or replace, {self.existing!r}")


@dataclass(frozen=True)
class AgainResult:
    """A sound made again.

    Attributes:
        output: The sound file.
        same: Whether it has the same bytes as the first; None where those aren't known.
        differences: Versions that are not those of the recipe, as ``torch 2.9.0, then 2.8.0``.
    """

    output: str
    same: bool | None
    differences: tuple[str, ...]


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
    if isinstance(made, GenerateRequest):
        made = _with_motions(made, recipe, request)
    else:
        made = _with_music(made, recipe, request)
    made = replace(
        made, output=output, existing=request.existing,
        read=replace(made.read, blender=request.blender),
    )  # fmt: skip
    if isinstance(made, EditRequest):
        edit(made, progress=progress, pipeline=pipeline)
    else:
        for failure in generate(made, progress=progress, pipeline=pipeline).failures:
            raise ConfigError(failure.error)
    now = pipeline.versions
    return AgainResult(
        output=str(output),
        same=None if expected is None else file_sha256(output) == expected,
        differences=tuple(
            f"{package} {now.get(package)}, then {version}"
            for package, version in recipe.versions.items()
            if now.get(package) != version
        ),
    )


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
