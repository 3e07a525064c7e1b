"""``kinetune serve``: the HTTP API."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.output import say

_DATA = Path("kinetune-data")


def command(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8423,
    data: Annotated[
        Path, typer.Option("--data", help="Folder for motions, jobs and their files.")
    ] = _DATA,
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="KINETUNE_TOKEN",
            help="Ask clients for this token; required if --host is not this machine alone.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Another name of this server; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model that jobs may name; may be repeated."),
    ] = None,
    queue: Annotated[int, typer.Option("--queue", help="Jobs that may wait.")] = 16,
    max_upload: Annotated[
        float, typer.Option("--max-upload", help="Size of a motion file, MB.")
    ] = 64.0,
    max_length: Annotated[
        float, typer.Option("--max-length", help="Length of a motion, seconds.")
    ] = 600.0,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds a job may run.")] = 3600.0,
    keep: Annotated[
        float, typer.Option("--keep", help="Days after which files are deleted.")
    ] = 7.0,
) -> None:
    """Serve the HTTP API until Ctrl-C."""
    from kinetune.serve.run import serve
    from kinetune.serve.settings import ServerSettings

    settings = ServerSettings(
        data=data.resolve(),
        host=host,
        port=port,
        token=token,
        hosts=tuple(name.lower() for name in allow_host or ()),
        models=tuple(model or ("default",)),
        max_queue=queue,
        max_upload_mb=max_upload,
        max_motion_s=max_length,
        job_timeout_s=timeout,
        keep_days=keep,
    )
    serve(settings, on_ready=lambda url: say(f"{url} (OpenAPI document: {url}/openapi.json)"))
