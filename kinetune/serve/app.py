"""The application: routes of the HTTP API, version 1."""

import asyncio
import contextlib
import json
import mimetypes
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import Field

import kinetune
from kinetune import genres
from kinetune.errors import KinetuneError, printable
from kinetune.example import example_dance
from kinetune.files import is_plain_name
from kinetune.model.catalogue import ModelEntry, list_models
from kinetune.motion.io.formats import MOTION_SUFFIXES
from kinetune.serve import work_files
from kinetune.serve.guard import Guard
from kinetune.serve.motions import group_request, read_options
from kinetune.serve.schemas import (
    GenerateJob,
    Genre,
    Group,
    Health,
    Id,
    Inspection,
    Job,
    JobFile,
    JobRequest,
    Motion,
    Problem,
    Progress,
    plain,
)
from kinetune.serve.settings import ServerSettings
from kinetune.serve.store import QueueFullError, Store, Work, new_id
from kinetune.serve.workers import Workers

# Motions that may wait to be read.
_MAX_UNREAD = 64
_RETRY_S = 5
_STREAM_POLL_S = 0.2
_KEEP_ALIVE_S = 15.0
_LISTED = 50
_BINARY = "application/octet-stream"
_STATIC = Path(__file__).parent / "static"
# What may go wrong, for the OpenAPI document.
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem}
    for code in (400, 401, 403, 404, 408, 409, 413, 421, 422, 429, 503, 507)
}
Name = Annotated[str, Query(max_length=200, description="File name; its suffix names the format.")]
FileName = Annotated[str, Field(max_length=255)]


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the application, with its workers started and stopped by its lifespan."""
    workers = Workers(
        settings.data,
        max_motion_s=settings.max_motion_s,
        job_timeout_s=settings.job_timeout_s,
        keep_s=settings.keep_days * 86_400.0,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(workers.start)
        try:
            yield
        finally:
            await run_in_threadpool(workers.stop)

    app = FastAPI(
        title="kinetune",
        version=kinetune.__version__,
        description="Music for a dance: 3D motion in, music that follows it out.",
        lifespan=lifespan,
        # Their pages load scripts from other servers; the document itself stays.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings, app.state.store = settings, workers.store
    app.state.streams = asyncio.Semaphore(settings.max_streams)
    app.include_router(_router)
    # The studio, see studio/; last, so that every route above comes first.
    app.mount("/", StaticFiles(directory=_STATIC, html=True))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(KinetuneError, _refused)
    app.add_middleware(Guard, settings=settings)
    return app


_router = APIRouter(responses=_PROBLEMS)


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _settings(request: Request) -> ServerSettings:
    settings: ServerSettings = request.app.state.settings
    return settings


StoreNow = Annotated[Store, Depends(_store)]
SettingsNow = Annotated[ServerSettings, Depends(_settings)]


@_router.get("/healthz")
def health(store: StoreNow) -> Health:
    """Return whether the server works."""
    return Health(status="ok", version=kinetune.__version__, queued=store.queued("job"))


@_router.get("/v1/models")
def models(settings: SettingsNow) -> list[ModelEntry]:
    """List the models a job may name."""
    return [entry for entry in list_models() if entry.name in settings.models]


@_router.get("/v1/genres")
def list_genres() -> list[Genre]:
    """List the genres a job may name."""
    return [Genre(code=code, name=genres.genre_name(code)) for code in genres.CODES]


@_router.get(
    "/v1/example",
    response_class=FileResponse,
    responses={200: {"content": {_BINARY: {}}}},
)
def get_example() -> FileResponse:
    """Return the bundled example dance."""
    path = example_dance()
    return FileResponse(path, media_type=_BINARY, filename=path.name)


@_router.post(
    "/v1/motions",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def upload_motion(
    request: Request,
    store: StoreNow,
    name: Name,
    fps: Annotated[float | None, Query(ge=1.0, le=1000.0, allow_inf_nan=False)] = None,
    animation: Annotated[str | None, Query(max_length=200)] = None,
) -> Motion:
    """Upload a motion file as the body of the request; it is read in the background."""
    suffix = Path(name).suffix.lower()
    if not is_plain_name(name) or suffix not in MOTION_SUFFIXES:
        raise HTTPException(
            422, f"name: expected a file name that ends in one of {', '.join(MOTION_SUFFIXES)}"
        )
    motion_id = new_id()
    folder = store.folder_of("motion", motion_id)
    try:
        await run_in_threadpool(folder.mkdir, parents=True)
        size = await _receive(request, folder / name)
        if size == 0:
            raise HTTPException(422, "the body is empty; expected a motion file")
        stored = {"name": name, "bytes": size, "fps": fps, "animation": animation}
        work = await run_in_threadpool(
            store.add, "motion", stored, limit=_MAX_UNREAD, work_id=motion_id
        )
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, QueueFullError):
            raise _busy("many motions wait to be read") from error
        if isinstance(error, OSError):
            raise HTTPException(507, "the server's disk is full") from error
        raise
    return _motion(work)


async def _receive(request: Request, path: Path) -> int:
    """Write the body of a request to a file, part by part; return its size."""
    size = 0
    with path.open("xb") as file:
        async for part in request.stream():
            size += len(part)
            await run_in_threadpool(file.write, part)
    return size


@_router.post("/v1/groups", status_code=status.HTTP_201_CREATED)
def create_group(group: Group, store: StoreNow) -> Motion:
    """Make motions one group, which is a motion too: its beats are those that all share."""
    motions = [_require(store.find("motion", motion_id)) for motion_id in group.motions]
    if len({motion.id for motion in motions}) < len(motions):
        raise HTTPException(422, "motions: each dancer is named once")
    for motion in motions:
        if motion.status == "failed":
            raise HTTPException(409, f"the motion can't be used: {motion.error}")
        if motion.request.get("members"):
            raise HTTPException(422, f"{motion.request['name']}: is a group itself")
    if len({read_options(motion.request) for motion in motions}) > 1:
        raise HTTPException(422, "the motions were uploaded with unlike fps= or animation=")
    try:
        return _motion(store.add("motion", group_request(motions), limit=_MAX_UNREAD))
    except QueueFullError as error:
        raise _busy("many motions wait to be read") from error


@_router.get("/v1/motions/{motion_id}")
def get_motion(motion_id: Id, store: StoreNow) -> Motion:
    """Return what a motion holds: format, length, beats and their readings."""
    return _motion(_require(store.find("motion", motion_id)))


@_router.get("/v1/motions/{motion_id}/skeleton")
def get_skeleton(motion_id: Id, store: StoreNow) -> dict[str, Any]:
    """Return joints, parents, rate and mean joint speed of a motion that was read."""
    table = json.loads(_motion_file(store, motion_id, work_files.SKELETON).read_text("utf-8"))
    return dict(table)


@_router.get(
    "/v1/motions/{motion_id}/positions",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def get_positions(motion_id: Id, store: StoreNow) -> FileResponse:
    """Return positions, metres: float32, little endian, frames x dancers x joints x 3, y up."""
    path = _motion_file(store, motion_id, work_files.POSITIONS)
    return FileResponse(path, media_type="application/octet-stream")


@_router.delete("/v1/motions/{motion_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_motion(motion_id: Id, store: StoreNow) -> Response:
    """Delete a motion; jobs that are done keep their files."""
    work = _require(store.find("motion", motion_id))
    if not work.is_finished:
        raise HTTPException(409, "the motion is being read; try again in a moment")
    store.delete(motion_id)
    shutil.rmtree(store.folder_of("motion", motion_id), ignore_errors=True)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@_router.post("/v1/jobs", status_code=status.HTTP_202_ACCEPTED)
def create_job(job: JobRequest, store: StoreNow, settings: SettingsNow) -> Job:
    """Have music made, changed or filmed; the job waits its turn."""
    if isinstance(job, GenerateJob):
        motion = _require(store.find("motion", job.motion))
        if motion.status == "failed":
            raise HTTPException(409, f"the motion can't be used: {motion.error}")
        if job.model not in settings.models:
            raise HTTPException(422, f"model: expected one of {', '.join(settings.models)}")
    else:
        source = _require(store.find("job", job.job))
        if source.status != "done" or job.file not in _files_of(store, source.id):
            raise HTTPException(404, f"{printable(job.file, 100)}: no such file in that job")
    try:
        work = store.add("job", plain(job), limit=settings.max_queue)
    except QueueFullError as error:
        raise _busy("the queue is full") from error
    return _job(work, store)


@_router.get("/v1/jobs")
def list_jobs(store: StoreNow) -> list[Job]:
    """List the newest jobs, newest first."""
    return [_job(work, store) for work in store.latest("job", _LISTED)]


@_router.get("/v1/jobs/{job_id}")
def get_job(job_id: Id, store: StoreNow) -> Job:
    """Return how far a job is, and what it made."""
    return _job(_require(store.find("job", job_id)), store)


@_router.get(
    "/v1/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream_job(job_id: Id, request: Request, store: StoreNow) -> StreamingResponse:
    """Follow a job as server-sent events: ``data:`` holds the job as JSON, the last one ended."""
    _require(await run_in_threadpool(store.find, "job", job_id))
    streams: asyncio.Semaphore = request.app.state.streams
    if streams.locked():
        raise _busy("too many progress streams are open")
    await streams.acquire()
    return StreamingResponse(
        _events(job_id, store, streams),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


async def _events(job_id: str, store: Store, streams: asyncio.Semaphore) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    last, sent_at = "", loop.time()
    try:
        while work := await run_in_threadpool(store.find, "job", job_id):
            text = (await run_in_threadpool(_job, work, store)).model_dump_json()
            if text != last:
                last, sent_at = text, loop.time()
                yield f"data: {text}\n\n"
            elif loop.time() - sent_at > _KEEP_ALIVE_S:
                sent_at = loop.time()
                yield ": waiting\n\n"
            if work.is_finished:
                return
            await asyncio.sleep(_STREAM_POLL_S)
    finally:
        streams.release()


@_router.delete("/v1/jobs/{job_id}")
def delete_job(job_id: Id, store: StoreNow) -> Job:
    """Stop a job that waits or runs; delete one that has ended, with its files."""
    work = _require(store.find("job", job_id))
    if work.is_finished:
        job = _job(work, store)
        store.delete(job_id)
        shutil.rmtree(store.folder_of("job", job_id), ignore_errors=True)
        return job
    store.cancel(job_id)
    return _job(_require(store.find("job", job_id)), store)


@_router.get(
    "/v1/jobs/{job_id}/files/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def get_file(
    job_id: Id,
    name: FileName,
    store: StoreNow,
    download: Annotated[bool, Query(description="Save it instead of showing it.")] = False,
) -> FileResponse:
    """Return a file that a job made; ranges of bytes are supported."""
    work = _require(store.find("job", job_id))
    # Found by its name in a listing: no path is ever made from what a client sends.
    if work.status != "done" or name not in _files_of(store, job_id):
        raise HTTPException(404, "no such file in that job")
    path = store.folder_of("job", job_id) / name
    return FileResponse(
        path,
        media_type=_media_type(name),
        filename=name,
        content_disposition_type="attachment" if download else "inline",
    )


def _require(work: Work | None) -> Work:
    if work is None:
        raise HTTPException(404, "no such id")
    return work


def _busy(detail: str) -> HTTPException:
    return HTTPException(429, f"{detail}; try again later", {"Retry-After": str(_RETRY_S)})


def _motion_file(store: Store, motion_id: str, name: str) -> Path:
    work = _require(store.find("motion", motion_id))
    if work.status == "failed":
        raise HTTPException(409, f"the motion can't be used: {work.error}")
    path = store.folder_of("motion", motion_id) / name
    if work.status != "done" or not path.is_file():
        raise HTTPException(409, "the motion is still being read; try again in a moment")
    return path


def _motion(work: Work) -> Motion:
    states = {"done": "ready", "failed": "failed"}
    result = work.result
    keys = Inspection.model_fields
    inspection = None if result is None else {key: result[key] for key in keys if key in result}
    return Motion.model_validate(
        {
            "id": work.id,
            "name": work.request["name"],
            "files": work.request.get("files") or [work.request["name"]],
            "bytes": work.request["bytes"],
            "status": states.get(work.status, "reading"),
            "error": work.error,
            "inspection": inspection,
        }
    )


def _job(work: Work, store: Store) -> Job:
    folder = store.folder_of("job", work.id)
    names = _files_of(store, work.id) if work.status == "done" else []
    return Job(
        id=work.id,
        request=work.request,
        status=work.status,
        created=work.created,
        started=work.started,
        finished=work.finished,
        queue_position=store.position(work) if work.status == "queued" else 0,
        progress=Progress(stage=work.stage, done=work.done, total=work.total),
        error=work.error,
        files=[
            JobFile(name=name, bytes=_size(folder / name), media_type=_media_type(name))
            for name in names
        ],
        result=work.result,
    )


def _files_of(store: Store, job_id: str) -> list[str]:
    return work_files.file_names(store.folder_of("job", job_id))


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _media_type(name: str) -> str:
    known = {".ogg": "audio/ogg", ".flac": "audio/flac", ".wav": "audio/wav", ".mid": "audio/midi"}
    return known.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or _BINARY


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, in one line, without its values: they may be anything."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    lines = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"] if part != "body") or "body"
        lines.append(printable(f"{where}: {problem['msg']}", 300))
    return JSONResponse({"detail": "; ".join(lines)}, 422)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)
