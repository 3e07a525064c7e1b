"""``kinetune models``: list the models with their sizes and settings."""

from typing import TYPE_CHECKING

from kinetune.cli.terminal.options import JsonOption
from kinetune.cli.terminal.output import say

if TYPE_CHECKING:
    from kinetune.model.catalogue import ModelEntry


def command(as_json: JsonOption = False) -> None:
    """List models, with their sizes and settings."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.model.catalogue import list_models

    models = list_models()
    if as_json:
        print_json(models)
        return
    for model in models:
        _print_model(model)


def _print_model(model: "ModelEntry") -> None:
    kind = f"bundled, {model.bytes / 1e6:.1f} MB" if model.bundled else "untrained preset"
    say(f"{model.name} ({kind})")
    say(f"  parameters  {model.total_parameters:,}: UNet {model.unet_parameters:,}, VAE")
    say(f"              {model.vae_parameters:,}, conditions {model.condition_parameters:,}")
    for key, value in model.settings.items():
        say(f"  {key:<20} {value}")
