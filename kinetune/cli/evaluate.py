"""``kinetune evaluate``: how good is music for a dance, whatever made it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kinetune.cli.terminal.options import DeviceOption, ModelOption, labelled_folders
from kinetune.cli.terminal.output import say
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.tasks.evaluate import EvaluateResult

ResultsOption = Annotated[
    bool, typer.Option("--json", help="Print results.json on stdout, nothing else.")
]
# The part that is meant where none is named.
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
        Path, typer.Argument(help="Folder of the music to score; subfolders are variations.")
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
    genre: Annotated[bool, typer.Option(help="Run the genre classifier.")] = True,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the published genre KLD.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of noise, random pairs and intervals.")] = 0,
    as_json: ResultsOption = False,
) -> None:
    """Score folders of music, with baselines beside them."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions, evaluate

    others = labelled_folders(also)
    label = name or generated.resolve().name
    if label in others:
        raise ConfigError(f"two rows are called {label!r}; give each --also its own label")
    request = EvaluateRequest(
        systems={label: generated, **others},
        out=out,
        reference=reference,
        motions=motions,
        genres=genres,
        beats=beats,
        scoring=ScoringOptions(against, tuple(embedding or ()), genre, ms_sincresnet, seed),
    )
    with stage_bars() as progress:
        result = evaluate(request, progress=progress)
    if as_json:
        print_json(result.results)
    else:
        say(f"{result.report}\n\n{result.page}: this page, with pictures")
    _exit_if_unusable(result)


@app.command("aist")
def aist(
    root: Annotated[Path, typer.Argument(help="AIST++: motions/, and wavs/ or music/.")],
    out: Annotated[Path, typer.Option(help="Where slices, music, tables and pictures go.")],
    model: ModelOption = "default",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another system's music for the slices, as LABEL=FOLDER."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The row to test the others against. (default: the model)")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(help="Distances by NAME or NAME=FILE; vggish is the paper's column."),
    ] = None,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the paper's genre column.")
    ] = None,
    genre: Annotated[bool, typer.Option(help="Run the genre classifier.")] = True,
    seed: Annotated[int, typer.Option(help="Of the music, noise, pairs and intervals.")] = 0,
    device: DeviceOption = "auto",
    as_json: ResultsOption = False,
) -> None:
    """Run the paper's test: 31 slices of AIST++, beside its published rows."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.tasks.aist_test import AistTestRequest, run_aist_test
    from kinetune.tasks.evaluate import ScoringOptions

    request = AistTestRequest(
        root=root,
        out=out,
        model=model,
        also=labelled_folders(also),
        scoring=ScoringOptions(against, tuple(embedding or ()), genre, ms_sincresnet, seed),
        device=device,
    )
    with stage_bars() as progress:
        result = run_aist_test(request, progress=progress)
    if as_json:
        print_json(result.scores.results)
    else:
        say(f"{result.paper_table}\n")
        say(f"{result.slices} of {result.total} slices found in {root}\n")
        say(f"{result.scores.report}\n\n{result.scores.page}: this page, with pictures")
    _exit_if_unusable(result.scores)


def _exit_if_unusable(result: "EvaluateResult") -> None:
    """Exit with 1 where a file could not be used."""
    from kinetune.cli.terminal.output import print_failures

    if result.unusable:
        print_failures(f"{len(result.unusable)} files can't be used:", result.unusable)
        raise typer.Exit(1)
