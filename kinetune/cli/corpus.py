"""``kinetune corpus``: makes dances and music to learn from."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Make dances and music to learn from.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make dances and music to learn from."""


@app.command("make")
def make(
    out: Annotated[Path, typer.Option(help="Where the corpus goes.")],
    minutes: Annotated[float, typer.Option(help="Minutes of paired dance and music.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.")] = 0,
    genre: Annotated[str | None, typer.Option(help="Name or code. [default: all ten]")] = None,
    clips: Annotated[
        Path | None,
        typer.Option(help="A folder of your own motions to bend to the beat, as BVH, .pkl, .npz."),
    ] = None,
) -> None:
    """Make paired dances and music from a seed; stopped, it goes on where it was."""
    from kinetune.cli.progress import item_bar
    from kinetune.corpus.folder import PairSettings, make_corpus

    with item_bar("making pairs") as progress:
        settings = PairSettings(genre=genre, clips=clips)
        manifest = make_corpus(
            out, minutes=minutes, seed=seed, settings=settings, progress=progress
        )
    print(f"{manifest}: the list of what was made")
