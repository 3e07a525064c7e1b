"""Server settings: limits of size, length, time and number, and access control."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from kinetune.errors import ConfigError

MIN_TOKEN = 16


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        data: Folder of the database, the motions and the files.
        host: Address to listen on.
        port: Port, 1 to 65535; 0 takes a free one.
        token: What clients send as ``Authorization: Bearer TOKEN``; empty requires none, which
            is only allowed on the loopback interface.
        hosts: Names beside ``host`` and localhost by which clients may call the server.
        models: Models that a job may name: bundled names or checkpoint folders.
        max_queue: Jobs that may wait; more are refused with 429.
        max_upload_mb: Size of a motion file.
        max_motion_s: Length of a motion, seconds.
        job_timeout_s: Seconds a job may run.
        keep_days: Days after which finished jobs, and motions without jobs, are deleted.
        max_streams: Progress streams that may be open at once.
        stall_s: Seconds without a byte after which an upload is given up.

    Raises:
        ConfigError: A number is out of range, or a token is missing or too short.
    """

    data: Path = Path("kinetune-data")
    host: str = "127.0.0.1"
    port: int = 8423
    token: str = ""
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ("default",)
    max_queue: int = 16
    max_upload_mb: float = 64.0
    max_motion_s: float = 600.0
    job_timeout_s: float = 3600.0
    keep_days: float = 7.0
    max_streams: int = 64
    stall_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"the port must be 0 to 65535, found {self.port}")
        for name in (
            "max_queue", "max_streams", "max_upload_mb", "max_motion_s", "job_timeout_s",
            "keep_days", "stall_s",
        ):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, found {getattr(self, name):g}")
        if self.token and len(self.token) < MIN_TOKEN:
            raise ConfigError(f"the token must have {MIN_TOKEN} characters or more")
        if not self.token and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host}: a server that others can reach needs a token; set --token or "
                "KINETUNE_TOKEN"
            )

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names of this server in a Host header, without port."""
        return frozenset({"localhost", "127.0.0.1", "[::1]", self.host.lower(), *self.hosts})

    @property
    def max_upload_bytes(self) -> int:
        """Size of a motion file, bytes."""
        return int(self.max_upload_mb * 1e6)


def is_loopback(host: str) -> bool:
    """Return whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
