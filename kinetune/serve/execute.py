"""One piece of work in a worker process: read a motion, or do a job."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from kinetune.errors import ConfigError, KinetuneError, MotionError
from kinetune.files import atomic_folder
from kinetune.serve.motions import motion_files, read_motion, read_options
from kinetune.serve.schemas import EditJob, ExportJob, FilmJob, GenerateJob, JobRequest, Task
from kinetune.serve.store import Store, Work
from kinetune.serve.work_files import file_names, without_folder, zip_folder
from kinetune.tasks.again import AgainRequest, make_again
from kinetune.tasks.composing.outputs import ComposedFiles
from kinetune.tasks.edit import EditRequest, edit, recorded_request
from kinetune.tasks.editing.completion import dance_files
from kinetune.tasks.film import FilmRequest, film
from kinetune.tasks.generate import GenerateRequest, GenerateResult, generate
from kinetune.tasks.lazy_pipeline import LazyPipeline
from kinetune.tasks.recipe import Recipe, find_music_recipe, sidecar_path
from kinetune.tasks.requests.music_options import Engine
from kinetune.tasks.requests.output_paths import FilmOptions
from kinetune.tasks.requests.progress import Progress
from kinetune.tasks.requests.serialisation import to_json

_POLL_S = 0.1
_JOB = TypeAdapter[Task](JobRequest)


@dataclass(frozen=True)
class Workshop:
    """What a worker process works with.

    Attributes:
        store: The database.
        max_motion_s: Length of a motion, seconds.
        pipeline_of: Returns the model of a name, loaded once.
    """

    store: Store
    max_motion_s: float
    pipeline_of: Callable[[str], LazyPipeline]


def parse_job(request: dict[str, Any]) -> Task:
    """Return the job of a stored request."""
    return _JOB.validate_python(request)


def execute(work: Work, workshop: Workshop, progress: Progress) -> Any:  # noqa: ANN401 - JSON
    """Do work, and return its result as JSON.

    Raises:
        KinetuneError: It can't be done; no file of it stands.
    """
    if work.kind == "motion":
        return read_motion(work, workshop.store, workshop.max_motion_s)
    job = parse_job(work.request)
    final = workshop.store.folder_of("job", work.id)
    # Left by a worker that was killed before it could note that it had finished.
    shutil.rmtree(final, ignore_errors=True)
    with atomic_folder(final, markers=()) as folder:
        result = _make(job, folder, workshop, progress)
        return without_folder(to_json(result), folder)


def _make(job: Task, folder: Path, workshop: Workshop, progress: Progress) -> object:
    if isinstance(job, GenerateJob):
        return _generate(job, folder, workshop, progress)
    if isinstance(job, EditJob):
        return _edit(job, folder, workshop, progress)
    if isinstance(job, ExportJob):
        return _export(job, folder, workshop, progress)
    return _film(job, folder, workshop, progress)


def _generate(job: GenerateJob, folder: Path, workshop: Workshop, progress: Progress) -> object:
    motion = _await_motion(job.motion, workshop.store, progress)
    # The recipe names the motion by a path beside it, so that both can be taken away together.
    dances = tuple(_put(path, folder) for path in motion_files(motion, workshop.store))
    together = len(dances) > 1
    stem = dances[0].stem + "-together" * together
    request = GenerateRequest(
        motions=dances,
        together=together,
        output=folder / f"{stem}.{job.format}",
        read=read_options(motion.request),
        options=job.options,
        variations=job.variations,
        export=job.export,
        beat_maps=tuple(dict.fromkeys(job.beat_maps)),
        plot=job.plot,
        film=_film_options(folder / f"{stem}.mp4", job.film),
        composed=job.composed,
        packs=tuple(dict.fromkeys(job.packs)),
        model=job.model,
    )
    return _generated(request, workshop, progress)


def _generated(request: GenerateRequest, workshop: Workshop, progress: Progress) -> GenerateResult:
    """Return what became of a request for one dance, with an archive for each folder."""
    pipeline = _pipeline(request.options.engine, request.model, workshop)
    result = generate(request, progress=progress, pipeline=pipeline)
    if result.failures:
        raise KinetuneError(result.failures[0].error)
    pieces = [
        replace(piece, composed=_zipped(piece.composed), packs=_zip_all(piece.packs))
        for piece in result.pieces
    ]
    return replace(result, pieces=tuple(pieces))


def _pipeline(engine: Engine, model: str | None, workshop: Workshop) -> LazyPipeline | None:
    """Return the model of an engine; None for the composer, which has none to load."""
    return None if engine == "composer" else workshop.pipeline_of(model or "default")


def _zipped(files: ComposedFiles | None) -> ComposedFiles | None:
    """Return composed files with an archive in the place of each folder."""
    if files is None:
        return None
    stems, layers = (
        None if folder is None else str(zip_folder(Path(folder)))
        for folder in (files.stems, files.layers)
    )
    return replace(files, stems=stems, layers=layers)


def _zip_all(folders: Sequence[str]) -> tuple[str, ...]:
    """Return an archive for each folder."""
    return tuple(str(zip_folder(Path(folder))) for folder in folders)


def _await_motion(motion_id: str, store: Store, progress: Progress) -> Work:
    """Return a motion once it has been read."""
    while True:
        motion = store.find("motion", motion_id)
        if motion is None:
            raise ConfigError("the motion was deleted")
        if motion.status == "done":
            return motion
        if motion.is_finished:
            raise MotionError(motion.error or "the motion was not read")
        progress("reading the motion", 0, 0)
        time.sleep(_POLL_S)


def _edit(job: EditJob, folder: Path, workshop: Workshop, progress: Progress) -> object:
    music, recipe = _copy_music(job.job, job.file, folder, workshop.store)
    output = _free_name(folder / f"{music.stem}-edit{music.suffix}")
    request = EditRequest(
        music=music,
        output=output,
        redo=job.redo,
        continue_s=job.continue_s,
        strength=job.strength,
        keep_rhythm=job.keep_rhythm,
        exact=job.exact,
        options=job.options,
        changes=job.changes,
        plot=job.plot,
        film=_film_options(output.with_suffix(".mp4"), job.film),
    )
    made = recorded_request(recipe, music)
    pipeline = _pipeline(made.options.engine, made.model, workshop)
    return edit(request, progress=progress, pipeline=pipeline)


def _export(job: ExportJob, folder: Path, workshop: Workshop, progress: Progress) -> object:
    music, recipe = _copy_music(job.job, job.file, folder, workshop.store)
    made = recorded_request(recipe, music)
    request = AgainRequest(
        music, music.with_suffix(f".{job.format}"), existing="replace",
        beat_maps=tuple(dict.fromkeys(job.beat_maps)), composed=job.composed,
        packs=tuple(dict.fromkeys(job.packs)),
    )  # fmt: skip
    pipeline = _pipeline(made.options.engine, made.model, workshop)
    result = make_again(request, progress=progress, pipeline=pipeline)
    return replace(result, composed=_zipped(result.composed), packs=_zip_all(result.packs))


def _film(job: FilmJob, folder: Path, workshop: Workshop, progress: Progress) -> object:
    music, recipe = _copy_music(job.job, job.file, folder, workshop.store)
    first, *others = (folder / path.name for path in dance_files(recorded_request(recipe, music)))
    film_options = FilmOptions(_free_name(music.with_suffix(".mp4")))
    return film(FilmRequest(first, music, film_options, partners=tuple(others)), progress=progress)


def _copy_music(job_id: str, name: str, folder: Path, store: Store) -> tuple[Path, Recipe]:
    """Copy a sound of another job, its recipe, and what it was made from into a folder.

    Returns:
        The sound, and how it was made.
    """
    work = store.find("job", job_id)
    source = store.folder_of("job", job_id)
    if work is None or work.status != "done" or name not in file_names(source):
        raise ConfigError(f"{name}: no such file in that job")
    sound = _put(source / name, folder)
    sidecar = sidecar_path(source / name)
    if sidecar.is_file():
        _put(sidecar, folder)
    recipe = find_music_recipe(sound)
    if recipe is None:
        raise ConfigError(f"{name}: expected a sound made by a job, found no recipe")
    made = recorded_request(recipe, sound)
    named = [*dance_files(made), *([made.music] if isinstance(made, EditRequest) else [])]
    for path in named:
        # A file of the same folder, whatever the recipe says.
        _put(source / path.name, folder)
    return sound, recipe


def _film_options(path: Path, wanted: bool) -> FilmOptions:
    return FilmOptions(path) if wanted else FilmOptions()


def _put(source: Path, folder: Path) -> Path:
    target = folder / source.name
    if not target.exists():
        shutil.copyfile(source, target)
    return target


def _free_name(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free
