"""Run the server until it is stopped."""

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing

from kinetune.errors import OutputError
from kinetune.extras import extra
from kinetune.files import check_writable
from kinetune.serve.settings import ServerSettings

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

    _heed_ctrl_c()
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
            if on_ready is not None:
                on_ready(url_of(listener))
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        lock.release()


def _heed_ctrl_c() -> None:
    """Take SIGINT as Ctrl-C where it is ignored, as in what a shell script starts with ``&``.

    uvicorn stops at it in any case, but then restores what was set before and raises it again;
    ignored, the server would end as if it had finished, and one sent before it listens be lost.
    """
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
