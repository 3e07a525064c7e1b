"""``kinetune models``: list the models with their sizes and settings."""

from typing import TYPE_CHECKING

from kinetune.cli.terminal.options import JsonOption
from kinetune.cli.terminal.output import print_line

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
    for key, value in model.settings.items():
        print_line(f"  {key:<22} {value}")
