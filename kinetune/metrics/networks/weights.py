"""Weights of the metrics' networks, read without running code and checked against the network.

A bundled network's folder contains ``config.json`` and ``model.safetensors`` in half precision.
"""

import json
import pickle
import struct
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kinetune import config, files
from kinetune.errors import ConfigError, ModelError

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_Settings = TypeVar("_Settings")

# What torch's unpickler and safetensors raise over a file that is damaged.
_DAMAGE = (
    OSError, ValueError, RuntimeError, EOFError, LookupError, TypeError, AttributeError,
    AssertionError, ArithmeticError, MemoryError, struct.error, SafetensorError,
    pickle.UnpicklingError,
)  # fmt: skip


def save_folder(network: nn.Module, settings: Any, folder: Path) -> None:  # noqa: ANN401
    """Write a network's settings and weights into a folder, weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / CONFIG_FILE, config.as_table(settings))
    weights = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    with files.atomic_file(folder / WEIGHTS_FILE) as aside:
        save_file(weights, aside)


def read_settings(folder: Path, kind: type[_Settings], *, network: str, command: str) -> _Settings:
    """Return the settings of a network's folder.

    Args:
        folder: The folder.
        kind: Class of the settings.
        network: What errors call the network, with its article.
        command: The command that leaves such a folder.

    Raises:
        ModelError: The file is missing or damaged.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return config.build(kind, table, context=str(path))
    except OSError as error:
        raise ModelError(
            f"{path}: can't be read ({error.strerror}); expected a folder with {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}, as '{command}' leaves it"
        ) from error
    except (ValueError, TypeError, RecursionError, ConfigError) as error:
        raise ModelError(f"{path}: not {network}'s settings ({error})") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file or of one that ``torch.save`` wrote.

    Of the latter nothing but tensors is unpickled. A checkpoint that keeps its weights under
    ``state_dict`` is opened there.

    Raises:
        ModelError: The file is missing, damaged, or contains something other than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(
            f"{path}: no such file; expected weights (.safetensors, .pth, .pt or .tar)"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise ModelError(f"{path}: weights that can't be read ({_first_line(error)})") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise ModelError(f"{path}: expected named tensors, found {type(loaded).__name__}")
    return loaded


def fit_weights(network: nn.Module, weights: dict[str, Tensor], *, where: str) -> None:
    """Load weights into a network, every one of them, as float32.

    Args:
        network: The network, which is set to evaluation mode.
        weights: By the network's own names.
        where: The weights' name in errors.

    Raises:
        ModelError: A weight is missing, left over, of another shape, or not finite.
    """
    requested = {name: t for name, t in network.state_dict().items() if t.is_floating_point()}
    given = {name: t for name, t in weights.items() if t.is_floating_point()}
    odd = sorted(set(requested) ^ set(given))
    if odd:
        kind = "lacks" if odd[0] in requested else "has an unknown"
        raise ModelError(
            f"{where}: {kind} weight {odd[0]!r} ({len(odd)} do not fit); is it another network's?"
        )
    for name, tensor in given.items():
        if tensor.shape != requested[name].shape:
            shapes = f"expected {tuple(requested[name].shape)}, found {tuple(tensor.shape)}"
            raise ModelError(f"{where}: weight {name!r}: {shapes}; is it another network's?")
        if not tensor.isfinite().all():
            raise ModelError(f"{where}: weight {name!r} holds NaN or infinity; copy the file again")
    network.load_state_dict({name: t.float() for name, t in given.items()}, strict=False)
    network.eval()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
