"""A checkpoint is a folder that explains itself: JSON settings, safetensors weights, no pickle.

This file finds the folder, checks that it is whole before anything is built from it, and turns
whatever goes wrong inside diffusers into one clear line.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging
from safetensors import SafetensorError, safe_open
from torch import nn

from kinetune import files
from kinetune.errors import ModelError, OutputError

BUNDLED = files.WEIGHTS
PIPELINE_CLASS = "DanceToMusicPipeline"
# What every kinetune checkpoint holds, and the file that must be in each folder.
COMPONENTS = {
    "vae": "config.json",
    "unet": "config.json",
    "condition_encoder": "config.json",
    "normaliser": "config.json",
    "scheduler": "scheduler_config.json",
    "mel": "mel_config.json",
}
NETWORKS = ("vae", "unet", "condition_encoder", "normaliser")
# Marks a folder of training state.
MARKER = "state.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def bundled_names() -> list[str]:
    """Return the names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/model_index.json"))


def resolve(name_or_path: str | Path) -> str:
    """Return the folder of a bundled name or a path, checked; a hub id is returned as it is.

    Raises:
        ModelError: No such model, or the folder is not a whole kinetune checkpoint.
    """
    if str(name_or_path) in bundled_names():
        folder = BUNDLED / str(name_or_path)
    else:
        folder = Path(name_or_path)
    if folder.is_dir():
        check_folder(folder)
        return str(folder)
    parts = str(name_or_path).split("/")
    if len(parts) == 2 and all(parts) and not folder.is_absolute() and parts[0] not in (".", ".."):
        return str(name_or_path)
    known = ", ".join(bundled_names()) or "none"
    raise ModelError(
        f"{name_or_path}: no such model; give a bundled name ({known}), a checkpoint folder, "
        "or a hub id such as owner/name"
    )


def check_folder(folder: Path) -> None:
    """Check that a folder holds a whole checkpoint of ours.

    Raises:
        ModelError: A file is missing, is not JSON, or is damaged.
    """
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") != PIPELINE_CLASS:
        raise ModelError(
            f"{folder}: expected a {PIPELINE_CLASS} checkpoint, found {index.get('_class_name')!r}"
        )
    for component, config in COMPONENTS.items():
        read_json(folder / component / config)
    for network in NETWORKS:
        tensor_shapes(folder / network / WEIGHTS)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file of a checkpoint.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: missing from the checkpoint ({error.strerror})") from error
    except ValueError as error:
        raise ModelError(f"{path}: damaged, not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: damaged, expected a JSON object")
    return value


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes in a safetensors file without reading the tensors.

    Raises:
        ModelError: It is missing or damaged.
    """
    if not path.is_file():
        raise ModelError(f"{path}: missing from the checkpoint; copy the whole folder again")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged weights ({error}); copy the folder again") from error


def strip_origins(folder: Path) -> None:
    """Take out of a checkpoint's settings the paths its parts were once loaded from."""
    for path in folder.rglob("*.json"):
        table = read_json(path)
        if table.pop("_name_or_path", None) is not None:
            files.write_json(path, table)


@contextlib.contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Turn what diffusers raises over a checkpoint into a ModelError that names it."""
    # Loading takes a blink; a bar that flashes by only hides what is said before and after.
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{name}: the checkpoint can't be loaded ({reason})") from error
    finally:
        logging.enable_progress_bar()


@contextlib.contextmanager
def as_float16(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Hold networks in float16 while saving, and give their own weights back afterwards."""
    kept = [[p.data for p in network.parameters()] for network in networks]
    try:
        for network in networks:
            for parameter in network.parameters():
                parameter.data = parameter.data.to(torch.float16)
        yield
    finally:
        for network, tensors in zip(networks, kept, strict=True):
            for parameter, tensor in zip(network.parameters(), tensors, strict=True):
                parameter.data = tensor


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder aside; on a clean exit it takes the place of ``folder``.

    Raises:
        OutputError: The place can't be written to, or holds files that are no checkpoint of ours.
    """
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise OutputError(f"{folder}: holds other files; choose a new or empty folder")
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        aside.chmod(0o755)
        yield aside
        old = folder.with_name(f".{folder.name}-old")
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error.strerror or error})") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("model_index.json", "config.json", MARKER))
