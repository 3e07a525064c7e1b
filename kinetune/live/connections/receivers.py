"""Receivers of pose streams on the network: JSON over WebSocket, and OSC over UDP.

Every message is data from somebody unknown: what can't be used is counted and skipped. The formats
are described in docs/guide/live.md.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinetune.errors import ConfigError
from kinetune.extras import extra
from kinetune.live.connections.pose_stream import MAX_JOINTS, BadMessage, PoseStream

LOOPBACK = "127.0.0.1"
_MAX_BYTES, _MAX_CONNECTIONS = 1 << 16, 8
_MAX_TIME_S = 1e10


def take_json(stream: PoseStream, text: str | bytes, now_s: float) -> None:
    """Take a JSON message into a stream, or count why it can't be used.

    Args:
        stream: The stream.
        text: ``{"t": s, "joints": {name: [x, y, z]}}`` or ``{"t": s, "curves": {name: value}}``.
        now_s: When it arrived.
    """
    try:
        message = json.loads(text)
        if not isinstance(message, dict):
            raise BadMessage("no JSON object")
        sent_s = _time_of(message)
        if isinstance(joints := message.get("joints"), dict):
            stream.add_joints(joints, now_s, sent_s)
        elif isinstance(curves := message.get("curves"), dict):
            stream.add_curves(curves, now_s, sent_s)
        else:
            raise BadMessage("neither joints nor curves")
    except BadMessage as error:
        stream.skip(str(error))
    except (ValueError, RecursionError, OverflowError):
        stream.skip("no JSON")


def _time_of(message: Mapping[str, Any]) -> float | None:
    sent_s = message.get("t")
    if sent_s is None:
        return None
    if isinstance(sent_s, bool) or not isinstance(sent_s, int | float):
        raise BadMessage("a time that is no number")
    if not -_MAX_TIME_S < float(sent_s) < _MAX_TIME_S:
        raise BadMessage("a time that is not finite, or absurdly large")
    return float(sent_s)


class OscMessages:
    """Takes OSC messages into a stream.

    ``/kinetune/joints name ...`` names the joints of all poses that follow, ``/kinetune/pose x y z
    ...`` is a pose of them, ``/kinetune/joint name x y z`` is one joint and
    ``/kinetune/curve name value`` a value of one curve; ``/kinetune/frame`` ends a pose or a row of
    the last two kinds.

    Args:
        stream: The stream.
        now: Gives the time of the session.
    """

    def __init__(self, stream: PoseStream, now: Callable[[], float]) -> None:
        self._stream, self._now = stream, now
        self._names: tuple[str, ...] = ()
        self._joints: dict[str, Sequence[float]] = {}
        self._curves: dict[str, float] = {}
        self.handlers: dict[str, Callable[[Sequence[Any]], None]] = {
            "/kinetune/joints": self._take_names,
            "/kinetune/pose": self._take_pose,
            "/kinetune/joint": self._take_joint,
            "/kinetune/curve": self._take_curve,
            "/kinetune/frame": self._take_frame,
        }

    def take(self, address: str, values: Sequence[Any]) -> None:
        """Take a message, or count why it can't be used."""
        try:
            if (handler := self.handlers.get(address)) is None:
                raise BadMessage("an unknown OSC address")
            handler(values)
        except BadMessage as error:
            self._stream.skip(str(error))

    def _take_names(self, values: Sequence[Any]) -> None:
        if not 1 <= len(values) <= MAX_JOINTS or not all(isinstance(v, str) for v in values):
            raise BadMessage("joints are not names")
        self._names = tuple(values)

    def _take_pose(self, values: Sequence[Any]) -> None:
        if not self._names or len(values) != 3 * len(self._names):
            raise BadMessage("a pose that isn't three floats for each of /kinetune/joints")
        points = [values[3 * k : 3 * k + 3] for k in range(len(self._names))]
        self._stream.add_joints(dict(zip(self._names, points, strict=True)), self._now())

    def _take_joint(self, values: Sequence[Any]) -> None:
        if len(values) != 4 or not isinstance(values[0], str):
            raise BadMessage("a joint that isn't a name and x, y, z")
        if len(self._joints) >= MAX_JOINTS:
            raise BadMessage("too many joints")
        self._joints[values[0]] = values[1:]

    def _take_curve(self, values: Sequence[Any]) -> None:
        if len(values) != 2 or not isinstance(values[0], str):
            raise BadMessage("a curve that isn't a name and a value")
        if len(self._curves) >= MAX_JOINTS:
            raise BadMessage("too many curves")
        self._curves[values[0]] = values[1]

    def _take_frame(self, values: Sequence[Any]) -> None:
        joints, curves = dict(self._joints), dict(self._curves)
        self._joints.clear()
        self._curves.clear()
        if joints:
            self._stream.add_joints(joints, self._now())
        if curves:
            self._stream.add_curves(curves, self._now())


class OscReceiver:
    """An OSC server on UDP, in a thread of its own.

    Args:
        stream: What it fills.
        port: Its port; 0 takes a free one.
        host: Its address.
        now: Gives the time of the session.

    Raises:
        ConfigError: The port can't be used.
        MissingExtraError: python-osc isn't installed.
    """

    def __init__(
        self, stream: PoseStream, port: int, *, host: str = LOOPBACK, now: Callable[[], float]
    ) -> None:
        with extra("live"):
            from pythonosc.dispatcher import Dispatcher
            from pythonosc.osc_server import BlockingOSCUDPServer
        messages = OscMessages(stream, now)

        class Server(BlockingOSCUDPServer):
            """Counts datagrams that are no OSC."""

            def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401
                """Return whether a datagram is OSC."""
                is_valid = bool(super().verify_request(request, client_address))
                if not is_valid:
                    stream.skip("no OSC")
                return is_valid

            def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
                """Count a datagram that can't be parsed."""
                stream.skip("no OSC")

        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: messages.take(address, values))
        try:
            self._server = Server((host, port), dispatcher)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"OSC on {host}:{port}: {error}; name another port") from error
        # python-osc logs every datagram that is no OSC, which anybody could send without end.
        logging.getLogger().addFilter(_is_from_elsewhere)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="osc", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        logging.getLogger().removeFilter(_is_from_elsewhere)


def _is_from_elsewhere(record: logging.LogRecord) -> bool:
    """Whether a log record isn't python-osc's."""
    return "pythonosc" not in record.pathname


class WebSocketReceiver:
    """A WebSocket server for JSON messages, in threads of its own; see :class:`OscReceiver`."""

    def __init__(
        self, stream: PoseStream, port: int, *, host: str = LOOPBACK, now: Callable[[], float]
    ) -> None:
        with extra("live"):
            from websockets.exceptions import ConnectionClosed
            from websockets.sync.server import ServerConnection, serve
        free = threading.BoundedSemaphore(_MAX_CONNECTIONS)

        def receive(connection: ServerConnection) -> None:
            if not free.acquire(blocking=False):
                connection.close(1013, "too many connections")
                return
            try:
                for message in connection:
                    take_json(stream, message, now())
            except ConnectionClosed:
                stream.skip("a connection that broke off")
            finally:
                free.release()

        try:
            self._server = serve(receive, host, port, max_size=_MAX_BYTES, compression=None)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"WebSocket on {host}:{port}: {error}; name another port") from error
        self.port = int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="websocket", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
