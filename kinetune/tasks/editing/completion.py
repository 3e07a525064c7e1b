"""What an edit takes from the recipe of the music."""

from dataclasses import replace
from pathlib import Path

from kinetune.errors import ConfigError
from kinetune.tasks.editing.request import EditRequest
from kinetune.tasks.generating.request import GenerateRequest
from kinetune.tasks.recipe import Recipe, input_path
from kinetune.tasks.requests.serialisation import from_json


def complete_request(request: EditRequest, recipe: Recipe) -> EditRequest:
    """Return the request with what it leaves out taken from the recipe of the music.

    Raises:
        ConfigError: The dance of the recipe is needed, and is missing or has changed.
    """
    made = recorded_request(recipe, request.music)
    motion, read, partners = request.motion, request.read, request.partners
    if motion is None:
        names = dance_files(made)
        if not names:
            raise ConfigError(f"{request.music}: made from a dance in memory; name the dance")
        motion, *others = (input_path(recipe, name.as_posix(), request.music) for name in names)
        partners = tuple(others)
        read = replace(made.read, blender=request.read.blender)
    overrides, options = request.options, made.options
    return replace(
        request,
        motion=motion,
        partners=partners,
        read=read,
        model=request.model or _model_of(made),
        options=replace(
            overrides,
            steps=options.steps if overrides.steps is None else overrides.steps,
            guidance=options.guidance if overrides.guidance is None else overrides.guidance,
            score=options.score if overrides.score is None else overrides.score,
        ),
    )


def recorded_request(recipe: Recipe, path: Path) -> "EditRequest | GenerateRequest":
    """Return the request in a recipe.

    Args:
        recipe: The recipe.
        path: The file it was read from, for errors.

    Raises:
        ConfigError: It is damaged.
    """
    context = f"{path}: request"
    if recipe.task == "generate":
        return from_json(GenerateRequest, recipe.request, context=context)
    return from_json(EditRequest, recipe.request, context=context)


def _model_of(made: "EditRequest | GenerateRequest") -> str | None:
    """The model a recipe names; the default for music by the composer."""
    return "default" if made.options.engine == "composer" else made.model


def dance_files(made: "EditRequest | GenerateRequest") -> tuple[Path, ...]:
    """Return the motion files of a request, all dancers of a group; none for a dance in memory."""
    if not isinstance(made, EditRequest):
        return made.motions
    return () if made.motion is None else (made.motion, *made.partners)
