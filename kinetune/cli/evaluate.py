"""``kinetune evaluate``: how good is music for a dance, whatever made it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kinetune.cli import evaluate_aist, scoring

# What is meant where no part of the command is named.
_DEFAULT = "folder"


class _FolderFirst(TyperGroup):
    """``kinetune evaluate FOLDER`` is ``kinetune evaluate folder FOLDER``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Put the default part in where none is named."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FolderFirst,
    no_args_is_help=True,
    help="Score music for dances, whatever made it: kinetune evaluate FOLDER --out DIR.",
)


@app.callback()
def _group() -> None:
    """Score music for dances, whatever made it: kinetune evaluate FOLDER --out DIR."""


@app.command("folder")
def command(
    generated: Annotated[
        Path, typer.Argument(help="Folder of the music to score; subfolders are takes.")
    ],
    out: Annotated[Path, typer.Option(help="Where tables and pictures go.")],
    reference: Annotated[
        Path | None, typer.Option(help="Folder of the music the dances were danced to.")
    ] = None,
    motions: Annotated[
        Path | None, typer.Option(help="Folder of the dances, in any format kinetune reads.")
    ] = None,
    genres: Annotated[
        Path | None, typer.Option(help="Lines of name,genre; a .json object; a manifest.jsonl.")
    ] = None,
    beats: Annotated[
        Path | None, typer.Option(help="Folder of the true beats, a file a dance.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the row. (default: the folder's name)")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(help="Another row of the table, as LABEL=FOLDER.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The row to test the others against. (default: the first)")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(help="Distances between sets by NAME, or NAME=FILE with weights of your own."),
    ] = None,
    genre: Annotated[bool, typer.Option(help="Let the genre classifier listen.")] = True,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the published genre KLD.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of noise, random pairs and intervals.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print results.json on stdout, nothing else.")
    ] = False,
) -> None:
    """Score folders of music, with baselines beside them."""
    from kinetune.metrics.evaluation.embedding_scores import NetworkOptions
    from kinetune.metrics.evaluation.pairing import Folders
    from kinetune.metrics.evaluation.protocol import Settings

    systems = scoring.labelled(generated, name, also or [])
    folders = Folders(systems, reference, motions, genres, beats)
    networks = NetworkOptions(tuple(embedding or ()), genre, ms_sincresnet)
    evaluation = scoring.run(folders, Settings(against, networks, seed), out)
    scoring.tell(evaluation, out, as_json=as_json)


app.command("aist")(evaluate_aist.command)
