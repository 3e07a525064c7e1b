"""``kinetune again``: a sound made again from its recipe."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.options import DeviceOption, ForceOption, JsonOption
from kinetune.cli.terminal.output import say


def command(
    recipe: Annotated[Path, typer.Argument(help="NAME.json beside a sound, or the sound itself.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A sound file. (default: NAME-again, here)"),
    ] = None,
    force: ForceOption = False,
    model: Annotated[
        str | None, typer.Option("--model", help="Where the same model is now.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Make a sound again, from the recipe that kinetune left with it."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.again import AgainRequest, make_again

    request = AgainRequest(recipe, output, "replace" if force else "refuse", model, device)
    with passing_bar(as_json) as progress:
        result = make_again(request, progress=progress)
    if as_json:
        print_json(result)
        return
    outcome = {True: "the same bytes as before", False: "other bytes than before", None: "made"}
    say(f"{result.output}: {outcome[result.same]}")
    for difference in result.differences:
        say(f"  {difference}")
