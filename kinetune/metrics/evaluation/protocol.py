"""The evaluation protocol: folders of sounds to one table.

Conventions: rows are the systems by the label the user gives, in that order, then the baselines
synthesised for the dances (``baselines``). One value a dance; 95 % intervals and paired tests over
dances (``statistics``). What could not be scored lowers a figure's ``n`` and is listed among the
problems. The same folders and seed give the same result, whatever the number of workers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinetune.errors import ConfigError
from kinetune.metrics import loris
from kinetune.metrics.evaluation import baselines, registry, statistics
from kinetune.metrics.evaluation.embedding_scores import (
    ClipEmbedder,
    Embedder,
    NetworkOptions,
    NetworkScores,
    SetStatistic,
    embeddings_on,
    load_embedders,
    network_scores,
)
from kinetune.metrics.evaluation.pairing import Folders, Problem, pair_folders
from kinetune.metrics.evaluation.runner import ClipAnalysis, Mapper, analyse_clips
from kinetune.metrics.evaluation.scores import Values, clip_scores
from kinetune.metrics.evaluation.statistics import Difference, Estimate

Array = NDArray[np.float64]
# Called with the name of the stage, items done and items in all.
Progress = Callable[[str, int, int], None]
# Labels that can't be rows.
RESERVED = (*baselines.LABELS, "motions", "genres", "beats")


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    Attributes:
        against: The row that others are tested against; the first system if None.
        networks: Which networks to apply.
        seed: Of the noise, random pairs, bootstrap and permutations.
        random_draws: Random partners a dance.
        workers: Processes; as many as there are cores if None.
    """

    against: str | None = None
    networks: NetworkOptions = field(default_factory=NetworkOptions)
    seed: int = 0
    random_draws: int = 3
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One table and everything needed to read it.

    Attributes:
        labels: The rows, in order.
        dances: The dances' names, in order.
        values: Values by label and metric, one a dance.
        estimates: Figures by label and metric.
        differences: Differences of rows from ``against``, by metric and label.
        against: The row that others were tested against.
        uninformative: Metrics that don't put the reference above an inferior row, by that row.
        notes: Warnings about the figures, a sentence each.
        problems: What could not be scored, or was unusual.
        analyses: Analyses of every dance, for pictures.
        settings: Settings of the run.
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
    folders: Folders,
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    mapper: Mapper | None = None,
) -> Evaluation:
    """Score folders of sounds, and the baselines beside them.

    Args:
        folders: What to score, and the files it is paired with.
        settings: Rows, networks, seed; the defaults if None.
        progress: Called with (stage, items done, items in all).
        mapper: Where dances are analysed and networks applied; on this machine if None.

    Raises:
        ConfigError: A label, a folder or a file can't be used; nothing was scored.
        ModelError: A requested network can't be loaded.
    """
    settings = settings or Settings()
    against = _check_labels(folders.systems, settings.against)
    paired = pair_folders(folders)
    # A network that is missing is said before long work begins.
    embedders = load_embedders(settings.networks)
    draws, seed = settings.random_draws, settings.seed
    analyses = tuple(
        analyse_clips(
            paired.clips, seed=seed, workers=settings.workers,
            progress=_stage(progress, "analysis"), mapper=mapper,
        )
    )  # fmt: skip
    labels = tuple(_labels(folders, analyses))
    if against not in labels:
        raise ConfigError(f"no row {against!r} to test against; the rows are {', '.join(labels)}")
    values = clip_scores(analyses, labels, draws=draws, seed=seed)
    by_network = _network_scores(
        analyses, labels, settings, embedders, _stage(progress, "networks"), mapper
    )
    for label, row in by_network.values.items():
        values[label].update(row)
    values = _applicable(values, folders)
    problems = [*paired.problems, *(p for analysis in analyses for p in analysis.problems)]
    return Evaluation(
        labels=labels,
        dances=tuple(analysis.clip.name for analysis in analyses),
        values=values,
        estimates={
            label: _estimates(values[label], by_network.sets.get(label, {}), seed)
            for label in labels
        },
        differences=_differences(values, by_network.sets, against, seed),
        against=against,
        uninformative=_uninformative(values, seed),
        notes=tuple(by_network.notes),
        problems=(*problems, *by_network.problems),
        analyses=analyses,
        settings=settings,
    )


def _network_scores(
    analyses: Sequence[ClipAnalysis],
    labels: Sequence[str],
    settings: Settings,
    embedders: dict[str, Embedder],
    progress: Callable[[int, int], None] | None,
    mapper: Mapper | None,
) -> NetworkScores:
    """The scores that need a network; its outputs are computed on other machines if any."""
    draws, seed = settings.random_draws, settings.seed
    if mapper is None or not embedders:
        return network_scores(
            analyses, labels, embedders, draws=draws, seed=seed, progress=progress
        )
    embedded = embeddings_on(
        mapper, ClipEmbedder(settings.networks, labels, seed), analyses, progress
    )
    return network_scores(analyses, labels, embedders, draws=draws, seed=seed, embedded=embedded)


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
    """The rows that have sounds."""
    labels = {label for analysis in analyses for label in analysis.audio}
    pairs = sum(baselines.REFERENCE in analysis.audio for analysis in analyses)
    labels |= {baselines.RANDOM} if pairs > 1 else set()
    return [*folders.systems, *(label for label in baselines.LABELS if label in labels)]


def _applicable(values: Values, folders: Folders) -> Values:
    """Drop the metrics whose required folder was not given."""
    given = {
        "reference": folders.reference is not None,
        "motions": folders.motions is not None,
        "beats": folders.beats is not None or folders.reference is not None,
        # These depend on the values themselves: several variations, or the genre classifier.
        "": True, "genres": True, "variations": True,
    }  # fmt: skip
    return {
        label: {
            name: column
            for name, column in row.items()
            if given[registry.metric_named(name).requires]
            and (name != "diversity" or np.isfinite(column).any())
        }
        for label, row in values.items()
    }


def _estimates(
    row: dict[str, Array], sets: dict[str, SetStatistic], seed: int
) -> dict[str, Estimate]:
    estimates = {name: statistics.bootstrap_mean(column, seed=seed) for name, column in row.items()}
    if "loris_coverage" in row:
        estimates |= loris.pooled_estimates(row, seed)
    for name, distance in sets.items():
        estimates[name] = statistics.jackknife_estimate(distance.distance, len(distance.names))
    return {name: estimates[name] for name in registry.sort_metrics(set(estimates))}


def _differences(
    values: Values, sets: dict[str, dict[str, SetStatistic]], against: str, seed: int
) -> dict[str, dict[str, Difference]]:
    """The differences of rows from the baseline row, by metric and label."""
    out: dict[str, dict[str, Difference]] = {}
    for name, baseline in values[against].items():
        out[name] = statistics.holm_corrected(
            {
                label: statistics.paired_difference(row[name], baseline, seed=seed)
                for label, row in values.items()
                if label != against and name in row
            }
        )
    out |= loris.pooled_differences(values, against)
    for name, baseline_set in sets.get(against, {}).items():
        comparable = {
            label: row[name]
            for label, row in sets.items()
            if label != against and name in row and row[name].names == baseline_set.names
        }
        out[name] = statistics.holm_corrected(
            {
                label: statistics.jackknife_difference(
                    other.distance, baseline_set.distance, len(baseline_set.names)
                )
                for label, other in comparable.items()
            }
        )
    return out


# Rows that a useful metric puts below real music with its own dance.
_INFERIOR = (baselines.RANDOM, baselines.CLICK, baselines.NOISE)


def _uninformative(values: Values, seed: int) -> dict[str, list[str]]:
    """By inferior row, the metrics that don't put the reference significantly above it."""
    reference = values.get(baselines.REFERENCE)
    out: dict[str, list[str]] = {}
    for name in registry.sort_metrics(set(reference or {})):
        metric = registry.metric_named(name)
        if reference is None or not metric.better or name in registry.SANITY:
            continue
        sign = 1.0 if metric.better == registry.HIGHER else -1.0
        differences = statistics.holm_corrected(
            {
                label: statistics.paired_difference(reference[name], values[label][name], seed=seed)
                for label in _INFERIOR
                if name in values.get(label, {})
            }
        )
        for label, difference in differences.items():
            is_better = difference.is_significant and sign * difference.mean > 0
            if difference.n and not is_better:
                out.setdefault(label, []).append(name)
    return out
