"""``kinetune evaluate``: objective metrics for dance music from any system."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kinetune.cli.terminal.options import (
    DeviceOption,
    ModelOption,
    RayOption,
    labelled_folders,
)
from kinetune.cli.terminal.output import print_line
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.tasks.evaluate import EvaluateResult

ResultsOption = Annotated[bool, typer.Option("--json", help="Print only results.json, on stdout.")]
# The subcommand used if none is given.
_DEFAULT = "folder"


class _FolderFirst(TyperGroup):
    """``kinetune evaluate FOLDER`` is ``kinetune evaluate folder FOLDER``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Insert the default subcommand if none is given."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FolderFirst,
    no_args_is_help=True,
    help="Compute metrics for dance music: kinetune evaluate FOLDER --out DIR.",
)


@app.callback()
def _group() -> None:
    """Compute metrics for dance music: kinetune evaluate FOLDER --out DIR."""


@app.command("folder")
def command(
    generated: Annotated[
        Path, typer.Argument(help="Folder of music to score; subfolders are variations.")
    ],
    out: Annotated[Path, typer.Option(help="Output folder for tables and pictures.")],
    reference: Annotated[
        Path | None, typer.Option(help="Folder of the original music of the dances.")
    ] = None,
    motions: Annotated[Path | None, typer.Option(help="Folder of the motion files.")] = None,
    genres: Annotated[
        Path | None,
        typer.Option(help="Genre labels: lines of name,genre; a .json object; a manifest.jsonl."),
    ] = None,
    beats: Annotated[
        Path | None, typer.Option(help="Folder of annotated beats, one file per dance.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Label of this system in the table. (default: the folder's name)"),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another system to compare, as LABEL=FOLDER; repeatable."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Label of the system that the others are tested against. (default: the first)"
        ),
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(
            help="Embedding for Fréchet and kernel distances: NAME or NAME=WEIGHTS; repeatable."
        ),
    ] = None,
    genre: Annotated[bool, typer.Option(help="Also score genre with the classifier.")] = True,
    similarity: Annotated[
        bool, typer.Option(help="Also score the learned similarity to the motion.")
    ] = True,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the published genre KLD.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed of baselines and confidence intervals, 0 or more.")
    ] = 0,
    as_json: ResultsOption = False,
    ray: RayOption = None,
) -> None:
    """Score folders of music, and baselines for comparison."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.tasks.evaluate import EvaluateRequest, ScoringOptions, evaluate

    others = labelled_folders(also)
    label = name or generated.resolve().name
    if label in others:
        raise ConfigError(f"two systems are called {label!r}; give each --also its own label")
    request = EvaluateRequest(
        systems={label: generated, **others},
        out=out,
        reference=reference,
        motions=motions,
        genres=genres,
        beats=beats,
        scoring=ScoringOptions(
            against,
            tuple(embedding or ()),
            genre,
            ms_sincresnet,
            seed,
            similarity=similarity,
        ),
    )
    run = evaluate
    if ray is not None:
        from kinetune.cluster.actors import Cluster
        from kinetune.cluster.evaluating import evaluate_on_cluster

        run = partial(evaluate_on_cluster, cluster=Cluster(ray))
    with stage_bars() as progress:
        result = run(request, progress=progress)
    if as_json:
        print_json(result.results)
    else:
        print_line(f"{result.report}\n\n{result.page}: the same report, with pictures")
    _exit_if_unusable(result)


@app.command("aist")
def aist(
    root: Annotated[Path, typer.Argument(help="AIST++ folder with motions/, and wavs/ or music/.")],
    out: Annotated[
        Path, typer.Option(help="Output folder for slices, music, tables and pictures.")
    ],
    model: ModelOption = "default",
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another system's music for the slices, as LABEL=FOLDER; repeatable."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Label of the system that the others are tested against. (default: the model)"
        ),
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(help="Embedding: NAME or NAME=WEIGHTS; vggish is the paper's. Repeatable."),
    ] = None,
    ms_sincresnet: Annotated[
        Path | None, typer.Option(help="Weights of MS-SincResNet, for the paper's genre KLD.")
    ] = None,
    genre: Annotated[bool, typer.Option(help="Also score genre with the classifier.")] = True,
    similarity: Annotated[
        bool, typer.Option(help="Also score the learned similarity to the motion.")
    ] = True,
    seed: Annotated[
        int,
        typer.Option(help="Random seed of music, baselines and confidence intervals, 0 or more."),
    ] = 0,
    device: DeviceOption = "auto",
    as_json: ResultsOption = False,
) -> None:
    """Run the paper's AIST++ benchmark (31 slices), next to the published results."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import stage_bars
    from kinetune.tasks.aist_test import AistTestRequest, run_aist_test
    from kinetune.tasks.evaluate import ScoringOptions

    request = AistTestRequest(
        root=root,
        out=out,
        model=model,
        also=labelled_folders(also),
        scoring=ScoringOptions(
            against,
            tuple(embedding or ()),
            genre,
            ms_sincresnet,
            seed,
            similarity=similarity,
        ),
        device=device,
    )
    with stage_bars() as progress:
        result = run_aist_test(request, progress=progress)
    if as_json:
        print_json(result.scores.results)
    else:
        print_line(f"{result.paper_table}\n")
        print_line(f"{result.slices} of {result.total} slices found in {root}\n")
        print_line(
            f"{result.scores.report}\n\n{result.scores.page}: the same report, with pictures"
        )
    _exit_if_unusable(result.scores)


def _exit_if_unusable(result: "EvaluateResult") -> None:
    """Exit with code 1 if a file could not be used."""
    from kinetune.cli.terminal.output import print_failures

    if result.unusable:
        print_failures(f"{len(result.unusable)} files can't be used:", result.unusable)
        raise typer.Exit(1)
