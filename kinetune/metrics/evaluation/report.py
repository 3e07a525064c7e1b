"""The report of a run: results as JSON and CSV, a Markdown page, and pictures.

``results.json``: {label: {metric: {value, low, high, n}}}, null where a figure is undefined.
``results.csv``: the same, a figure a line. ``dances.csv``: every dance's own values.
``notes.json``: settings, problems, differences and the limits of the figures.
``results.md``: the page. ``beats.png`` and ``distributions.png``: see
:mod:`kinetune.metrics.evaluation.pictures`.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from kinetune import files
from kinetune.errors import printable
from kinetune.metrics.evaluation import registry, statistics
from kinetune.metrics.evaluation.pairing import count_problems
from kinetune.metrics.evaluation.protocol import Evaluation
from kinetune.metrics.evaluation.statistics import Estimate

_MAX_PROBLEMS = 20
_DIGITS = 3


def write_report(evaluation: Evaluation, out: Path, *, pictures: bool = True) -> None:
    """Write the whole report into the folder ``out``.

    Raises:
        OutputError: The folder can't be written to.
    """
    files.write_json(out / "results.json", results_table(evaluation))
    files.write_text(out / "results.csv", results_csv(evaluation))
    files.write_text(out / "dances.csv", dances_csv(evaluation))
    files.write_json(out / "notes.json", notes_table(evaluation))
    files.write_text(out / "results.md", markdown_page(evaluation, pictures=pictures))
    if pictures:
        from kinetune.metrics.evaluation.pictures import draw_beats, draw_distributions

        draw_beats(out / "beats.png", evaluation)
        draw_distributions(out / "distributions.png", evaluation)


def results_table(evaluation: Evaluation) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Return all figures by label and metric."""
    return {
        label: {
            name: {
                "value": _finite(figure.value), "low": _finite(figure.low),
                "high": _finite(figure.high), "n": figure.n,
            }
            for name, figure in row.items()
        }
        for label, row in evaluation.estimates.items()
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def results_csv(evaluation: Evaluation) -> str:
    """Return all figures as CSV, one a line."""
    rows = [
        (
            label,
            name,
            *(_cell(k) for k in (figure.value, figure.low, figure.high)),
            figure.n,
        )
        for label, row in evaluation.estimates.items()
        for name, figure in row.items()
    ]
    return _csv([("label", "metric", "value", "low", "high", "n"), *rows])


def dances_csv(evaluation: Evaluation) -> str:
    """Return every dance's values as CSV, one dance of one row per line."""
    metrics = [name for name in evaluation.metrics
               if any(name in row for row in evaluation.values.values())]  # fmt: skip
    rows: list[Sequence[object]] = [("label", "dance", *metrics)]
    for label, row in evaluation.values.items():
        for number, dance in enumerate(evaluation.dances):
            cells = [_cell(float(row[name][number])) if name in row else "" for name in metrics]
            rows.append((label, printable(dance), *cells))
    return _csv(rows)


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def notes_table(evaluation: Evaluation) -> dict[str, object]:
    """Return settings, tests, limits and problems as plain values."""
    settings = evaluation.settings
    return {
        "against": evaluation.against,
        "dances": len(evaluation.dances),
        "seed": settings.seed,
        "random_draws": settings.random_draws,
        "embeddings": list(settings.networks.embeddings),
        "notes": list(evaluation.notes),
        "indistinguishable": indistinguishable(evaluation),
        "uninformative": evaluation.uninformative,
        "differences": {
            name: {
                label: {
                    "mean": _finite(difference.mean),
                    "p": _finite(difference.p),
                    "n": difference.n,
                }
                for label, difference in row.items()
            }
            for name, row in evaluation.differences.items()
        },
        "problem_counts": [
            {"label": label, "kind": kind, "count": count}
            for (label, kind), count in count_problems(evaluation.problems).items()
        ],
        "problems": [asdict(problem) for problem in evaluation.problems],
    }


def markdown_page(evaluation: Evaluation, *, pictures: bool = True) -> str:
    """Return the report as Markdown."""
    parts = [
        f"# Evaluation of {len(evaluation.dances)} dances",
        reading_notes(evaluation),
        markdown_table(evaluation),
        *(["![beats](beats.png)", "![distributions](distributions.png)"] if pictures else []),
        limits_section(evaluation),
        problems_section(evaluation),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def reading_notes(evaluation: Evaluation) -> str:
    """Return a paragraph that explains the table."""
    draws = evaluation.settings.random_draws
    return (
        "Means over dances with 95 % intervals (bootstrap; jackknife for distances between sets). "
        f"`=` marks no significant difference from **{evaluation.against}** (paired permutation "
        f"test, Holm's correction, 5 %). `n` is given where it is not {len(evaluation.dances)}. "
        f"Random pairs: {draws} draws per dance. Definitions: docs/metrics.md."
    )


def markdown_table(evaluation: Evaluation, metrics: Sequence[str] | None = None) -> str:
    """Return a table with a metric a line and a row of the evaluation a column, as Markdown."""
    shown = evaluation.labels
    lines = [f"| metric | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    for name in metrics or evaluation.metrics:
        cells = [_format_cell(evaluation, label, name) for label in shown]
        lines.append(f"| {name}{registry.metric_named(name).arrow} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _format_cell(evaluation: Evaluation, label: str, name: str) -> str:
    estimate = evaluation.estimates[label].get(name)
    if estimate is None:
        return ""
    if not math.isfinite(estimate.value):
        return f"undefined (n {estimate.n})"
    difference = evaluation.differences.get(name, {}).get(label)
    marker = (
        " ="
        if difference is not None and math.isfinite(difference.p) and not difference.is_significant
        else ""
    )
    count = f" n {estimate.n}" if estimate.n != len(evaluation.dances) else ""
    return f"{format_estimate(estimate)}{marker}{count}"


def format_estimate(estimate: Estimate) -> str:
    """Return a figure with its interval, to two or three digits."""
    if not math.isfinite(estimate.low):
        return _number(estimate.value)
    return f"{_number(estimate.value)} ({_number(estimate.low)} to {_number(estimate.high)})"


def _number(value: float) -> str:
    """Three decimals below ten, fewer above."""
    decimals = max(0, _DIGITS - max(0, math.floor(math.log10(max(abs(value), 1e-9)))))
    text = f"{value:.{min(decimals, _DIGITS)}f}"
    return text.replace("-0.000", "0.000") if float(text) == 0 else text


def limits_section(evaluation: Evaluation) -> str:
    """Return the limits of the figures as Markdown; empty where there are none."""
    least = min_dances_for_significance(len(evaluation.labels) - 1)
    if len(evaluation.dances) < least:
        lines = [f"- With fewer than {least} dances no difference can be significant."]
    else:
        lines = [
            f"- {evaluation.against}, {label}: no significant difference in {', '.join(metrics)}"
            for label, metrics in indistinguishable(evaluation).items()
        ]
        lines += [
            f"- {label} is not significantly worse than the reference by {', '.join(metrics)}: "
            "these metrics are uninformative on these files."
            for label, metrics in evaluation.uninformative.items()
        ]
    lines += [f"- {note}." for note in evaluation.notes]
    return "\n".join(["## Limits of these figures", "", *lines]) if lines else ""


def indistinguishable(evaluation: Evaluation) -> dict[str, list[str]]:
    """Return, by label, the metrics without a significant difference from the baseline row."""
    out: dict[str, list[str]] = {}
    for name in evaluation.metrics:
        metric = registry.metric_named(name)
        for label, difference in evaluation.differences.get(name, {}).items():
            if (
                metric.better
                and name not in registry.SANITY
                and difference.n
                and not difference.is_significant
            ):
                out.setdefault(label, []).append(name)
    return {label: out[label] for label in evaluation.labels if label in out}


def min_dances_for_significance(rows: int) -> int:
    """Return the fewest dances with which a difference of so many rows can be significant."""
    return 1 + math.ceil(math.log2(max(1, rows) / statistics.LEVEL))


def problems_section(evaluation: Evaluation) -> str:
    """Return the problems, counted and named, as Markdown."""
    if not evaluation.problems:
        return ""
    lines = ["## Problems", "", "| row | what | dances |", "|---|---|---|"]
    lines += [f"| {label} | {kind} | {count} |"
              for (label, kind), count in count_problems(evaluation.problems).items()]  # fmt: skip
    lines.append("")
    for problem in evaluation.problems[:_MAX_PROBLEMS]:
        detail = f": {printable(' '.join(problem.detail.split()))}" if problem.detail else ""
        lines.append(f"- {problem.label}, {printable(problem.clip)}: {problem.kind}{detail}")
    more = len(evaluation.problems) - _MAX_PROBLEMS
    lines += [f"- and {more} more, all in notes.json"] * (more > 0)
    return "\n".join(lines)
