"""The ``kinetune`` command: its subcommands, error messages and exit codes.

Exit codes: 1 if part of the work failed or an unexpected error occurred, 2 for bad input, 130 for
Ctrl-C. Heavy imports stay inside the subcommands, so that ``--help`` is fast.
"""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import kinetune
from kinetune.cli import (
    again,
    corpus,
    demo,
    edit,
    film,
    fit,
    generate,
    inspect,
    models,
    prepare,
    serve,
    train,
)
from kinetune.cli.live import command as live
from kinetune.cli.research import evaluate, export, listening_test
from kinetune.cli.terminal.output import print_error, print_unexpected, verbosity
from kinetune.errors import KinetuneError

_BAD_INPUT, _INTERRUPTED = 2, 130
_FLAGS = {"-v": "-v", "--verbose": "-v", "-vv": "-vv", "-q": "-q", "--quiet": "-q"}


class _Root(TyperGroup):
    """Accepts ``-v`` and ``-q`` anywhere on the line, and sets the exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Move the flags shared by all subcommands to the front."""
        end = args.index("--") if "--" in args else len(args)
        flags = [_FLAGS[word] for word in args[:end] if word in _FLAGS]
        rest = [word for word in args[:end] if word not in _FLAGS]
        return super().parse_args(ctx, [*flags, *rest, *args[end:]])

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the subcommand."""
        level = -1 if ctx.params.get("quiet") else int(ctx.params.get("verbose") or 0)
        with verbosity(level):
            try:
                return super().invoke(ctx)
            except KinetuneError as error:
                print_error(error)
                raise typer.Exit(_BAD_INPUT) from error
            except KeyboardInterrupt as error:
                print_error("stopped")
                raise typer.Exit(_INTERRUPTED) from error
            except Exception as error:
                # The framework's own: exits, and wrong usage.
                if hasattr(error, "exit_code") or isinstance(error, typer.Abort | BrokenPipeError):
                    raise
                print_unexpected(error)
                raise typer.Exit(1) from error


app = typer.Typer(
    name="kinetune",
    cls=_Root,
    help="Generate music for a 3D dance that follows its tempo, accents and energy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("generate")(generate.command)
app.command("edit")(edit.command)
app.command("film")(film.command)
app.command("fit")(fit.command)
app.command("live")(live.command)
app.command("again")(again.command)
app.command("inspect")(inspect.command)
app.command("models")(models.command)
app.command("demo")(demo.command)
app.command("studio")(serve.studio)
app.command("serve")(serve.command)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(listening_test.app, name="listening-test")
app.add_typer(corpus.app, name="corpus")
app.add_typer(prepare.app, name="prepare")
app.add_typer(train.app, name="train")
app.add_typer(export.app, name="export")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kinetune {kinetune.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[
        int,
        typer.Option(
            "-v",
            "--verbose",
            count=True,
            help="Also print decisions such as rig and tempo; -vv for more.",
        ),
    ] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Generate music for a 3D dance that follows its tempo, accents and energy."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Args:
        arguments: What follows the program's name; None takes the process's own.
    """
    app(None if arguments is None else list(arguments), prog_name="kinetune")
    sys.exit(0)


if __name__ == "__main__":
    run()
