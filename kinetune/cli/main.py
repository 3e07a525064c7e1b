"""The ``kinetune`` command: gathers the verbs and turns errors into one line and exit code 2.

Heavy imports stay inside the verbs, so that ``--help`` answers at once.
"""

import sys
from typing import Annotated

import typer

import kinetune
from kinetune.cli import corpus, edit, evaluate, generate, inspect, models, prepare, train
from kinetune.errors import KinetuneError

app = typer.Typer(
    name="kinetune",
    help="Listens to a dance: 3D motion in, music that fits the body out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("generate")(generate.command)
app.command("edit")(edit.command)
app.command("inspect")(inspect.command)
app.command("models")(models.command)
app.add_typer(prepare.app, name="prepare")
app.add_typer(corpus.app, name="corpus")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kinetune {kinetune.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Listens to a dance: 3D motion in, music that fits the body out."""


def run() -> None:
    """Run the command line; a kinetune error is one line on stderr and exit code 2."""
    try:
        app()
    except KinetuneError as error:
        print(f"kinetune: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("kinetune: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run()
