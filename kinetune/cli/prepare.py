"""``kinetune prepare``: convert a data set for training."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.output import print_line

app = typer.Typer(help="Convert a data set for training.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Convert a data set for training."""


@app.command("aist")
def aist(
    root: Annotated[
        Path, typer.Argument(help="AIST++ folder with motions/, wavs/ or music/, and splits/.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder.")],
    features: Annotated[
        str,
        typer.Option(help="Motion features: paper (for the paper preset) or rhythm (for default)."),
    ] = "paper",
) -> None:
    """Prepare AIST++, in its official folder layout, for training."""
    from kinetune.cli.terminal.progress import item_bar
    from kinetune.training.data.aist import prepare_aist

    with item_bar("preparing") as progress:
        result = prepare_aist(root, out, features=features, progress=progress)
    held_out = sum(item.held_out for item in result.prepared.items)
    print_line(
        f"{out}: {len(result.prepared.items) - held_out} training and {held_out} held-out dances, "
        f"{result.slices} training slices of 5 s"
    )
    print_line(
        f"  dropped: {result.ignored} on the ignore list, {result.without_music} without music"
    )
