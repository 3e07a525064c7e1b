"""Choice of the torch device, made once at the start."""

import torch

from kinetune.errors import ConfigError


def choose_device(name: str = "auto") -> str:
    """Return a torch device for ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        ConfigError: torch doesn't know it, or this machine doesn't have it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name!r} can't be used here ({reason}); try cpu") from error
    return name
