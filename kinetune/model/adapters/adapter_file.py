"""An adapter as one safetensors file of a few megabytes: ``--model default+my.safetensors``.

It holds the low-rank changes of the denoiser and the condition encoder in float16, the vectors of
new genres, and in its header the names of these genres and the checksum of the base model it
belongs to.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kinetune import files, genres
from kinetune.errors import ConfigError, ModelError
from kinetune.model import checkpoint
from kinetune.model.adapters.low_rank import merge_low_rank
from kinetune.model.adapters.names import FORMAT

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline

NETWORKS = ("unet", "condition_encoder")
_GENRE_ROWS = "condition_encoder.genre.rows"


@dataclass(frozen=True, eq=False)
class Adapter:
    """What fine-tuning changes in a model.

    Attributes:
        base: Name of the base model, for people.
        base_sha256: Checksum of the base's weights, see :func:`base_checksum`.
        genres: Names of the new genres.
        tensors: ``unet.LAYER.a`` and so on, and ``condition_encoder.genre.rows`` (K, D).
    """

    base: str
    base_sha256: str
    genres: tuple[str, ...]
    tensors: dict[str, Tensor]


def base_checksum(folder: Path) -> str:
    """Return the checksum of the weights that adapters change."""
    digest = hashlib.sha256()
    for network in NETWORKS:
        files.update_digest(digest, folder / network / checkpoint.WEIGHTS)
    return digest.hexdigest()


def write_adapter(path: Path, adapter: Adapter) -> None:
    """Write an adapter.

    Raises:
        OutputError: The file can't be written.
    """
    header = {
        "format": FORMAT,
        "base": adapter.base,
        "base_sha256": adapter.base_sha256,
        "genres": json.dumps(list(adapter.genres)),
    }
    tensors = {name: value.half().cpu().contiguous() for name, value in adapter.tensors.items()}
    with files.atomic_file(path) as aside:
        save_file(tensors, aside, metadata=header)


def read_adapter(path: Path) -> Adapter:
    """Read an adapter.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ModelError(f"{path}: not an adapter of kinetune")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = json.loads(header["genres"])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("genres: expected a list of names")
    except (OSError, SafetensorError, ValueError, LookupError, RecursionError) as error:
        raise ModelError(f"{path}: no adapter, or damaged ({error})") from error
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise ModelError(f"{path}: damaged, it holds NaN or infinite weights")
    return Adapter(header.get("base", ""), header.get("base_sha256", ""), tuple(names), tensors)


def apply_adapter(pipeline: "DanceToMusicPipeline", adapter: Adapter, path: Path) -> None:
    """Change a pipeline as an adapter says.

    Args:
        pipeline: The base model.
        adapter: The changes.
        path: Its file, for messages.

    Raises:
        ModelError: The adapter doesn't fit the model.
    """
    tensors = dict(adapter.tensors)
    rows = tensors.pop(_GENRE_ROWS, None)
    try:
        if adapter.genres:
            _add_genres(pipeline, adapter.genres, rows)
        for network in NETWORKS:
            prefix = f"{network}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            merge_low_rank(getattr(pipeline, network), own)
        unknown = [name for name in tensors if name.partition(".")[0] not in NETWORKS]
        if unknown:
            raise ModelError(f"{unknown[0]!r} belongs to no part of a model")
    except (ModelError, ConfigError) as error:
        raise ModelError(f"{path}: {error}") from error


def _add_genres(
    pipeline: "DanceToMusicPipeline", names: tuple[str, ...], rows: Tensor | None
) -> None:
    encoder = pipeline.condition_encoder
    if rows is None or rows.shape != (len(names), encoder.genre.embedding_dim):
        raise ModelError("the vectors of the new genres are missing or of another size")
    extend_genres(pipeline, names)
    with torch.no_grad():
        encoder.genre.weight[-len(names) :] = rows.to(encoder.genre.weight)


def extend_genres(pipeline: "DanceToMusicPipeline", names: tuple[str, ...]) -> None:
    """Add genres to a pipeline; their vectors begin at the mean of the ten.

    Raises:
        ConfigError: A name is no new one, or the model has no vectors of genres.
    """
    encoder = pipeline.condition_encoder
    if "extra_genres" not in encoder.config:
        raise ConfigError("this model can't learn new genres: it has the paper's one-hot genre")
    genres.declare(names)
    old = encoder.genre.weight.detach()
    fresh = old[: len(genres.CODES)].mean(dim=0, keepdim=True).expand(len(names), -1)
    encoder.genre = nn.Embedding.from_pretrained(torch.cat([old, fresh]), freeze=False)
    encoder.register_to_config(extra_genres=(*encoder.config.extra_genres, *names))
