"""A checkpoint is a folder of JSON settings and safetensors weights; no pickle, no code.

This file finds the folder, and checks it before anything is built from it: the classes named in
``model_index.json`` must be on a fixed list, every weight must be there, and every setting must
have its type. Errors inside diffusers become one clear line. torch is imported only to read
weights.
"""

import contextlib
import importlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from kinetune import files
from kinetune.config import build
from kinetune.errors import ConfigError, ModelError
from kinetune.model.settings import PipelineSettings

if TYPE_CHECKING:
    from torch import nn

BUNDLED = files.WEIGHTS
PIPELINE_CLASS = "DanceToMusicPipeline"
# The components of every checkpoint, and the file of settings in each one's folder.
COMPONENTS = {
    "vae": "config.json",
    "unet": "config.json",
    "condition_encoder": "config.json",
    "normaliser": "config.json",
    "scheduler": "scheduler_config.json",
    "mel": "mel_config.json",
}
# The only classes a checkpoint may name, as (module, class). A class that is renamed keeps its old
# name here, and an alias in its module, so that older checkpoints load.
CLASSES: dict[str, tuple[tuple[str, str], ...]] = {
    "vae": (("kinetune.model.vae", "MelVAE"), ("diffusers", "AutoencoderKL")),
    "unet": (
        ("kinetune.model.unet", "DanceUNet"),
        ("kinetune.model.networks.transformer", "DanceTransformer"),
        ("diffusers", "UNet2DConditionModel"),
    ),
    "condition_encoder": (
        ("kinetune.model.condition", "DanceCondition"),
        ("kinetune.model.condition", "PaperCondition"),
    ),
    "normaliser": (("kinetune.model.normaliser", "FeatureNormaliser"),),
    "scheduler": (
        ("diffusers", "DPMSolverMultistepScheduler"),
        ("diffusers", "DDIMScheduler"),
        ("diffusers", "DDPMScheduler"),
        ("diffusers", "EulerDiscreteScheduler"),
    ),
    "mel": (("kinetune.model.mel", "Mel"), ("kinetune.model.mel", "StereoMel")),
    "vocoder": (("kinetune.model.mel", "MelVocoder"),),
    "similarity": (("kinetune.model.conditioning.similarity", "MotionEmbedding"),),
}
NETWORKS = ("vae", "unet", "condition_encoder", "normaliser")
# What a checkpoint may hold: one without a vocoder makes its sound by Griffin-Lim, one without the
# similarity has no such condition.
OPTIONAL_NETWORKS = ("vocoder", "similarity")
# Other keys of model_index.json.
_INDEX_KEYS = ("_class_name", "_diffusers_version", "_name_or_path", "settings")
# No design needs more; a larger number would keep the loader busy for hours.
_LARGEST = {
    "layers_per_block": 32,
    "layers": 64,
    "coarse_blocks": 32,
    "fine_blocks": 32,
    "num_train_timesteps": 100_000,
}
_MOST_LEVELS = 16
# Marks a folder of training state.
MARKER = "state.json"
NETWORK_CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
# What diffusers, torch and safetensors raise over a file that is wrong.
_LOADING_ERRORS = (
    OSError, ValueError, LookupError, ArithmeticError, RuntimeError, TypeError, AttributeError,
    AssertionError, MemoryError, ImportError, SafetensorError, ConfigError,
)  # fmt: skip
# Lets diffusers find the pipeline's class in a checkpoint folder.
_PIPELINE_FILE = '''"""For diffusers' ``from_pretrained(FOLDER, custom_pipeline=FOLDER)``.

kinetune itself never runs this file; ``DanceToMusicPipeline.from_pretrained`` needs none.
"""

from kinetune.model.pipeline import DanceToMusicPipeline

__all__ = ["DanceToMusicPipeline"]
'''


def bundled_names() -> list[str]:
    """Return the names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in BUNDLED.glob("*/model_index.json"))


def resolve(name_or_path: str | Path, **hub_options: Any) -> Path:
    """Return the checked folder of a bundled name, a path, or a hub id (downloaded if needed).

    Raises:
        ModelError: No such model, it can't be downloaded, or it is not a whole kinetune checkpoint.
    """
    if str(name_or_path) in bundled_names():
        folder = BUNDLED / str(name_or_path)
    else:
        folder = Path(name_or_path)
    if folder.is_dir():
        check_folder(folder)
        return folder
    parts = str(name_or_path).split("/")
    if len(parts) == 2 and all(parts) and not folder.is_absolute() and parts[0] not in (".", ".."):
        folder = _downloaded(str(name_or_path), **hub_options)
        check_folder(folder)
        return folder
    known = ", ".join(bundled_names()) or "none"
    raise ModelError(
        f"{name_or_path}: no such model; give a bundled name ({known}), a checkpoint folder, "
        "or a hub id such as owner/name"
    )


def _downloaded(hub_id: str, **hub_options: Any) -> Path:
    """Return the local copy of a model on the Hugging Face hub: settings and weights, no code."""
    from huggingface_hub import snapshot_download

    with loading_errors(hub_id):
        return Path(
            snapshot_download(hub_id, allow_patterns=["*.json", "*.safetensors"], **hub_options)
        )


def check_folder(folder: Path) -> None:
    """Check that a folder contains a complete checkpoint, without building anything from it.

    Raises:
        ModelError: A file is missing or damaged, a class is not on the list, or a setting is wrong.
    """
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") != PIPELINE_CLASS:
        raise ModelError(
            f"{folder}: expected a {PIPELINE_CLASS} checkpoint, found {index.get('_class_name')!r}"
        )
    _check_classes(folder, index)
    settings = index.get("settings")
    try:
        if not isinstance(settings, dict):
            raise ConfigError(f"settings: expected a table, found {settings!r}")
        build(PipelineSettings, settings, context="settings")
    except ConfigError as error:
        raise ModelError(f"{folder / 'model_index.json'}: {error}") from error
    for component, config in COMPONENTS.items():
        _check_size(folder / component / config)
    for network in networks_of(index):
        _check_size(folder / network / NETWORK_CONFIG)
        tensor_shapes(folder / network / WEIGHTS)


def _check_classes(folder: Path, index: dict[str, Any]) -> None:
    """See that the index names every component, each with a class of the list, and no others."""
    path = folder / "model_index.json"
    for name in index:
        if name not in CLASSES and name not in _INDEX_KEYS:
            known = ", ".join(CLASSES)
            raise ModelError(f"{path}: unknown component {name!r}; known are {known}")
    for component, classes in CLASSES.items():
        named = index.get(component)
        # diffusers writes a component that is left out as two nulls.
        if component not in COMPONENTS and named in (None, [None, None]):
            continue
        if not isinstance(named, list) or tuple(map(str, named)) not in classes:
            names = " or ".join(f"{module}.{name}" for module, name in classes)
            raise ModelError(f"{path}: {component} must be {names}, found {named!r}")


def _check_size(path: Path) -> None:
    """Check that a component's settings don't describe a network of excessive size."""
    config = read_json(path)
    for key, largest in _LARGEST.items():
        value = config.get(key)
        if isinstance(value, int | float) and not value <= largest:
            raise ModelError(f"{path}: {key} must be {largest} or less, found {value}")
    for key, value in config.items():
        named = key.endswith(("channels", "types", "levels", "dilations"))
        per_level = named and isinstance(value, list)
        if per_level and len(value) > _MOST_LEVELS:
            raise ModelError(f"{path}: {key} has {len(value)} levels, at most {_MOST_LEVELS}")


def check_weights(folder: Path) -> None:
    """Check that every network's weights match its settings, by name and shape.

    diffusers would replace missing weights by random ones. The networks are built without memory.

    Raises:
        ModelError: A weight is missing, left over or of another shape; or a network can't be built.
    """
    import torch

    index = read_json(folder / "model_index.json")
    for network in networks_of(index):
        module, name = index[network]
        cls = getattr(importlib.import_module(module), name)
        where = f"{folder / network}"
        with loading_errors(where), torch.device("meta"), warnings.catch_warnings():
            # A layer of size 0 warns here, and does not fit its weights below.
            warnings.simplefilter("ignore")
            built = cls.from_config(read_json(folder / network / NETWORK_CONFIG))
        expected = {key: tuple(value.shape) for key, value in built.state_dict().items()}
        shapes = tensor_shapes(folder / network / WEIGHTS)
        for key in sorted(expected.keys() ^ shapes.keys()):
            state = "missing" if key in expected else "not part of the network"
            raise ModelError(f"{where}: weight {key} is {state}; copy the whole folder again")
        for key, shape in expected.items():
            if shapes[key] != shape:
                raise ModelError(
                    f"{where}: the settings don't fit the weights: {key} should have shape "
                    f"{shape}, found {shapes[key]}"
                )


def networks_of(index: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the networks that a checkpoint with this index contains."""
    optional = (name for name in OPTIONAL_NETWORKS if any(index.get(name) or ()))
    return (*NETWORKS, *optional)


def reads_harmony(folder: Path) -> bool:
    """Return whether key and chords are a condition of a checkpoint.

    Raises:
        ModelError: Its condition encoder's configuration can't be read.
    """
    return bool(condition_settings(folder).get("reads_harmony"))


def attribute_names(folder: Path) -> tuple[str, ...]:
    """Return the names of the musical attributes that are a condition of a checkpoint.

    Raises:
        ModelError: Its condition encoder's configuration can't be read.
    """
    names = condition_settings(folder).get("attributes")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def condition_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a checkpoint's condition encoder.

    Raises:
        ModelError: They can't be read.
    """
    return read_json(folder / "condition_encoder" / NETWORK_CONFIG)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file of a checkpoint.

    Raises:
        ModelError: It is missing or damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: missing from the checkpoint ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
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
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: damaged weights ({error}); copy the folder again") from error


def import_components() -> None:
    """Import the modules of all classes that a checkpoint may name.

    diffusers' own ``from_pretrained`` builds components only from modules that are imported.
    """
    for module in {module for classes in CLASSES.values() for module, _ in classes}:
        importlib.import_module(module)


def write_pipeline_file(folder: Path) -> None:
    """Write the file with which ``DiffusionPipeline.from_pretrained`` finds our class."""
    files.write_text(folder / "pipeline.py", _PIPELINE_FILE)


def strip_origins(folder: Path) -> None:
    """Take out of a checkpoint's settings the paths its parts were once loaded from."""
    for path in folder.rglob("*.json"):
        table = read_json(path)
        if table.pop("_name_or_path", None) is not None:
            files.write_json(path, table)


def strip_absent(folder: Path) -> None:
    """Take components that a checkpoint lacks out of its index: older versions know fewer names."""
    path = folder / "model_index.json"
    table = read_json(path)
    files.write_json(path, {key: value for key, value in table.items() if value != [None, None]})


@contextlib.contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Turn what diffusers raises over a checkpoint into a ModelError that names it."""
    from diffusers.utils import logging

    # Loading takes a fraction of a second: a progress bar would only hide other messages.
    logging.disable_progress_bar()
    try:
        yield
    except _LOADING_ERRORS as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise ModelError(f"{name}: the checkpoint can't be loaded ({reason})") from error
    finally:
        logging.enable_progress_bar()


@contextlib.contextmanager
def as_float16(networks: "Sequence[nn.Module]") -> Iterator[None]:
    """Keep networks in float16 while saving, and restore their own weights afterwards."""
    import torch

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


def atomic_folder(folder: Path) -> contextlib.AbstractContextManager[Path]:
    """Yield a temporary folder that replaces ``folder``, which may hold a checkpoint, on exit.

    Raises:
        OutputError: The folder can't be written to, or it contains other files.
    """
    return files.atomic_folder(folder, markers=("model_index.json", "config.json", MARKER))
