"""The whole protocol: folders in, one result out.

Conventions: rows are the systems by the label the user gives, in that order, then the baselines
made on the spot (``metrics.baselines``). One value a dance; 95 % intervals and paired tests over
dances (``metrics.statistics``). What could not be scored lowers a figure's ``n`` and stands among
the problems. The same folders and seed give the same result, whatever the number of workers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError
from kinetune.metrics import loris
from kinetune.metrics.evaluation import baselines, registry, statistics
from kinetune.metrics.evaluation.embedding_scores import (
    NetworkOptions,
    NetworkScores,
    load_embedders,
    network_scores,
)
from kinetune.metrics.evaluation.pairing import Folders, Problem, pair_folders
from kinetune.metrics.evaluation.runner import ClipAnalysis, analyse_clips
from kinetune.metrics.evaluation.scores import Values, clip_scores
from kinetune.metrics.evaluation.statistics import Difference, Estimate

Array = NDArray[np.float64]
# Called with what is being done, items done and items in all.
Progress = Callable[[str, int, int], None]
# Words of the command line that can't be rows.
RESERVED = (*baselines.LABELS, "motions", "genres", "beats")


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Attributes:
        against: The row that others are tested against; the first system if None.
        networks: Which networks listen.
        seed: Of the noise, random pairs, bootstrap and permutations.
        random_draws: Random partners a dance has.
        workers: Processes; as many as there are cores if None.
    """

    against: str | None = None
    networks: NetworkOptions = field(default_factory=NetworkOptions)
    seed: int = 0
    random_draws: int = 3
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One table and all that must be known to read it.

    Attributes:
        labels: The rows, in order.
        dances: The dances' names, in order.
        values: Values by label and metric, one a dance.
        estimates: Figures by label and metric.
        differences: How rows differ from ``against``, by metric and label.
        against: The row that others were tested against.
        blind: Metrics that don't put the reference above it, by baseline.
        notes: What else must be known, a sentence each.
        problems: What could not be scored, or was odd.
        listened: What was heard and seen, for pictures.
        settings: How the run was made.
    """

    labels: tuple[str, ...]
    dances: tuple[str, ...]
    values: Values
    estimates: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Difference]]
    against: str
    uninformative: dict[str, list[str]]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    analyses: tuple[ClipAnalysis, ...]
    settings: Settings

    @property
    def metrics(self) -> list[str]:
        """All metrics of the table, in order."""
        return registry.sort_metrics({name for row in self.estimates.values() for name in row})


def evaluate(
    folders: Folders, settings: Settings | None = None, *, progress: Progress | None = None
) -> Evaluation:
    """Score folders of sounds, and the baselines beside them.

    Args:
        folders: What to score, and what belongs to it.
        settings: How.
        progress: Called as the work goes on.

    Raises:
        ConfigError: A label, a folder or a file can't be used; nothing was scored.
        ModelError: A network that was asked for can't be loaded.
    """
    settings = settings or Settings()
    against = _check_labels(folders.systems, settings.against)
    paired = pair_folders(folders)
    embedders = load_embedders(settings.networks)
    draws, seed = settings.random_draws, settings.seed
    analyses = tuple(
        analyse_clips(
            paired.clips, seed=seed, workers=settings.workers,
            progress=_stage(progress, "listening"),
        )
    )  # fmt: skip
    labels = tuple(_labels(folders, analyses))
    if against not in labels:
        raise ConfigError(f"no row {against!r} to test against; the rows are {', '.join(labels)}")
    values = clip_scores(analyses, labels, draws=draws, seed=seed)
    heard = network_scores(
        analyses, labels, embedders, draws=draws, seed=seed, progress=_stage(progress, "networks")
    )
    for label, row in heard.values.items():
        values[label].update(row)
    values = _applicable(values, folders)
    problems = [*paired.problems, *(p for one in analyses for p in one.problems)]
    estimates = {label: _estimates(values[label], heard.sets.get(label, {}), seed)
                 for label in labels}  # fmt: skip
    differences = _differences(values, heard, against, seed)
    return Evaluation(
        labels, tuple(one.clip.name for one in analyses), values, estimates, differences, against,
        _uninformative(values, seed), tuple(heard.notes), (*problems, *heard.problems), analyses,
        settings,
    )  # fmt: skip


def _stage(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)


def _check_labels(systems: Iterable[str], against: str | None) -> str:
    """The row to test against; labels are checked before long work begins."""
    labels = list(systems)
    if not labels:
        raise ConfigError("no folder of sounds to score; name one")
    for label in labels:
        if label in RESERVED or not label.strip():
            raise ConfigError(
                f"{label!r} can't be a label: {', '.join(RESERVED)} are taken; choose another"
            )
    if against is not None and against not in (*labels, *baselines.LABELS):
        known = ", ".join((*labels, *baselines.LABELS))
        raise ConfigError(f"no row {against!r} to test against; choose one of {known}")
    return against or labels[0]


def _labels(folders: Folders, analyses: Sequence[ClipAnalysis]) -> list[str]:
    """The rows there are sounds for."""
    heard = {label for one in analyses for label in one.audio}
    pairs = sum(baselines.REFERENCE in one.audio for one in analyses)
    made = heard | ({baselines.RANDOM} if pairs > 1 else set())
    return [*folders.systems, *(label for label in baselines.LABELS if label in made)]


def _applicable(values: Values, folders: Folders) -> Values:
    """Leave out metrics for which nothing was named: they are not missing, they don't apply."""
    named = {
        "reference": folders.reference is not None,
        "motions": folders.motions is not None,
        "beats": folders.beats is not None or folders.reference is not None,
        # Told by the values themselves: a row has takes, or a network listened.
        "": True, "genres": True, "takes": True,
    }  # fmt: skip
    return {
        label: {
            name: column
            for name, column in row.items()
            if named[registry.metric_named(name).requires]
            and (name != "diversity" or np.isfinite(column).any())
        }
        for label, row in values.items()
    }


def _estimates(row: dict[str, Array], sets: dict, seed: int) -> dict[str, Estimate]:
    found = {name: statistics.bootstrap_mean(column, seed=seed) for name, column in row.items()}
    if "loris_coverage" in row:
        found |= loris.estimates(row, seed)
    for name, distance in sets.items():
        found[name] = statistics.jackknife_estimate(distance.distance, len(distance.names))
    return {name: found[name] for name in registry.sort_metrics(set(found))}


def _differences(
    values: Values, heard: NetworkScores, against: str, seed: int
) -> dict[str, dict[str, Difference]]:
    """How rows differ from the chosen one, by metric and label."""
    out: dict[str, dict[str, Difference]] = {}
    for name, column in values[against].items():
        rows = {label: row[name] for label, row in values.items()
                if label != against and name in row}  # fmt: skip
        out[name] = statistics.holm_corrected(
            {
                label: statistics.paired_difference(other, column, seed=seed)
                for label, other in rows.items()
            }
        )
    out |= loris.differences(values, against)
    for name, ours in heard.sets.get(against, {}).items():
        count = len(ours.names)
        rivals = {
            label: row[name]
            for label, row in heard.sets.items()
            if label != against and name in row and row[name].names == ours.names
        }
        out[name] = statistics.holm_corrected(
            {
                label: statistics.jackknife_difference(other.distance, ours.distance, count)
                for label, other in rivals.items()
            }
        )
    return out


# Rows that a metric worth its name puts below real music with its own dance.
_INFERIOR = (baselines.RANDOM, baselines.CLICK, baselines.NOISE)


def _uninformative(values: Values, seed: int) -> dict[str, list[str]]:
    """By what is plainly worse than the reference, the metrics that don't say so."""
    reference = values.get(baselines.REFERENCE)
    out: dict[str, list[str]] = {}
    for name in registry.sort_metrics(set(reference or {})):
        metric = registry.metric_named(name)
        if reference is None or not metric.better or name in registry.SANITY:
            continue
        sign = 1.0 if metric.better == registry.HIGHER else -1.0
        told = statistics.holm_corrected(
            {
                label: statistics.paired_difference(reference[name], values[label][name], seed=seed)
                for label in _INFERIOR
                if name in values.get(label, {})
            }
        )
        for label, apart in told.items():
            if apart.n and not (apart.is_significant and sign * apart.mean > 0):
                out.setdefault(label, []).append(name)
    return out
