"""Routes of jobs: queue, progress, cancellation, files."""

import asyncio
import mimetypes
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import Field

from kinetune.errors import printable
from kinetune.serve import work_files
from kinetune.serve.routes.dependencies import (
    BINARY,
    PROBLEMS,
    SettingsNow,
    StoreNow,
    busy,
    require,
)
from kinetune.serve.routes.prompts import with_read_prompt
from kinetune.serve.schemas import (
    EditJob,
    GenerateJob,
    Id,
    Job,
    JobFile,
    JobRequest,
    Progress,
    plain,
)
from kinetune.serve.store import QueueFullError, Store, Work

router = APIRouter(responses=PROBLEMS)
FileName = Annotated[str, Field(max_length=255)]
_STREAM_POLL_S = 0.2
_KEEP_ALIVE_S = 15.0
_LISTED = 50


@router.post("/v1/jobs", status_code=status.HTTP_202_ACCEPTED)
def create_job(job: JobRequest, store: StoreNow, settings: SettingsNow) -> Job:
    """Have music made, changed or filmed; the job waits its turn."""
    if isinstance(job, GenerateJob):
        motion = require(store.find("motion", job.motion))
        if motion.status == "failed":
            raise HTTPException(409, f"the motion can't be used: {motion.error}")
        if job.model not in settings.models:
            raise HTTPException(422, f"model: expected one of {', '.join(settings.models)}")
    else:
        source = require(store.find("job", job.job))
        if source.status != "done" or job.file not in _files_of(store, source.id):
            raise HTTPException(404, f"{printable(job.file, 100)}: no such file in that job")
    if isinstance(job, GenerateJob | EditJob):
        job = job.model_copy(update={"options": with_read_prompt(job.options)})
    try:
        work = store.add("job", plain(job), limit=settings.max_queue)
    except QueueFullError as error:
        raise busy("the queue is full") from error
    return _job(work, store)


@router.get("/v1/jobs")
def list_jobs(store: StoreNow) -> list[Job]:
    """List the newest jobs, newest first."""
    return [_job(work, store) for work in store.latest("job", _LISTED)]


@router.get("/v1/jobs/{job_id}")
def get_job(job_id: Id, store: StoreNow) -> Job:
    """Return how far a job is, and what it made."""
    return _job(require(store.find("job", job_id)), store)


@router.get(
    "/v1/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream_job(job_id: Id, request: Request, store: StoreNow) -> StreamingResponse:
    """Follow a job as server-sent events: ``data:`` holds the job as JSON, the last one ended."""
    require(await run_in_threadpool(store.find, "job", job_id))
    streams: asyncio.Semaphore = request.app.state.streams
    if streams.locked():
        raise busy("too many progress streams are open")
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


@router.delete("/v1/jobs/{job_id}")
def delete_job(job_id: Id, store: StoreNow) -> Job:
    """Stop a job that waits or runs; delete one that has ended, with its files."""
    work = require(store.find("job", job_id))
    if work.is_finished:
        job = _job(work, store)
        store.delete(job_id)
        shutil.rmtree(store.folder_of("job", job_id), ignore_errors=True)
        return job
    store.cancel(job_id)
    return _job(require(store.find("job", job_id)), store)


@router.get(
    "/v1/jobs/{job_id}/files/{name}",
    response_class=FileResponse,
    responses={200: {"content": {BINARY: {}}}},
)
def get_file(
    job_id: Id,
    name: FileName,
    store: StoreNow,
    download: Annotated[bool, Query(description="Save it instead of showing it.")] = False,
) -> FileResponse:
    """Return a file that a job made; ranges of bytes are supported."""
    work = require(store.find("job", job_id))
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
    return known.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or BINARY
