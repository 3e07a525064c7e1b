"""Items of a prepared set that an earlier call or another machine made.

Beside an item lies ``KIND/NAME.json`` with a checksum of what it was made from. The same files and
settings again need no second analysis; an item is recorded only when it is written whole. Why a
song is unsuitable is recorded too.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from kinetune import config, files
from kinetune.audio.beats import beat_tracker
from kinetune.errors import AudioError, ConfigError
from kinetune.training.data.pairs import TrainingPair
from kinetune.training.data.prepare import write_item
from kinetune.training.data.prepared_set import PreparedItem
from kinetune.training.songs.model_form import FEATURES, ModelForm
from kinetune.training.songs.song import UnsuitableSongError


def kept_item(
    record: Path,
    key: str,
    out: Path,
    form: ModelForm,
    read: Callable[[], TrainingPair],
    *,
    music: Path,
) -> PreparedItem:
    """Return the item of a record, read and written into ``out`` unless it is there already.

    Args:
        record: Where it is recorded.
        key: See :func:`content_key`.
        out: The prepared folder.
        form: What the model needs.
        read: Analyses the files.
        music: The file of the music, for messages.

    Raises:
        UnsuitableSongError: The music can't be trained on.
    """
    item = _read_kept(record, key, out, music)
    if item is None:
        try:
            pair = read()
        except UnsuitableSongError as error:
            reason = str(error).removeprefix(f"{music}: ")
            files.write_json(record, {"key": key, "unsuitable": reason})
            raise
        item = write_item(
            pair, out, features=FEATURES, rate_hz=form.rate_hz, channels=form.channels
        )
        files.write_json(record, {"key": key, "item": asdict(item)})
    return item


def content_key(paths: Sequence[Path], settings: tuple[object, ...], form: ModelForm) -> str:
    """Return a checksum of what an item is made from.

    Args:
        paths: Its files.
        settings: What else it depends on, beside the beat tracker and the model's form.
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
    figures = (*settings, beat_tracker(), form.rate_hz, form.channels, form.training_lufs)
    body = form.body.mean.tobytes() + form.body.deviation.tobytes()
    digest.update(repr(figures).encode() + body)
    return digest.hexdigest()


def _read_kept(path: Path, key: str, out: Path, music: Path) -> PreparedItem | None:
    """Return what an earlier call made of the same files, if it is all there.

    Raises:
        UnsuitableSongError: That call found the music unsuitable.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table["key"] != key:
            return None
        if "unsuitable" in table:
            raise UnsuitableSongError(f"{music}: {table['unsuitable']}")
        item = config.build(PreparedItem, table["item"], context=str(path))
    except (OSError, ValueError, LookupError, TypeError, ConfigError, msgspec.MsgspecError):
        return None
    whole = all((out / kind / f"{item.name}.npy").is_file() for kind in ("samples", "features"))
    return item if whole else None
