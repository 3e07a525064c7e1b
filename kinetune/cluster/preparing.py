"""``kinetune corpus make --ray`` and ``kinetune prepare songs --ray``.

The workers make the items, each written whole; then the command itself lists them, as it does where
an earlier call was stopped. What a worker could not make it makes itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinetune.cluster.actors import Cluster, map_rows
from kinetune.corpus.folder import PairJob, corpus_jobs
from kinetune.errors import KinetuneError
from kinetune.tasks.corpus import CorpusRequest
from kinetune.tasks.requests.progress import Progress, stage
from kinetune.training.songs.song_set import SongFile, SongSetRequest, list_songs, prepare_song


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
    missing = [index for index, job in enumerate(jobs) if not job.is_done()]
    _run([{"index": index} for index in missing], PairWorker, (jobs,), cluster, progress)
    return len(missing)


def prepare_songs_on_cluster(
    request: SongSetRequest, cluster: Cluster, *, progress: Progress | None = None
) -> int:
    """Analyse the songs of a set; return how many there are.

    Args:
        request: The set; its folders must be seen by all machines.
        cluster: Where.
        progress: Called with the progress.
    """
    songs, _ = list_songs(request)
    rows = [
        {"path": str(song.path.resolve()), "genre": song.genre, "name": song.name} for song in songs
    ]
    _run(rows, SongWorker, (request.resolved(),), cluster, progress)
    return len(rows)


def _run(
    rows: list[dict[str, Any]],
    worker: type,
    arguments: tuple[Any, ...],
    cluster: Cluster,
    progress: Progress | None,
) -> None:
    if not rows:
        return
    report = stage(progress, "on the cluster") or (lambda done, total: None)
    for done, _ in enumerate(map_rows(rows, worker, arguments, cluster), start=1):
        report(done, len(rows))


class PairWorker:
    """Makes pairs of a corpus.

    Args:
        jobs: All pairs of the corpus.
    """

    def __init__(self, jobs: list[PairJob]) -> None:
        self._jobs = jobs

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[int]]:
        """Make some pairs by their numbers."""
        numbers = [int(index) for index in batch["index"]]
        for number in numbers:
            if not self._jobs[number].is_done():
                self._jobs[number].make()
        return {"index": numbers}


class SongWorker:
    """Prepares songs.

    Args:
        request: The set.
    """

    def __init__(self, request: SongSetRequest) -> None:
        self._request, self._form = request, request.form()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Prepare some songs; those that can't be used are left to the command."""
        reasons = []
        for path, genre, name in zip(batch["path"], batch["genre"], batch["name"], strict=True):
            song = SongFile(Path(str(path)), str(genre), str(name))
            try:
                prepare_song(song, self._request.out, self._form)
                reasons.append("")
            except KinetuneError as error:
                reasons.append(str(error))
        return {"reason": reasons}
