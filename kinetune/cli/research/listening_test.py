"""``kinetune listening-test``: make a listening test, and score its results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import ForceOption, JsonOption
from kinetune.cli.terminal.output import print_line
from kinetune.errors import ConfigError

if TYPE_CHECKING:
    from kinetune.tasks.listening_tests import ListeningTestScores

app = typer.Typer(no_args_is_help=True, help="Make a listening test, and score its results.")


@app.command("make")
def make(
    systems: Annotated[
        list[str],
        typer.Argument(help="Folders of music, one a system: LABEL=FOLDER or FOLDER."),
    ],
    out: Annotated[Path, typer.Option(help="Output folder.")],
    reference: Annotated[
        Path | None, typer.Option(help="Folder of the original music: the hidden reference.")
    ] = None,
    motions: Annotated[
        Path | None,
        typer.Option(help="Folder of the dances: adds the scale of correspondence."),
    ] = None,
    clip: Annotated[float, typer.Option(help="Length of a clip, 1 to 30 s.")] = 10.0,
    dances: Annotated[int, typer.Option(help="Number of dances at most.")] = 12,
    per_dance: Annotated[
        int, typer.Option(help="Clips of each dance that one listener rates in each section.")
    ] = 2,
    pairs: Annotated[bool, typer.Option("--pairs", help="Add paired choices.")] = False,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Listening test",
    consent: Annotated[
        Path | None, typer.Option(help="Text file of your own consent text, UTF-8.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the choice of dances.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a listening test: a folder of static files."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.listening_tests import MakeListeningTestRequest, make_listening_test

    request = MakeListeningTestRequest(
        systems=_systems(systems),
        out=out,
        reference=reference,
        motions=motions,
        clip_s=clip,
        dances=dances,
        per_dance=per_dance,
        pairs=pairs,
        title=title,
        consent=_paragraphs(consent),
        seed=seed,
    )
    with passing_bar(as_json) as progress:
        result = make_listening_test(request, progress=progress)
    if as_json:
        print_json(result)
        return
    print_line(f"{result.page}: about {result.minutes} minutes a listener, {result.size_mb:.1f} MB")
    print_line(
        f"  {len(result.dances)} dances, {result.lists} lists (?list=0 to {result.lists - 1})"
    )
    for section, conditions in result.conditions.items():
        print_line(f"  {section}: {', '.join(conditions)}")
    print_line(f"  key, not for listeners: {result.key}")


def _systems(texts: list[str]) -> dict[str, Path]:
    systems: dict[str, Path] = {}
    for text in texts:
        label, separator, folder = text.partition("=")
        path = Path(folder if separator else text)
        label = label if separator else path.name
        if label in systems:
            raise ConfigError(f"two systems are called {label!r}; name them LABEL=FOLDER")
        systems[label] = path
    return systems


def _paragraphs(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as UTF-8 text ({error})") from error
    return tuple(part.strip() for part in text.split("\n\n") if part.strip())


@app.command("score")
def score(
    results: Annotated[
        list[Path], typer.Argument(help="Files of listeners (.json), or folders of them.")
    ],
    key: Annotated[Path, typer.Option(help="The key.json of the test.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write a Markdown report.")
    ] = None,
    delta: Annotated[
        float, typer.Option(help="Difference to plan the number of listeners for.")
    ] = 0.3,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score the results of a listening test."""
    from kinetune.cli.terminal.output import print_failures, print_json
    from kinetune.tasks.listening_tests import ScoreListeningTestRequest, score_listening_test

    request = ScoreListeningTestRequest(tuple(results), key, output, delta, force=force)
    scores = score_listening_test(request)
    print_json(scores) if as_json else _print_scores(scores)
    if scores.failures:
        print_failures(
            f"{len(scores.failures)} files can't be used:",
            (failure.error for failure in scores.failures),
        )
        raise typer.Exit(1)


def _print_scores(scores: "ListeningTestScores") -> None:
    from kinetune.tasks.listening_tests.score import report

    print_line(report(scores).rstrip("\n"))
    if scores.output is not None:
        print_line(f"report: {scores.output}")
