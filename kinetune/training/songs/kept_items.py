"""Items of a prepared set that an earlier call or another machine made.

Beside an item lies ``KIND/NAME.json`` with a checksum of what it was made from. The same files and
settings again need no second analysis; an item is recorded only when it is written whole.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from kinetune import config, files
from kinetune.errors import AudioError, ConfigError
from kinetune.training.data.pairs import TrainingPair
from kinetune.training.data.prepare import write_item
from kinetune.training.data.prepared_set import PreparedItem
from kinetune.training.songs.model_form import FEATURES, ModelForm


def kept_item(
    record: Path, key: str, out: Path, form: ModelForm, read: Callable[[], TrainingPair]
) -> PreparedItem:
    """Return the item of a record, read and written into ``out`` unless it is there already.

    Args:
        record: Where it is recorded.
        key: See :func:`content_key`.
        out: The prepared folder.
        form: What the model needs.
        read: Analyses the files.
    """
    item = _read_kept(record, key, out)
    if item is None:
        item = write_item(
            read(), out, features=FEATURES, rate_hz=form.rate_hz, channels=form.channels
        )
        files.write_json(record, {"key": key, "item": asdict(item)})
    return item


def content_key(paths: Sequence[Path], settings: tuple[object, ...], form: ModelForm) -> str:
    """Return a checksum of what an item is made from.

    Args:
        paths: Its files.
        settings: What else it depends on, beside the model's form.
        form: What the model needs.

    Raises:
        AudioError: A file can't be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            files.update_digest(digest, path)
        except OSError as error:
            raise AudioError(f"{path}: can't be read ({error.strerror})") from error
    figures = (*settings, form.rate_hz, form.channels, form.training_lufs)
    body = form.body.mean.tobytes() + form.body.deviation.tobytes()
    digest.update(repr(figures).encode() + body)
    return digest.hexdigest()


def _read_kept(path: Path, key: str, out: Path) -> PreparedItem | None:
    """Return what an earlier call made of the same files, if it is all there."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["key"] != key:
            return None
        item = config.build(PreparedItem, table["item"], context=str(path))
    except (OSError, ValueError, LookupError, TypeError, ConfigError, msgspec.MsgspecError):
        return None
    whole = all((out / kind / f"{item.name}.npy").is_file() for kind in ("samples", "features"))
    return item if whole else None
