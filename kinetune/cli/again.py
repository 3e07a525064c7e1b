"""``kinetune again``: regenerate a sound file from its recipe (.json)."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import (
    BeatMapOption,
    BlenderOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    LayersOption,
    MidiOption,
    PackOption,
    PracticeOption,
    StemsOption,
)
from kinetune.cli.terminal.output import print_composed, print_line


def command(
    recipe: Annotated[Path, typer.Argument(help="A recipe (.json) or the sound file beside it.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Output sound file. (default: NAME-again in this folder)"
        ),
    ] = None,
    force: ForceOption = False,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Path of the same model, if it has moved. (default: as then)"),
    ] = None,
    device: DeviceOption = "auto",
    blender: BlenderOption = None,
    beat_map: BeatMapOption = None,
    stems: StemsOption = "none",
    midi: MidiOption = False,
    layers: LayersOption = 0,
    practice: PracticeOption = None,
    pack: PackOption = None,
    as_json: JsonOption = False,
) -> None:
    """Regenerate a sound file from its recipe, and compare it with the original."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.again import AgainRequest, make_again
    from kinetune.tasks.requests.composer_outputs import ComposerOutputs, practice_tempi

    request = AgainRequest(
        recipe,
        output,
        "replace" if force else "refuse",
        model,
        device,
        blender,
        tuple(beat_map or ()),
        ComposerOutputs(stems, midi, layers, practice_tempi(practice)),  # type: ignore[arg-type]
        tuple(pack or ()),
    )
    with passing_bar(as_json) as progress:
        result = make_again(request, progress=progress)
    if as_json:
        print_json(result)
        return
    outcome = {True: "identical to the original", False: "differs from the original", None: "made"}
    print_line(f"{result.output}: {outcome[result.same]}")
    for difference in result.differences:
        print_line(f"  {difference}")
    print_composed(result.composed)
    for path in result.beat_maps:
        print_line(f"  beats: {path}")
    for folder in result.packs:
        print_line(f"  pack: {folder}")
