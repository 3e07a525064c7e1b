"""Score of the results of a listening test: screening, means, differences, power, a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinetune.errors import ConfigError, KinetuneError, MetricError
from kinetune.files import write_text
from kinetune.metrics.opinion.ratings import Preference, Rating, Session, screening_reasons
from kinetune.metrics.opinion.scores import (
    Difference,
    MeanScore,
    PreferenceShare,
    differences,
    listeners_needed,
    mean_scores,
    paired_deviation,
    preference_shares,
    smallest_difference,
)
from kinetune.tasks.listening_tests.make import FORMAT
from kinetune.tasks.requests.failures import Failure
from kinetune.tasks.requests.output_paths import check_absent

_MAX_BYTES = 20_000_000
_CHECKS = ("attention", "gold")
_DELTA = 0.3


@dataclass(frozen=True)
class ScoreListeningTestRequest:
    """Results to score.

    Attributes:
        results: Files of listeners, or folders of them.
        key: The key of the test.
        output: A Markdown file to write; None writes none.
        delta: Difference to plan the number of listeners for, scale points, above 0.
        seed: Of the bootstrap.
        force: Whether to replace a file that exists.

    Raises:
        ConfigError: The difference isn't above 0.
    """

    results: tuple[Path, ...]
    key: Path
    output: Path | None = None
    delta: float = _DELTA
    seed: int = 0
    force: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.delta <= 4.0:
            raise ConfigError(f"--delta must be above 0 and at most 4, found {self.delta:g}")


@dataclass(frozen=True)
class Screened:
    """A listener who does not count, and why."""

    listener: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PowerAnalysis:
    """What so many listeners can tell apart in a section.

    Attributes:
        section: The section.
        deviation: Over listeners, of the difference of a listener's means of two conditions.
        listeners: Listeners who count.
        smallest: The difference they find with 80 %, scale points.
        delta: A difference to plan for.
        needed: Listeners that find it with 80 %.
    """

    section: str
    deviation: float
    listeners: int
    smallest: float
    delta: float
    needed: int


@dataclass(frozen=True)
class ListeningTestScores:
    """Scores of a listening test.

    Attributes:
        listeners: Listeners who count.
        screened: Those who don't.
        means: Mean of every condition.
        differences: Differences of all pairs of conditions.
        preferences: Shares of paired choices.
        power: Power in each section.
        table: The means as a Markdown table.
        failures: Files that could not be read.
        output: The Markdown file written.
    """

    listeners: int
    screened: tuple[Screened, ...]
    means: tuple[MeanScore, ...]
    differences: tuple[Difference, ...]
    preferences: tuple[PreferenceShare, ...]
    power: tuple[PowerAnalysis, ...]
    table: str
    failures: tuple[Failure, ...] = ()
    output: str | None = None


def score_listening_test(request: ScoreListeningTestRequest) -> ListeningTestScores:
    """Score the results of a listening test.

    Raises:
        KinetuneError: The key or all results can't be used, or the table can't be written.
    """
    if request.output is not None and not request.force:
        check_absent([request.output])
    key = _read_json(request.key)
    if key.get("format") != FORMAT or "stimuli" not in key:
        raise ConfigError(f"{request.key}: expected the key.json of a listening test")
    sessions, failures = _sessions(request.results, key)
    reasons = {each.listener: screening_reasons(each) for each in sessions}
    kept = [each for each in sessions if not reasons[each.listener]]
    screened = tuple(Screened(name, why) for name, why in reasons.items() if why)
    ratings = [r for each in kept for r in each.ratings if r.condition not in _CHECKS]
    if not ratings:
        raise MetricError(
            f"none of {len(sessions)} listeners counts: "
            + "; ".join(f"{each.listener}: {', '.join(each.reasons)}" for each in screened[:3])
        )
    means = mean_scores(ratings, seed=request.seed)
    shares = preference_shares([p for each in kept for p in each.preferences], seed=request.seed)
    scores = ListeningTestScores(
        len(kept), screened, tuple(means), tuple(differences(ratings, seed=request.seed)),
        tuple(shares), tuple(_power(ratings, request.delta)), markdown_table(means),
        tuple(failures), None if request.output is None else str(request.output),
    )  # fmt: skip
    if request.output is not None:
        write_text(request.output, report(scores))
    return scores


def _power(ratings: Sequence[Rating], delta: float) -> list[PowerAnalysis]:
    out = []
    for section in sorted({each.section for each in ratings}):
        mine = [each for each in ratings if each.section == section]
        deviation, count = paired_deviation(mine), len({each.listener for each in mine})
        if np.isfinite(deviation):
            out.append(
                PowerAnalysis(
                    section, deviation, count, smallest_difference(deviation, count), delta,
                    listeners_needed(deviation, delta),
                )
            )  # fmt: skip
    return out


def markdown_table(means: Sequence[MeanScore]) -> str:
    """Return mean opinion scores as a table: a row a condition, a column a section."""
    sections = sorted({each.section for each in means}, reverse=True)
    cells = {(each.condition, each.section): each for each in means}
    order = list(dict.fromkeys(each.condition for each in sorted(means, key=lambda m: -m.mean)))
    lines = [
        "| | " + " | ".join(section.capitalize() for section in sections) + " |",
        "|---|" + "---|" * len(sections),
    ]
    for condition in order:
        row = [_cell(cells.get((condition, section))) for section in sections]
        lines.append(f"| {condition} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _cell(mean: MeanScore | None) -> str:
    return "" if mean is None else f"{mean.mean:.2f} ({mean.low:.2f} to {mean.high:.2f})"


def report(scores: ListeningTestScores) -> str:
    """Return the scores as Markdown."""
    lines = [
        f"{scores.listeners} listeners count, {len(scores.screened)} were screened out.",
        "", "Mean opinion scores, 1 to 5, with 95 % intervals over listeners and dances:", "",
        scores.table, "",
    ]  # fmt: skip
    if scores.preferences:
        lines += ["| preferred | to | share | choices |", "|---|---|---|---|"]
        lines += [
            f"| {each.condition} | {each.other} | {each.share:.0%} ({each.low:.0%} to "
            f"{each.high:.0%}) | {each.choices} |"
            for each in scores.preferences
        ]
        lines.append("")
    for each in scores.power:
        lines.append(
            f"{each.section.capitalize()}: {each.listeners} listeners tell {each.smallest:.2f} "
            f"apart with 80 %; {each.needed} would tell {each.delta:g} apart."
        )
    lines += [f"- {each.listener}: {', '.join(each.reasons)}" for each in scores.screened]
    return "\n".join(lines) + "\n"


# Files of listeners


def _sessions(paths: Sequence[Path], key: Mapping[str, Any]) -> tuple[list[Session], list[Failure]]:
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    sessions: dict[str, Session] = {}
    failures: list[Failure] = []
    for file in files:
        try:
            session = session_of(_read_json(file), key, context=str(file))
            if session.listener in sessions:
                raise ConfigError(f"{file}: listener {session.listener} is there already")
            sessions[session.listener] = session
        except KinetuneError as error:
            failures.append(Failure(str(file), str(error)))
    if not sessions:
        if failures:
            raise ConfigError(failures[0].error)
        raise ConfigError(f"{paths[0]}: no results (.json) of listeners in it")
    return list(sessions.values()), failures


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: expected at most {_MAX_BYTES / 1e6:g} MB")
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: can't be read as JSON ({error})") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: expected an object, found {type(table).__name__}")
    return table


def session_of(table: Mapping[str, Any], key: Mapping[str, Any], *, context: str) -> Session:
    """Return what a listener did, from the page's result and the key.

    Raises:
        ConfigError: It is of another test, or damaged.
    """
    if table.get("format") != FORMAT:
        raise ConfigError(f"{context}: expected a result of a listening test")
    if table.get("test") != key["test"]:
        raise ConfigError(
            f"{context}: is of test {table.get('test')!r:.40}, the key is of {key['test']!r}"
        )
    try:
        listener = str(table["listener"])[:80]
        right = sum(
            int(key["headphones"][each["trial"]] == each["answer"]) for each in table["headphones"]
        )
        ratings = tuple(_rating(listener, each, key) for each in table["ratings"])
        preferences = tuple(_preference(listener, each, key) for each in table["preferences"])
        return Session(listener, right, ratings, preferences, table["complete"] is True)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{context}: the result is damaged ({type(error).__name__}: {error})"
        ) from error


def _rating(listener: str, each: Mapping[str, Any], key: Mapping[str, Any]) -> Rating:
    stimulus = key["stimuli"][each["stimulus"]]
    score = each["score"]
    if type(score) is not int:
        raise TypeError(f"expected a whole number as score, found {score!r:.40}")
    return Rating(
        listener, stimulus["section"], stimulus["condition"], stimulus["item"], score,
        float(each["played_s"]), float(key["clip_s"]),
    )  # fmt: skip


def _preference(listener: str, each: Mapping[str, Any], key: Mapping[str, Any]) -> Preference:
    sides = {side: key["stimuli"][each[side]] for side in ("a", "b")}
    other = {"a": "b", "b": "a"}[each["answer"]]
    return Preference(
        listener, sides["a"]["item"], sides[each["answer"]]["condition"], sides[other]["condition"]
    )
