"""``kinetune studio``: the page in the browser, served by this machine to itself."""

from pathlib import Path
from typing import Annotated

import typer

from kinetune.cli.terminal.output import say


def command(
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = 0,
    data: Annotated[
        Path, typer.Option("--data", help="Folder for motions, jobs and their files.")
    ] = Path("kinetune-data"),
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Open a page to drop a dance on, make music, change it and take it away."""
    from kinetune.serve.run import serve
    from kinetune.serve.settings import ServerSettings

    def ready(url: str) -> None:
        say(f"{url} (Ctrl-C stops it)")
        if browser:
            import webbrowser

            webbrowser.open(url)

    serve(ServerSettings(data=data.resolve(), port=port), on_ready=ready)
