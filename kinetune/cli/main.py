"""The ``kinetune`` command: gathers the subcommands and turns errors into one line and exit code 2.

Heavy imports stay inside the subcommands, so that ``--help`` answers at once.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

import kinetune
from kinetune.cli import (
    again,
    corpus,
    edit,
    evaluate,
    film,
    generate,
    inspect,
    models,
    prepare,
    train,
)
from kinetune.cli.terminal.output import print_error
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
app.command("film")(film.command)
app.command("again")(again.command)
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


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; a kinetune error is one line on stderr and exit code 2.

    Args:
        arguments: What follows the program's name; None takes the process's own.
    """
    try:
        app(None if arguments is None else list(arguments))
    except KinetuneError as error:
        print_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        print_error("stopped")
        sys.exit(130)
    sys.exit(0)


if __name__ == "__main__":
    run()
