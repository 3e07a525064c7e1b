"""``kinetune models``: which models there are, and how large."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class ModelSummary:
    """One model; the fields of ``--json``.

    Attributes:
        bundled: Whether its weights come with the package.
        total_parameters: All networks together, the condition encoder's too.
        bytes: Size of its files; 0 where none are bundled.
        files: Its files, relative to the checkpoint.
        settings: Figures of networks, sampling and mel.
    """

    name: str
    bundled: bool
    unet_parameters: int
    vae_parameters: int
    condition_parameters: int
    total_parameters: int
    bytes: int
    files: list[str]
    settings: dict[str, Any]


def command(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list on stdout, nothing else.")
    ] = False,
) -> None:
    """List the models."""
    from kinetune.model.catalogue import list_models

    found = [ModelSummary(**asdict(entry)) for entry in list_models()]
    if as_json:
        print(json.dumps([asdict(model) for model in found], indent=2))
        return
    for model in found:
        _tell(model)


def _tell(model: ModelSummary) -> None:
    where = f"bundled, {model.bytes / 1e6:.1f} MB" if model.bundled else "untrained preset"
    print(f"{model.name} ({where})")
    print(f"  parameters  {model.total_parameters:,}: UNet {model.unet_parameters:,}, VAE")
    print(f"              {model.vae_parameters:,}, conditions {model.condition_parameters:,}")
    for key, value in model.settings.items():
        print(f"  {key:<20} {value}")
