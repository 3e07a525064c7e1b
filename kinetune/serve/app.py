"""The application of the HTTP API, version 1: its routes, its workers, and what guards it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

import kinetune
from kinetune import genres
from kinetune.errors import KinetuneError, printable
from kinetune.example import example_dance
from kinetune.model.catalogue import ModelEntry, describe_named, list_models
from kinetune.serve.guard import Guard
from kinetune.serve.routes import jobs, motions, prompts
from kinetune.serve.routes.dependencies import BINARY, PROBLEMS, SettingsNow, StoreNow
from kinetune.serve.schemas import Genre, Health
from kinetune.serve.settings import ServerSettings
from kinetune.serve.workers import Workers

_STATIC = Path(__file__).parent / "static"
_router = APIRouter(responses=PROBLEMS)


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
    for router in (_router, motions.router, jobs.router, prompts.router):
        app.include_router(router)
    # The studio, see studio/; last, so that every route above comes first.
    app.mount("/", StaticFiles(directory=_STATIC, html=True))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(KinetuneError, _refused)
    app.add_middleware(Guard, settings=settings)
    return app


@_router.get("/healthz")
def health(store: StoreNow) -> Health:
    """Return whether the server works."""
    return Health(status="ok", version=kinetune.__version__, queued=store.queued("job"))


@_router.get("/v1/models")
def models(settings: SettingsNow) -> list[ModelEntry]:
    """List the models a job may name."""
    known = {entry.name: entry for entry in list_models()}
    return [known.get(name) or describe_named(name) for name in settings.models]


@_router.get("/v1/genres")
def list_genres() -> list[Genre]:
    """List the genres a job may name."""
    return [Genre(code=code, name=genres.genre_name(code)) for code in genres.CODES]


@_router.get(
    "/v1/example",
    response_class=FileResponse,
    responses={200: {"content": {BINARY: {}}}},
)
def get_example() -> FileResponse:
    """Return the bundled example dance."""
    path = example_dance()
    return FileResponse(path, media_type=BINARY, filename=path.name)


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
