"""Run the server until it is stopped."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from kinetune.errors import OutputError
from kinetune.extras import extra
from kinetune.files import check_writable
from kinetune.serve.settings import ServerSettings

if TYPE_CHECKING:
    import uvicorn

# Connections at once; more get 503.
_MAX_CONNECTIONS = 200
_KEEP_ALIVE_S = 15
_SHUTDOWN_S = 5
LOCK = ".lock"


def serve(settings: ServerSettings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve the HTTP API until Ctrl-C.

    Args:
        settings: What the server allows.
        on_ready: Called with the server's URL once it listens.

    Raises:
        OutputError: The port is taken, or the data folder can't be used or is in use.
        MissingExtraError: The extra ``serve`` isn't installed.
    """
    with extra("serve"):
        import uvicorn
        from filelock import FileLock, Timeout

        from kinetune.serve.app import create_app
        from kinetune.serve.protocol import BoundedProtocol

    check_writable(settings.data)
    lock = FileLock(settings.data / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"{settings.data}: another server uses this folder") from error
    try:
        with closing(_open_socket(settings)) as listener:
            config = uvicorn.Config(
                create_app(settings),
                http=BoundedProtocol,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
            )
            server = uvicorn.Server(config)
            with _stopped_by_ctrl_c(server):
                if on_ready is not None:
                    on_ready(url_of(listener))
                server.run(sockets=[listener])
    finally:
        lock.release()


@contextmanager
def _stopped_by_ctrl_c(server: "uvicorn.Server") -> Iterator[None]:
    """Let SIGINT end the server, from before it listens on, and raise it when it has ended.

    Also where it was ignored, as in what a shell script starts with ``&``: uvicorn stops at it in
    any case, but then raises it again as it was before, so that the server would end without a
    word. One that comes while uvicorn starts would break off what it starts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        server.should_exit = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        raise KeyboardInterrupt


def _open_socket(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise OutputError(
            f"{settings.host}:{settings.port}: can't listen there ({reason}); choose another --port"
        ) from error
    listener.listen(128)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
