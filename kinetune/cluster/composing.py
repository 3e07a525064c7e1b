"""``kinetune corpus make --ray``: pairs of a corpus, made on a cluster.

The workers write each pair whole; then the command itself lists them, as it does where an earlier
call was stopped. What a worker could not make it makes itself.
"""

from collections.abc import Mapping
from typing import Any

from kinetune.cluster.actors import Cluster, run_rows
from kinetune.corpus.folder import corpus_jobs
from kinetune.tasks.corpus import CorpusRequest
from kinetune.tasks.requests.progress import Progress


def make_pairs_on_cluster(
    request: CorpusRequest, cluster: Cluster, *, progress: Progress | None = None
) -> int:
    """Make the pairs of a corpus that are missing; return how many were.

    Args:
        request: The corpus; its folder must be seen by all machines.
        cluster: Where.
        progress: Called with the progress.
    """
    jobs = corpus_jobs(
        request.out.resolve(), request.pairs, minutes=request.minutes, seed=request.seed,
        shard=request.shard,
    )  # fmt: skip
    rows = [{"name": job.pair.name, "job": job} for job in jobs if not job.is_done()]
    run_rows(rows, PairWorker, (), cluster, progress)
    return len(rows)


class PairWorker:
    """Makes pairs of a corpus."""

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Make some pairs; return their names."""
        for job in batch["job"]:
            # Of a worker that died after its last file.
            if not job.is_done():
                job.make()
        return {"name": [str(name) for name in batch["name"]]}
