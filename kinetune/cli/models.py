"""``kinetune models``: list the models with their sizes, settings and genres."""

from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import JsonOption
from kinetune.cli.terminal.output import print_line

if TYPE_CHECKING:
    from kinetune.model.catalogue import ModelEntry


def command(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders, hub ids or BASE+ADAPTER.safetensors. (default: the bundled models)"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List models, with their sizes, settings and genres."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.model.catalogue import describe_named, list_models

    models = [describe_named(name) for name in model] if model else list_models()
    if as_json:
        print_json(models)
        return
    for entry in models:
        _print_model(entry)


def _print_model(model: "ModelEntry") -> None:
    kind = "untrained preset"
    if model.bytes:
        kind = f"{'bundled' if model.bundled else 'trained'}, {model.bytes / 1e6:.1f} MB"
    print_line(f"{model.name} ({kind})")
    parts = {
        "UNet": model.unet_parameters,
        "VAE": model.vae_parameters,
        "conditions": model.condition_parameters,
        "vocoder": model.vocoder_parameters,
    }
    print_line(f"  {'parameters':<22} {model.total_parameters:,}")
    for part, count in parts.items():
        print_line(f"    {part:<20} {f'{count:,}' if count else 'none, Griffin-Lim'}")
    print_line(f"  {'genres':<22} {', '.join(model.genres)}")
    for key, value in model.settings.items():
        shown = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
        print_line(f"  {key:<22} {shown}")
