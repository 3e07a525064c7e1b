"""What the parts of ``kinetune evaluate`` share: rows by label, the run, the table told."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinetune.errors import ConfigError
from kinetune.files import check_writable

if TYPE_CHECKING:
    from kinetune.metrics.evaluation.pairing import Folders
    from kinetune.metrics.evaluation.protocol import Evaluation, Settings


def labelled(generated: Path, name: str | None, also: list[str]) -> dict[str, Path]:
    """Return the folders to score by label, in order.

    Raises:
        ConfigError: One is not ``LABEL=FOLDER``, or two share a label.
    """
    systems = {name or generated.resolve().name: generated}
    for text in also:
        label, separator, folder = text.partition("=")
        if not (separator and label and folder):
            raise ConfigError(f"--also must be LABEL=FOLDER, found {text!r}")
        if label in systems:
            raise ConfigError(f"two rows are called {label!r}; give each --also its own label")
        systems[label] = Path(folder)
    return systems


def run(folders: "Folders", settings: "Settings", out: Path) -> "Evaluation":
    """Score folders and write the report, with progress on stderr.

    Raises:
        KinetuneError: Something named can't be used; nothing was written.
    """
    from kinetune.cli.progress import stage_bars
    from kinetune.metrics.evaluation.protocol import evaluate
    from kinetune.metrics.evaluation.report import write_report

    if settings.seed < 0:
        raise ConfigError(f"--seed must not be negative, found {settings.seed}")
    check_writable(out)
    with stage_bars() as progress:
        evaluation = evaluate(folders, settings, progress=progress)
    write_report(evaluation, out)
    return evaluation


def tell(evaluation: "Evaluation", out: Path, *, as_json: bool) -> None:
    """Print the table, or the results as JSON; exit with 1 where a file could not be used."""
    from kinetune.metrics.evaluation.report import (
        limits_section,
        markdown_table,
        problems_section,
        results_table,
    )
    from kinetune.metrics.evaluation.runner import UNUSABLE

    if as_json:
        print(json.dumps(results_table(evaluation), indent=2))
    else:
        parts = (
            markdown_table(evaluation),
            limits_section(evaluation),
            problems_section(evaluation),
        )
        print("\n\n".join(part for part in parts if part))
        print(f"\n{out / 'results.md'}: this page, with pictures")
    failed = [p for p in evaluation.problems if p.kind == UNUSABLE]
    if failed:
        print(f"kinetune: {len(failed)} files can't be used:", file=sys.stderr)
        for problem in failed:
            print(f"  {' '.join(problem.detail.split())}", file=sys.stderr)
        raise typer.Exit(1)
