"""``kinetune prepare songs`` and ``pairs`` with ``--ray``: items of a set, made on a cluster.

The workers make the items, each written whole; then the command itself lists them, as it does where
an earlier call was stopped. What a worker could not make it makes itself. Workers load neither
torch nor diffusers.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kinetune.cluster.actors import Cluster, run_rows
from kinetune.errors import KinetuneError
from kinetune.tasks.requests.progress import Progress
from kinetune.training.songs.dance_pairs import PairFiles, PairSetRequest, list_pairs, prepare_pair
from kinetune.training.songs.model_form import ModelForm
from kinetune.training.songs.song_set import SongFile, SongSetRequest, list_songs, prepare_song


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
    run_rows(rows, SongWorker, (request.out.resolve(), request.form()), cluster, progress)
    return len(rows)


def prepare_pairs_on_cluster(
    request: PairSetRequest, cluster: Cluster, *, progress: Progress | None = None
) -> int:
    """Analyse the dances of a set with their music; return how many there are.

    Args:
        request: The set; its folders must be seen by all machines.
        cluster: Where.
        progress: Called with the progress.
    """
    request = request.resolved()
    pairs, _ = list_pairs(request)
    rows = [
        {
            "name": name, "motion": str(pair.motion), "music": str(pair.music),
            "offset_s": pair.offset_s, "genre": pair.genre,
        }
        for name, pair in pairs.items()
    ]  # fmt: skip
    run_rows(rows, DanceWorker, (request.out, request.form()), cluster, progress)
    return len(rows)


class _SetWorker:
    """Prepares items of a set; those that can't be used are left to the command.

    Args:
        out: The prepared folder.
        form: What the model needs.
    """

    # The columns that an item is made of, in the order of the arguments of ``_prepare``.
    _columns: tuple[str, ...]

    def __init__(self, out: Path, form: ModelForm) -> None:
        self._out, self._form = out, form

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Prepare some items; return why each can't be, or nothing."""
        columns = (batch[name] for name in self._columns)
        return {"reason": [self._prepare(*row) for row in zip(*columns, strict=True)]}

    def _prepare(self, *row: Any) -> str:
        raise NotImplementedError


class SongWorker(_SetWorker):
    """Prepares songs."""

    _columns = ("path", "genre", "name")

    def _prepare(self, *row: Any) -> str:
        path, genre, name = map(str, row)
        song = SongFile(Path(path), genre, name)
        return _reason(partial(prepare_song, song, self._out, self._form))


class DanceWorker(_SetWorker):
    """Prepares dances with their music."""

    _columns = ("name", "motion", "music", "offset_s", "genre")

    def _prepare(self, *row: Any) -> str:
        name, motion, music, offset_s, genre = row
        pair = PairFiles(Path(str(motion)), Path(str(music)), float(offset_s), str(genre))
        return _reason(partial(prepare_pair, pair, str(name), self._out, self._form))


def _reason(prepare: Callable[[], object]) -> str:
    """Call a function; return why it could not, or nothing."""
    try:
        prepare()
    except KinetuneError as error:
        return str(error)
    return ""
