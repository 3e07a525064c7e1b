"""What the routes of the HTTP API share: the database, the settings, and how they refuse."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from kinetune.serve.schemas import Problem
from kinetune.serve.settings import ServerSettings
from kinetune.serve.store import Store, Work

BINARY = "application/octet-stream"
# What may go wrong, for the OpenAPI document.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem}
    for code in (400, 401, 403, 404, 408, 409, 413, 421, 422, 429, 503, 507)
}
_RETRY_S = 5


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _settings(request: Request) -> ServerSettings:
    settings: ServerSettings = request.app.state.settings
    return settings


StoreNow = Annotated[Store, Depends(_store)]
SettingsNow = Annotated[ServerSettings, Depends(_settings)]


def require(work: Work | None) -> Work:
    """Return work that was found.

    Raises:
        HTTPException: 404, it was not found.
    """
    if work is None:
        raise HTTPException(404, "no such id")
    return work


def busy(detail: str) -> HTTPException:
    """Return a refusal, 429, that says when to try again."""
    return HTTPException(429, f"{detail}; try again later", {"Retry-After": str(_RETRY_S)})
