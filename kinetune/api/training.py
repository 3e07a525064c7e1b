"""Training sets from songs and one's own dances, and fine-tuning."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinetune.training.songs.song_set import SongSet
    from kinetune.training.tuning.tune import TuneResult

Progress = Callable[[int, int], None]


def prepare_songs(
    folder: str | Path,
    out: str | Path,
    *,
    genre: str | None = None,
    model: str = "default",
    held_out_every: int = 10,
    progress: Progress | None = None,
) -> "SongSet":
    """Return a training set of songs without dances; songs that can't be used are left out.

    Args:
        folder: The songs. Without ``genre`` each stands in a subfolder that names its genre.
        out: Folder of the set.
        genre: Genre of all songs: one of the ten, or a new name.
        model: The model that is to be tuned on them.
        held_out_every: One song in about this many is kept for validation; 0 keeps none.
        progress: Called with songs done and in all.

    Raises:
        KinetuneError: There is no usable song, or the folder can't be written to.
    """
    from kinetune.training.songs.song_set import SongSetRequest
    from kinetune.training.songs.song_set import prepare_songs as prepare

    request = SongSetRequest(Path(folder), Path(out), genre, model, held_out_every)
    return prepare(request, progress=progress)


def prepare_pairs(
    motions: str | Path,
    music: str | Path,
    out: str | Path,
    *,
    table: str | Path | None = None,
    genre: str | None = None,
    model: str = "default",
    held_out_every: int = 10,
    progress: Progress | None = None,
) -> "SongSet":
    """Return a training set of dances with their music; those that can't be used are left out.

    Args:
        motions: Folder of the dances.
        music: Folder of the music.
        out: Folder of the set.
        table: CSV file with columns motion, music, offset_s, genre; by file name if None.
        genre: Genre of all: one of the ten, or a new name.
        model: The model that is to be tuned on them.
        held_out_every: One dance in about this many is kept for validation; 0 keeps none.
        progress: Called with dances done and in all.

    Raises:
        KinetuneError: No dance has its music, or the folder can't be written to.
    """
    from kinetune.training.songs.dance_pairs import PairSetRequest
    from kinetune.training.songs.dance_pairs import prepare_pairs as prepare

    request = PairSetRequest(
        Path(motions), Path(music), Path(out), None if table is None else Path(table), genre,
        model, held_out_every,
    )  # fmt: skip
    return prepare(request, progress=progress)


def tune(
    data: str | Path,
    out: str | Path,
    *,
    start: str = "default",
    minutes: float | None = None,
    resume: bool = False,
    restart: bool = False,
    wandb: bool = False,
    settings: Sequence[str] = (),
) -> "TuneResult":
    """Fine-tune a model and return its adapter's file, for ``model="default+FILE"``.

    Args:
        data: A prepared set, see :func:`prepare_songs`.
        out: Folder of the run.
        start: The model: a bundled name, a folder or a hub id.
        minutes: Save and stop after so many; None takes all steps.
        resume: Continue the run in this folder.
        restart: Delete the run in this folder and start again.
        wandb: Also log to Weights & Biases.
        settings: Assignments such as ``rank=16`` or ``diffusion.loop.steps=500``.

    Raises:
        KinetuneError: A setting is impossible, or the set doesn't fit the model.
    """
    from kinetune.training.tuning.settings import tune_settings
    from kinetune.training.tuning.tune import tune as run

    chosen = tune_settings(start, str(data), settings)
    return run(chosen, Path(out), minutes=minutes, resume=resume, restart=restart, wandb=wandb)
