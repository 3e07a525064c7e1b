"""``kinetune prepare``: convert a data set, songs or dances with music for training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import RayOption
from kinetune.cli.terminal.output import print_line

if TYPE_CHECKING:
    from kinetune.training.songs.song_set import SongSet

app = typer.Typer(help="Convert a data set, songs or dances for training.", no_args_is_help=True)

_MODEL = Annotated[
    str, typer.Option("--model", help="The model to be tuned: bundled name, folder or hub id.")
]
_HELD_OUT = Annotated[
    int, typer.Option("--held-out", help="Keep one in about so many for validation; 0 keeps none.")
]
_SET_OUT = Annotated[Path, typer.Option("--out", help="Output folder.")]


@app.callback()
def _group() -> None:
    """Convert a data set, songs or dances for training."""


@app.command("songs")
def songs(
    folder: Annotated[Path, typer.Argument(help="Folder of songs.")],
    out: _SET_OUT,
    genre: Annotated[
        str | None,
        typer.Option(
            help="Genre of all songs, also a new name. (default: the name of each one's folder)"
        ),
    ] = None,
    model: _MODEL = "default",
    held_out: _HELD_OUT = 10,
    ray: RayOption = None,
) -> None:
    """Prepare songs for training, no dance needed; exit code 1 if some can't be used."""
    from kinetune.cli.terminal.progress import item_bar, stage_bars
    from kinetune.training.songs.song_set import SongSetRequest, prepare_songs

    request = SongSetRequest(folder, out, genre, model, held_out)
    if ray is not None:
        from kinetune.cluster.actors import Cluster
        from kinetune.cluster.preparing import prepare_songs_on_cluster

        with stage_bars() as stages:
            prepare_songs_on_cluster(request, Cluster(ray), progress=stages)
    with item_bar("preparing") as progress:
        result = prepare_songs(request, progress=progress)
    _report(result, "songs")


@app.command("pairs")
def pairs(
    motions: Annotated[Path, typer.Argument(help="Folder of dances.")],
    music: Annotated[Path, typer.Argument(help="Folder of their music.")],
    out: _SET_OUT,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with columns motion, music, offset_s, genre. (default: by file name)"
        ),
    ] = None,
    genre: Annotated[str | None, typer.Option(help="Genre of all, also a new name.")] = None,
    model: _MODEL = "default",
    held_out: _HELD_OUT = 10,
    ray: RayOption = None,
) -> None:
    """Prepare dances with their own music; exit code 1 if some can't be used."""
    from kinetune.cli.terminal.progress import item_bar, stage_bars
    from kinetune.training.songs.dance_pairs import PairSetRequest, prepare_pairs

    request = PairSetRequest(motions, music, out, table, genre, model, held_out)
    if ray is not None:
        from kinetune.cluster.actors import Cluster
        from kinetune.cluster.preparing import prepare_pairs_on_cluster

        with stage_bars() as stages:
            prepare_pairs_on_cluster(request, Cluster(ray), progress=stages)
    with item_bar("preparing") as progress:
        result = prepare_pairs(request, progress=progress)
    _report(result, "dances")


def _report(result: "SongSet", what: str) -> None:
    """Print what was prepared and what was not; exit with 1 if something could not be used."""
    from kinetune import genres
    from kinetune.cli.terminal.output import print_error

    items = result.prepared.items
    held_out = sum(item.held_out for item in items)
    minutes = sum(item.duration_s for item in items) / 60.0
    names = sorted({genres.genre_name(item.genre) for item in items})
    print_line(
        f"{result.prepared.folder}: {len(items) - held_out} training and {held_out} held-out "
        f"{what}, {minutes:.1f} min: {', '.join(names)}"
    )
    for note in result.notes:
        print_line(f"  {note}")
    if result.left_out:
        print_line(f"  left out: {len(result.left_out)}")
        for each in result.left_out:
            print_error(each.reason)
        raise typer.Exit(1)


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
