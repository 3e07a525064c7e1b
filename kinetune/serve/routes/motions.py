"""Routes of motions: upload, groups, what they hold, deletion."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from kinetune.files import is_plain_name
from kinetune.motion.io.formats import MOTION_SUFFIXES
from kinetune.serve import work_files
from kinetune.serve.motions import group_request, read_options
from kinetune.serve.routes.dependencies import BINARY, PROBLEMS, StoreNow, busy, require
from kinetune.serve.schemas import Group, Id, Inspection, Motion
from kinetune.serve.store import QueueFullError, Store, Work, new_id

router = APIRouter(responses=PROBLEMS)
# Motions that may wait to be read.
_MAX_UNREAD = 64
Name = Annotated[str, Query(max_length=200, description="File name; its suffix names the format.")]


@router.post(
    "/v1/motions",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
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
            raise busy("many motions wait to be read") from error
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


@router.post("/v1/groups", status_code=status.HTTP_201_CREATED)
def create_group(group: Group, store: StoreNow) -> Motion:
    """Make motions one group, which is a motion too: its beats are those that all share."""
    motions = [require(store.find("motion", motion_id)) for motion_id in group.motions]
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
        raise busy("many motions wait to be read") from error


@router.get("/v1/motions/{motion_id}")
def get_motion(motion_id: Id, store: StoreNow) -> Motion:
    """Return what a motion holds: format, length, beats and their readings."""
    return _motion(require(store.find("motion", motion_id)))


@router.get("/v1/motions/{motion_id}/skeleton")
def get_skeleton(motion_id: Id, store: StoreNow) -> dict[str, Any]:
    """Return joints, parents, rate and mean joint speed of a motion that was read."""
    table = json.loads(_motion_file(store, motion_id, work_files.SKELETON).read_text("utf-8"))
    return dict(table)


@router.get(
    "/v1/motions/{motion_id}/positions",
    response_class=FileResponse,
    responses={200: {"content": {BINARY: {}}}},
)
def get_positions(motion_id: Id, store: StoreNow) -> FileResponse:
    """Return positions, metres: float32, little endian, frames x dancers x joints x 3, y up."""
    path = _motion_file(store, motion_id, work_files.POSITIONS)
    return FileResponse(path, media_type=BINARY)


@router.delete("/v1/motions/{motion_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_motion(motion_id: Id, store: StoreNow) -> Response:
    """Delete a motion; jobs that are done keep their files."""
    work = require(store.find("motion", motion_id))
    if not work.is_finished:
        raise HTTPException(409, "the motion is being read; try again in a moment")
    store.delete(motion_id)
    shutil.rmtree(store.folder_of("motion", motion_id), ignore_errors=True)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def _motion_file(store: Store, motion_id: str, name: str) -> Path:
    work = require(store.find("motion", motion_id))
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
