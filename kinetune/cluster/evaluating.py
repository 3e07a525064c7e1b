"""``kinetune evaluate --ray``: dances are analysed and networks applied on a cluster.

The report is that of one machine: every dance is scored by itself, and the tables are made by the
command. A dance whose worker died each time is listed and lowers the counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinetune.cluster.actors import Cluster, map_rows
from kinetune.tasks.evaluate import EvaluateRequest, EvaluateResult, evaluate
from kinetune.tasks.requests.progress import Progress


def evaluate_on_cluster(
    request: EvaluateRequest, *, cluster: Cluster, progress: Progress | None = None
) -> EvaluateResult:
    """Score folders of music on a cluster and write the report.

    Args:
        request: What to score; its folders must be seen by all machines.
        cluster: Where.
        progress: Called with the progress.

    Raises:
        KinetuneError: A folder, file or label can't be used, or there is no such cluster; nothing
            was written.
    """
    mapper = partial(map_items, cluster=cluster)
    return evaluate(_resolved(request), progress=progress, mapper=mapper)


def _resolved(request: EvaluateRequest) -> EvaluateRequest:
    """Return the request with absolute paths of what the workers read."""

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    return replace(
        request, systems={label: path.resolve() for label, path in request.systems.items()},
        reference=absolute(request.reference), motions=absolute(request.motions),
        beats=absolute(request.beats),
        scoring=replace(request.scoring, ms_sincresnet=absolute(request.scoring.ms_sincresnet)),
    )  # fmt: skip


def map_items(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    progress: Callable[[int, int], None] | None,
    *,
    cluster: Cluster,
) -> list[Any]:
    """Return what a function makes of items, in order; None where its worker died each time.

    Args:
        function: Copied to each worker.
        items: What it takes.
        progress: Called with items done and in all.
        cluster: Where.
    """
    results: list[Any] = [None] * len(items)
    rows = [{"index": index, "item": item} for index, item in enumerate(items)]
    for done, row in enumerate(map_rows(rows, ItemWorker, (function,), cluster), start=1):
        results[int(row["index"])] = row["result"]
        if progress is not None:
            progress(done, len(items))
    return results


class ItemWorker:
    """Applies a function to one item after another.

    Args:
        function: What it applies.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, NDArray]:
        """Return the numbers of some items and their results."""
        results = np.empty(len(batch["item"]), dtype=object)
        for number, item in enumerate(batch["item"]):
            results[number] = self._function(item)
        return {"index": np.asarray(batch["index"]), "result": results}
