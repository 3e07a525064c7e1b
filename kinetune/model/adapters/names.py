"""How an adapter is named with its base, and which genres a model adds, without torch."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from kinetune import genres
from kinetune.errors import ModelError
from kinetune.model import checkpoint

# In the header of an adapter's file.
FORMAT = "kinetune-adapter-1"
SUFFIX = ".safetensors"


def split_name(name: str | Path) -> tuple[str | Path, Path | None]:
    """Return a model's base and its adapter: ``default+my.safetensors`` has both.

    A folder whose own name holds a plus is no such pair.
    """
    text = str(name)
    base, plus, adapter = text.partition("+")
    if not plus or not text.endswith(SUFFIX) or Path(text).exists():
        return name, None
    return base, Path(adapter)


def model_genres(name: str | Path) -> tuple[str, ...]:
    """Return the genres beyond the ten that a model on this disk knows, in their order.

    Raises:
        ModelError: The model or its adapter is missing or damaged.
    """
    base, adapter = split_name(name)
    folder = checkpoint.resolve(base)
    names = checkpoint.condition_settings(folder).get("extra_genres") or []
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ModelError(f"{folder}: extra_genres: expected a list of names, found {names!r:.60}")
    return (*names, *(_adapter_genres(adapter) if adapter is not None else ()))


def declare_genres(name: str | Path, genre: str | None) -> None:
    """Make the genres of a model known if a genre that is named is none of the ten.

    Args:
        name: The model, ``BASE`` or ``BASE+ADAPTER.safetensors``.
        genre: The genre that is asked for; None if none is.

    Raises:
        ModelError: The model is missing or damaged.
        ConfigError: It names a genre that can't be.
    """
    if genre is not None and genres.find_genre(genre) is None:
        genres.declare(model_genres(name))


def _adapter_genres(path: Path) -> tuple[str, ...]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise ModelError(f"{path}: not an adapter of kinetune")
        return tuple(str(name) for name in json.loads(header["genres"]))
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path}: no adapter, or damaged ({error})") from error
