"""``kinetune serve``: the HTTP API. ``kinetune studio``: its page in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.output import print_line

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
            help="Access token for clients; required unless --host is this machine.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Additional host name of this server; repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Model that jobs may use; repeatable. (default: default)"),
    ] = None,
    queue: Annotated[int, typer.Option("--queue", help="Maximum number of waiting jobs.")] = 16,
    max_upload: Annotated[
        float, typer.Option("--max-upload", help="Maximum size of a motion file, in MB.")
    ] = 64.0,
    max_length: Annotated[
        float, typer.Option("--max-length", help="Maximum length of a motion, in seconds.")
    ] = 600.0,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Maximum run time of a job, in seconds.")
    ] = 3600.0,
    keep: Annotated[float, typer.Option("--keep", help="Delete files after this many days.")] = 7.0,
) -> None:
    """Run the HTTP API server until Ctrl-C."""
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
    serve(
        settings, on_ready=lambda url: print_line(f"{url} (OpenAPI document: {url}/openapi.json)")
    )


def studio(
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = 0,
    data: Annotated[
        Path, typer.Option("--data", help="Folder for motions, jobs and their files.")
    ] = _DATA,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open a page in the browser to make, change and export music for a dance."""
    from kinetune.serve.run import serve
    from kinetune.serve.settings import ServerSettings

    def ready(url: str) -> None:
        print_line(f"{url} (Ctrl-C stops it)")
        if browser:
            import webbrowser

            webbrowser.open(url)

    serve(ServerSettings(data=data.resolve(), port=port), on_ready=ready)
